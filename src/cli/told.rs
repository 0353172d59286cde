//! How a run ended, told to whoever started it: the summary to a reader, the report to a program, and
//! one line to the log.

use super::{Output, output};
use crate::api::outcome::{Outcome, Reason};
use crate::api::report::RunReport;
use crate::telemetry::RUNS;
use crate::worker::failure::Failure;

/// Tells how a run ended. What a reader has to know of a run that was no success goes where errors
/// go, so that it is seen where results are thrown away.
pub(super) fn tell(output: Output, source: &str, report: &RunReport) {
    log(source, report);
    match output {
        Output::Human if report.outcome == Some(Outcome::Succeeded) => {
            output::line(&output::summary(source, report));
        }
        Output::Human => output::trouble(&output::summary(source, report)),
        Output::Json => output::json(report),
    }
}

/// Notes that no run began.
pub(super) fn log_not_begun(failure: &Failure) {
    tracing::error!(
        target: RUNS,
        outcome = Outcome::Failed.as_str(),
        reason = failure.reason.as_str(),
        "no run began: {failure}"
    );
}

fn log(source: &str, report: &RunReport) {
    let outcome = report.outcome.map_or("Unclear", Outcome::as_str);
    let reason = report.reason.unwrap_or(Reason::Internal).as_str();
    let mut text = output::headline(source, report);
    if !report.message.is_empty() {
        text = format!("{text}: {}", report.message);
    }
    let files = &report.files;
    macro_rules! note {
        ($level:ident) => {
            tracing::$level!(
                target: RUNS,
                source,
                run = report.run,
                outcome,
                reason,
                uploaded = files.uploaded,
                unchanged = files.unchanged,
                metadata_only = files.metadata_only,
                deleted = files.deleted,
                not_captured = files.not_captured,
                "{text}"
            )
        };
    }
    match report.outcome {
        Some(Outcome::Succeeded) => note!(info),
        Some(Outcome::Partial) => note!(warn),
        Some(Outcome::Failed | Outcome::Unclear) | None => note!(error),
    }
}
