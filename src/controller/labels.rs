//! The labels and annotations by which the controller knows its objects.

use std::collections::BTreeMap;

/// The policy that an object belongs to.
pub(super) const POLICY: &str = "backstay.dev/policy";

/// The source that an object belongs to.
pub(super) const SOURCE: &str = "backstay.dev/source";

/// What a Job or a Deployment and its pods do: `backup`, `setup` or `follow`.
pub(super) const VERB: &str = "backstay.dev/verb";

/// How a run ended, on its Job.
pub(super) const OUTCOME: &str = "backstay.dev/outcome";

/// The report of a run, on its Job: of its last attempt while it goes on, and of all of it once
/// [`OUTCOME`] is there.
pub(super) const REPORT: &str = "backstay.dev/report";

/// The pods for which the gate was opened, on their Job. A pod is written down before its gate is
/// opened, so that a Job of which none is left to doubt has certainly done nothing.
pub(super) const ADMITTED: &str = "backstay.dev/admitted";

/// The run whose deletions a person has approved, on the policy: `<run>`, or `<source>=<run>`, or
/// several of these with commas.
pub(super) const APPROVE_DELETIONS: &str = "backstay.dev/approve-deletions";

/// The UID of the Job that a pod belongs to, as Kubernetes writes it.
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#batchkubernetesio-controller-uid>
pub(super) const JOB_UID: &str = "batch.kubernetes.io/controller-uid";

/// The name of the controller in `app.kubernetes.io/managed-by`.
const MANAGED_BY: &str = "backstay-controller";

/// The verb of a setup.
pub(super) const SETUP: &str = "setup";

/// The verb of a follower.
pub(super) const FOLLOW: &str = "follow";

/// The labels of a source's CronJob and its runs.
pub(super) fn of_source(policy: &str, source: &str) -> BTreeMap<String, String> {
    with_source(of_verb(policy, "backup"), source)
}

/// The labels of a source's follower.
pub(super) fn of_follower(policy: &str, source: &str) -> BTreeMap<String, String> {
    with_source(of_verb(policy, FOLLOW), source)
}

fn with_source(mut labels: BTreeMap<String, String>, source: &str) -> BTreeMap<String, String> {
    labels.insert(SOURCE.to_owned(), source.to_owned());
    labels
}

/// The labels of a policy's setup.
pub(super) fn of_setup(policy: &str) -> BTreeMap<String, String> {
    of_verb(policy, SETUP)
}

fn of_verb(policy: &str, verb: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", "backstay"),
        ("app.kubernetes.io/component", "worker"),
        ("app.kubernetes.io/managed-by", MANAGED_BY),
        (POLICY, policy),
        (VERB, verb),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}
