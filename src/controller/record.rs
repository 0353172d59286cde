//! How runs ended, onto their Jobs: a Job keeps its run's report for as long as it is there, which
//! survives the pod, and a controller that was away.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use serde_json::json;

use crate::adapters::cluster::ClusterError;
use crate::api::outcome::Outcome;
use crate::api::report::RunReport;
use crate::plan::{evidence, history};

use super::context::Context;
use super::labels;
use super::observe::{Observed, ObservedRun};

/// What is known of the runs of a policy.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    /// The reports of runs that have ended, by source, the oldest first.
    pub(super) reports: BTreeMap<String, Vec<RunReport>>,
    /// Whether there are runs that have not.
    pub(super) is_any_unfinished: bool,
    /// How an attempt failed of runs that have not, by source.
    pub(super) attempts: BTreeMap<String, String>,
}

/// Records what can be judged, and returns all that is recorded.
pub(super) async fn record(
    context: &Context,
    observed: &Observed,
    now: Timestamp,
) -> Result<Recorded, ClusterError> {
    let mut recorded = Recorded::default();
    for run in &observed.runs {
        if let Some(report) = run.evidence.recorded.as_ref().filter(|_| run.is_recorded) {
            recorded.add(run, report.clone());
        } else if let Some(report) = evidence::judge(&run.evidence, now) {
            write(context, observed, run, &report, report.outcome).await?;
            log(run, &report);
            recorded.add(run, report);
        } else {
            recorded.is_any_unfinished = true;
            if let Some(failed) = evidence::failed_attempt(&run.evidence) {
                let message = history::cut(&failed.message, history::MESSAGE_MAX_BYTES);
                recorded.attempts.insert(run.source.clone(), message);
            }
            if let Some(report) = evidence::worth_keeping(&run.evidence) {
                write(context, observed, run, &report, None).await?;
            }
        }
    }
    Ok(recorded)
}

/// Deletes the Jobs that would never end. It is done last: what they were is in status by then.
pub(super) async fn unstick(
    context: &Context,
    observed: &Observed,
    now: Timestamp,
) -> Result<(), ClusterError> {
    for run in observed
        .runs
        .iter()
        .filter(|run| evidence::is_stuck(&run.evidence, now))
    {
        let uid = &run.evidence.run;
        context
            .cluster
            .delete::<Job>(&observed.namespace, &run.job, uid)
            .await?;
        tracing::warn!(
            run_id = uid,
            job = run.job,
            "job deleted that would never have ended"
        );
    }
    Ok(())
}

impl Recorded {
    fn add(&mut self, run: &ObservedRun, report: RunReport) {
        self.reports
            .entry(run.source.clone())
            .or_default()
            .push(report);
    }
}

async fn write(
    context: &Context,
    observed: &Observed,
    run: &ObservedRun,
    report: &RunReport,
    outcome: Option<Outcome>,
) -> Result<(), ClusterError> {
    let report = serde_json::to_string(report).expect("a report is JSON");
    let mut metadata = json!({
        "uid": run.evidence.run,
        "annotations": { labels::REPORT: report },
    });
    if let Some(outcome) = outcome {
        metadata["labels"] = json!({ labels::OUTCOME: outcome.as_str() });
    }
    match context
        .cluster
        .patch_job(&observed.namespace, &run.job, &metadata)
        .await
    {
        // The Job is gone, or another of its name is there: its report goes into status alone.
        Err(error) if error.is_outdated() => Ok(()),
        result => result.map(drop),
    }
}

fn log(run: &ObservedRun, report: &RunReport) {
    let outcome = report.outcome.map_or("", Outcome::as_str);
    let reason = report.reason.map_or("", |reason| reason.as_str());
    let run_id = &run.evidence.run;
    tracing::info!(run_id, source = run.source, outcome, reason, "run ended");
}
