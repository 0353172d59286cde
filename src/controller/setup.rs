//! The buckets' settings: a Job each day, and whenever they change, under credentials of its own.
//!
//! A Job is named after the policy's UID, its order and the day, so that it is made once, whoever
//! makes it. One that is not due any more is deleted, also while it runs: it would set what is no
//! longer wanted. A Job that has ended stays, as its own record, until the next one is due.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

use crate::adapters::cluster::ClusterError;
use crate::api::setup::SetupSpec;
use crate::api::status::{BackupPolicyStatus, SetupStatus};
use crate::plan::health::Verdict;
use crate::plan::setup;

use super::build::{FATAL_EXIT_CODES, RETRIES, Task, pod_failure_policy, template};
use super::context::Context;
use super::labels;
use super::observe::{Observed, ObservedSetup};
use super::publish::BUCKETS_CONFIGURED;
use super::run::WorkerOptions;
use super::validate::Validated;

/// How long an attempt may take, in seconds: some requests for each of some buckets.
const ATTEMPT_SECONDS: i64 = 600;

/// The exit code of a setup after which a bucket is not as the policy wants it.
const DRIFT_EXIT_CODE: i32 = 4;

/// What is said of the buckets' settings.
pub(super) enum Setup {
    /// Nothing: the policy does not ask for any.
    NotAsked,
    /// What was said before.
    AsKnown,
    /// This.
    Found(Verdict, Option<SetupStatus>),
}

/// Makes the Job that is due, and says what the last one found.
pub(super) async fn carry_out(
    context: &Context,
    observed: &Observed,
    validated: Option<&Validated>,
    known: &BackupPolicyStatus,
    now: Timestamp,
) -> Result<Setup, ClusterError> {
    let Some(validated) = validated else {
        return Ok(Setup::AsKnown);
    };
    let due = validated.policy.setup.as_ref().map(|order| {
        let job = job(observed, validated, order, &context.worker, now);
        (job.metadata.name.clone().unwrap_or_default(), job)
    });
    let due_name = due.as_ref().map(|(name, _)| name);
    if !validated.policy.suspend {
        remove_others(context, observed, due_name).await?;
    }
    let Some((name, job)) = due else {
        return Ok(Setup::NotAsked);
    };
    if let Some(seen) = observed.setups.iter().find(|seen| seen.job == name) {
        return Ok(found(observed, seen, known));
    }
    if validated.policy.suspend {
        return Ok(unless_known(observed, known, setup::suspended()));
    }
    let created = context.cluster.create_job(&observed.namespace, &name, &job);
    match created.await {
        Ok(()) => {
            tracing::info!(job = name, "setup job made");
            Ok(unless_known(observed, known, setup::pending(&name)))
        }
        Err(error) if error.is_refused() => {
            let words = error.refusal().unwrap_or_default();
            Ok(Setup::Found(setup::refused(&name, words), None))
        }
        Err(error) => Err(error),
    }
}

async fn remove_others(
    context: &Context,
    observed: &Observed,
    due: Option<&String>,
) -> Result<(), ClusterError> {
    for other in observed.setups.iter().filter(|seen| Some(&seen.job) != due) {
        context
            .cluster
            .delete::<Job>(&observed.namespace, &other.job, &other.uid)
            .await?;
        tracing::info!(
            job = other.job,
            "setup job deleted that is not due any more"
        );
    }
    Ok(())
}

/// What a Job found. While it runs, and once its pod is gone, what was said stands.
fn found(observed: &Observed, seen: &ObservedSetup, known: &BackupPolicyStatus) -> Setup {
    if !seen.has_ended {
        return unless_known(observed, known, setup::pending(&seen.job));
    }
    let is_told = known
        .bucket_settings
        .as_ref()
        .is_some_and(|known| known.job == seen.job);
    if is_told && seen.report.is_none() {
        return Setup::AsKnown;
    }
    let status = seen.report.as_ref().map(|report| SetupStatus {
        job: seen.job.clone(),
        written: report.written,
        differing: report.differing,
    });
    Setup::Found(setup::ended(&seen.job, seen.report.as_ref()), status)
}

/// A look that is repeated each day must not make a condition flicker; one at other settings must
/// not leave it standing.
fn unless_known(observed: &Observed, known: &BackupPolicyStatus, verdict: Verdict) -> Setup {
    let is_known = known.conditions.iter().any(|condition| {
        condition.type_ == BUCKETS_CONFIGURED
            && condition.observed_generation == observed.policy.metadata.generation
    });
    if is_known {
        return Setup::AsKnown;
    }
    Setup::Found(verdict, None)
}

