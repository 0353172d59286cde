//! What the stores hold about a policy, in the words of `plan`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job, JobCondition};
use k8s_openapi::api::core::v1::{Affinity, ContainerStatus, PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use kube::runtime::reflector::Store;

use crate::api::policy::BackupPolicy;
use crate::api::report::RunReport;
use crate::api::setup::SetupReport;
use crate::plan::evidence::{Blocked, EndedBy, Evidence, JobState, PodEvidence};
use crate::plan::placement::{Access, Claim, GATE, User, WaitReason};

use super::build::WORKER_CONTAINER;
use super::labels;
use super::stores::{Stores, claims_of};

/// Why a container waits while all is well.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Why a container ended that never began: the runtime could not start its program.
const NEVER_BEGAN: [&str; 2] = ["StartError", "ContainerCannotRun"];

/// Everything that is known about a policy.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) policy: BackupPolicy,
    /// The claims of its namespace that its sources name.
    pub(super) claims: BTreeMap<String, ObservedClaim>,
    /// The CronJobs that are its own.
    pub(super) cron_jobs: Vec<Arc<CronJob>>,
    /// The Deployments that are its own.
    pub(super) followers: Vec<Arc<Deployment>>,
    /// The pods of those, by source.
    pub(super) following: BTreeMap<String, Vec<Arc<Pod>>>,
    /// The Jobs of those CronJobs, the oldest first.
    pub(super) runs: Vec<ObservedRun>,
    /// The Jobs that see to the buckets' settings.
    pub(super) setups: Vec<ObservedSetup>,
}

/// A Job that sees to the buckets' settings.
#[derive(Debug)]
pub(super) struct ObservedSetup {
    pub(super) job: String,
    pub(super) uid: String,
    pub(super) has_ended: bool,
    /// Its last word, as long as its pod is there.
    pub(super) report: Option<SetupReport>,
}

/// A claim and who uses it.
#[derive(Debug)]
pub(super) struct ObservedClaim {
    pub(super) uid: String,
    pub(super) claim: Claim,
    pub(super) users: Vec<User>,
}

/// A Job and what is left of its run.
#[derive(Debug)]
pub(super) struct ObservedRun {
    pub(super) job: String,
    pub(super) resource_version: Option<String>,
    pub(super) source: String,
    /// Whether its outcome is recorded already; it is then in the evidence.
    pub(super) is_recorded: bool,
    pub(super) evidence: Evidence,
    pub(super) pods: Vec<WorkerPod>,
}

/// A worker's pod, as far as it can be moved.
#[derive(Debug, Clone)]
pub(super) struct WorkerPod {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) resource_version: Option<String>,
    /// The gates that it waits behind, by name.
    pub(super) gates: Vec<String>,
    pub(super) affinity: Option<Affinity>,
    /// Where it is, or is pinned to.
    pub(super) node: Option<String>,
    /// The claim that it reads.
    pub(super) claim: Option<String>,
    /// Whether it has neither succeeded nor failed.
    pub(super) is_live: bool,
    /// Whether it is on its way out.
    pub(super) is_terminating: bool,
}

impl WorkerPod {
    /// Whether it waits for the controller.
    pub(super) fn is_gated(&self) -> bool {
        self.gates.iter().any(|gate| gate == GATE)
    }
}

