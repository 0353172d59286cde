//! What happened in the store, in order, and what each process was told of it.

use std::sync::{Arc, Mutex, PoisonError};

use backstay::adapters::store::Condition;

/// What happens everywhere, in words and in order, for who looks for the cause of a violation.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Says what happens.
    pub(crate) fn note(&self, said: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(said);
    }

    /// All of it.
    pub(crate) fn text(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The process that asked for it.
    pub(crate) process: String,
    /// The store's serial number of the request: one request may put many markers.
    pub(crate) request: u64,
    /// Whether it took effect after its sender had been told that it was lost.
    pub(crate) is_late: bool,
    /// What it was.
    pub(crate) what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A version was written, whether or not its writer was told.
    Written {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The new version.
        version: String,
        /// The condition that held.
        condition: Condition,
        /// The version that was current before.
        replaced: Option<String>,
    },
    /// A delete marker was put.
    Marked {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The version that was current before.
        hidden: Option<String>,
    },
    /// The process was told of a version: by the answer to a write, or because it asked.
    Seen {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The version.
        version: String,
    },
}
