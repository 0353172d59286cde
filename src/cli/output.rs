//! What is written for a reader: results to standard output, errors to standard error.

use std::io::{self, Write};

use super::estimate::dollars;
use crate::api::outcome::Outcome;
use crate::api::report::RunReport;
use crate::plan::words::size;

/// Writes a result. A reader who has gone away is no error.
pub(super) fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Writes a question, after which the answer is typed.
pub(super) fn prompt(text: &str) {
    let mut out = io::stdout();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// Writes an error. One of several lines is as many errors.
pub(super) fn error(text: &str) {
    for line in text.lines() {
        let _ = writeln!(io::stderr(), "backstay: {line}");
    }
}

/// Writes a value as JSON, in one line.
pub(super) fn json(value: &impl serde::Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        line(&text);
    }
}

/// The summary of a backup.
pub(super) fn summary(source: &str, report: &RunReport) -> String {
    let files = &report.files;
    let outcome = report.outcome.map_or("ended", |outcome| match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Partial => "is incomplete",
        Outcome::Failed => "failed",
        Outcome::Unclear => "is unclear",
    });
    let mut lines = vec![format!("backup of {source} {outcome}")];
    if !report.message.is_empty() {
        lines.push(format!("  {}", report.message));
    }
    if let Some(point) = &report.restore_point {
        lines.push(format!(
            "  restore point  {} of {}",
            point.sequence,
            time(point.time)
        ));
    }
    lines.push(format!(
        "  uploaded       {} ({})",
        files.uploaded,
        size(report.bytes.uploaded)
    ));
    lines.push(format!(
        "  skipped        {} unchanged, {} with new metadata only",
        files.unchanged, files.metadata_only
    ));
    lines.push(format!("  deleted        {}", files.deleted));
    lines.push(format!("  failed         {}", files.not_captured));
    if files.total > 0 {
        lines.push(format!(
            "  in all         {} entries, {}",
            files.total,
            size(report.bytes.total)
        ));
    }
    lines.push(format!(
        "  requests       {}{}",
        report.requests.values().sum::<u64>(),
        took(report)
    ));
    if let Some(cost) = &report.cost {
        let month = cost.month_microdollars.map_or_else(String::new, |month| {
            format!(", {} a month for what is stored", micro(month))
        });
        let requests = micro(cost.requests_microdollars);
        lines.push(format!(
            "  costs          {requests} for the requests{month}"
        ));
    }
    for entry in report.not_captured.iter().take(10) {
        lines.push(format!("  not captured   {}: {}", entry.path, entry.reason));
    }
    for warning in &report.warnings {
        lines.push(format!("  note           {warning}"));
    }
    lines.join("\n")
}

fn micro(microdollars: u64) -> String {
    #[expect(
        clippy::cast_precision_loss,
        reason = "it is shown to the cent, and no bill has 53 bits"
    )]
    dollars(microdollars as f64 / 1e6)
}

/// A time to the second.
pub(super) fn time(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn took(report: &RunReport) -> String {
    report.completion_time.map_or_else(String::new, |end| {
        let took = end.duration_since(report.start_time);
        format!(", took {:.1} s", took.as_secs_f64())
    })
}