impl Observed {
    /// Looks at everything about a policy.
    pub(super) fn new(policy: &BackupPolicy, stores: &Stores) -> Self {
        let namespace = policy.namespace().unwrap_or_default();
        let (name, uid) = (policy.name_any(), policy.uid().unwrap_or_default());
        let pods: Vec<Arc<Pod>> = stores
            .pods
            .state()
            .into_iter()
            .filter(|pod| is_in(&**pod, &namespace))
            .collect();
        let named = claims_named(policy, &name, &pods);
        let claims = stores
            .claims
            .state()
            .iter()
            .filter(|claim| is_in(&***claim, &namespace))
            .filter(|claim| named.contains(&claim.name_any()))
            .map(|claim| (claim.name_any(), observed_claim(claim, &pods)))
            .collect();
        let cron_jobs = owned_by(&stores.cron_jobs, &namespace, &uid);
        let followers = owned_by(&stores.followers, &namespace, &uid);
        let following = following(&name, &pods);
        let owns = |job: &Job| {
            cron_jobs.iter().any(|cron_job| {
                is_controlled_by(job.owner_references(), &cron_job.uid().unwrap_or_default())
            })
        };
        let mut runs: Vec<ObservedRun> = stores
            .jobs
            .state()
            .iter()
            .filter(|job| is_in(&***job, &namespace) && owns(job))
            .map(|job| observed_run(job, &pods))
            .collect();
        runs.sort_by(|a, b| {
            a.evidence
                .created
                .cmp(&b.evidence.created)
                .then_with(|| a.job.cmp(&b.job))
        });
        let setups = stores
            .jobs
            .state()
            .iter()
            .filter(|job| is_controlled_by(job.owner_references(), &uid))
            .filter(|job| {
                job.labels()
                    .get(labels::VERB)
                    .is_some_and(|verb| verb == labels::SETUP)
            })
            .map(|job| observed_setup(job, &pods))
            .collect();
        Self {
            namespace,
            name,
            uid,
            policy: policy.clone(),
            claims,
            cron_jobs,
            followers,
            following,
            runs,
            setups,
        }
    }
}

fn owned_by<K>(store: &Store<K>, namespace: &str, uid: &str) -> Vec<Arc<K>>
where
    K: kube::Resource<DynamicType = ()> + Clone,
{
    let is_own = |object: &Arc<K>| {
        is_in(&**object, namespace) && is_controlled_by(object.owner_references(), uid)
    };
    store.state().into_iter().filter(is_own).collect()
}

/// The pods of a policy's followers.
fn following(policy: &str, pods: &[Arc<Pod>]) -> BTreeMap<String, Vec<Arc<Pod>>> {
    let mut of_sources: BTreeMap<String, Vec<Arc<Pod>>> = BTreeMap::new();
    for pod in pods {
        let has =
            |label: &str, value: &str| pod.labels().get(label).is_some_and(|found| found == value);
        if let Some(source) = pod.labels().get(labels::SOURCE)
            && has(labels::POLICY, policy)
            && has(labels::VERB, labels::FOLLOW)
        {
            of_sources
                .entry(source.clone())
                .or_default()
                .push(pod.clone());
        }
    }
    of_sources
}

fn is_in(object: &impl ResourceExt, namespace: &str) -> bool {
    object.meta().namespace.as_deref() == Some(namespace)
}

/// The claims that the policy's sources name, and those of runs that began under an earlier one.
fn claims_named(policy: &BackupPolicy, name: &str, pods: &[Arc<Pod>]) -> BTreeSet<String> {
    let of_sources = policy.spec.sources.iter().filter_map(|source| {
        source
            .persistent_volume_claim
            .as_ref()
            .map(|claim| claim.claim_name.clone())
    });
    let workers = pods.iter().filter(|pod| {
        pod.labels()
            .get(labels::POLICY)
            .is_some_and(|policy| policy == name)
    });
    of_sources
        .chain(workers.flat_map(|pod| claims_of(pod)))
        .collect()
}

