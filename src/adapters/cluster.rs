//! The Kubernetes API server: reads, watches and writes, each of them one request.
//!
//! Writes are safe to repeat: applies are forced under one field manager, deletions name the UID
//! they mean, and patches of pods name the version that they were read at.
//! What was meant and what was read is decided above; nothing here decides.

use futures::Stream;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, DeleteParams, EvictParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, watcher};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::clock;
use crate::api::policy::BackupPolicy;

/// The field manager of everything that the controller applies.
pub const FIELD_MANAGER: &str = "backstay-controller";

/// The longest note of an event, in bytes.
/// <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>
const EVENT_NOTE_MAX_BYTES: usize = 1024;

/// How much of a policy's name an event's name starts with: it may have 253 bytes in all.
const EVENT_NAME_MAX_BYTES: usize = 200;

/// A request to the API server that did not succeed.
#[derive(thiserror::Error, Debug)]
pub enum ClusterError {
    /// There is no way to an API server.
    #[error("find the API server")]
    Connect {
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// A request failed.
    #[error("{verb} {kind} {namespace}/{name}")]
    Request {
        /// What was to be done.
        verb: &'static str,
        /// To what kind of object.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

impl ClusterError {
    /// Whether the object was not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(kube::core::Status::is_not_found)
    }

    /// Whether the object was not what the request expected: the next look at it tells more.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.status()
            .is_some_and(|status| status.is_conflict() || status.is_not_found())
    }

    /// Whether the API server does not accept what was sent, however often it is sent.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.status()
            .is_some_and(|status| [400, 403, 422].contains(&status.code))
    }

    /// The API server's own words, where it answered.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.status().map(|status| status.message.as_str())
    }

    fn status(&self) -> Option<&kube::core::Status> {
        let (Self::Connect { source } | Self::Request { source, .. }) = self;
        match &**source {
            kube::Error::Api(status) => Some(status),
            _ => None,
        }
    }
}

/// Which namespaces are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    Cluster,
    /// One.
    Namespace(String),
}

/// What happened to an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// Whether it is as it should be.
    pub is_good: bool,
    /// Why, in one word.
    pub reason: String,
    /// What was being done.
    pub action: &'static str,
    /// What happened, for a reader.
    pub note: String,
    /// What else it is about, such as a run's Job.
    pub related: Option<ObjectReference>,
}

/// A kind that the controller makes objects of.
pub trait Owned:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + k8s_openapi::Resource
    + Clone
    + Serialize
    + DeserializeOwned
    + std::fmt::Debug
    + Send
    + Sync
    + 'static
{
}

impl Owned for CronJob {}
impl Owned for Deployment {}
impl Owned for Job {}

