//! A run's own account: kept while it runs, told at each phase.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::failure::Failure;
use super::notify::Post;
use super::progress::Progress;
use crate::adapters::clock;
use crate::api::cost::RunCost;
use crate::api::left::Left;
use crate::api::outcome::{Outcome, Reason};
use crate::api::report::{Phase, RestorePoint, RunReport, TERMINATION_MESSAGE_MAX_BYTES, Trouble};
use crate::plan::notice::not_captured;

/// Keeps a run's report, and tells it at each phase.
pub struct Reporter {
    progress: Arc<Progress>,
    report: Mutex<RunReport>,
    post: Option<Post>,
    announce: Box<dyn Fn(&RunReport) + Send + Sync>,
}

impl Reporter {
    /// A report of a run that has just started.
    pub fn new(
        run: &str,
        started: jiff::Timestamp,
        progress: Arc<Progress>,
        announce: impl Fn(&RunReport) + Send + Sync + 'static,
    ) -> Self {
        let report = Mutex::new(RunReport::started(run, started));
        Self {
            progress,
            report,
            post: None,
            announce: Box::new(announce),
        }
    }

    /// The same, with a topic that is to be told how the run ends.
    #[must_use]
    pub fn telling(self, post: Option<Post>) -> Self {
        Self { post, ..self }
    }

    /// The same, of a run that is told this of runs before it.
    #[must_use]
    pub fn knowing(self, left: Option<Left>) -> Self {
        self.lock().left = left;
        self
    }

    /// The topic that is to be told.
    #[must_use]
    pub fn post(&self) -> Option<&Post> {
        self.post.as_ref()
    }

    /// The repository is open, after these runs had failed.
    pub fn opened(&self, epoch: u64, trouble: Option<Trouble>) {
        self.tell(|report| {
            report.phase = Phase::Opened;
            report.epoch = epoch;
            report.trouble = trouble;
            // It is in HEAD from here on.
            report.left = None;
        });
    }

    /// This is the newest restore point before the run.
    pub fn found(&self, previous: Option<RestorePoint>) -> RunReport {
        self.tell(|report| {
            report.restore_point.clone_from(&previous);
            report.previous = previous;
            report.restore_points_read = true;
        })
    }

    /// The commit is being written.
    pub fn committing(&self) {
        self.tell(|report| report.phase = Phase::Committing);
    }

    /// The restore point stands.
    pub fn committed(&self, point: &RestorePoint) {
        self.tell(|report| {
            report.phase = Phase::Committed;
            report.restore_point = Some(point.clone());
            self.conclude(report);
        });
    }

    /// The run is about to end, and cost this.
    pub fn priced(&self, cost: RunCost) {
        self.tell(|report| report.cost = Some(cost));
    }

    /// The run is over and did not fail.
    pub fn ended(&self, point: &RestorePoint, requests: BTreeMap<String, u64>) -> RunReport {
        self.tell(|report| {
            report.phase = Phase::Committed;
            report.restore_point = Some(point.clone());
            report.requests = requests;
            report.completion_time = Some(clock::now());
            self.conclude(report);
        })
    }

    /// The run is over and failed.
    pub fn failed(&self, failure: &Failure, requests: BTreeMap<String, u64>) -> RunReport {
        self.tell(|report| {
            report.phase = Phase::Done;
            report.outcome = Some(Outcome::Failed);
            report.reason = Some(failure.reason);
            report.message.clone_from(&failure.message);
            report.requests = requests;
            report.completion_time = Some(clock::now());
        })
    }

    /// The topic has been told, or could not be.
    pub fn told(&self, sent: Option<bool>, error: Option<String>) -> RunReport {
        self.tell(|report| {
            report.notice_sent = sent;
            report.notice_error = error;
        })
    }

    /// HEAD was not reached, or was: this is what the next run has to be told in another way.
    pub fn leaving(&self, left: Option<Left>) {
        self.tell(|report| report.left = left);
    }