pub(super) fn is_controlled_by(
    owners: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference],
    uid: &str,
) -> bool {
    owners
        .iter()
        .any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

fn observed_claim(claim: &PersistentVolumeClaim, pods: &[Arc<Pod>]) -> ObservedClaim {
    let name = claim.name_any();
    let status = claim.status.as_ref();
    let is_bound = status.and_then(|status| status.phase.as_deref()) == Some("Bound");
    // What the volume can do counts, which may be more than what was asked for.
    let modes = status
        .and_then(|status| status.access_modes.clone())
        .or_else(|| {
            claim
                .spec
                .as_ref()
                .and_then(|spec| spec.access_modes.clone())
        })
        .unwrap_or_default();
    let users = pods
        .iter()
        .filter(|pod| is_live(pod) && claims_of(pod).contains(&name))
        .map(|pod| user(pod))
        .collect();
    let claim_uid = claim.uid().unwrap_or_default();
    let claim = Claim {
        name,
        is_bound,
        access: Access::from_modes(&modes),
    };
    ObservedClaim {
        uid: claim_uid,
        claim,
        users,
    }
}

fn user(pod: &Pod) -> User {
    User {
        pod: pod.name_any(),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        is_worker: pod.labels().contains_key(labels::POLICY),
        is_gated: !gates(pod).is_empty(),
        is_terminating: pod.metadata.deletion_timestamp.is_some(),
    }
}

fn is_live(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

fn gates(pod: &Pod) -> Vec<String> {
    let gates = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.scheduling_gates.as_ref());
    gates
        .into_iter()
        .flatten()
        .map(|gate| gate.name.clone())
        .collect()
}

fn observed_run(job: &Job, pods: &[Arc<Pod>]) -> ObservedRun {
    let uid = job.uid().unwrap_or_default();
    let mut pods: Vec<&Arc<Pod>> = pods
        .iter()
        .filter(|pod| pod.labels().get(labels::JOB_UID) == Some(&uid))
        .collect();
    pods.sort_by_key(|pod| std::cmp::Reverse(pod.creation_timestamp()));
    let recorded = job.annotations().get(labels::REPORT);
    let evidence = Evidence {
        run: uid.clone(),
        created: job
            .creation_timestamp()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        job: job_state(job),
        admitted: job
            .annotations()
            .get(labels::ADMITTED)
            .map(|pods| pods.split(',').map(ToOwned::to_owned).collect())
            .unwrap_or_default(),
        recorded: recorded.and_then(|report| report_of(&uid, report)),
        pods: pods.iter().map(|pod| pod_evidence(&uid, pod)).collect(),
    };
    ObservedRun {
        job: job.name_any(),
        resource_version: job.resource_version(),
        source: job
            .labels()
            .get(labels::SOURCE)
            .cloned()
            .unwrap_or_default(),
        is_recorded: job.labels().contains_key(labels::OUTCOME) && evidence.recorded.is_some(),
        evidence,
        pods: pods.iter().map(|pod| worker_pod(pod)).collect(),
    }
}

fn observed_setup(job: &Job, pods: &[Arc<Pod>]) -> ObservedSetup {
    let uid = job.uid().unwrap_or_default();
    let mut own: Vec<&Arc<Pod>> = pods
        .iter()
        .filter(|pod| pod.labels().get(labels::JOB_UID) == Some(&uid))
        .collect();
    own.sort_by_key(|pod| std::cmp::Reverse(pod.creation_timestamp()));
    ObservedSetup {
        job: job.name_any(),
        has_ended: matches!(job_state(job), JobState::Ended { .. }),
        report: own.iter().find_map(|pod| {
            let message = termination_message(pod)?;
            serde_json::from_str(&message).ok()
        }),
        uid,
    }
}

fn termination_message(pod: &Pod) -> Option<String> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    let state = containers.first()?.state.as_ref()?;
    state.terminated.as_ref()?.message.clone()
}

/// A report is believed about its own run only.
fn report_of(run: &str, json: &str) -> Option<RunReport> {
    serde_json::from_str(json)
        .ok()
        .filter(|report: &RunReport| report.run == run)
}

fn job_state(job: &Job) -> JobState {
    let conditions = job
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let holds = |kinds: [&str; 2]| {
        conditions.into_iter().flatten().find(|condition| {
            condition.status == "True" && kinds.contains(&condition.type_.as_str())
        })
    };
    let by_deadline =
        |condition: &JobCondition| condition.reason.as_deref() == Some("DeadlineExceeded");
    let since = |condition: &JobCondition| {
        condition
            .last_transition_time
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0)
    };
    if let Some(ended) = holds(["Complete", "Failed"]) {
        return JobState::Ended {
            at: since(ended),
            by_deadline: by_deadline(ended),
        };
    }
    match holds(["FailureTarget", "SuccessCriteriaMet"]) {
        Some(ending) => JobState::Ending {
            since: since(ending),
            by_deadline: by_deadline(ending),
        },
        None => JobState::Active,
    }
}