/// The API server.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// The API server of the pod's own cluster, or of the kubeconfig.
    pub async fn connect() -> Result<Self, ClusterError> {
        let client = Client::try_default()
            .await
            .map_err(|source| ClusterError::Connect {
                source: Box::new(source),
            })?;
        Ok(Self::with_client(client))
    }

    /// The API server behind a client.
    #[must_use]
    pub fn with_client(client: Client) -> Self {
        Self { client }
    }

    /// The objects of a kind as they are now, kept up to date while the stream of what was touched
    /// is polled. `prune` takes away what is never looked at.
    pub fn reflect<K>(
        &self,
        scope: &Scope,
        labels: Option<&str>,
        prune: fn(&mut K),
    ) -> (
        Store<K>,
        impl Stream<Item = Result<K, watcher::Error>> + Send + use<K>,
    )
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
        K: Send + Sync + 'static,
        K::DynamicType: Default + Eq + std::hash::Hash + Clone + Send + Sync,
    {
        let api: Api<K> = match scope {
            Scope::Cluster => Api::all(self.client.clone()),
            Scope::Namespace(namespace) => Api::namespaced(self.client.clone(), namespace),
        };
        let config = match labels {
            Some(labels) => watcher::Config::default().labels(labels),
            None => watcher::Config::default(),
        };
        let (reader, writer) = reflector::store();
        let touched = watcher(api, config)
            .default_backoff()
            .modify(prune)
            .reflect(writer)
            .touched_objects();
        (reader, touched)
    }

    /// The object of this kind and name, if there is one.
    pub async fn find<K: Owned>(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<K>, ClusterError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        api.get_opt(name)
            .await
            .map_err(failed("get", K::KIND, namespace, name))
    }

    /// Makes an object what this one says, as far as it says anything.
    pub async fn apply<K: Owned>(
        &self,
        namespace: &str,
        name: &str,
        object: &K,
    ) -> Result<K, ClusterError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        api.patch(name, &params, &Patch::Apply(object))
            .await
            .map_err(failed("apply", K::KIND, namespace, name))
    }

    /// Makes an object exactly what this one says; it names the version that it replaces.
    pub async fn replace<K: Owned>(
        &self,
        namespace: &str,
        name: &str,
        object: &K,
    ) -> Result<K, ClusterError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        api.replace(name, &params, object).await.map_err(failed(
            "replace",
            K::KIND,
            namespace,
            name,
        ))
    }

    /// Changes a field of this very object's spec; everything else about it stays. Answers whether it
    /// is still there: one that is gone, or another one by that name, is no error.
    pub async fn set_in_spec<K: Owned>(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        spec: &Value,
    ) -> Result<bool, ClusterError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let patch = serde_json::json!({ "metadata": { "uid": uid }, "spec": spec });
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = api.patch(name, &params, &Patch::Merge(patch)).await;
        match patched.map_err(failed("patch", K::KIND, namespace, name)) {
            Err(error) if error.is_outdated() => Ok(false),
            patched => patched.map(|_| true),
        }
    }

    /// Deletes an object and what it owns, also what is under way. One that is gone is no error.
    pub async fn delete<K: Owned>(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<(), ClusterError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let params = DeleteParams::background().preconditions(uid_of(uid));
        let deleted = api.delete(name, &params).await.map(drop);
        unless_gone(deleted.map_err(failed("delete", K::KIND, namespace, name)))
    }

    /// Makes a Job. One of that name that is there already is no error, whoever made it.
    pub async fn create_job(
        &self,
        namespace: &str,
        name: &str,
        job: &Job,
    ) -> Result<(), ClusterError> {
        let api: Api<Job> = Api::namespaced(self.client.clone(), namespace);
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        match api.create(&parameters, job).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            Err(error) => Err(failed("create", "Job", namespace, name)(error)),
        }
    }

    /// Adds to a Job's labels and annotations.
    pub async fn patch_job(
        &self,
        namespace: &str,
        name: &str,
        metadata: &Value,
    ) -> Result<Job, ClusterError> {
        let api: Api<Job> = Api::namespaced(self.client.clone(), namespace);
        let patch = Patch::Merge(serde_json::json!({ "metadata": metadata }));
        api.patch(name, &PatchParams::default(), &patch)
            .await
            .map_err(failed("patch", "Job", namespace, name))
    }

    /// Changes a pod that is still the one that was read: `patch` names its UID and version.
    pub async fn patch_pod(
        &self,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<(), ClusterError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .map(drop)
            .map_err(failed("patch", "Pod", namespace, name))
    }

    /// Evicts a pod: its Job does not count that as a failure, and makes a new one. A pod that is
    /// gone is no error.
    pub async fn evict_pod(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<(), ClusterError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = EvictParams {
            delete_options: Some(DeleteParams::default().preconditions(uid_of(uid))),
            post_options: PostParams::default(),
        };
        let evicted = api.evict(name, &params).await.map(drop);
        unless_gone(evicted.map_err(failed("evict", "Pod", namespace, name)))
    }

    /// Makes a policy's status what this says: fields that it leaves out are taken away.
    pub async fn apply_policy_status(
        &self,
        namespace: &str,
        name: &str,
        status: &Value,
    ) -> Result<(), ClusterError> {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        self.patch_policy_status(namespace, name, &params, &Patch::Apply(status_of(status)))
            .await
    }

    /// Changes these fields of a policy's status, and leaves the others.
    pub async fn merge_policy_status(
        &self,
        namespace: &str,
        name: &str,
        status: &Value,
    ) -> Result<(), ClusterError> {
        let params = PatchParams::default();
        self.patch_policy_status(namespace, name, &params, &Patch::Merge(status_of(status)))
            .await
    }

    /// Tells what happened to an object, as an event of it. The same words about the same things
    /// are one event for as long as the API server keeps it, however often they are told.
    pub async fn publish_event(
        &self,
        happening: &Happening,
        regarding: &ObjectReference,
    ) -> Result<(), ClusterError> {
        let event = event(happening, regarding, clock::now());
        let namespace = regarding.namespace.as_deref().unwrap_or_default();
        let name = regarding.name.as_deref().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let created = api.create(&PostParams::default(), &event).await.map(drop);
        match created.map_err(failed("publish event on", "BackupPolicy", namespace, name)) {
            Err(error) if error.is_outdated() => Ok(()),
            result => result,
        }
    }

    async fn patch_policy_status(
        &self,
        namespace: &str,
        name: &str,
        params: &PatchParams,
        patch: &Patch<Value>,
    ) -> Result<(), ClusterError> {
        // The answer is read in part: the rest may be what this version cannot read.
        let api: Api<PartialObjectMeta<BackupPolicy>> =
            Api::namespaced(self.client.clone(), namespace);
        api.patch_status(name, params, patch)
            .await
            .map(drop)
            .map_err(failed(
                "patch the status of",
                "BackupPolicy",
                namespace,
                name,
            ))
    }
}

