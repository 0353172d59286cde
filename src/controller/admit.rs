//! Gates opened and workers evicted, as `plan::placement` decides.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
};
use serde_json::json;

use crate::adapters::cluster::ClusterError;
use crate::api::left::{LEFT_ANNOTATION, Left};
use crate::api::status::Waiting;
use crate::plan::evidence;
use crate::plan::history::{MESSAGE_MAX_BYTES, cut};
use crate::plan::placement::{self, Admission, GATE, User, WaitReason};

use super::context::Context;
use super::labels;
use super::observe::{Observed, ObservedClaim, ObservedRun, WorkerPod};

/// How many pods of a run are written down by name: more than any run has, unless it yields over
/// and over.
const ADMITTED_MAX: usize = 64;

/// What is to be done about the pods of a policy, and what they wait for.
#[derive(Debug, Default)]
pub(super) struct Decisions<'a> {
    steps: Vec<Step<'a>>,
    /// Why runs do not move, by source.
    pub(super) waiting: BTreeMap<String, Waiting>,
    /// Whether a pod waits at its gate.
    pub(super) is_any_gated: bool,
}

#[derive(Debug)]
enum Step<'a> {
    Open {
        run: &'a ObservedRun,
        pod: &'a WorkerPod,
        node: Option<String>,
        left: Option<&'a Left>,
    },
    Evict {
        pod: &'a WorkerPod,
        for_pod: &'a str,
    },
}

/// Decides about every pod. Pure.
pub(super) fn decide(observed: &Observed, now: Timestamp) -> Decisions<'_> {
    let mut decisions = Decisions::default();
    // The pod of each source that is past the gate, or is let through in this pass.
    let mut admitted: BTreeMap<&str, &str> = BTreeMap::new();
    for run in &observed.runs {
        for pod in run.pods.iter().filter(|pod| pod.is_live && !pod.is_gated()) {
            admitted.insert(&run.source, &pod.name);
            if let Some(user) = yields_to(observed, pod) {
                decisions.steps.push(Step::Evict {
                    pod,
                    for_pod: &user.pod,
                });
            }
        }
    }
    for run in &observed.runs {
        if let Some(blocked) = evidence::blocked(&run.evidence, now) {
            decisions.wait(run, blocked.reason, &blocked.message);
        }
        let is_waiting = |pod: &&WorkerPod| pod.is_live && pod.is_gated() && !pod.is_terminating;
        for pod in run.pods.iter().filter(is_waiting) {
            let active = admitted.get(run.source.as_str()).copied();
            match admission(observed, pod, active) {
                Admission::Open { node } => {
                    admitted.insert(&run.source, &pod.name);
                    decisions.steps.push(Step::Open {
                        run,
                        pod,
                        node,
                        left: left_before(observed, &run.source),
                    });
                }
                Admission::Wait { reason, message } => {
                    decisions.is_any_gated = true;
                    decisions.wait(run, reason, &message);
                }
            }
        }
    }
    decisions
}

/// Carries the decisions out. What has changed in the meantime is decided anew when that is seen.
pub(super) async fn carry_out(
    context: &Context,
    observed: &Observed,
    decisions: &Decisions<'_>,
) -> Result<(), ClusterError> {
    let namespace = &observed.namespace;
    for step in &decisions.steps {
        let done = match step {
            Step::Open {
                run,
                pod,
                node,
                left,
            } => open(context, namespace, run, pod, node.as_deref(), *left).await,
            Step::Evict { pod, for_pod } => {
                let name = &pod.name;
                tracing::info!(pod = name, for_pod, "worker evicted: it stood in the way");
                context.cluster.evict_pod(namespace, name, &pod.uid).await
            }
        };
        match done {
            Err(error) if error.is_outdated() => {}
            result => result?,
        }
    }
    Ok(())
}

impl Decisions<'_> {
    /// The oldest run of a source is the one that matters.
    fn wait(&mut self, run: &ObservedRun, reason: WaitReason, message: &str) {
        self.waiting
            .entry(run.source.clone())
            .or_insert_with(|| Waiting {
                run: run.evidence.run.clone(),
                reason: reason.as_str().to_owned(),
                message: cut(message, MESSAGE_MAX_BYTES),
            });
    }
}

