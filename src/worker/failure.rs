//! Why a run failed, in words for a reader, with the one reason that code, condition and metric
//! share.

use crate::adapters::store::StoreError;
use crate::api::outcome::Reason;

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The one word.
    pub reason: Reason,
    /// What happened, where, and what can be done.
    pub message: String,
}

impl Failure {
    /// A failure for a reason, in words.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// The same failure, with what was being done before it.
    #[must_use]
    pub fn during(self, act: &str) -> Self {
        Self {
            message: format!("{act}: {}", self.message),
            ..self
        }
    }

    /// Another run took the repository over.
    #[must_use]
    pub fn fenced() -> Self {
        Self::new(
            Reason::Fenced,
            "another run took the repository over; what this one sent is that run's journal",
        )
    }

    /// Something stored is not what was recorded.
    pub fn integrity(message: impl Into<String>) -> Self {
        Self::new(Reason::IntegrityFailure, message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (reason, remedy) = match &error {
            StoreError::NotFound { .. } | StoreError::ChecksumMismatch { .. } => {
                (Reason::IntegrityFailure, "")
            }
            StoreError::NoSuchBucket { .. } => (
                Reason::RepositoryNotFound,
                ": create it with versioning enabled, or correct the bucket in the policy",
            ),
            StoreError::ConditionFailed { .. } => (Reason::Fenced, ""),
            StoreError::Conflict { .. } | StoreError::Unavailable { .. } => {
                (Reason::StorageUnavailable, "")
            }
            StoreError::AccessDenied { .. } => (
                Reason::AccessDenied,
                ": check the credentials and the rights of their identity",
            ),
            StoreError::CredentialsMissing { .. } => (Reason::CredentialsMissing, ""),
            StoreError::VersionMissing { .. } => (
                Reason::PreflightRefused,
                ": enable versioning on the bucket",
            ),
            StoreError::ClockSkew => (Reason::ClockSkew, ": set the clock of this host"),
            StoreError::Refused { code, .. } if code == "CredentialsMissing" => (
                Reason::CredentialsMissing,
                ": create the Secret that storage.credentials names, with both keys",
            ),
            StoreError::Refused { .. } => (Reason::PreflightRefused, ""),
        };
        Self::new(reason, format!("{error}{remedy}"))
    }
}
