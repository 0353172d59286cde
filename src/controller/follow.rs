//! Followers: a Deployment for each source whose bucket has a queue.
//!
//! A follower ends when it fails, with the failure as its last word, and Kubernetes starts it anew,
//! later each time. So what is wrong is read from its pod, as with a run's.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::ResourceExt;
use serde_json::json;

use crate::adapters::cluster::ClusterError;
use crate::api::outcome::{Outcome, Reason};
use crate::api::report::RunReport;
use crate::plan::follow::{Follower, verdict};
use crate::plan::health::Verdict;

use super::build::{Applied, Desired, Task, template};
use super::context::Context;
use super::labels;
use super::observe::{Observed, blocked};
use super::run::WorkerOptions;
use super::validate::{OrderedSource, Validated};

/// How long a follower has to run before it is believed to follow: one that cannot read its queue
/// ends sooner.
const MIN_READY_SECONDS: i32 = 30;

/// How long until Kubernetes calls a rollout stuck: its default, stated.
const PROGRESS_DEADLINE_SECONDS: i32 = 600;

/// How many earlier revisions are kept. Nobody rolls back what follows from a policy.
const REVISIONS: i32 = 1;

/// The Deployment of a source's follower. There is one pod: two would wait for each other.
pub(super) fn deployment(
    validated: &Validated,
    source: &OrderedSource,
    metadata: ObjectMeta,
    options: &WorkerOptions,
) -> Deployment {
    let labels = metadata.labels.clone().unwrap_or_default();
    let task = Task {
        arguments: &["follow", "--run-spec"],
        credentials: validated.policy.credentials.as_ref(),
        source: Some(source),
        active_deadline_seconds: None,
    };
    let chosen = [labels::POLICY, labels::SOURCE, labels::VERB];
    let selector = labels.clone().into_iter();
    let selector = selector.filter(|(key, _)| chosen.contains(&key.as_str()));
    Deployment {
        metadata,
        spec: DeploymentSpec {
            min_ready_seconds: Some(MIN_READY_SECONDS),
            paused: Some(false),
            progress_deadline_seconds: Some(PROGRESS_DEADLINE_SECONDS),
            replicas: Some(replicas(validated.policy.suspend)),
            revision_history_limit: Some(REVISIONS),
            selector: LabelSelector {
                match_labels: Some(selector.collect()),
                match_expressions: None,
            },
            strategy: Some(DeploymentStrategy {
                type_: Some("Recreate".to_owned()),
                rolling_update: None,
            }),
            template: template(
                &validated.policy.worker,
                &task,
                labels,
                &source.order,
                options,
            ),
        },
        status: None,
    }
}

fn replicas(is_suspended: bool) -> i32 {
    i32::from(!is_suspended)
}

/// Stops what follows by an earlier order, or lets it go on, as the policy says. What was applied
/// says so itself.
pub(super) async fn carry_out_suspend(
    context: &Context,
    observed: &Observed,
    applied: Option<&Desired<Applied>>,
) -> Result<(), ClusterError> {
    let wanted = replicas(observed.policy.spec.suspend);
    for follower in &observed.followers {
        let name = follower.name_any();
        let is_applied = applied.is_some_and(|applied| {
            let mut followers = applied.followers.iter();
            followers.any(|follower| follower.name.as_str() == name)
        });
        if is_applied || follower.spec.replicas == Some(wanted) {
            continue;
        }
        let (uid, spec) = (
            follower.uid().unwrap_or_default(),
            json!({ "replicas": wanted }),
        );
        let is_there = context
            .cluster
            .set_in_spec::<Deployment>(&observed.namespace, &name, &uid, &spec)
            .await?;
        if is_there {
            tracing::info!(follower = name, replicas = wanted, "follower scaled");
        }
    }
    Ok(())
}

/// What is said of the policy's followers.
pub(super) fn verdict_of(observed: &Observed) -> Option<Verdict> {
    let followers: Vec<Follower> = observed
        .followers
        .iter()
        .map(|deployment| follower(observed, deployment))
        .collect();
    verdict(&followers, observed.policy.spec.suspend)
}

fn follower(observed: &Observed, deployment: &Deployment) -> Follower {
    let source = deployment.labels().get(labels::SOURCE).cloned();
    let source = source.unwrap_or_default();
    let status = deployment.status.as_ref();
    let is_current =
        status.and_then(|status| status.observed_generation) == deployment.metadata.generation;
    let available = status.and_then(|status| status.available_replicas);
    let pods = observed.following.get(&source);
    let newest = pods
        .into_iter()
        .flatten()
        .max_by_key(|pod| pod.creation_timestamp());
    let container =
        newest.and_then(|pod| pod.status.as_ref()?.container_statuses.as_ref()?.first());
    let lives = container.map(|container| [&container.state, &container.last_state]);
    Follower {
        source,
        is_available: is_current && available.unwrap_or_default() > 0,
        failure: lives
            .into_iter()
            .flatten()
            .find_map(|state| failure(state.as_ref()?)),
        blocked: newest.and_then(|pod: &std::sync::Arc<Pod>| {
            blocked(pod, container).map(|blocked| blocked.message)
        }),
    }
}