fn admission(observed: &Observed, pod: &WorkerPod, active: Option<&str>) -> Admission {
    let Some(name) = &pod.claim else {
        return placement::admit_anywhere(active);
    };
    let claim = observed.claims.get(name);
    let others = claim.map(|claim| others(claim, pod)).unwrap_or_default();
    placement::admit(claim.map(|claim| &claim.claim), &others, active)
}

/// What was left by the newest attempt at the source that came to its own end. An attempt that did
/// not has left nothing by this way, and what it took over is known by HEAD.
fn left_before<'a>(observed: &'a Observed, source: &str) -> Option<&'a Left> {
    let runs = observed.runs.iter().rev();
    let mut reports = runs
        .filter(|run| run.source == source)
        .filter_map(|run| evidence::last_report(&run.evidence));
    reports.next()?.left.as_ref()
}

fn others(claim: &ObservedClaim, pod: &WorkerPod) -> Vec<User> {
    claim
        .users
        .iter()
        .filter(|user| user.pod != pod.name)
        .cloned()
        .collect()
}

fn yields_to<'a>(observed: &'a Observed, pod: &WorkerPod) -> Option<&'a User> {
    if pod.is_terminating {
        return None;
    }
    // The worker itself is among the users, and yields to no worker.
    let claim = observed.claims.get(pod.claim.as_ref()?)?;
    placement::yields_to(&claim.claim, pod.node.as_deref(), &claim.users)
}

/// The Job is marked first: one without the mark has certainly done nothing. Both patches name the
/// version that was seen.
async fn open(
    context: &Context,
    namespace: &str,
    run: &ObservedRun,
    pod: &WorkerPod,
    node: Option<&str>,
    left: Option<&Left>,
) -> Result<(), ClusterError> {
    let mark = json!({
        "uid": run.evidence.run,
        "resourceVersion": run.resource_version,
        "annotations": { labels::ADMITTED: admitted_with(&run.evidence.admitted, &pod.name) },
    });
    context
        .cluster
        .patch_job(namespace, &run.job, &mark)
        .await?;
    let gates = pod.gates.iter().filter(|gate| *gate != GATE);
    let gates: Vec<_> = gates.map(|gate| json!({ "name": gate })).collect();
    let mut patch = json!({
        "metadata": { "uid": pod.uid, "resourceVersion": pod.resource_version },
        "spec": { "schedulingGates": gates },
    });
    if let Some(node) = node {
        patch["spec"]["affinity"] =
            serde_json::to_value(pinned(pod.affinity.clone(), node)).expect("an affinity is JSON");
    }
    if let Some(left) = left {
        let left = serde_json::to_string(left).expect("what is left is JSON");
        patch["metadata"]["annotations"] = json!({ LEFT_ANNOTATION: left });
    }
    context
        .cluster
        .patch_pod(namespace, &pod.name, &patch)
        .await?;
    let run_id = &run.evidence.run;
    tracing::info!(run_id, pod = pod.name, node, "worker admitted");
    Ok(())
}

/// The names of all pods that are past the gate. Those that are too many are dropped, but not the
/// fact that there were more: `*` is the name of no pod.
fn admitted_with(admitted: &[String], pod: &str) -> String {
    let mut names: Vec<&str> = admitted.iter().map(String::as_str).collect();
    if !names.contains(&pod) {
        names.push(pod);
    }
    if names.len() > ADMITTED_MAX {
        names.drain(..names.len() - ADMITTED_MAX);
        names.insert(0, "*");
    }
    names.join(",")
}

/// The pod's own affinity, and this node alone. Terms are alternatives, so each is narrowed.
fn pinned(affinity: Option<Affinity>, node: &str) -> Affinity {
    let here = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let mut affinity = affinity.unwrap_or_default();
    let nodes = affinity
        .node_affinity
        .get_or_insert_with(NodeAffinity::default);
    let required = nodes
        .required_during_scheduling_ignored_during_execution
        .get_or_insert_with(NodeSelector::default);
    if required.node_selector_terms.is_empty() {
        required
            .node_selector_terms
            .push(NodeSelectorTerm::default());
    }
    for term in &mut required.node_selector_terms {
        term.match_fields.get_or_insert_default().push(here.clone());
    }
    affinity
}

