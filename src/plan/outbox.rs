//! What is told of a repository's runs, and when: a failure at once, the same failure again once a
//! day, and what could not be told then, later and once.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::api::catalog::{CommitRef, Ended, Outbox, Owed, Told, Writer};
use crate::api::outcome::{Outcome, Reason};
use crate::api::report::RunReport;

use super::{head, history};

/// How long the same failure is not told again: a day, less what a schedule may be off.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(23);

/// How many notices are owed at most. What is older is lost, and counted.
const OWED_MAX: usize = 5;

/// What makes two runs that were no success the same for a reader: the reason, and which entries
/// are missing. Nothing for a success.
#[must_use]
pub fn about(report: &RunReport) -> Option<String> {
    let reason = report.reason.unwrap_or(Reason::Internal).as_str();
    match report.outcome {
        Some(Outcome::Succeeded) => None,
        Some(Outcome::Partial) => {
            let mut digest = Sha256::new().chain_update(report.files.not_captured.to_be_bytes());
            for entry in &report.not_captured {
                digest = digest.chain_update(&entry.path).chain_update([0]);
            }
            Some(format!("{reason} {}", hex::encode(&digest.finalize()[..8])))
        }
        Some(Outcome::Failed | Outcome::Unclear) | None => Some(reason.to_owned()),
    }
}

/// Whether a run that ended like this is told by itself. What was told within the day, and is
/// still so, is not.
#[must_use]
pub fn is_due(outbox: &Outbox, about: Option<&str>, now: Timestamp) -> bool {
    let (Some(told), Some(about)) = (&outbox.told, about) else {
        return true;
    };
    // A clock that was wrong must not silence what it told.
    told.about != about || now.duration_since(told.at).abs() >= AGAIN_AFTER
}

/// A run ended like this, and its notice was sent.
#[must_use]
pub fn told(mut outbox: Outbox, about: Option<String>, run: &str, now: Timestamp) -> Outbox {
    outbox.told = about.map(|about| Told {
        about,
        at: now,
        untold: 0,
        last: Some(run.to_owned()),
    });
    outbox
}

/// A run ended like this, and that is not told: nobody wants to know, or it was told today.
#[must_use]
pub fn passed_over(mut outbox: Outbox, about: Option<&str>, run: &str) -> Outbox {
    match (&mut outbox.told, about) {
        (Some(told), Some(about)) if told.about == about => {
            if told.last.as_deref() != Some(run) {
                told.untold = told.untold.saturating_add(1);
                told.last = Some(run.to_owned());
            }
        }
        (told, _) => *told = None,
    }
    outbox
}

/// A run ended like this, and its notice could not be sent. One that says the same as the last one
/// owed is counted with it.
#[must_use]
pub fn owing(mut outbox: Outbox, owed: Owed) -> Outbox {
    if owed.about.is_none() {
        outbox.told = None;
    }
    match outbox.owed.last_mut() {
        Some(last) if last.about.is_some() && last.about == owed.about => {
            let repeats = owed.repeats.saturating_add(1);
            last.repeats = last.repeats.saturating_add(repeats);
        }
        _ => outbox.owed.push(owed),
    }
    keep_newest(&mut outbox, OWED_MAX);
    outbox
}

/// Drops the oldest notices that are owed, and counts them, until so many are left.
pub(super) fn keep_newest(outbox: &mut Outbox, count: usize) {
    let dropped = outbox.owed.len().saturating_sub(count);
    outbox.owed.drain(..dropped);
    let dropped = u32::try_from(dropped).unwrap_or(u32::MAX);
    outbox.lost = outbox.lost.saturating_add(dropped);
}

/// What is known of earlier runs, and of later ones.
pub(super) fn joined(earlier: Outbox, later: Outbox) -> Outbox {
    let known = Outbox {
        told: later.told.or(earlier.told),
        owed: earlier.owed,
        lost: earlier.lost.saturating_add(later.lost),
    };
    later.owed.into_iter().fold(known, owing)
}

