//! Events on a policy: one for each change that a person may want to know of, in the words of the
//! conditions.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;

use crate::adapters::cluster::Happening;
use crate::api::outcome::Outcome;
use crate::api::status::{BackupPolicyStatus, RunStatus, SourceStatus};

use super::context::Context;
use super::observe::Observed;
use super::publish::{EVENTS_FOLLOWED, READY};

/// Why a notice's event is there.
const NOTICE_NOT_SENT: &str = "NoticeNotSent";

/// Tells what changed between two statuses. An event that cannot be published is lost: status says
/// the same.
pub(super) async fn tell(
    context: &Context,
    observed: &Observed,
    known: &BackupPolicyStatus,
    status: &BackupPolicyStatus,
) {
    let regarding = observed.policy.object_ref(&());
    for mut happening in changes(known, status) {
        if let Some(job) = &mut happening.related {
            complete(job, observed);
        }
        if let Err(error) = context.cluster.publish_event(&happening, &regarding).await {
            tracing::warn!(error = %error, "event lost");
        }
    }
}

pub(super) fn changes(known: &BackupPolicyStatus, status: &BackupPolicyStatus) -> Vec<Happening> {
    let mut happenings: Vec<Happening> = [(READY, "Reconcile"), (EVENTS_FOLLOWED, "Follow")]
        .into_iter()
        .filter_map(|(kind, action)| condition_change(known, status, kind, action))
        .collect();
    for source in &status.sources {
        let before = known
            .sources
            .iter()
            .find(|before| before.name == source.name);
        for run in source.recent_runs.iter().rev() {
            let known = before.and_then(|before| {
                before
                    .recent_runs
                    .iter()
                    .find(|other| other.id == run.id && other.outcome == run.outcome)
            });
            if known.is_none() {
                happenings.push(ended(source, run));
            }
            if let Some(error) = &run.notice_error
                && known.is_none_or(|known| known.notice_error.is_none())
            {
                let note = format!("source {}: a notice was not sent: {error}", source.name);
                happenings.push(Happening {
                    related: Some(job(&run.id)),
                    ..happening(false, NOTICE_NOT_SENT, "Notify", note)
                });
            }
        }
        happenings.extend(waiting_change(before, source));
    }
    happenings
}

fn ended(source: &SourceStatus, run: &RunStatus) -> Happening {
    let said = if run.message.is_empty() {
        String::new()
    } else {
        format!(": {}", run.message)
    };
    let note = format!(
        "source {}: {}{said} ({} sent, {} unchanged, {} not captured)",
        source.name,
        run.outcome.as_str(),
        run.files.uploaded,
        run.files.unchanged,
        run.files.not_captured
    );
    let is_good = run.outcome == Outcome::Succeeded;
    Happening {
        related: Some(job(&run.id)),
        ..happening(is_good, run.reason.as_str(), "Backup", note)
    }
}

fn waiting_change(before: Option<&SourceStatus>, source: &SourceStatus) -> Option<Happening> {
    let before = before.and_then(|before| before.waiting.as_ref());
    let waiting = source.waiting.as_ref()?;
    if before.map(|before| (&before.reason, &before.run)) == Some((&waiting.reason, &waiting.run)) {
        return None;
    }
    let note = format!("source {}: {}", source.name, waiting.message);
    Some(Happening {
        related: Some(job(&waiting.run)),
        ..happening(false, &waiting.reason, "Admit", note)
    })
}

/// A policy that cannot be carried out is told of again when what is wrong with it is another
/// thing.
/// A condition that says something else than before. What is not known yet is no news.
fn condition_change(
    known: &BackupPolicyStatus,
    status: &BackupPolicyStatus,
    kind: &str,
    action: &'static str,
) -> Option<Happening> {
    let of = |status: &BackupPolicyStatus| {
        let mut conditions = status.conditions.iter();
        conditions
            .find(|condition| condition.type_ == kind)
            .cloned()
    };
    let (before, now) = (of(known), of(status)?);
    let is_good = now.status == "True";
    let is_same = before.is_some_and(|before| {
        before.status == now.status
            && before.reason == now.reason
            && (is_good || before.message == now.message)
    });
    let is_news = !is_same && (now.status != "Unknown" || kind == READY);
    is_news.then(|| happening(is_good, &now.reason, action, now.message))
}

/// The Job of a run, by what status keeps of it.
fn job(run: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("batch/v1".to_owned()),
        kind: Some("Job".to_owned()),
        uid: Some(run.to_owned()),
        ..ObjectReference::default()
    }
}

/// Adds the Job's name, for as long as it is there.
fn complete(job: &mut ObjectReference, observed: &Observed) {
    let run = observed
        .runs
        .iter()
        .find(|run| Some(&run.evidence.run) == job.uid.as_ref());
    job.namespace = Some(observed.namespace.clone());
    job.name = run.map(|run| run.job.clone());
}

fn happening(is_good: bool, reason: &str, action: &'static str, note: String) -> Happening {
    Happening {
        is_good,
        reason: reason.to_owned(),
        action,
        note,
        related: None,
    }
}
