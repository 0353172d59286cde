//! How a run ends: three outcomes, one reason each, one exit code per reason.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A restore point exists and everything selected is in it.
    Succeeded,
    /// A restore point exists; what is missing from it is listed in it.
    Partial,
    /// No restore point was made.
    Failed,
    /// The worker died without a last word: whether it committed is not known yet.
    Unclear,
}

impl Outcome {
    /// The word as it stands in status, labels and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Partial => "Partial",
            Self::Failed => "Failed",
            Self::Unclear => "Unclear",
        }
    }
}

/// Why a run ended as it did. A closed list: it is a condition's reason and a metric's label.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Everything was captured.
    Complete,
    /// Some entries could not be captured; the report lists them.
    EntriesNotCaptured,
    /// A bug: please report it.
    Internal,
    /// The policy or the command line is wrong.
    InvalidSpec,
    /// The Secret, or one of its keys, is missing.
    CredentialsMissing,
    /// A bucket, a queue or the repository does not exist.
    RepositoryNotFound,
    /// The store refused the identity, or the identity lacks a right.
    AccessDenied,
    /// The store or a bucket's settings would not keep what is promised.
    PreflightRefused,
    /// Another run is writing to the same repository.
    Locked,
    /// Another run took the repository over while this one ran.
    Fenced,
    /// What is stored is not what was recorded.
    IntegrityFailure,
    /// A restore would overwrite files, or there is nothing to restore.
    TargetConflict,
    /// The source is missing, empty, another one, or lost too many files.
    SourceSuspicious,
    /// A limit of the store or of this version was met.
    LimitExceeded,
    /// The clock of this host and that of the store are too far apart.
    ClockSkew,
    /// The store could not be reached, or kept failing.
    StorageUnavailable,
    /// The run's own deadline came.
    DeadlineExceeded,
    /// The disk restored to is full.
    LocalDiskFull,
    /// The run was asked to stop, or was killed.
    Interrupted,
    /// The worker used more memory than its limit.
    OutOfMemory,
    /// The worker's pod could not be made or started.
    PodCreationFailed,
    /// The worker's pod went away without a last word.
    WorkerLost,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 22] = [
        Self::Complete,
        Self::EntriesNotCaptured,
        Self::Internal,
        Self::InvalidSpec,
        Self::CredentialsMissing,
        Self::RepositoryNotFound,
        Self::AccessDenied,
        Self::PreflightRefused,
        Self::Locked,
        Self::Fenced,
        Self::IntegrityFailure,
        Self::TargetConflict,
        Self::SourceSuspicious,
        Self::LimitExceeded,
        Self::ClockSkew,
        Self::StorageUnavailable,
        Self::DeadlineExceeded,
        Self::LocalDiskFull,
        Self::Interrupted,
        Self::OutOfMemory,
        Self::PodCreationFailed,
        Self::WorkerLost,
    ];

    /// The exit code of the command line. A pod ends with 0 where this is 3, so that a run which
    /// made a restore point is never shown as a failed Job.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Internal | Self::PodCreationFailed | Self::WorkerLost => 1,
            Self::InvalidSpec => 2,
            Self::EntriesNotCaptured => 3,
            Self::RepositoryNotFound => 20,
            Self::AccessDenied | Self::CredentialsMissing => 21,
            Self::PreflightRefused => 22,
            Self::Locked => 23,
            Self::Fenced => 24,
            Self::IntegrityFailure => 25,
            Self::TargetConflict => 26,
            Self::SourceSuspicious => 27,
            Self::LimitExceeded => 28,
            Self::ClockSkew => 29,
            Self::StorageUnavailable => 40,
            Self::DeadlineExceeded => 41,
            Self::LocalDiskFull => 42,
            Self::OutOfMemory => 137,
            Self::Interrupted => 143,
        }
    }

    /// The word as it stands in status, conditions and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "Complete",
            Self::EntriesNotCaptured => "EntriesNotCaptured",
            Self::Internal => "Internal",
            Self::InvalidSpec => "InvalidSpec",
            Self::CredentialsMissing => "CredentialsMissing",
            Self::RepositoryNotFound => "RepositoryNotFound",
            Self::AccessDenied => "AccessDenied",
            Self::PreflightRefused => "PreflightRefused",
            Self::Locked => "Locked",
            Self::Fenced => "Fenced",
            Self::IntegrityFailure => "IntegrityFailure",
            Self::TargetConflict => "TargetConflict",
            Self::SourceSuspicious => "SourceSuspicious",
            Self::LimitExceeded => "LimitExceeded",
            Self::ClockSkew => "ClockSkew",
            Self::StorageUnavailable => "StorageUnavailable",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::LocalDiskFull => "LocalDiskFull",
            Self::Interrupted => "Interrupted",
            Self::OutOfMemory => "OutOfMemory",
            Self::PodCreationFailed => "PodCreationFailed",
            Self::WorkerLost => "WorkerLost",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_reasons_are_listed() {
        let schema = serde_json::to_string(&schemars::schema_for!(Reason)).unwrap();
        for reason in Reason::ALL {
            assert!(schema.contains(&format!("\"{}\"", reason.as_str())));
        }
        assert_eq!(schema.matches("\"const\"").count(), Reason::ALL.len());
    }
}
