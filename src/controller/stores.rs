//! What the controller knows of the cluster: six kinds, kept up to date by watches, and which
//! policies each change concerns.
//!
//! Objects are pruned to what is looked at before they are kept: pods are watched in every
//! namespace, because any of them may use a claim.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, PodSpec, PodStatus, Volume};
use kube::ResourceExt;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::store::WriterDropped;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;

use crate::adapters::cluster::{Cluster, Scope};
use crate::api::policy::BackupPolicy;

use super::labels;

/// A policy as it is watched: one that cannot be read must not end the watch of the others.
pub(super) type WatchedPolicy = DeserializeGuard<BackupPolicy>;

/// The policies that changes concern.
pub(super) type Triggers =
    stream::BoxStream<'static, Result<ObjectRef<WatchedPolicy>, watcher::Error>>;

/// What is known of the cluster.
#[derive(Clone)]
pub(super) struct Stores {
    pub(super) policies: Store<WatchedPolicy>,
    pub(super) cron_jobs: Store<CronJob>,
    pub(super) followers: Store<Deployment>,
    pub(super) jobs: Store<Job>,
    pub(super) pods: Store<Pod>,
    pub(super) claims: Store<PersistentVolumeClaim>,
}

impl Stores {
    /// Starts to watch. The stores are kept up to date while the stream is polled.
    pub(super) fn watch(cluster: &Cluster, scope: &Scope) -> (Self, Triggers) {
        let ours = Some(labels::POLICY);
        let (policies, touched_policies) = cluster.reflect(scope, None, prune_policy);
        let (cron_jobs, touched_cron_jobs) = cluster.reflect(scope, ours, prune_metadata);
        let (followers, touched_followers) = cluster.reflect(scope, ours, prune_metadata);
        let (jobs, touched_jobs) = cluster.reflect(scope, ours, prune_metadata);
        let (pods, touched_pods) = cluster.reflect(scope, None, prune_pod);
        let (claims, touched_claims) = cluster.reflect(scope, None, prune_metadata);
        let stores = Self {
            policies,
            cron_jobs,
            followers,
            jobs,
            pods,
            claims,
        };
        let (by_pod, by_claim) = (stores.clone(), stores.clone());
        let triggers = stream::select_all([
            mapped(touched_policies, |policy| vec![ObjectRef::from_obj(policy)]),
            mapped(touched_cron_jobs, |cron_job| {
                policy_of(cron_job).into_iter().collect()
            }),
            mapped(touched_followers, |follower| {
                policy_of(follower).into_iter().collect()
            }),
            mapped(touched_jobs, |job| policy_of(job).into_iter().collect()),
            mapped(touched_pods, move |pod| match policy_of(pod) {
                Some(policy) => vec![policy],
                None => by_pod.policies_using(pod.namespace().as_deref(), &claims_of(pod)),
            }),
            mapped(touched_claims, move |claim| {
                by_claim.policies_using(claim.namespace().as_deref(), &[claim.name_any()])
            }),
        ]);
        (stores, triggers.boxed())
    }

    /// Waits until everything that exists is known. Nothing may be decided before.
    pub(super) async fn wait_until_ready(&self) -> Result<(), WriterDropped> {
        self.policies.wait_until_ready().await?;
        self.cron_jobs.wait_until_ready().await?;
        self.followers.wait_until_ready().await?;
        self.jobs.wait_until_ready().await?;
        self.pods.wait_until_ready().await?;
        self.claims.wait_until_ready().await
    }

    fn policies_using(
        &self,
        namespace: Option<&str>,
        claims: &[String],
    ) -> Vec<ObjectRef<WatchedPolicy>> {
        if claims.is_empty() {
            return Vec::new();
        }
        let uses = |guard: &Arc<WatchedPolicy>| {
            guard.0.as_ref().is_ok_and(|policy| {
                policy.metadata.namespace.as_deref() == namespace
                    && policy.spec.sources.iter().any(|source| {
                        let claim = source.persistent_volume_claim.as_ref();
                        claim.is_some_and(|claim| claims.contains(&claim.claim_name))
                    })
            })
        };
        let policies = self.policies.state().into_iter().filter(uses);
        policies.map(|guard| ObjectRef::from_obj(&*guard)).collect()
    }
}

