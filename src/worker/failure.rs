//! Why a run failed, in words for a reader, with the one reason that code, condition and metric
//! share.

use std::error::Error;

use crate::adapters::credentials::CredentialsError;
use crate::adapters::sqs::QueueError;
use crate::adapters::store::StoreError;
use crate::api::outcome::Reason;
use crate::api::policy::Storage;
use crate::api::run::BucketOrder;
use crate::plan::destination::Destination;

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The one word.
    pub reason: Reason,
    /// What happened, where, and what can be done.
    pub message: String,
    /// Whether the message says which store could not be reached.
    names_store: bool,
}

impl Failure {
    /// A failure for a reason, in words.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            names_store: false,
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

    /// A source's bucket was not listed. Unlike one of the policy's own, it need not keep versions.
    #[must_use]
    pub fn not_listed(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchBucket { .. } => Self::new(
                Reason::RepositoryNotFound,
                format!("{error}: create it, or correct the source's bucket.name"),
            ),
            other => other.into(),
        }
    }

    /// The same failure with the store's address, where the store could not be reached.
    #[must_use]
    pub fn of_store(self, storage: &Storage) -> Self {
        let endpoint = storage.endpoint.as_deref();
        self.at(endpoint, &storage.region, "storage.endpoint")
    }

    /// The same failure with the address of a source's bucket, which may be at another store.
    #[must_use]
    pub fn of_source(self, bucket: &BucketOrder) -> Self {
        let endpoint = bucket.endpoint.as_deref();
        self.at(endpoint, &bucket.region, "the source's bucket.endpoint")
    }

    /// The same failure with the address of the bucket that is restored into.
    #[must_use]
    pub fn of_destination(self, destination: &Destination) -> Self {
        let endpoint = destination.endpoint.as_deref();
        self.at(endpoint, &destination.region, "--to-endpoint")
    }

    fn at(self, endpoint: Option<&str>, region: &str, field: &str) -> Self {
        if self.reason != Reason::StorageUnavailable || self.names_store {
            return self;
        }
        let store = endpoint.unwrap_or("AWS S3");
        Self {
            message: format!(
                "{} (the store is {store}, region {region}): see that it is well, and check \
                 {field}, DNS, firewalls and network policies; the next run goes on",
                self.message
            ),
            names_store: true,
            ..self
        }
    }

    /// Keys of an identity are missing: of this Secret, or of this host.
    #[must_use]
    pub fn without_credentials(
        error: &CredentialsError,
        namespace: &str,
        secret: Option<&str>,
    ) -> Self {
        let message = match (error, secret) {
            (CredentialsError::SecretMissing { .. }, Some(secret)) => format!(
                "Secret {secret} does not exist in namespace {namespace}, or is empty: create it with \
                 the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ),
            (CredentialsError::FileMissing { name, .. }, Some(secret)) => format!(
                "Secret {secret} in namespace {namespace} has no key {name}, or it is empty: add it"
            ),
            _ => causes(error),
        };
        Self::new(Reason::CredentialsMissing, message)
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
            StoreError::AccessDenied { .. } => (Reason::AccessDenied, ""),
            StoreError::CredentialsMissing { .. } => (Reason::CredentialsMissing, ""),
            StoreError::VersionMissing { .. } => (
                Reason::PreflightRefused,
                ": enable versioning on the bucket",
            ),
            StoreError::ClockSkew => (Reason::ClockSkew, ": set the clock of this host"),
            StoreError::Refused { .. } => (Reason::PreflightRefused, ""),
        };
        Self::new(reason, format!("{error}{remedy}"))
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        let (reason, remedy) = match &error {
            QueueError::QueueGone { .. } => (
                Reason::RepositoryNotFound,
                ": create it, or correct the source's bucket.events.queueUrl",
            ),
            QueueError::AccessDenied { .. } => (Reason::AccessDenied, ""),
            QueueError::CredentialsMissing { .. } => (Reason::CredentialsMissing, ""),
            QueueError::Unavailable { .. } => (Reason::StorageUnavailable, ""),
            QueueError::Refused { .. } => (Reason::PreflightRefused, ""),
        };
        Self::new(reason, format!("{error}{remedy}"))
    }
}

/// An error and its causes, in one line.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> Storage {
        serde_saphyr::from_str(
            "{region: eu-south-1, endpoint: 'http://minio:9000', credentials: {secret: {name: s3}}}",
        )
        .expect("storage")
    }

    #[test]
    fn k15_a_missing_secret_and_a_missing_key_are_named_with_their_remedy() {
        let directory = std::path::PathBuf::from("/x");
        let missing = CredentialsError::SecretMissing {
            directory: directory.clone(),
        };
        let told = Failure::without_credentials(&missing, "acme", Some("s3")).message;
        assert!(
            told.starts_with("Secret s3 does not exist in namespace acme"),
            "{told}"
        );
        assert!(told.contains("create it"), "{told}");
        let lacking = CredentialsError::FileMissing {
            name: "AWS_SECRET_ACCESS_KEY",
            directory,
        };
        let told = Failure::without_credentials(&lacking, "acme", Some("s3")).message;
        assert!(told.contains("has no key AWS_SECRET_ACCESS_KEY"), "{told}");
        assert!(!told.contains("create"), "{told}");
    }

    #[test]
    fn a_right_that_is_missing_is_named_and_wrong_keys_are_not_taken_for_one() {
        let told = |code: &str| {
            let error = StoreError::AccessDenied {
                operation: "PutObject",
                resource: "b/k".to_owned(),
                code: code.to_owned(),
            };
            Failure::from(error).message
        };
        assert!(told("AccessDenied").ends_with("allow its identity s3:PutObject"));
        assert!(told("SignatureDoesNotMatch").contains("check the credentials"));
    }

    #[test]
    fn s02_a_store_that_is_not_reached_is_named() {
        let failure = Failure::new(Reason::StorageUnavailable, "no answer in time");
        let told = failure.of_store(&storage()).message;
        assert!(told.contains("http://minio:9000"), "{told}");
        let denied = Failure::new(Reason::AccessDenied, "no");
        assert_eq!(denied.clone().of_store(&storage()), denied);
    }
}
