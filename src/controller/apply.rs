//! Makes the API server have what was built, and nothing else of ours.
//!
//! What is written is a forced server-side apply, which is harmless to repeat. It leaves fields and
//! containers that others have added, so what is there afterwards is compared with what was meant,
//! and replaced where it differs. What was applied is remembered with the generation that the API
//! server answered, so that nothing is written while nothing has changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::adapters::cluster::{ClusterError, Owned};
use crate::api::source::Source;
use crate::plan::health::{Obstacle, ReadyReason};
use crate::plan::quantity;

use super::build::{Applied, Desired, DesiredObject, Prepared};
use super::context::{AppliedObject, Context};
use super::labels;
use super::observe::{Observed, is_controlled_by};

/// Fields that hold quantities, which the API server writes in its own way.
const QUANTITIES: [&str; 3] = ["cpu", "memory", "sizeLimit"];

/// Applies what was built. Sources that the API server refuses are told as obstacles; an error
/// means that it could not be asked.
pub(super) async fn apply(
    context: &Context,
    observed: &Observed,
    desired: Desired<Prepared>,
) -> Result<(Desired<Applied>, Vec<Obstacle>), ClusterError> {
    let mut obstacles = Vec::new();
    for cron_job in &desired.cron_jobs {
        obstacles.extend(apply_one(context, observed, &observed.cron_jobs, cron_job).await?);
    }
    for follower in &desired.followers {
        obstacles.extend(apply_one(context, observed, &observed.followers, follower).await?);
    }
    let applied =
        desired.advance(|source| !obstacles.iter().any(|obstacle| obstacle.source == *source));
    Ok((applied, obstacles))
}

/// Deletes the CronJobs of sources that the policy has no more, and the followers of those that no
/// queue tells of. What they backed up stays.
pub(super) async fn remove_orphans(
    context: &Context,
    observed: &Observed,
) -> Result<(), ClusterError> {
    let sources = observed.policy.spec.sources.iter();
    let has_queue = |source: &&Source| {
        let bucket = source.bucket.as_ref();
        bucket.is_some_and(|bucket| bucket.events.is_some())
    };
    let name = |source: &Source| source.name.clone();
    let with_runs = sources.clone().map(name).collect();
    let with_queue = sources.filter(has_queue).map(name).collect();
    remove_others(context, &observed.cron_jobs, &with_runs).await?;
    remove_others(context, &observed.followers, &with_queue).await
}

async fn remove_others<K: Owned>(
    context: &Context,
    live: &[Arc<K>],
    sources: &BTreeSet<String>,
) -> Result<(), ClusterError> {
    for object in live {
        let source = object.labels().get(labels::SOURCE);
        if source.is_some_and(|source| sources.contains(source)) {
            continue;
        }
        let namespace = object.namespace().unwrap_or_default();
        let (name, uid) = (object.name_any(), object.uid().unwrap_or_default());
        context.cluster.delete::<K>(&namespace, &name, &uid).await?;
        tracing::info!(
            kind = K::KIND,
            name,
            "object of a source that is gone deleted"
        );
    }
    Ok(())
}

async fn apply_one<K: Owned>(
    context: &Context,
    observed: &Observed,
    known: &[Arc<K>],
    desired: &DesiredObject<K>,
) -> Result<Option<Obstacle>, ClusterError> {
    let name = desired.name.as_str();
    let hash = hash(&desired.object);
    let known = known.iter().find(|object| object.name_any() == name);
    if known.is_some_and(|live| is_as_applied(context, &**live, &desired.object, &hash)) {
        return Ok(None);
    }
    // It may be there without our labels, so that the store does not hold it.
    let live = context.cluster.find::<K>(&observed.namespace, name).await?;
    if let Some(live) = &live
        && !is_controlled_by(live.owner_references(), &observed.uid)
    {
        let kind = K::KIND;
        return Ok(Some(Obstacle {
            source: desired.source.clone(),
            reason: ReadyReason::NameTaken,
            message: format!(
                "{kind} {name} exists and is not this policy's; delete it, or rename the source"
            ),
        }));
    }
    match write(context, observed, desired).await {
        Ok(live) => {
            let applied = AppliedObject {
                desired_hash: hash,
                generation: live.meta().generation,
            };
            context
                .applied
                .set(&live.uid().unwrap_or_default(), applied);
            tracing::info!(kind = K::KIND, name, "object applied");
            Ok(None)
        }
        Err(error) => refused(desired, error).map(Some),
    }
}