/// The claims that a pod names. A generic ephemeral volume has one that is named after both.
pub(super) fn claims_of(pod: &Pod) -> Vec<String> {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    volumes
        .filter_map(
            |volume| match (&volume.persistent_volume_claim, &volume.ephemeral) {
                (Some(claim), _) => Some(claim.claim_name.clone()),
                (None, Some(_)) => Some(format!("{}-{}", pod.name_any(), volume.name)),
                (None, None) => None,
            },
        )
        .collect()
}

fn mapped<K: Send + 'static>(
    touched: impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
    policies: impl Fn(&K) -> Vec<ObjectRef<WatchedPolicy>> + Send + 'static,
) -> Triggers {
    touched
        .map(move |object| match object {
            Ok(object) => policies(&object).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
        .flat_map(stream::iter)
        .boxed()
}

fn policy_of(object: &impl ResourceExt) -> Option<ObjectRef<WatchedPolicy>> {
    let policy = object.labels().get(labels::POLICY)?;
    Some(ObjectRef::new(policy).within(&object.namespace()?))
}

fn prune_policy(policy: &mut WatchedPolicy) {
    if let Ok(policy) = &mut policy.0 {
        policy.metadata.managed_fields = None;
    }
}

fn prune_metadata<K: ResourceExt>(object: &mut K) {
    object.managed_fields_mut().clear();
}

fn prune_pod(pod: &mut Pod) {
    let is_worker = pod.labels().contains_key(labels::POLICY);
    pod.managed_fields_mut().clear();
    let spec = pod.spec.take().unwrap_or_default();
    let volumes: Vec<Volume> = spec
        .volumes
        .into_iter()
        .flatten()
        .filter(|volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some())
        .collect();
    pod.spec = Some(PodSpec {
        node_name: spec.node_name,
        volumes: (!volumes.is_empty()).then_some(volumes),
        scheduling_gates: spec.scheduling_gates,
        affinity: spec.affinity.filter(|_| is_worker),
        ..PodSpec::default()
    });
    if !is_worker {
        pod.metadata.annotations = None;
        pod.metadata.labels = None;
        let phase = pod.status.take().and_then(|status| status.phase);
        pod.status = Some(PodStatus {
            phase,
            ..PodStatus::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(yaml: &str) -> Pod {
        serde_saphyr::from_str(yaml).expect("a pod")
    }

    const APPLICATION: &str = "
metadata: {name: shop-0, namespace: acme, uid: u, labels: {app: shop}, annotations: {a: b}}
spec:
  nodeName: node-a
  containers: [{name: shop, image: shop}]
  volumes:
    - {name: data, persistentVolumeClaim: {claimName: shop-data}}
    - {name: cache, ephemeral: {}}
    - {name: config, configMap: {name: shop}}
status: {phase: Running, hostIP: 10.0.0.1}
";

    #[test]
    fn a_pod_names_its_claims() {
        assert_eq!(claims_of(&pod(APPLICATION)), ["shop-data", "shop-0-cache"]);
    }

    #[test]
    fn what_decides_about_a_pod_survives_pruning_and_the_rest_does_not() {
        let mut pod = pod(APPLICATION);
        prune_pod(&mut pod);
        assert_eq!(claims_of(&pod), ["shop-data", "shop-0-cache"]);
        let spec = pod.spec.as_ref().expect("a spec");
        assert_eq!(spec.node_name.as_deref(), Some("node-a"));
        assert!(spec.containers.is_empty());
        assert_eq!(
            pod.status.and_then(|status| status.phase).as_deref(),
            Some("Running")
        );
        assert_eq!(pod.metadata.labels, None);
    }

    #[test]
    fn a_workers_pod_keeps_its_last_word() {
        let mut worker = pod(
            "{metadata: {name: w, namespace: acme, labels: {backstay.dev/policy: office}}, \
             status: {phase: Failed, reason: Evicted}}",
        );
        prune_pod(&mut worker);
        let reason = worker
            .status
            .as_ref()
            .and_then(|status| status.reason.as_deref());
        assert_eq!(reason, Some("Evicted"));
        assert_eq!(
            policy_of(&worker).map(|policy| policy.name).as_deref(),
            Some("office")
        );
    }
}
