//! What a restore has done so far.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api::outcome::{Outcome, Reason};
use crate::api::report::RestorePoint;
use crate::api::restore::{FailedEntry, NAMED_ENTRIES_MAX, RestoreCounts, RestoreReport};
use crate::plan::key;
use crate::plan::words::entries;
use crate::worker::failure::Failure;

/// How many conflicts a message names.
const CONFLICTS_NAMED_MAX: usize = 10;

/// What a restore has done so far.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Sums>);

#[derive(Debug, Default)]
struct Sums {
    entries: RestoreCounts,
    bytes: u64,
    conflicts: Vec<String>,
    conflicting: u64,
    failed: Vec<FailedEntry>,
}

impl Tally {
    /// The sums now: entries, and bytes written.
    #[must_use]
    pub fn counts(&self) -> (RestoreCounts, u64) {
        let sums = self.lock();
        (sums.entries.clone(), sums.bytes)
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut RestoreCounts)) {
        change(&mut self.lock().entries);
    }

    pub(super) fn add_bytes(&self, written: u64) {
        self.lock().bytes += written;
    }

    pub(super) fn fail(&self, path: &[u8], reason: String) {
        let mut sums = self.lock();
        sums.entries.failed += 1;
        if sums.failed.len() < NAMED_ENTRIES_MAX {
            sums.failed.push(FailedEntry {
                path: key::display(path),
                reason,
            });
        }
    }

    pub(super) fn conflict(&self, path: &[u8]) {
        let mut sums = self.lock();
        sums.conflicting += 1;
        if sums.conflicts.len() < NAMED_ENTRIES_MAX {
            sums.conflicts.push(key::display(path));
        }
    }

    /// Refuses to write where something stands in the way.
    pub(super) fn check_conflicts(&self, remedy: &str) -> Result<(), Failure> {
        let sums = self.lock();
        let count = sums.conflicting;
        if count == 0 {
            return Ok(());
        }
        let named: Vec<&str> = sums
            .conflicts
            .iter()
            .take(CONFLICTS_NAMED_MAX)
            .map(String::as_str)
            .collect();
        let more = if count > named.len() as u64 {
            ", …"
        } else {
            ""
        };
        let named = named.join(", ");
        let stand = if count == 1 { "stands" } else { "stand" };
        Err(Failure::new(
            Reason::TargetConflict,
            format!(
                "{} {stand} in the way; nothing was written ({remedy}): {named}{more}",
                entries(count)
            ),
        ))
    }

    pub(super) fn ended(&self, point: RestorePoint) -> RestoreReport {
        let sums = self.lock();
        let (outcome, reason, message) = if sums.entries.failed > 0 {
            let message = format!("{} could not be restored", entries(sums.entries.failed));
            (Outcome::Partial, Reason::EntriesNotCaptured, message)
        } else {
            (Outcome::Succeeded, Reason::Complete, String::new())
        };
        report(&sums, Some(point), outcome, reason, message)
    }

    pub(super) fn failed(&self, point: Option<RestorePoint>, failure: &Failure) -> RestoreReport {
        let message = failure.message.clone();
        report(
            &self.lock(),
            point,
            Outcome::Failed,
            failure.reason,
            message,
        )
    }

    fn lock(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn report(
    sums: &Sums,
    restore_point: Option<RestorePoint>,
    outcome: Outcome,
    reason: Reason,
    message: String,
) -> RestoreReport {
    RestoreReport {
        restore_point,
        outcome,
        reason,
        message,
        entries: sums.entries.clone(),
        bytes: sums.bytes,
        conflicts: sums.conflicts.clone(),
        failed: sums.failed.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_is_counted_as_it_is_spoken() {
        let tally = Tally::default();
        tally.conflict(b"a");
        let one = tally.check_conflicts("empty it").unwrap_err().message;
        assert!(one.starts_with("1 entry stands in the way"), "{one}");
        tally.conflict(b"b");
        let two = tally.check_conflicts("empty it").unwrap_err().message;
        assert!(two.starts_with("2 entries stand in the way"), "{two}");
    }
}