    /// Nothing more follows. What it took to tell is part of what the run took.
    pub fn done(&self) -> RunReport {
        self.tell(|report| {
            report.phase = Phase::Done;
            report.completion_time = Some(clock::now());
        })
    }

    fn conclude(&self, report: &mut RunReport) {
        let missing = self.progress.counts().0.not_captured;
        let (outcome, reason) = if missing > 0 {
            report.message = not_captured(missing, &report.not_captured);
            (Outcome::Partial, Reason::EntriesNotCaptured)
        } else {
            (Outcome::Succeeded, Reason::Complete)
        };
        report.outcome = Some(outcome);
        report.reason = Some(reason);
    }

    fn tell(&self, change: impl FnOnce(&mut RunReport)) -> RunReport {
        let tally = self.progress.tally();
        let mut report = self.lock();
        report.files = tally.files;
        report.bytes = tally.bytes;
        report.not_captured = tally.not_captured;
        report.warnings = tally.warnings;
        change(&mut report);
        (self.announce)(&report);
        report.clone()
    }

    fn lock(&self) -> MutexGuard<'_, RunReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The report as a termination message: JSON of at most [`TERMINATION_MESSAGE_MAX_BYTES`], cut
/// down by leaving entries out, never by cutting text in the middle of the JSON.
#[must_use]
pub fn summary(report: &RunReport) -> String {
    let mut summary = report.clone();
    truncate(&mut summary.message, 1000);
    if let Some(error) = &mut summary.notice_error {
        truncate(error, 200);
    }
    summary.warnings.truncate(3);
    if let Some(cost) = &mut summary.cost {
        cost.stored.clear();
    }
    summary
        .warnings
        .iter_mut()
        .for_each(|warning| truncate(warning, 200));
    for named in [5, 2, 0] {
        summary.not_captured.truncate(named);
        summary
            .not_captured
            .iter_mut()
            .for_each(|entry| truncate(&mut entry.path, 200));
        let text = serde_json::to_string(&summary).unwrap_or_default();
        if text.len() <= TERMINATION_MESSAGE_MAX_BYTES {
            return text;
        }
        summary.warnings.clear();
    }
    summary.requests.clear();
    serde_json::to_string(&summary).unwrap_or_default()
}

fn truncate(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::catalog::Outbox;
    use crate::api::report::NotCaptured;
    use crate::plan::{left, outbox};

    #[test]
    fn a_summary_fits_the_termination_message_and_stays_json() {
        let progress = Arc::new(Progress::default());
        for index in 0..2000 {
            progress.warn(format!("{index} {}", "ü".repeat(300)));
            progress.not_captured(NotCaptured {
                path: format!("{index}/{}", "\u{7f}".repeat(500)),
                reason: "permission denied".into(),
                stale: false,
            });
        }
        let reporter = Reporter::new("r", jiff::Timestamp::UNIX_EPOCH, progress, |_| {});
        let requests = (0..40)
            .map(|n| (format!("Operation{n}"), u64::MAX))
            .collect();
        let failure = Failure::new(Reason::AccessDenied, "\"".repeat(5000));
        let report = reporter.failed(&failure, requests);
        let about = outbox::about(&report);
        let owed = outbox::owed_by(&report, about, report.start_time);
        let owing = outbox::owing(Outbox::default(), owed);
        let left = left::after(None, &report, owing, report.start_time, uuid::Uuid::nil());
        reporter.leaving(Some(left));
        let report = reporter.told(Some(false), Some("\"".repeat(5000)));
        let text = summary(&report);
        assert!(
            text.len() <= TERMINATION_MESSAGE_MAX_BYTES,
            "{}",
            text.len()
        );
        let read: RunReport = serde_json::from_str(&text).unwrap();
        assert_eq!(read.files.not_captured, 2000);
        assert_eq!(read.left, report.left);
    }
}
