//! Events on a policy: one for each change that a person may want to know of, in the words of the
//! conditions.

use kube::Resource;
use kube::runtime::events::{Event, EventType};

use crate::api::outcome::Outcome;
use crate::api::status::BackupPolicyStatus;

use super::context::Context;
use super::observe::Observed;
use super::publish::READY;

/// Tells what changed between two statuses. An event that cannot be published is lost: status says
/// the same.
pub(super) async fn tell(
    context: &Context,
    observed: &Observed,
    known: &BackupPolicyStatus,
    status: &BackupPolicyStatus,
) {
    let regarding = observed.policy.object_ref(&());
    for event in changes(known, status) {
        if let Err(error) = context.cluster.publish_event(event, &regarding).await {
            tracing::warn!(error = %error, "event lost");
        }
    }
}

pub(super) fn changes(known: &BackupPolicyStatus, status: &BackupPolicyStatus) -> Vec<Event> {
    let mut events = Vec::new();
    if let Some(event) = ready_change(known, status) {
        events.push(event);
    }
    for source in &status.sources {
        let before = known
            .sources
            .iter()
            .find(|before| before.name == source.name);
        for run in source.recent_runs.iter().rev() {
            let is_known = before.is_some_and(|before| {
                before
                    .recent_runs
                    .iter()
                    .any(|other| other.id == run.id && other.outcome == run.outcome)
            });
            if !is_known {
                let note = format!(
                    "source {}: {}: {} ({} sent, {} unchanged, {} not captured)",
                    source.name,
                    run.outcome.as_str(),
                    run.message,
                    run.files.uploaded,
                    run.files.unchanged,
                    run.files.not_captured
                );
                let is_good = run.outcome == Outcome::Succeeded;
                events.push(event(is_good, run.reason.as_str(), "Backup", note));
            }
        }
        let reason_before = before.and_then(|before| before.waiting.as_ref());
        if let Some(waiting) = &source.waiting
            && reason_before.map(|before| (&before.reason, &before.run))
                != Some((&waiting.reason, &waiting.run))
        {
            let note = format!("source {}: {}", source.name, waiting.message);
            events.push(event(false, &waiting.reason, "Admit", note));
        }
    }
    events
}

fn ready_change(known: &BackupPolicyStatus, status: &BackupPolicyStatus) -> Option<Event> {
    let ready = |status: &BackupPolicyStatus| {
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == READY)
            .cloned()
    };
    let (before, now) = (ready(known), ready(status)?);
    let said = |condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        (condition.status.clone(), condition.reason.clone())
    };
    if before.as_ref().map(said) == Some(said(&now)) {
        return None;
    }
    Some(event(
        now.status == "True",
        &now.reason,
        "Reconcile",
        now.message,
    ))
}

fn event(is_good: bool, reason: &str, action: &str, note: String) -> Event {
    Event {
        type_: if is_good {
            EventType::Normal
        } else {
            EventType::Warning
        },
        reason: reason.to_owned(),
        note: Some(note),
        action: action.to_owned(),
        secondary: None,
    }
}