fn is_as_applied<K: Owned>(context: &Context, live: &K, desired: &K, hash: &str) -> bool {
    let applied = context.applied.get(&live.uid().unwrap_or_default());
    applied.is_some_and(|applied| {
        applied.desired_hash == hash && applied.generation == live.meta().generation
    }) && desired
        .labels()
        .iter()
        .all(|(key, value)| live.labels().get(key) == Some(value))
}

async fn write<K: Owned>(
    context: &Context,
    observed: &Observed,
    desired: &DesiredObject<K>,
) -> Result<K, ClusterError> {
    let (namespace, name) = (observed.namespace.as_str(), desired.name.as_str());
    let live = context
        .cluster
        .apply(namespace, name, &desired.object)
        .await?;
    if is_same_spec(&live, &desired.object) {
        return Ok(live);
    }
    tracing::warn!(
        kind = K::KIND,
        name,
        "object has what others added; replacing it"
    );
    let exact = with_spec_of(&live, &desired.object);
    context.cluster.replace(namespace, name, &exact).await
}

/// The object as it is there, with what was desired of it.
fn with_spec_of<K: Owned>(live: &K, desired: &K) -> K {
    let mut exact = json_of(live);
    exact["spec"] = json_of(desired)["spec"].take();
    serde_json::from_value(exact).expect("both are of one kind")
}

/// What the API server does not accept is told to the user; what may pass is tried again.
fn refused<K: Owned>(
    desired: &DesiredObject<K>,
    error: ClusterError,
) -> Result<Obstacle, ClusterError> {
    match error.refusal() {
        Some(words) if error.is_refused() => Ok(Obstacle {
            source: desired.source.clone(),
            reason: ReadyReason::Refused,
            message: format!(
                "the API server refuses {} {}: {words}",
                K::KIND,
                desired.name
            ),
        }),
        _ => Err(error),
    }
}

fn hash(object: &impl Serialize) -> String {
    hex::encode(Sha256::digest(json_of(object).to_string()))
}

fn is_same_spec(live: &impl Serialize, desired: &impl Serialize) -> bool {
    let normal = |mut object: Value| normalised("", object["spec"].take());
    normal(json_of(live)) == normal(json_of(desired))
}

fn json_of(object: &impl Serialize) -> Value {
    serde_json::to_value(object).expect("an object of the API is JSON")
}

/// A value without what means the same as its absence, and with quantities as numbers.
fn normalised(name: &str, value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name.clone(), normalised(&name, value)))
            .filter(|(_, value)| !is_absent(value))
            .collect(),
        Value::Array(items) => items.into_iter().map(|item| normalised("", item)).collect(),
        Value::String(text) if QUANTITIES.contains(&name) => match quantity::nano_units(&text) {
            Some(amount) => Value::String(amount.to_string()),
            None => Value::String(text),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_set) => !is_set,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::batch::v1::CronJob;

    use super::*;

    fn cron_job(yaml: &str) -> CronJob {
        serde_saphyr::from_str(yaml).expect("a CronJob")
    }

    const DESIRED: &str = "
spec:
  schedule: 0 2 * * *
  suspend: false
  jobTemplate:
    spec:
      template:
        spec:
          hostNetwork: false
          containers: [{name: worker, resources: {limits: {memory: 1024Mi, cpu: '0.5'}}}]
";

    #[test]
    fn what_the_api_server_writes_in_its_own_way_is_the_same() {
        let live = DESIRED
            .replace("          hostNetwork: false\n", "")
            .replace("1024Mi", "1Gi")
            .replace("'0.5'", "500m")
            .replace(
                "    spec:\n      template",
                "    metadata: {}\n    spec:\n      template",
            );
        assert!(is_same_spec(&cron_job(&live), &cron_job(DESIRED)));
    }

    #[test]
    fn t03_what_others_add_to_the_pod_is_noticed() {
        for (ours, theirs) in [
            ("hostNetwork: false", "hostNetwork: true"),
            ("hostNetwork: false", "priorityClassName: high"),
            ("containers: [", "containers: [{name: side}, "),
            ("hostNetwork: false", "initContainers: [{name: first}]"),
            ("hostNetwork: false", "automountServiceAccountToken: true"),
            ("suspend: false", "suspend: true"),
        ] {
            let live = cron_job(&DESIRED.replace(ours, theirs));
            assert!(!is_same_spec(&live, &cron_job(DESIRED)), "{theirs}");
        }
    }
}