/// Its name follows from what it says: one for each thing that happened, with its own words.
fn event(happening: &Happening, regarding: &ObjectReference, now: jiff::Timestamp) -> Event {
    let end = happening.note.floor_char_boundary(EVENT_NOTE_MAX_BYTES);
    let note = &happening.note[..end];
    let related = happening.related.as_ref();
    let related_uid = related.and_then(|related| related.uid.as_deref());
    let mut digest = Sha256::new();
    for part in [
        regarding.uid.as_deref().unwrap_or_default(),
        related_uid.unwrap_or_default(),
        &happening.reason,
        happening.action,
        note,
    ] {
        digest = digest.chain_update(part).chain_update([0]);
    }
    let hash = hex::encode(&digest.finalize()[..8]);
    let policy = regarding.name.as_deref().unwrap_or_default();
    let policy = &policy[..policy.floor_char_boundary(EVENT_NAME_MAX_BYTES)];
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{policy}.{hash}")),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some(happening.action.to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(note.to_owned()),
        reason: Some(happening.reason.clone()),
        regarding: Some(regarding.clone()),
        related: related.cloned(),
        reporting_controller: Some(FIELD_MANAGER.to_owned()),
        reporting_instance: Some(FIELD_MANAGER.to_owned()),
        type_: Some(
            if happening.is_good {
                "Normal"
            } else {
                "Warning"
            }
            .to_owned(),
        ),
        ..Event::default()
    }
}

fn status_of(status: &Value) -> Value {
    serde_json::json!({
        "apiVersion": BackupPolicy::api_version(&()),
        "kind": BackupPolicy::kind(&()),
        "status": status,
    })
}

fn uid_of(uid: &str) -> Preconditions {
    Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    }
}

/// Gone is what was wanted; a UID that differs means that the object meant is gone.
fn unless_gone(result: Result<(), ClusterError>) -> Result<(), ClusterError> {
    match result {
        Err(error) if error.is_outdated() => Ok(()),
        result => result,
    }
}

fn failed(
    verb: &'static str,
    kind: &'static str,
    namespace: &str,
    name: &str,
) -> impl FnOnce(kube::Error) -> ClusterError + use<> {
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    move |source| ClusterError::Request {
        verb,
        kind,
        namespace,
        name,
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_happening_is_an_event_with_its_own_words() {
        let regarding = ObjectReference {
            name: Some("office".to_owned()),
            uid: Some("u".to_owned()),
            ..ObjectReference::default()
        };
        let now = jiff::Timestamp::UNIX_EPOCH;
        let named = |note: &str, run: &str| {
            let happening = Happening {
                is_good: true,
                reason: "Complete".to_owned(),
                action: "Backup",
                note: note.to_owned(),
                related: Some(ObjectReference {
                    uid: Some(run.to_owned()),
                    ..ObjectReference::default()
                }),
            };
            let event = event(&happening, &regarding, now);
            assert_eq!(event.note.as_deref(), Some(note));
            event.metadata.name.expect("a name")
        };
        assert_eq!(named("3 sent", "a"), named("3 sent", "a"));
        assert_ne!(named("3 sent", "a"), named("4 sent", "a"));
        assert_ne!(named("3 sent", "a"), named("3 sent", "b"));
        assert!(named("x", "a").starts_with("office."));
    }
}