fn job(
    observed: &Observed,
    validated: &Validated,
    order: &SetupSpec,
    options: &WorkerOptions,
    now: Timestamp,
) -> Job {
    let order_json = serde_json::to_string(order).expect("an order is JSON");
    let labels = labels::of_setup(&observed.name);
    let task = Task {
        arguments: &["bucket", "setup", "--setup-spec"],
        credentials: order.settings.credentials.as_ref(),
        source: None,
        active_deadline_seconds: Some(ATTEMPT_SECONDS),
    };
    let mut ended_for_good = vec![DRIFT_EXIT_CODE];
    ended_for_good.extend(FATAL_EXIT_CODES);
    let owner = observed.policy.controller_owner_ref(&());
    Job {
        metadata: ObjectMeta {
            name: Some(setup::job_name(
                &observed.name,
                &observed.uid,
                &order_json,
                now,
            )),
            namespace: Some(observed.namespace.clone()),
            labels: Some(labels.clone()),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            active_deadline_seconds: Some(ATTEMPT_SECONDS * i64::from(RETRIES + 1)),
            backoff_limit: Some(RETRIES),
            pod_failure_policy: Some(pod_failure_policy(&ended_for_good)),
            pod_replacement_policy: Some("Failed".to_owned()),
            template: template(&validated.policy.worker, &task, labels, order, options),
            ..JobSpec::default()
        }),
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use crate::controller::fixtures::{CLAIM, POLICY, observed, options};
    use crate::controller::validate::validate;

    use super::*;

    const SETTINGS: &str = "  bucketSettings: {credentials: {secret: {name: bucket-admin}}}\n";

    fn with_settings() -> String {
        POLICY.replace("  storage:", &format!("{SETTINGS}  storage:"))
    }

    fn due(policy: &str) -> Job {
        let observed = observed(&[policy, CLAIM]);
        let validated = validate(&observed, "test-cluster").expect("valid");
        let order = validated.policy.setup.clone().expect("settings");
        let now = "2026-11-02T12:00:00Z".parse().expect("a time");
        job(&observed, &validated, &order, &options(), now)
    }

    #[test]
    fn a_setup_has_credentials_of_its_own_and_no_volume_of_the_policys() {
        let job = due(&with_settings());
        let pod = job.spec.expect("a spec").template.spec.expect("a pod");
        assert_eq!(pod.scheduling_gates, None);
        let volumes = pod.volumes.unwrap_or_default();
        assert!(
            volumes
                .iter()
                .all(|volume| volume.persistent_volume_claim.is_none())
        );
        let secrets: Vec<&str> = volumes
            .iter()
            .filter_map(|volume| volume.secret.as_ref()?.secret_name.as_deref())
            .collect();
        assert_eq!(secrets, ["bucket-admin"]);
        assert_eq!(pod.automount_service_account_token, Some(false));
        let arguments = pod.containers[0].args.clone().unwrap_or_default();
        assert_eq!(arguments[..3], ["bucket", "setup", "--setup-spec"]);
    }

    #[test]
    fn a_policy_without_settings_has_no_setup() {
        let observed = observed(&[POLICY, CLAIM]);
        let validated = validate(&observed, "test-cluster").expect("valid");
        assert!(validated.policy.setup.is_none());
    }

    fn seen(has_ended: bool, message: &str) -> Observed {
        let policy = with_settings();
        let name = due(&policy).metadata.name.expect("a name");
        let job = format!(
            "
kind: Job
metadata:
  name: {name}
  namespace: acme
  uid: uid-of-setup
  labels: {{backstay.dev/policy: office, backstay.dev/verb: setup}}
  ownerReferences: [{{apiVersion: backstay.dev/v1alpha1, kind: BackupPolicy, name: office, uid: uid-of-policy, controller: true}}]
status: {{conditions: [{{type: Complete, status: '{}', lastTransitionTime: '2026-11-02T12:00:00Z'}}]}}
",
            if has_ended { "True" } else { "False" }
        );
        let pod = format!(
            "
kind: Pod
metadata:
  name: p
  namespace: acme
  labels: {{backstay.dev/policy: office, batch.kubernetes.io/controller-uid: uid-of-setup}}
spec: {{containers: [{{name: worker}}]}}
status:
  phase: Succeeded
  containerStatuses:
    - {{name: worker, image: i, imageID: i, ready: false, restartCount: 0, state: {{terminated: {{exitCode: 0, message: '{message}'}}}}}}
"
        );
        observed(&[&policy, CLAIM, &job, &pod])
    }

    const DIFFERS: &str = r#"{"version":1,"written":0,"differing":2,"message":"m"}"#;

    #[test]
    fn what_a_setup_found_is_said() {
        let observed = seen(true, DIFFERS);
        let known = BackupPolicyStatus::default();
        let Setup::Found(verdict, status) = found(&observed, &observed.setups[0], &known) else {
            panic!("something was found");
        };
        assert_eq!(verdict.reason, "SettingsDiffer");
        assert_eq!(status.map(|status| status.differing), Some(2));
    }

    #[test]
    fn what_was_said_stands_until_more_is_known() {
        let known = BackupPolicyStatus::default();
        let running = seen(false, "");
        let first = found(&running, &running.setups[0], &known);
        assert!(matches!(first, Setup::Found(verdict, None) if verdict.reason == "Pending"));
        let silent = seen(true, "");
        let lost = found(&silent, &silent.setups[0], &known);
        assert!(matches!(lost, Setup::Found(verdict, None) if verdict.reason == "WorkerLost"));
        let told = BackupPolicyStatus {
            bucket_settings: Some(SetupStatus {
                job: silent.setups[0].job.clone(),
                ..SetupStatus::default()
            }),
            ..known
        };
        let after = found(&silent, &silent.setups[0], &told);
        assert!(matches!(after, Setup::AsKnown));
    }
}
