//! What is written for a reader: results to standard output, errors to standard error.

use std::io::{self, Write};

use super::estimate::dollars;
use crate::api::outcome::Outcome;
use crate::api::report::RunReport;
use crate::plan::words::{entries, size};

/// Writes a result. A reader who has gone away is no error.
pub(super) fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Writes a result that was none: it goes where errors go, in its own words.
pub(super) fn trouble(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
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

/// That a backup ended, and how.
pub(super) fn headline(source: &str, report: &RunReport) -> String {
    let outcome = report.outcome.map_or("ended", |outcome| match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Partial => "is incomplete",
        Outcome::Failed => "failed",
        Outcome::Unclear => "is unclear",
    });
    format!("backup of {source} {outcome}")
}

/// The summary of a backup.
pub(super) fn summary(source: &str, report: &RunReport) -> String {
    let files = &report.files;
    let mut lines = vec![headline(source, report)];
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
    lines.push(gone(report));
    lines.push(format!("  failed         {}", files.not_captured));
    if files.total > 0 {
        lines.push(format!(
            "  in all         {}, {}",
            entries(files.total),
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
    if report.notice_sent == Some(false) {
        let why = report
            .notice_error
            .as_deref()
            .unwrap_or("no reason is known");
        lines.push(format!("  note           notice not sent: {why}"));
    }
    lines.join("\n")
}

/// What was missing of the restore point before. A run that failed has deleted nothing.
fn gone(report: &RunReport) -> String {
    let deleted = report.files.deleted;
    match report.outcome {
        Some(Outcome::Succeeded | Outcome::Partial) => format!("  deleted        {deleted}"),
        Some(Outcome::Failed | Outcome::Unclear) | None if deleted == 0 => {
            "  deleted        0".to_owned()
        }
        Some(Outcome::Failed | Outcome::Unclear) | None => {
            format!("  gone           {deleted}, not deleted")
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_failed_has_deleted_nothing() {
        let mut report = RunReport::started("r", jiff::Timestamp::UNIX_EPOCH);
        report.files.deleted = 10;
        report.outcome = Some(Outcome::Failed);
        let failed = summary("files", &report);
        assert!(
            failed.contains("  gone           10, not deleted\n"),
            "{failed}"
        );
        assert!(!failed.contains("deleted        "), "{failed}");
        report.outcome = Some(Outcome::Partial);
        assert!(summary("files", &report).contains("  deleted        10\n"));
    }

    #[test]
    fn one_entry_is_counted_as_one() {
        let mut report = RunReport::started("r", jiff::Timestamp::UNIX_EPOCH);
        report.files.total = 1;
        let summary = summary("files", &report);
        assert!(summary.contains("  in all         1 entry, "), "{summary}");
    }
}
