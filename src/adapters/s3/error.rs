//! What the SDK and the store say when a request fails, in the words of [`StoreError`].
//!
//! Nothing of an answer that is not an S3 error is repeated.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::adapters::credentials::CredentialsError;
use crate::adapters::sdk::{
    self, causes, credentials_error, is_without_credentials, one_line, root_cause, with_code,
};
use crate::adapters::store::{ARCHIVED, StoreError};

const NOT_S3: &str = "the answer broke off or is not that of an S3 store";

/// What the owner of an archived object can do. The answer is a 403, and no right is missing.
const IS_ARCHIVED: &str = "it is in an archive class: have S3 bring it back first (aws s3api \
                           restore-object), which takes hours, and then do this again";

/// What was asked, for the error that tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) operation: &'static str,
    pub(super) bucket: &'a str,
    pub(super) key: Option<&'a str>,
}

impl<'a> Request<'a> {
    pub(super) fn on_bucket(operation: &'static str, bucket: &'a str) -> Self {
        Self {
            operation,
            bucket,
            key: None,
        }
    }

    pub(super) fn on_key(operation: &'static str, bucket: &'a str, key: &'a str) -> Self {
        Self {
            operation,
            bucket,
            key: Some(key),
        }
    }

    /// Why a request failed.
    pub(super) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => {
                let meta = answer.err().meta();
                self.refused(answer.raw().status().as_u16(), meta.code(), meta.message())
            }
            SdkError::TimeoutError(_) => self.unavailable("no answer in time"),
            SdkError::ResponseError(_) => self.unavailable(NOT_S3),
            SdkError::DispatchFailure(failure) => match credentials_error(error) {
                Some(error) => self.without_credentials(error),
                None if failure.is_timeout() => self.unavailable("no connection in time"),
                None => self.unavailable(&root_cause(error)),
            },
            SdkError::ConstructionFailure(_) | _ => match credentials_error(error) {
                Some(error) => self.without_credentials(error),
                None if is_without_credentials(error) => self.unavailable(&causes(error)),
                None => self.refuse("InvalidRequest", &causes(error)),
            },
        }
    }

    /// What the store means by an error answer. Codes come first: an error may hide in an answer
    /// that says 200, and one status stands for several codes.
    pub(super) fn refused(
        &self,
        status: u16,
        code: Option<&str>,
        message: Option<&str>,
    ) -> StoreError {
        let word = sdk::code(code);
        let detail = message.unwrap_or_default();
        let named = word.map_or_else(|| format!("HTTP {status}"), str::to_owned);
        match word.unwrap_or_default() {
            "NoSuchBucket" => StoreError::NoSuchBucket {
                bucket: self.bucket.to_owned(),
            },
            "NoSuchKey" | "NoSuchVersion" | "NoSuchUpload" | "NotFound" => self.not_found(),
            "PreconditionFailed" => self.condition_failed(),
            "ConditionalRequestConflict" | "OperationAborted" => StoreError::Conflict {
                bucket: self.bucket.to_owned(),
                key: self.key.unwrap_or_default().to_owned(),
            },
            "BadDigest"
            | "InvalidDigest"
            | "XAmzContentChecksumMismatch"
            | "XAmzContentSHA256Mismatch" => StoreError::ChecksumMismatch {
                bucket: self.bucket.to_owned(),
                key: self.key.unwrap_or_default().to_owned(),
            },
            "RequestTimeTooSkewed" => StoreError::ClockSkew,
            "AccessDenied"
            | "AllAccessDisabled"
            | "AccountProblem"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "InvalidToken" => self.denied(named),
            "SlowDown"
            | "InternalError"
            | "ServiceUnavailable"
            | "RequestTimeout"
            | "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded" => self.unavailable(&with_code(&named, detail)),
            "NotImplemented" => self.refuse(&named, detail),
            ARCHIVED => self.refuse(&named, IS_ARCHIVED),
            _ => self.refused_by_status(status, &named, detail),
        }
    }

    fn refused_by_status(&self, status: u16, named: &str, detail: &str) -> StoreError {
        match status {
            401 | 403 => self.denied(named.to_owned()),
            404 if self.key.is_some() => self.not_found(),
            412 => self.condition_failed(),
            // It claims success, and cannot be read: a write may have happened.
            200..=299 if named.starts_with("HTTP ") => self.unavailable(NOT_S3),
            // The SDK follows no redirect: the credentials would go with it.
            300..=399 => self.refuse(named, "the store redirects to another region or host"),
            408 | 429 | 500 | 502..=599 => self.unavailable(&with_code(named, detail)),
            _ => self.refuse(named, detail),
        }
    }

    fn without_credentials(&self, error: &CredentialsError) -> StoreError {
        match error {
            CredentialsError::Unavailable { .. } => self.unavailable(&causes(error)),
            CredentialsError::Refused { code, .. } => self.denied(code.clone()),
            CredentialsError::SecretMissing { .. }
            | CredentialsError::FileMissing { .. }
            | CredentialsError::ReadFile { .. }
            | CredentialsError::AddressNotAllowed { .. }
            | CredentialsError::NotConfigured
            | CredentialsError::ProfileEmpty { .. } => StoreError::CredentialsMissing {
                detail: one_line(&causes(error)),
            },
        }
    }

    pub(super) fn not_found(&self) -> StoreError {
        StoreError::NotFound {
            bucket: self.bucket.to_owned(),
            key: self.key.unwrap_or_default().to_owned(),
        }
    }

    pub(super) fn condition_failed(&self) -> StoreError {
        StoreError::ConditionFailed {
            bucket: self.bucket.to_owned(),
            key: self.key.unwrap_or_default().to_owned(),
        }
    }

    pub(super) fn unavailable(&self, detail: &str) -> StoreError {
        StoreError::Unavailable {
            operation: self.operation,
            resource: self.resource(),
            detail: one_line(detail),
        }
    }

    pub(super) fn refuse(&self, code: &str, detail: &str) -> StoreError {
        StoreError::Refused {
            operation: self.operation,
            resource: self.resource(),
            code: code.to_owned(),
            detail: one_line(detail),
        }
    }

    fn denied(&self, code: String) -> StoreError {
        StoreError::AccessDenied {
            operation: self.operation,
            resource: self.resource(),
            code,
        }
    }

    fn resource(&self) -> String {
        match self.key {
            Some(key) => format!("{}/{key}", self.bucket),
            None => self.bucket.to_owned(),
        }
    }
}
