//! What a source's status keeps of its runs.

use jiff::Timestamp;

use crate::api::outcome::{Outcome, Reason};
use crate::api::report::RunReport;
use crate::api::status::{RunStatus, SourceStatus};

/// How many runs a source's status keeps.
const RUNS_MAX: usize = 3;

/// The longest message that status keeps, in bytes: with sixteen sources of three runs each, the
/// status stays within 64 KiB.
pub const MESSAGE_MAX_BYTES: usize = 384;

/// The longest reason that status keeps of a notice that was not sent, in bytes.
const NOTICE_ERROR_MAX_BYTES: usize = 160;

/// Adds reports of runs that have ended to what is known of a source. A run that is known already
/// is replaced, so that the same report can be folded in any number of times.
pub fn fold(source: &mut SourceStatus, reports: &[RunReport]) {
    for report in reports {
        let Some(run) = run_status(report) else {
            continue;
        };
        note_restore_points(source, report);
        source.recent_runs.retain(|known| known.id != run.id);
        source.recent_runs.push(run);
    }
    source
        .recent_runs
        .sort_by(|a, b| b.start_time.cmp(&a.start_time).then(a.id.cmp(&b.id)));
    source.recent_runs.truncate(RUNS_MAX);
    source.last_outcome = source.recent_runs.first().map(|run| run.outcome);
}

/// The longest beginning of a message within so many bytes.
#[must_use]
pub fn cut(message: &str, max_bytes: usize) -> String {
    if message.len() <= max_bytes {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(max_bytes.saturating_sub('…'.len_utf8()));
    format!("{}…", &message[..end])
}

fn run_status(report: &RunReport) -> Option<RunStatus> {
    Some(RunStatus {
        id: report.run.clone(),
        outcome: report.outcome?,
        reason: report.reason.unwrap_or(Reason::WorkerLost),
        message: cut(&report.message, MESSAGE_MAX_BYTES),
        start_time: report.start_time,
        completion_time: report.completion_time,
        sequence: report
            .restore_point
            .as_ref()
            .and_then(|point| i64::try_from(point.sequence).ok()),
        files: report.files.clone(),
        bytes: report.bytes.clone(),
        requests: report.requests.values().sum(),
        month_microdollars: report
            .cost
            .as_ref()
            .and_then(|cost| cost.month_microdollars),
        notice_error: report
            .notice_error
            .as_deref()
            .map(|error| cut(error, NOTICE_ERROR_MAX_BYTES)),
    })
}

/// Every report names the restore points after and before its run, so that those made while nobody
/// looked are known as well. A run that found nothing changed is a success at its own time.
fn note_restore_points(source: &mut SourceStatus, report: &RunReport) {
    for point in [&report.previous, &report.restore_point]
        .into_iter()
        .flatten()
    {
        latest(&mut source.last_restore_point_time, point.time);
        if point.outcome == Outcome::Succeeded {
            latest(&mut source.last_success_time, point.time);
        }
    }
    if report.outcome == Some(Outcome::Succeeded) {
        latest(
            &mut source.last_success_time,
            report.completion_time.unwrap_or(report.start_time),
        );
    }
}

fn latest(known: &mut Option<Timestamp>, time: Timestamp) {
    // Status is kept by the second, as everything in Kubernetes is.
    let time = Timestamp::from_second(time.as_second()).unwrap_or(time);
    *known = Some(known.map_or(time, |known| known.max(time)));
}

#[cfg(test)]
mod tests {
    use crate::api::report::RestorePoint;

    use super::*;

    fn report(run: &str, start: &str, outcome: Outcome) -> RunReport {
        serde_json::from_value(serde_json::json!({
            "version": 1, "run": run, "epoch": 1, "phase": "Done",
            "outcome": outcome, "reason": "Complete", "message": "all is well",
            "startTime": start, "completionTime": start, "files": {}, "bytes": {},
        }))
        .expect("a report")
    }

    fn point(sequence: u64, time: &str, outcome: Outcome) -> RestorePoint {
        RestorePoint {
            sequence,
            time: time.parse().expect("a time"),
            outcome,
        }
    }

    fn ids(source: &SourceStatus) -> Vec<&str> {
        source
            .recent_runs
            .iter()
            .map(|run| run.id.as_str())
            .collect()
    }

    #[test]
    fn i07_a_run_stands_in_status_once_however_often_it_is_reported() {
        let mut source = SourceStatus::default();
        let unclear = report("a", "2026-11-01T02:00:00Z", Outcome::Unclear);
        fold(&mut source, &[unclear.clone(), unclear]);
        assert_eq!(source.last_outcome, Some(Outcome::Unclear));
        assert_eq!(source.last_success_time, None);
        fold(
            &mut source,
            &[report("a", "2026-11-01T02:00:00Z", Outcome::Succeeded)],
        );
        assert_eq!(ids(&source), ["a"]);
        assert_eq!(source.last_outcome, Some(Outcome::Succeeded));
    }

    #[test]
    fn the_newest_three_runs_are_kept() {
        let mut source = SourceStatus::default();
        for (run, day) in [("c", 3), ("a", 1), ("d", 4), ("b", 2)] {
            fold(
                &mut source,
                &[report(
                    run,
                    &format!("2026-11-0{day}T02:00:00Z"),
                    Outcome::Failed,
                )],
            );
        }
        assert_eq!(ids(&source), ["d", "c", "b"]);
        assert_eq!(source.last_outcome, Some(Outcome::Failed));
    }

    #[test]
    fn k01_a_success_that_nobody_saw_is_known_from_the_next_report() {
        let mut source = SourceStatus::default();
        let mut failed = report("b", "2026-11-02T02:00:00Z", Outcome::Failed);
        failed.previous = Some(point(7, "2026-11-01T02:05:00.5Z", Outcome::Succeeded));
        fold(&mut source, &[failed]);
        let seen = "2026-11-01T02:05:00Z".parse().ok();
        assert_eq!(
            (source.last_success_time, source.last_restore_point_time),
            (seen, seen)
        );
    }

    #[test]
    fn a_partial_run_makes_a_restore_point_and_is_no_success() {
        let mut source = SourceStatus::default();
        let mut partial = report("a", "2026-11-01T02:00:00Z", Outcome::Partial);
        partial.restore_point = Some(point(1, "2026-11-01T02:01:00Z", Outcome::Partial));
        fold(&mut source, &[partial]);
        assert_eq!(source.last_success_time, None);
        assert_eq!(
            source.last_restore_point_time,
            "2026-11-01T02:01:00Z".parse().ok()
        );
        assert_eq!(source.recent_runs[0].sequence, Some(1));
    }

    #[test]
    fn k14_status_stays_small_whatever_is_reported() {
        let mut source = SourceStatus {
            name: "s".repeat(63),
            ..SourceStatus::default()
        };
        for run in ["a", "b", "c"] {
            let mut long = report(run, "2026-11-01T02:00:00Z", Outcome::Failed);
            long.run = "u".repeat(36);
            long.run.replace_range(0..1, run);
            long.message = "ä".repeat(3000);
            long.notice_error = Some("ä".repeat(3000));
            long.files.total = u64::MAX;
            long.files.unchanged = u64::MAX;
            long.bytes.total = u64::MAX;
            fold(&mut source, &[long]);
        }
        let size = serde_json::to_vec(&source).expect("status is JSON").len();
        assert!(size * 16 < 60 * 1024, "{size}");
        assert!(source.recent_runs[0].message.len() <= MESSAGE_MAX_BYTES);
        assert!(source.recent_runs[0].message.ends_with('…'));
    }
}