#[cfg(test)]
mod tests {
    use crate::controller::fixtures::{
        CLAIM, CRON_JOB, GATED, POLICY, application, job, observed, worker,
    };

    use super::*;

    /// What is decided: pods that are let through with their node, evicted ones with whom they
    /// yield to, and what the source waits for.
    #[derive(Debug, Default, PartialEq)]
    struct Decided {
        opened: Vec<(String, Option<String>)>,
        evicted: Vec<(String, String)>,
        waiting: Option<(String, String, String)>,
    }

    fn decided(objects: &[&str]) -> Decided {
        let standing = [POLICY, CLAIM, CRON_JOB];
        let objects: Vec<&str> = standing
            .into_iter()
            .chain(objects.iter().copied())
            .collect();
        let observed = observed(&objects);
        let decisions = decide(&observed, "2026-11-02T02:10:00Z".parse().expect("a time"));
        let waiting = decisions.waiting.get("files").cloned();
        let mut decided = Decided {
            waiting: waiting.map(|waiting| (waiting.run, waiting.reason, waiting.message)),
            ..Decided::default()
        };
        for step in decisions.steps {
            match step {
                Step::Open { pod, node, .. } => decided.opened.push((pod.name.clone(), node)),
                Step::Evict { pod, for_pod } => {
                    decided.evicted.push((pod.name.clone(), for_pod.to_owned()));
                }
            }
        }
        decided
    }

    fn opened(pod: &str, node: Option<&str>) -> Decided {
        let opened = vec![(pod.to_owned(), node.map(ToOwned::to_owned))];
        Decided {
            opened,
            ..Decided::default()
        }
    }

    fn evicted(pod: &str, for_pod: &str) -> Decided {
        let evicted = vec![(pod.to_owned(), for_pod.to_owned())];
        Decided {
            evicted,
            ..Decided::default()
        }
    }

    #[test]
    fn a_gated_worker_goes_where_the_application_is() {
        let (job, pod) = (
            job("r1", 1, ""),
            worker("w1", "r1", GATED, "{phase: Pending}"),
        );
        let decided = decided(&[&job, &pod, &application("shop-0", "node-b")]);
        assert_eq!(decided, opened("w1", Some("node-b")));
    }

    #[test]
    fn p05_a_manual_run_waits_at_the_gate_for_the_scheduled_one() {
        let (first, second) = (job("r1", 1, ""), job("r2", 2, ""));
        let running = worker("w1", "r1", "  nodeName: node-a", "{phase: Running}");
        let gated = worker("w2", "r2", GATED, "{phase: Pending}");
        let found = decided(&[&first, &second, &running, &gated]);
        assert_eq!(found.opened, []);
        let (run, reason, _) = found.waiting.expect("it waits");
        assert_eq!((run.as_str(), reason.as_str()), ("r2", "RunActive"));
        // Both at the gate: the older one, whatever their names.
        let gated_first = worker("w3", "r1", GATED, "{phase: Pending}");
        let found = decided(&[&first, &second, &gated, &gated_first]);
        assert_eq!(found.opened, [("w3".to_owned(), None)]);
        assert_eq!(found.waiting.map(|(run, ..)| run).as_deref(), Some("r2"));
    }

