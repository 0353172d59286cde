//! Makes the API server have what was built, and nothing else of ours.
//!
//! What is written is a forced server-side apply, which is harmless to repeat. It leaves fields and
//! containers that others have added, so what is there afterwards is compared with what was meant,
//! and replaced where it differs. What was applied is remembered with the generation that the API
//! server answered, so that nothing is written while nothing has changed.

use k8s_openapi::api::batch::v1::CronJob;
use kube::ResourceExt;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::adapters::cluster::ClusterError;
use crate::plan::health::{Obstacle, ReadyReason};
use crate::plan::quantity;

use super::build::{Applied, Desired, DesiredCronJob, Prepared};
use super::context::{AppliedCronJob, Context};
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
        if let Some(obstacle) = apply_one(context, observed, cron_job).await? {
            obstacles.push(obstacle);
        }
    }
    let applied = desired.advance(|cron_job| {
        !obstacles
            .iter()
            .any(|obstacle| obstacle.source == cron_job.source)
    });
    Ok((applied, obstacles))
}

/// Deletes the CronJobs of sources that the policy has no more. What they backed up stays.
pub(super) async fn remove_orphans(
    context: &Context,
    observed: &Observed,
) -> Result<(), ClusterError> {
    let sources = &observed.policy.spec.sources;
    let is_orphan = |cron_job: &CronJob| {
        let source = cron_job.labels().get(labels::SOURCE);
        !sources.iter().any(|known| Some(&known.name) == source)
    };
    for cron_job in observed
        .cron_jobs
        .iter()
        .filter(|cron_job| is_orphan(cron_job))
    {
        let (name, uid) = (cron_job.name_any(), cron_job.uid().unwrap_or_default());
        context
            .cluster
            .delete_cron_job(&observed.namespace, &name, &uid)
            .await?;
        tracing::info!(cron_job = name, "cron job of a source that is gone deleted");
    }
    Ok(())
}

async fn apply_one(
    context: &Context,
    observed: &Observed,
    desired: &DesiredCronJob,
) -> Result<Option<Obstacle>, ClusterError> {
    let name = desired.name.as_str();
    let hash = hash(&desired.cron_job);
    let known = observed
        .cron_jobs
        .iter()
        .find(|cron_job| cron_job.name_any() == name);
    if known.is_some_and(|live| is_as_applied(context, live, &desired.cron_job, &hash)) {
        return Ok(None);
    }
    // It may be there without our labels, so that the store does not hold it.
    let live = context.cluster.cron_job(&observed.namespace, name).await?;
    if let Some(live) = &live
        && !is_controlled_by(live.owner_references(), &observed.uid)
    {
        return Ok(Some(Obstacle {
            source: desired.source.clone(),
            reason: ReadyReason::NameTaken,
            message: format!(
                "CronJob {name} exists and is not this policy's; delete it, or rename the source"
            ),
        }));
    }
    match write(context, observed, desired).await {
        Ok(live) => {
            let applied = AppliedCronJob {
                desired_hash: hash,
                generation: live.metadata.generation,
            };
            context
                .applied
                .set(&live.uid().unwrap_or_default(), applied);
            tracing::info!(cron_job = name, "cron job applied");
            Ok(None)
        }
        Err(error) => refused(desired, error).map(Some),
    }
}

fn is_as_applied(context: &Context, live: &CronJob, desired: &CronJob, hash: &str) -> bool {
    let applied = context.applied.get(&live.uid().unwrap_or_default());
    applied.is_some_and(|applied| {
        applied.desired_hash == hash && applied.generation == live.metadata.generation
    }) && desired
        .labels()
        .iter()
        .all(|(key, value)| live.labels().get(key) == Some(value))
}

async fn write(
    context: &Context,
    observed: &Observed,
    desired: &DesiredCronJob,
) -> Result<CronJob, ClusterError> {
    let (namespace, name) = (observed.namespace.as_str(), desired.name.as_str());
    let live = context
        .cluster
        .apply_cron_job(namespace, name, &desired.cron_job)
        .await?;
    if is_same_spec(&live, &desired.cron_job) {
        return Ok(live);
    }
    tracing::warn!(
        cron_job = name,
        "cron job has what others added; replacing it"
    );
    let exact = CronJob {
        spec: desired.cron_job.spec.clone(),
        status: None,
        ..live
    };
    context
        .cluster
        .replace_cron_job(namespace, name, &exact)
        .await
}

/// What the API server does not accept is told to the user; what may pass is tried again.
fn refused(desired: &DesiredCronJob, error: ClusterError) -> Result<Obstacle, ClusterError> {
    match error.refusal() {
        Some(words) if error.is_refused() => Ok(Obstacle {
            source: desired.source.clone(),
            reason: ReadyReason::Refused,
            message: format!("the API server refuses CronJob {}: {words}", desired.name),
        }),
        _ => Err(error),
    }
}

fn hash(cron_job: &CronJob) -> String {
    let json = serde_json::to_vec(cron_job).expect("a CronJob is JSON");
    hex::encode(Sha256::digest(json))
}

fn is_same_spec(live: &CronJob, desired: &CronJob) -> bool {
    let normal = |cron_job: &CronJob| {
        serde_json::to_value(&cron_job.spec)
            .map(|spec| normalised("", spec))
            .unwrap_or_default()
    };
    normal(live) == normal(desired)
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