fn worker_pod(pod: &Pod) -> WorkerPod {
    let spec = pod.spec.as_ref();
    let affinity = spec.and_then(|spec| spec.affinity.clone());
    WorkerPod {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        resource_version: pod.resource_version(),
        gates: gates(pod),
        node: spec
            .and_then(|spec| spec.node_name.clone())
            .or_else(|| affinity.as_ref().and_then(pinned_node)),
        affinity,
        claim: claims_of(pod).into_iter().next(),
        is_live: is_live(pod),
        is_terminating: pod.metadata.deletion_timestamp.is_some(),
    }
}

fn pinned_node(affinity: &Affinity) -> Option<String> {
    let required = affinity
        .node_affinity
        .as_ref()?
        .required_during_scheduling_ignored_during_execution
        .as_ref()?;
    let fields = required
        .node_selector_terms
        .iter()
        .flat_map(|term| term.match_fields.iter());
    let name = fields
        .flatten()
        .find(|field| field.key == "metadata.name")?;
    name.values.as_ref()?.first().cloned()
}

fn pod_evidence(run: &str, pod: &Pod) -> PodEvidence {
    let status = pod.status.clone().unwrap_or_default();
    let container = status
        .container_statuses
        .iter()
        .flatten()
        .find(|container| container.name == WORKER_CONTAINER);
    let state = container.and_then(|container| container.state.as_ref());
    let ended = state.and_then(|state| state.terminated.as_ref());
    let never_began = ended
        .and_then(|ended| ended.reason.as_deref())
        .is_some_and(|reason| NEVER_BEGAN.contains(&reason));
    let is_running = state.is_some_and(|state| state.running.is_some());
    let conditions = status.conditions.as_ref();
    let holds = |kind: &str| {
        conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == kind && condition.status == "True")
    };
    let is_disrupted = holds("DisruptionTarget")
        || status.reason.as_deref() == Some("Evicted")
        || pod.metadata.deletion_timestamp.is_some();
    let ended_by = if ended.and_then(|ended| ended.reason.as_deref()) == Some("OOMKilled") {
        Some(EndedBy::OutOfMemory)
    } else if status.reason.as_deref() == Some("DeadlineExceeded") {
        Some(EndedBy::Deadline)
    } else {
        is_disrupted.then_some(EndedBy::Disruption)
    };
    PodEvidence {
        name: pod.name_any(),
        has_run: is_running || (ended.is_some() && !never_began),
        has_ended: !is_live(pod),
        last_word: ended
            .and_then(|ended| ended.message.as_deref())
            .and_then(|message| report_of(run, message)),
        ended_by,
        gone_by: pod.metadata.deletion_timestamp.as_ref().map(|time| time.0),
        blocked: blocked(pod, container),
    }
}

pub(super) fn blocked(pod: &Pod, container: Option<&ContainerStatus>) -> Option<Blocked> {
    let state = container.and_then(|container| container.state.as_ref());
    let failed = |reason: &str, message: Option<&String>| Blocked {
        reason: WaitReason::PodCreationFailed,
        message: match message {
            Some(message) => format!("pod {}: {reason}: {message}", pod.name_any()),
            None => format!("pod {}: {reason}", pod.name_any()),
        },
    };
    if let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) {
        let reason = waiting.reason.as_deref().unwrap_or(STARTING[0]);
        if !STARTING.contains(&reason) {
            return Some(failed(reason, waiting.message.as_ref()));
        }
    }
    if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
        let reason = ended.reason.as_deref().unwrap_or_default();
        return NEVER_BEGAN
            .contains(&reason)
            .then(|| failed(reason, ended.message.as_ref()));
    }
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let unscheduled = conditions.into_iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.reason.as_deref() == Some("Unschedulable")
            && condition.status == "False"
    })?;
    let message = unscheduled.message.as_deref().unwrap_or("no node takes it");
    Some(Blocked {
        reason: WaitReason::Unschedulable,
        message: format!("pod {}: {message}", pod.name_any()),
    })
}

#[cfg(test)]
mod tests {
    use crate::api::outcome::{Outcome, Reason};
    use crate::controller::fixtures::{CLAIM, CRON_JOB, POLICY, job, observed, worker};
    use crate::plan::evidence::judge;