/// A writer was found that never ended: whatever it had to tell is owed.
#[must_use]
pub fn died(outbox: Outbox, writer: &Writer, commit: Option<&CommitRef>) -> Outbox {
    let made = commit.filter(|commit| head::made_by(Some(*commit), writer));
    let owed = Owed {
        run: writer.run.clone(),
        writer: writer.id(),
        at: writer.since,
        about: Some(format!("died {}", writer.run)),
        repeats: 0,
        ended: None,
        committed: made.map(|commit| commit.sequence),
    };
    owing(outbox, owed)
}

/// The notice that a run owes at this time.
#[must_use]
pub fn owed_by(report: &RunReport, about: Option<String>, now: Timestamp) -> Owed {
    Owed {
        writer: report.writer(),
        run: report.run.clone(),
        at: now,
        about,
        repeats: 0,
        ended: Some(Ended {
            outcome: report.outcome.unwrap_or(Outcome::Unclear),
            reason: report.reason.unwrap_or(Reason::Internal),
            message: history::cut(&report.message, history::MESSAGE_MAX_BYTES),
        }),
        committed: None,
    }
}

/// The report of a run whose own cannot be read: what HEAD remembers of it, or what is known of a
/// run that died.
#[must_use]
pub fn remembered(owed: &Owed, by: &RunReport) -> RunReport {
    let started = RunReport::started(&owed.run, owed.at);
    if let Some(ended) = &owed.ended {
        return RunReport {
            outcome: Some(ended.outcome),
            reason: Some(ended.reason),
            message: ended.message.clone(),
            ..started
        };
    }
    let known = by
        .previous
        .as_ref()
        .filter(|point| owed.committed == Some(point.sequence));
    match (owed.committed, known) {
        (None, _) => RunReport {
            outcome: Some(Outcome::Failed),
            reason: Some(Reason::WorkerLost),
            message: "the run ended without a word: it was killed, or its host was lost. It made \
                      no restore point"
                .to_owned(),
            restore_point: by.previous.clone(),
            ..started
        },
        (Some(sequence), known) => RunReport {
            outcome: known.map(|point| point.outcome).or(Some(Outcome::Unclear)),
            reason: Some(match known.map(|point| point.outcome) {
                Some(Outcome::Succeeded) => Reason::Complete,
                Some(Outcome::Partial) => Reason::EntriesNotCaptured,
                Some(Outcome::Failed | Outcome::Unclear) | None => Reason::WorkerLost,
            }),
            message: format!(
                "the run made restore point {sequence}, and ended without a word: it was killed, \
                 or its host was lost"
            ),
            restore_point: known.cloned(),
            ..started
        },
    }
}

/// A report that does not know the restore points, with what a later run has found out.
#[must_use]
pub fn completed(report: RunReport, by: &RunReport) -> RunReport {
    if report.restore_point.is_some() || report.restore_points_read {
        return report;
    }
    RunReport {
        restore_point: by.previous.clone(),
        restore_points_read: by.restore_points_read,
        ..report
    }
}

