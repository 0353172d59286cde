//! What a run has done so far: counted where it happens, read by whoever shows it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api::report::{ByteCounts, FileCounts, NAMED_ENTRIES_MAX, NotCaptured};

/// How many warnings are kept.
const WARNINGS_MAX: usize = 20;

/// What a run has done so far.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Tally>);

/// The sums at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Entries by what became of them.
    pub files: FileCounts,
    /// Bytes read and sent.
    pub bytes: ByteCounts,
    /// Rows of the restore point before, to show how far the run is.
    pub expected: u64,
    /// The first entries that were not captured.
    pub not_captured: Vec<NotCaptured>,
    /// What is not as it should be.
    pub warnings: Vec<String>,
}

impl Progress {
    /// The sums now.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.lock().clone()
    }

    /// The counts now, without the lists.
    #[must_use]
    pub fn counts(&self) -> (FileCounts, ByteCounts, u64) {
        let tally = self.lock();
        (tally.files.clone(), tally.bytes.clone(), tally.expected)
    }

    /// Counts entries.
    pub fn count(&self, change: impl FnOnce(&mut FileCounts, &mut ByteCounts)) {
        let tally = &mut *self.lock();
        change(&mut tally.files, &mut tally.bytes);
    }

    /// Notes how many entries there were before.
    pub fn expect(&self, rows: u64) {
        self.lock().expected = rows;
    }

    /// Counts an entry that was not captured, and names it while there is room.
    pub fn not_captured(&self, entry: NotCaptured) {
        let mut tally = self.lock();
        tally.files.not_captured += 1;
        if tally.not_captured.len() < NAMED_ENTRIES_MAX {
            tally.not_captured.push(entry);
        }
    }

    /// Notes what is not as it should be.
    pub fn warn(&self, warning: String) {
        let mut tally = self.lock();
        if tally.warnings.len() < WARNINGS_MAX && !tally.warnings.contains(&warning) {
            tally.warnings.push(warning);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        // Sums are whole after every step, so a panic elsewhere does not spoil them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