    #[test]
    fn a_worker_is_told_what_the_newest_attempt_left() {
        let word = |run: &str, runs: u32| {
            let left = format!(
                "{{trouble: {{since: '2026-11-01T02:00:00Z', runs: {runs}, reason: AccessDenied}}, \
                 outbox: {{}}, nonce: 00000000-0000-0000-0000-000000000000}}"
            );
            let left = if runs == 0 {
                String::new()
            } else {
                format!("left: {left}, ")
            };
            let word: serde_json::Value = serde_saphyr::from_str(&format!(
                "{{version: 1, run: {run}, epoch: 0, phase: Done, outcome: Failed, {left}reason: \
                 AccessDenied, startTime: '2026-11-02T02:01:00Z', files: {{}}, bytes: {{}}}}"
            ))
            .expect("a report");
            let word = serde_json::to_string(&word.to_string()).expect("JSON");
            format!(
                "{{phase: Failed, containerStatuses: [{{name: worker, ready: false, restartCount: \
                 0, image: x, imageID: '', state: {{terminated: {{exitCode: 21, message: {word}}}}}}}]}}"
            )
        };
        let check = |ended: &[(&str, u32)], expected: Option<u32>| {
            let mut objects = vec![POLICY.to_owned(), CLAIM.to_owned(), CRON_JOB.to_owned()];
            for ((run, runs), minute) in ended.iter().zip(1..) {
                objects.push(job(run, minute, ""));
                objects.push(worker(&format!("w-{run}"), run, "", &word(run, *runs)));
            }
            objects.push(job("new", 9, ""));
            objects.push(worker("w", "new", GATED, "{phase: Pending}"));
            let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
            let observed = observed(&objects);
            let decisions = decide(&observed, "2026-11-02T09:10:00Z".parse().expect("a time"));
            let [Step::Open { left, .. }] = decisions.steps.as_slice() else {
                panic!("{decisions:?}");
            };
            assert_eq!(
                left.and_then(|left| Some(left.trouble.as_ref()?.runs)),
                expected,
                "{ended:?}"
            );
        };
        check(&[], None);
        check(&[("r1", 1), ("r2", 2)], Some(2));
        // The newest one reached HEAD.
        check(&[("r1", 1), ("r2", 0)], None);
    }

    #[test]
    fn p06_a_worker_in_the_way_is_evicted() {
        let job = job("r1", 1, "");
        let running = worker("w1", "r1", "  nodeName: node-a", "{phase: Running}");
        let found = decided(&[&job, &running, &application("shop-0", "node-b")]);
        assert_eq!(found, evicted("w1", "shop-0"));
        let found = decided(&[&job, &running, &application("shop-0", "node-a")]);
        assert_eq!(found, Decided::default());
    }

    #[test]
    fn a_pinned_worker_is_where_it_is_pinned_to() {
        let job = job("r1", 1, "");
        let pin = serde_json::to_string(&pinned(None, "node-b")).expect("JSON");
        let pending = worker(
            "w1",
            "r1",
            &format!("  affinity: {pin}"),
            "{phase: Pending}",
        );
        let found = decided(&[&job, &pending, &application("shop-0", "node-b")]);
        assert_eq!(found, Decided::default());
        let found = decided(&[&job, &pending, &application("shop-0", "node-a")]);
        assert_eq!(found, evicted("w1", "shop-0"));
    }

    #[test]
    fn p10_a_container_that_cannot_start_is_told() {
        let job = job("r1", 1, "");
        let pod = worker(
            "w1",
            "r1",
            "",
            "{phase: Pending, containerStatuses: [{name: worker, ready: false, restartCount: 0, \
             image: x, imageID: '', state: {waiting: {reason: ImagePullBackOff, message: no such image}}}]}",
        );
        let (_, reason, message) = decided(&[&job, &pod]).waiting.expect("it waits");
        assert_eq!(reason, "PodCreationFailed");
        assert!(
            message.contains("ImagePullBackOff: no such image"),
            "{message}"
        );
    }

    #[test]
    fn every_pod_that_was_let_through_is_written_down() {
        let names = |count: usize| {
            (0..count)
                .map(|index| format!("w{index}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(admitted_with(&[], "w"), "w");
        assert_eq!(admitted_with(&names(2), "w1"), "w0,w1");
        let many = admitted_with(&names(ADMITTED_MAX), "w");
        assert!(
            many.starts_with("*,w1,") && many.ends_with(",w63,w"),
            "{many}"
        );
    }

    #[test]
    fn a_pin_narrows_every_term_of_an_affinity() {
        let affinity: Affinity = serde_json::from_value(json!({"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "a", "operator": "Exists"}]},
                {"matchExpressions": [{"key": "b", "operator": "Exists"}]},
            ]},
        }}))
        .expect("an affinity");
        let pinned = serde_json::to_value(pinned(Some(affinity), "node-a")).expect("JSON");
        let terms = pinned["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            ["nodeSelectorTerms"]
            .as_array()
            .expect("terms");
        assert_eq!(terms.len(), 2);
        assert!(
            terms
                .iter()
                .all(|term| term["matchFields"][0]["values"][0] == "node-a")
        );
    }
}