#[cfg(test)]
mod tests {
    use crate::api::report::{NotCaptured, RestorePoint};

    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).expect("a time")
    }

    fn report(outcome: Outcome, reason: Reason, missing: &[&str]) -> RunReport {
        let mut report = RunReport::started("run", at(0));
        report.outcome = Some(outcome);
        report.reason = Some(reason);
        report.not_captured = missing
            .iter()
            .map(|path| NotCaptured {
                path: (*path).to_owned(),
                reason: "denied".to_owned(),
                stale: false,
            })
            .collect();
        report
    }

    fn owed(writer: &str, about: Option<&str>) -> Owed {
        Owed {
            writer: writer.to_owned(),
            run: writer.to_owned(),
            at: at(0),
            about: about.map(ToOwned::to_owned),
            repeats: 0,
            ended: None,
            committed: None,
        }
    }

    #[test]
    fn the_same_failure_is_told_at_once_and_then_once_a_day_with_its_count() {
        let failed = about(&report(Outcome::Failed, Reason::AccessDenied, &[]));
        let mut outbox = Outbox::default();
        let mut sent = Vec::new();
        for hour in 0..50 {
            if is_due(&outbox, failed.as_deref(), at(hour)) {
                sent.push((hour, outbox.told.as_ref().map_or(0, |told| told.untold)));
                outbox = told(outbox, failed.clone(), "r", at(hour));
            } else {
                outbox = passed_over(outbox, failed.as_deref(), &hour.to_string());
                // Another attempt of the same run.
                outbox = passed_over(outbox, failed.as_deref(), &hour.to_string());
            }
        }
        assert_eq!(sent, [(0, 0), (23, 22), (46, 22)]);
        // Another failure is told at once.
        let other = about(&report(Outcome::Failed, Reason::LimitExceeded, &[]));
        assert!(is_due(&outbox, other.as_deref(), at(50)));
        // After a success the same one is news.
        let outbox = told(outbox, None, "r", at(50));
        assert!(is_due(&outbox, failed.as_deref(), at(50)));
    }

    #[test]
    fn a_partial_run_is_the_same_while_the_same_files_are_missing() {
        let partial = |missing: &[&str]| {
            about(&report(
                Outcome::Partial,
                Reason::EntriesNotCaptured,
                missing,
            ))
        };
        assert_eq!(partial(&["a"]), partial(&["a"]));
        assert_ne!(partial(&["a"]), partial(&["a", "b"]));
        assert_eq!(
            about(&report(Outcome::Succeeded, Reason::Complete, &[])),
            None
        );
    }

    #[test]
    fn n01_what_is_owed_is_bounded_and_says_the_same_once() {
        let mut outbox = Outbox::default();
        for run in 0..9 {
            outbox = owing(outbox, owed(&format!("a{run}"), Some("AccessDenied")));
        }
        assert_eq!((outbox.owed.len(), outbox.owed[0].repeats), (1, 8));
        for run in 0..9 {
            outbox = owing(outbox, owed(&format!("b{run}"), None));
        }
        assert_eq!((outbox.owed.len(), outbox.lost), (OWED_MAX, 5));
        assert_eq!(
            outbox.owed.last().map(|owed| owed.writer.as_str()),
            Some("b8")
        );
    }

    #[test]
    fn a_late_report_learns_from_the_run_that_sends_it() {
        let late = report(Outcome::Failed, Reason::AccessDenied, &[]);
        let mut by = report(Outcome::Succeeded, Reason::Complete, &[]);
        assert!(!completed(late.clone(), &by).restore_points_read);
        by.restore_points_read = true;
        by.previous = Some(RestorePoint {
            sequence: 7,
            time: at(1),
            outcome: Outcome::Succeeded,
        });
        assert_eq!(completed(late, &by).restore_point, by.previous);
    }

    #[test]
    fn n08_a_run_that_died_is_told_of_as_far_as_it_is_known() {
        let writer = Writer {
            run: "a".to_owned(),
            epoch: 3,
            since: at(0),
            process: None,
        };
        let commit = |key: &str| CommitRef {
            sequence: 7,
            key: key.to_owned(),
            version: "v".to_owned(),
            sha256: crate::api::catalog::Sha256([0; 32]),
            time: at(1),
        };
        let mut by = report(Outcome::Succeeded, Reason::Complete, &[]);
        by.previous = Some(RestorePoint {
            sequence: 7,
            time: at(1),
            outcome: Outcome::Succeeded,
        });
        let made = died(
            Outbox::default(),
            &writer,
            Some(&commit("x/commits/7-a.3.json")),
        );
        let told = remembered(&made.owed[0], &by);
        assert_eq!(told.outcome, Some(Outcome::Succeeded));
        assert!(told.message.contains("restore point 7"), "{}", told.message);
        let lost = died(
            Outbox::default(),
            &writer,
            Some(&commit("x/commits/7-b.2.json")),
        );
        let told = remembered(&lost.owed[0], &by);
        assert_eq!(
            (told.outcome, told.reason),
            (Some(Outcome::Failed), Some(Reason::WorkerLost))
        );
    }
}
