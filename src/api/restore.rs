//! A restore's answer.

use serde::{Deserialize, Serialize};

use super::outcome::{Outcome, Reason};
use super::report::RestorePoint;

/// How many entries of each list a report names one by one.
pub const NAMED_ENTRIES_MAX: usize = 1000;

/// What a restore did.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport {
    /// The restore point; absent where none was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_point: Option<RestorePoint>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// What happened and what can be done, for a reader.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Entries by what became of them.
    pub entries: RestoreCounts,
    /// Bytes of content written.
    pub bytes: u64,
    /// Entries that stood in the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<String>,
    /// Entries that could not be restored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedEntry>,
}

/// Entries by what became of them.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreCounts {
    /// Entries that are as they were.
    pub restored: u64,
    /// Entries left alone because something stood in their place.
    pub skipped: u64,
    /// Entries that could not be restored.
    pub failed: u64,
    /// Devices and sockets, which are not made.
    pub special: u64,
    /// Links, pipes, devices and sockets, where a bucket is restored into.
    pub left_out: u64,
    /// Entries whose content is restored, and not all of their metadata.
    pub metadata_partial: u64,
    /// Older copies of what could not be read when the restore point was made.
    pub stale: u64,
}

/// One entry that could not be restored.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FailedEntry {
    /// Its path, escaped.
    pub path: String,
    /// Why.
    pub reason: String,
}
