//! Gates opened and workers evicted, as `plan::placement` decides.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
};
use serde_json::json;

use crate::adapters::cluster::ClusterError;
use crate::api::status::Waiting;
use crate::plan::evidence;
use crate::plan::history::cut;
use crate::plan::placement::{self, Admission, GATE, User};

use super::context::Context;
use super::labels;
use super::observe::{Observed, ObservedClaim, WorkerPod};

/// What is to be done about the pods of a policy, and what they wait for.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    steps: Vec<Step>,
    /// Why runs do not move, by source.
    pub(super) waiting: BTreeMap<String, Waiting>,
    /// Whether a pod waits at its gate.
    pub(super) is_any_gated: bool,
}

#[derive(Debug)]
enum Step {
    Open {
        job: String,
        run: String,
        pod: WorkerPod,
        node: Option<String>,
    },
    Evict {
        pod: WorkerPod,
        for_pod: String,
    },
}

/// Decides about every pod. Pure.
pub(super) fn decide(observed: &Observed, now: Timestamp) -> Decisions {
    let mut decisions = Decisions::default();
    // The pod of each source that is past the gate, or is let through in this pass.
    let mut admitted: BTreeMap<&str, String> = BTreeMap::new();
    for run in &observed.runs {
        for pod in run.pods.iter().filter(|pod| pod.is_live && !pod.is_gated()) {
            admitted.insert(&run.source, pod.name.clone());
            if let Some(user) = yields_to(observed, pod) {
                let for_pod = user.pod.clone();
                decisions.steps.push(Step::Evict {
                    pod: pod.clone(),
                    for_pod,
                });
            }
        }
    }
    for run in &observed.runs {
        if let Some(blocked) = evidence::blocked(&run.evidence, now) {
            decisions.wait(
                &run.source,
                &run.evidence.run,
                blocked.reason.as_str(),
                &blocked.message,
            );
        }
        let gated = |pod: &&WorkerPod| pod.is_live && pod.is_gated() && !pod.is_terminating;
        for pod in run.pods.iter().filter(gated) {
            let claim = pod
                .claim
                .as_ref()
                .and_then(|name| observed.claims.get(name));
            let others = claim.map(|claim| others(claim, pod)).unwrap_or_default();
            let active = admitted.get(run.source.as_str()).map(String::as_str);
            match placement::admit(claim.map(|claim| &claim.claim), &others, active) {
                Admission::Open { node } => {
                    admitted.insert(&run.source, pod.name.clone());
                    let (job, pod) = (run.job.clone(), pod.clone());
                    let run = run.evidence.run.clone();
                    decisions.steps.push(Step::Open {
                        job,
                        run,
                        pod,
                        node,
                    });
                }
                Admission::Wait { reason, message } => {
                    decisions.is_any_gated = true;
                    decisions.wait(&run.source, &run.evidence.run, reason.as_str(), &message);
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
    decisions: &Decisions,
) -> Result<(), ClusterError> {
    for step in &decisions.steps {
        let done = match step {
            Step::Open {
                job,
                run,
                pod,
                node,
            } => open(context, &observed.namespace, job, run, pod, node.as_deref()).await,
            Step::Evict { pod, for_pod } => {
                let name = &pod.name;
                tracing::info!(pod = name, for_pod, "worker evicted: it stood in the way");
                context
                    .cluster
                    .evict_pod(&observed.namespace, name, &pod.uid)
                    .await
            }
        };
        match done {
            Err(error) if error.is_outdated() => {}
            result => result?,
        }
    }
    Ok(())
}

impl Decisions {
    /// The oldest run of a source is the one that matters.
    fn wait(&mut self, source: &str, run: &str, reason: &str, message: &str) {
        self.waiting
            .entry(source.to_owned())
            .or_insert_with(|| Waiting {
                run: run.to_owned(),
                reason: reason.to_owned(),
                message: cut(message),
            });
    }
}

fn others(claim: &ObservedClaim, pod: &WorkerPod) -> Vec<User> {
    claim
        .users
        .iter()
        .filter(|user| user.pod != pod.name)
        .cloned()
        .collect()
}

fn yields_to(observed: &Observed, pod: &WorkerPod) -> Option<User> {
    if pod.is_terminating {
        return None;
    }
    let claim = observed.claims.get(pod.claim.as_ref()?)?;
    let others = others(claim, pod);
    placement::yields_to(&claim.claim, pod.node.as_deref(), &others).cloned()
}

/// The Job is marked first: one without the mark has certainly done nothing.
async fn open(
    context: &Context,
    namespace: &str,
    job: &str,
    run: &str,
    pod: &WorkerPod,
    node: Option<&str>,
) -> Result<(), ClusterError> {
    let mark = json!({ "uid": run, "annotations": { labels::ADMITTED: pod.name } });
    context.cluster.patch_job(namespace, job, &mark).await?;
    let gates: Vec<_> = pod
        .gates
        .iter()
        .filter(|gate| *gate != GATE)
        .map(|gate| json!({ "name": gate }))
        .collect();
    let mut patch = json!({
        "metadata": { "uid": pod.uid, "resourceVersion": pod.resource_version },
        "spec": { "schedulingGates": gates },
    });
    if let Some(node) = node {
        patch["spec"]["affinity"] =
            serde_json::to_value(pinned(pod.affinity.clone(), node)).expect("an affinity is JSON");
    }
    context
        .cluster
        .patch_pod(namespace, &pod.name, &patch)
        .await?;
    tracing::info!(run_id = run, pod = pod.name, node, "worker admitted");
    Ok(())
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

    fn decided(objects: &[&str]) -> Decisions {
        let standing = [POLICY, CLAIM, CRON_JOB];
        let objects: Vec<&str> = standing
            .into_iter()
            .chain(objects.iter().copied())
            .collect();
        decide(
            &observed(&objects),
            "2026-11-02T02:10:00Z".parse().expect("a time"),
        )
    }

    fn opened(decisions: &Decisions) -> Vec<(&str, Option<&str>)> {
        let steps = decisions.steps.iter().filter_map(|step| match step {
            Step::Open { pod, node, .. } => Some((pod.name.as_str(), node.as_deref())),
            Step::Evict { .. } => None,
        });
        steps.collect()
    }

    fn evicted(decisions: &Decisions) -> Vec<(&str, &str)> {
        let steps = decisions.steps.iter().filter_map(|step| match step {
            Step::Evict { pod, for_pod } => Some((pod.name.as_str(), for_pod.as_str())),
            Step::Open { .. } => None,
        });
        steps.collect()
    }

    #[test]
    fn a_gated_worker_goes_where_the_application_is() {
        let (job, pod) = (
            job("r1", 1, ""),
            worker("w1", "r1", GATED, "{phase: Pending}"),
        );
        let decisions = decided(&[&job, &pod, &application("shop-0", "node-b")]);
        assert_eq!(opened(&decisions), [("w1", Some("node-b"))]);
        assert!(decisions.waiting.is_empty() && !decisions.is_any_gated);
    }

    #[test]
    fn p05_a_manual_run_waits_at_the_gate_for_the_scheduled_one() {
        let (first, second) = (job("r1", 1, ""), job("r2", 2, ""));
        let running = worker("w1", "r1", "  nodeName: node-a", "{phase: Running}");
        let gated = worker("w2", "r2", GATED, "{phase: Pending}");
        let decisions = decided(&[&first, &second, &running, &gated]);
        assert_eq!(opened(&decisions), []);
        assert_eq!(decisions.waiting["files"].reason, "RunActive");
        assert_eq!(decisions.waiting["files"].run, "r2");
        // Both at the gate: the older one, whatever their names.
        let gated_first = worker("w3", "r1", GATED, "{phase: Pending}");
        let decisions = decided(&[&first, &second, &gated, &gated_first]);
        assert_eq!(opened(&decisions), [("w3", None)]);
        assert_eq!(decisions.waiting["files"].run, "r2");
    }

    #[test]
    fn p06_a_worker_in_the_way_is_evicted() {
        let job = job("r1", 1, "");
        let running = worker("w1", "r1", "  nodeName: node-a", "{phase: Running}");
        let decisions = decided(&[&job, &running, &application("shop-0", "node-b")]);
        assert_eq!(evicted(&decisions), [("w1", "shop-0")]);
        let decisions = decided(&[&job, &running, &application("shop-0", "node-a")]);
        assert_eq!(evicted(&decisions), []);
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
        let decisions = decided(&[&job, &pending, &application("shop-0", "node-b")]);
        assert_eq!(evicted(&decisions), []);
        let decisions = decided(&[&job, &pending, &application("shop-0", "node-a")]);
        assert_eq!(evicted(&decisions), [("w1", "shop-0")]);
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
        let decisions = decided(&[&job, &pod]);
        let waiting = &decisions.waiting["files"];
        assert_eq!(waiting.reason, "PodCreationFailed");
        assert!(
            waiting.message.contains("ImagePullBackOff: no such image"),
            "{}",
            waiting.message
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