    use super::*;

    const FAILED: &str = "status: {failed: 1, conditions: [{type: Failed, status: 'True', \
                          reason: BackoffLimitExceeded, lastTransitionTime: '2026-11-02T02:30:00Z'}]}";

    fn ended(terminated: &str, reason: &str) -> String {
        format!(
            "{{phase: Failed, {reason}containerStatuses: [{{name: worker, ready: false, \
             restartCount: 0, image: x, imageID: '', state: {{terminated: {terminated}}}}}]}}"
        )
    }

    fn judged(job: &str, pods: &[String]) -> Option<(Outcome, Reason)> {
        let mut objects = vec![POLICY, CLAIM, CRON_JOB, job];
        objects.extend(pods.iter().map(String::as_str));
        let observed = observed(&objects);
        let report = judge(
            &observed.runs[0].evidence,
            "2026-11-02T03:00:00Z".parse().expect("a time"),
        )?;
        report.outcome.zip(report.reason)
    }

    #[test]
    fn a_last_word_is_read_from_the_container() {
        let word = r#"{\"version\":1,\"run\":\"r1\",\"epoch\":1,\"phase\":\"Done\",\"outcome\":\"Partial\",\"reason\":\"EntriesNotCaptured\",\"startTime\":\"2026-11-02T02:01:00Z\",\"files\":{},\"bytes\":{}}"#;
        let job = job("r1", 1, "");
        let pod = |word: &str| {
            worker(
                "w1",
                "r1",
                "",
                &ended(&format!("{{exitCode: 0, message: \"{word}\"}}"), ""),
            )
        };
        assert_eq!(
            judged(&job, &[pod(word)]),
            Some((Outcome::Partial, Reason::EntriesNotCaptured))
        );
        // A word about another run is no word.
        assert_eq!(judged(&job, &[pod(&word.replace("r1", "r9"))]), None);
        assert_eq!(judged(&job, &[pod("not json")]), None);
    }

    #[test]
    fn p03_what_ended_a_pod_is_told_apart() {
        let job = job("r1", 1, FAILED);
        let judged = |terminated, reason| {
            judged(&job, &[worker("w1", "r1", "", &ended(terminated, reason))])
        };
        assert_eq!(
            judged("{exitCode: 137, reason: OOMKilled}", ""),
            Some((Outcome::Unclear, Reason::OutOfMemory))
        );
        assert_eq!(
            judged(
                "{exitCode: 137, reason: Error}",
                "reason: DeadlineExceeded, "
            ),
            Some((Outcome::Unclear, Reason::DeadlineExceeded))
        );
        assert_eq!(
            judged("{exitCode: 143, reason: Error}", "reason: Evicted, "),
            Some((Outcome::Unclear, Reason::Interrupted))
        );
        assert_eq!(
            judged("{exitCode: 139, reason: Error}", ""),
            Some((Outcome::Unclear, Reason::WorkerLost))
        );
        assert_eq!(
            judged(
                "{exitCode: 128, reason: StartError, message: no such file}",
                ""
            ),
            Some((Outcome::Failed, Reason::PodCreationFailed))
        );
    }

    #[test]
    fn a_job_that_is_not_of_our_cron_job_is_nobodys_run() {
        let foreign = job("r1", 1, "").replace("uid-of-cron-job", "uid-of-another");
        assert!(
            observed(&[POLICY, CLAIM, CRON_JOB, &foreign])
                .runs
                .is_empty()
        );
        let cron_job = CRON_JOB.replace("uid-of-policy", "uid-of-the-one-before");
        assert!(
            observed(&[POLICY, CLAIM, &cron_job, &job("r1", 1, "")])
                .runs
                .is_empty()
        );
    }

    #[test]
    fn a_claim_is_known_by_what_its_volume_can_do() {
        let observed = observed(&[POLICY, &CLAIM.replace("ReadWriteOnce", "ReadWriteMany")]);
        assert_eq!(observed.claims["shop-data"].claim.access, Access::ManyNodes);
        assert_eq!(observed.claims["shop-data"].uid, "uid-of-claim");
    }
}
