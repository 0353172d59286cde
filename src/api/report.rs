//! A run's answer: the summary in the termination message, and the full report in the bucket.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalog::writer_id;
use super::cost::RunCost;
use super::left::Left;
use super::outcome::{Outcome, Reason};

/// The version of [`RunReport`] that this build writes.
pub const RUN_REPORT_VERSION: u32 = 1;

/// The longest termination message that Kubernetes keeps whole, in bytes. Of a longer one the
/// *last* 4096 bytes are kept, which would break the JSON.
/// <https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>
pub const TERMINATION_MESSAGE_MAX_BYTES: usize = 4096;

/// How many entries that were not captured a report names one by one.
pub const NAMED_ENTRIES_MAX: usize = 1000;

/// What one run did. The same shape is written at every phase; the last one has an outcome.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    /// [`RUN_REPORT_VERSION`].
    pub version: u32,
    /// The run's id.
    pub run: String,
    /// The epoch in which it wrote; 0 until the repository is open. With the run's id it makes
    /// the name of its objects, and of the run that a person may approve.
    pub epoch: u64,
    /// How far it came.
    pub phase: Phase,
    /// How it ended; absent until it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What happened and what can be done, for a reader.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it started.
    pub start_time: jiff::Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<jiff::Timestamp>,
    /// The newest restore point after this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_point: Option<RestorePoint>,
    /// Whether it was found out which restore points there are: without it, that none is named here
    /// says nothing.
    #[serde(default)]
    pub restore_points_read: bool,
    /// The newest restore point before this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<RestorePoint>,
    /// The runs before this one that failed, where the last one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// What the next run is to know where HEAD could not be written, and has not been since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Left>,
    /// Files by what became of them.
    pub files: FileCounts,
    /// Bytes read, sent and held.
    pub bytes: ByteCounts,
    /// Requests made to the store, by operation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, u64>,
    /// What the run cost, and what the month after it will; absent where the prices are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<RunCost>,
    /// Entries that were not captured; [`NAMED_ENTRIES_MAX`] at most, fewer in a summary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_captured: Vec<NotCaptured>,
    /// What is not as it should be, though nothing was lost by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether the notices that were owed have been sent; absent where none was owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_sent: Option<bool>,
    /// Why one was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_error: Option<String>,
}

impl RunReport {
    /// The report of a run that has just started.
    #[must_use]
    pub fn started(run: &str, start_time: jiff::Timestamp) -> Self {
        Self {
            version: RUN_REPORT_VERSION,
            run: run.to_owned(),
            epoch: 0,
            phase: Phase::Started,
            outcome: None,
            reason: None,
            message: String::new(),
            start_time,
            completion_time: None,
            restore_point: None,
            restore_points_read: false,
            previous: None,
            trouble: None,
            left: None,
            files: FileCounts::default(),
            bytes: ByteCounts::default(),
            requests: BTreeMap::new(),
            cost: None,
            not_captured: Vec::new(),
            warnings: Vec::new(),
            notice_sent: None,
            notice_error: None,
        }
    }

    /// The name under which the run wrote its objects, and by which a person approves it.
    #[must_use]
    pub fn writer(&self) -> String {
        writer_id(&self.run, self.epoch)
    }
}

/// Runs that failed, one after the other.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// When the first of them ended, by the store's clock.
    pub since: jiff::Timestamp,
    /// How many there were.
    pub runs: u32,
    /// Why the last of them failed.
    pub reason: Reason,
    /// The last of them: its attempts count once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// How far a run came.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The process started; the repository is untouched.
    Started,
    /// The repository is open; nothing is committed.
    Opened,
    /// The commit is being written; it may or may not stand.
    Committing,
    /// The restore point stands; deletions, report or notice may be owed.
    Committed,
    /// Nothing is owed.
    Done,
}

/// One restore point.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RestorePoint {
    /// Its number, from 1.
    pub sequence: u64,
    /// Its time by the store's clock.
    pub time: jiff::Timestamp,
    /// Whether everything is in it.
    pub outcome: Outcome,
}

/// Entries by what became of them. Everything selected is in exactly one of `uploaded`,
/// `unchanged`, `metadata_only` and `not_captured`, directories and links included.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct FileCounts {
    /// Files whose content was sent.
    pub uploaded: u64,
    /// Entries that are as they were.
    pub unchanged: u64,
    /// Entries of which only the metadata changed, and new directories, links and special files.
    pub metadata_only: u64,
    /// Entries of the previous restore point that are gone.
    pub deleted: u64,
    /// Entries that could not be read.
    pub not_captured: u64,
    /// Files that changed while they were read: captured, and read again next time.
    pub fuzzy: u64,
    /// Files whose object someone else had written over.
    pub foreign: u64,
    /// Files taken over from a run that died.
    pub resumed: u64,
    /// Devices, sockets and pipes, of which only the metadata is kept.
    pub special: u64,
    /// Entries in the restore point.
    pub total: u64,
}

/// Bytes read, sent and held.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ByteCounts {
    /// Bytes read from files.
    pub read: u64,
    /// Bytes of file content sent, or copied by the store itself.
    pub uploaded: u64,
    /// The size of all files in the restore point.
    pub total: u64,
}

/// One entry that could not be captured.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NotCaptured {
    /// Its path, escaped.
    pub path: String,
    /// Why.
    pub reason: String,
    /// Whether an older copy of it stands in the restore point.
    pub stale: bool,
}