/// Why a follower ended, by its last word.
fn failure(state: &ContainerState) -> Option<(Reason, String)> {
    let word = state.terminated.as_ref()?.message.as_ref()?;
    let report: RunReport = serde_json::from_str(word).ok()?;
    let reason = report.reason?;
    (report.outcome == Some(Outcome::Failed)).then_some((reason, report.message))
}

#[cfg(test)]
mod tests {
    use crate::controller::build::build;
    use crate::controller::fixtures::{POLICY, observed, options};
    use crate::controller::validate::validate;

    use super::*;

    fn with_queue() -> String {
        let queue = "{queueUrl: 'https://sqs.eu-south-1.amazonaws.com/123456789012/up'}";
        let bucket = format!("bucket: {{name: incoming, events: {queue}}}");
        POLICY.replace("persistentVolumeClaim: {claimName: shop-data}", &bucket)
    }

    fn built(policy: &str) -> Vec<Deployment> {
        let observed = observed(&[policy]);
        let validated = validate(&observed, "test-cluster").expect("valid");
        let desired = build(&observed, &validated, &options());
        let followers = desired.followers.into_iter();
        followers.map(|follower| follower.object).collect()
    }

    #[test]
    fn a_queue_has_one_pod_that_stays() {
        let deployment = built(&with_queue()).remove(0);
        let spec = deployment.spec;
        assert_eq!(spec.replicas, Some(1));
        let pod = spec.template.spec.expect("a pod");
        assert_eq!(pod.restart_policy.as_deref(), Some("Always"));
        assert_eq!(pod.active_deadline_seconds, None);
        assert_eq!(pod.scheduling_gates, None);
        let arguments = pod.containers[0].args.clone().unwrap_or_default();
        assert_eq!(arguments[..2], ["follow", "--run-spec"]);
        let labels = spec.template.metadata.and_then(|metadata| metadata.labels);
        let labels = labels.unwrap_or_default();
        for (key, value) in spec.selector.match_labels.unwrap_or_default() {
            assert_eq!(labels.get(&key), Some(&value));
        }
    }

    #[test]
    fn a_suspended_policy_follows_nothing() {
        let suspended = with_queue().replace("  schedule", "  suspend: true\n  schedule");
        let spec = built(&suspended).remove(0).spec;
        assert_eq!(spec.replicas, Some(0));
    }

    #[test]
    fn a_source_without_a_queue_has_no_follower() {
        let bucket = POLICY.replace(
            "persistentVolumeClaim: {claimName: shop-data}",
            "bucket: {name: incoming}",
        );
        assert!(built(&bucket).is_empty());
        assert_eq!(verdict_of(&observed(&[&bucket])), None);
    }

    fn seen(available: u8, last: &str) -> Observed {
        let deployment = format!(
            "
kind: Deployment
metadata:
  name: office-files-x
  namespace: acme
  uid: uid-of-follower
  generation: 2
  labels: {{backstay.dev/policy: office, backstay.dev/source: files, backstay.dev/verb: follow}}
  ownerReferences: [{{apiVersion: backstay.dev/v1alpha1, kind: BackupPolicy, name: office, uid: uid-of-policy, controller: true}}]
spec: {{selector: {{}}, template: {{}}}}
status: {{observedGeneration: 2, availableReplicas: {available}}}
"
        );
        let pod = format!(
            "
kind: Pod
metadata:
  name: f
  namespace: acme
  labels: {{backstay.dev/policy: office, backstay.dev/source: files, backstay.dev/verb: follow}}
spec: {{containers: [{{name: worker}}]}}
status:
  phase: Running
  containerStatuses:
    - {{name: worker, image: i, imageID: i, ready: false, restartCount: 3, state: {{waiting: {{reason: CrashLoopBackOff}}}}, lastState: {last}}}
"
        );
        observed(&[&with_queue(), &deployment, &pod])
    }

    const FAILED: &str = r#"{terminated: {exitCode: 20, message: '{"version":1,"run":"r","epoch":0,"phase":"Done","outcome":"Failed","reason":"RepositoryNotFound","message":"queue does not exist","startTime":"2026-11-02T02:01:00Z","files":{},"bytes":{}}'}}"#;

    #[test]
    fn why_a_follower_ends_is_told_in_its_own_words() {
        let verdict = verdict_of(&seen(0, FAILED)).expect("a follower");
        assert_eq!(
            (verdict.status, verdict.reason),
            (Some(false), "RepositoryNotFound")
        );
        assert_eq!(verdict.message, "source files: queue does not exist");
        let silent = verdict_of(&seen(0, "{terminated: {exitCode: 139}}")).expect("a follower");
        assert_eq!(
            (silent.status, silent.reason),
            (Some(false), "PodCreationFailed")
        );
        assert!(
            silent.message.contains("CrashLoopBackOff"),
            "{}",
            silent.message
        );
        let well = verdict_of(&seen(1, FAILED)).expect("a follower");
        assert_eq!(well.status, Some(true));
    }
}
