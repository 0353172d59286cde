//! An object store, in S3's own words: what the engine may ask of it.
//!
//! Every write answers with a version id. A write may carry a [`Condition`]; the store checks it
//! and writes in one step. A reply can be lost: [`StoreError::Unavailable`] after a write means
//! that it may or may not have happened, and the caller has to read back.

use std::future::Future;

use bytes::Bytes;

use crate::api::catalog::Sha256;
use crate::plan::iam::actions_of;
pub use crate::plan::preflight::{LifecycleRule, Promises};

/// The most keys that one delete request may name.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
pub const DELETE_KEYS_MAX: usize = 1000;

/// What S3 calls an object that has to be fetched from an archive before it can be read: the code of
/// a [`StoreError::Refused`].
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html>
pub const ARCHIVED: &str = "InvalidObjectState";

/// What the engine asks of an object store. Methods name a bucket first and a key second.
///
/// # Cancellation
/// Dropping a future may leave its request done or not done.
pub trait Store: Send + Sync + 'static {
    /// Reads an object: a version of it, or the current one; all of it, or a range.
    fn get(&self, request: Get) -> impl Future<Output = Result<Object, StoreError>> + Send;

    /// Reads an object in pieces as they arrive; for what does not fit the memory.
    fn read(&self, request: Get) -> impl Future<Output = Result<Body, StoreError>> + Send;

    /// Asks for an object's facts: of a version of it, or of the current one.
    fn head(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> impl Future<Output = Result<Facts, StoreError>> + Send;

    /// Writes an object.
    fn put(&self, request: Put) -> impl Future<Output = Result<Written, StoreError>> + Send;

    /// Starts an upload in parts; answers with the upload's id.
    fn create_upload(
        &self,
        bucket: &str,
        key: &str,
        attributes: Attributes,
    ) -> impl Future<Output = Result<String, StoreError>> + Send;

    /// Sends one part, numbered from 1, with its CRC64NVME; answers with the part's ETag.
    fn upload_part(&self, part: Part) -> impl Future<Output = Result<String, StoreError>> + Send;

    /// Has the store copy a range of an object into one part, numbered from 1. An original that
    /// has another `ETag` by now is [`StoreError::ConditionFailed`].
    fn copy_part(
        &self,
        part: CopyPart,
    ) -> impl Future<Output = Result<CopiedPart, StoreError>> + Send;

    /// Puts the parts together, under a condition.
    fn complete_upload(
        &self,
        request: Complete,
    ) -> impl Future<Output = Result<Written, StoreError>> + Send;

    /// Gives an upload up. An upload that does not exist any more is no error.
    fn abort_upload(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts delete markers, [`DELETE_KEYS_MAX`] at most. Answers with the keys that were refused
    /// because their ETag was another one, where the store checks it.
    fn delete(
        &self,
        bucket: &str,
        keys: Vec<Marked>,
    ) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;

    /// One page of the keys under a prefix, in byte order, after `start_after`.
    fn list(
        &self,
        bucket: &str,
        prefix: &str,
        start_after: Option<&str>,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// What a bucket promises about the versions in it.
    fn bucket_promises(
        &self,
        bucket: &str,
    ) -> impl Future<Output = Result<Promises, StoreError>> + Send;

    /// The time in the newest answer of the store, by the store's own clock.
    fn last_answer(&self) -> Option<jiff::Timestamp>;

    /// Requests made so far, by operation, failed ones included.
    fn requests(&self) -> std::collections::BTreeMap<String, u64>;
}

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct Get {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version; the current one where there is none.
    pub version: Option<String>,
    /// The first byte and the one after the last.
    pub range: Option<std::ops::Range<u64>>,
}

/// An object, read.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its bytes.
    pub body: Bytes,
    /// Its facts.
    pub facts: Facts,
}

/// An object's bytes as they arrive. An error ends it.
pub type Body = futures::stream::BoxStream<'static, Result<Bytes, StoreError>>;

/// What a store knows of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The version id.
    pub version: String,
    /// The ETag.
    pub etag: String,
    /// The size of the whole in bytes.
    pub size: u64,
    /// CRC64NVME of the whole, where the store knows it.
    pub crc64: Option<u64>,
    /// The SHA-256 that the writer noted, where it did.
    pub sha256: Option<Sha256>,
    /// The upload's token that the writer noted, where it did.
    pub token: Option<String>,
    /// When it was written, by the store's clock, to the second.
    pub modified: jiff::Timestamp,
    /// What it says of its content.
    pub headers: Headers,
}

/// What an object says of its content to whoever fetches it, by HTTP's names in lower case; a
/// user's own begin with `x-amz-meta-`.
pub type Headers = Vec<(String, String)>;

/// What a write is told about its object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The SHA-256 of the original content, noted with the object.
    pub sha256: Option<Sha256>,
    /// A token that tells this upload from every other one, noted with the object.
    pub token: Option<String>,
    /// The storage class, by S3's name.
    pub storage_class: Option<&'static str>,
    /// How the bytes are compressed, by HTTP's name.
    pub content_encoding: Option<&'static str>,
    /// What the object is to say of its content.
    pub headers: Headers,
}

/// What must hold for a write to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The key has no current version (a delete marker counts as none): `If-None-Match: *`.
    Absent,
    /// The key's current version has this ETag: `If-Match`.
    Matches(String),
    /// Nothing: for the lease, which no safety rests on, and for the probe.
    None,
}

/// A write.
#[derive(Clone, Debug)]
pub struct Put {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The bytes.
    pub body: Bytes,
    /// CRC64NVME of the bytes; the store refuses other bytes.
    pub crc64: u64,
    /// What must hold.
    pub condition: Condition,
    /// What is noted with it.
    pub attributes: Attributes,
}

/// One part of an upload.
#[derive(Clone, Debug)]
pub struct Part {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The upload's id.
    pub upload: String,
    /// From 1.
    pub number: u32,
    /// The bytes.
    pub body: Bytes,
    /// CRC64NVME of the bytes.
    pub crc64: u64,
}

/// One version of an object, to be copied from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version; none where the bucket keeps none.
    pub version: Option<String>,
    /// What its ETag must be.
    pub etag: String,
}

/// One part of an upload, to be copied by the store.
#[derive(Clone, Debug)]
pub struct CopyPart {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The upload's id.
    pub upload: String,
    /// From 1.
    pub number: u32,
    /// What it is copied from.
    pub original: Original,
    /// The first byte of that and the one after the last.
    pub range: std::ops::Range<u64>,
}

/// A part that the store has copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedPart {
    /// The part's ETag.
    pub etag: String,
    /// CRC64NVME of what was copied, where the store tells it.
    pub crc64: Option<u64>,
}

/// The end of an upload.
#[derive(Clone, Debug)]
pub struct Complete {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The upload's id.
    pub upload: String,
    /// The parts' ETags and CRC64NVMEs, in order from part 1.
    pub parts: Vec<(String, u64)>,
    /// The size of the whole in bytes.
    pub size: u64,
    /// CRC64NVME of the whole; the store refuses another one.
    pub crc64: u64,
    /// What must hold.
    pub condition: Condition,
}

/// A write that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The version id.
    pub version: String,
    /// The ETag.
    pub etag: String,
}

/// A key to be hidden by a delete marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The key.
    pub key: String,
    /// The ETag of the version to be hidden.
    pub etag: String,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Current keys, in byte order.
    pub keys: Vec<Listed>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// One key of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: String,
    /// The size in bytes.
    pub size: u64,
    /// The ETag.
    pub etag: String,
    /// When it was written, by the store's clock, to the second.
    pub modified: jiff::Timestamp,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The object, version or upload does not exist.
    #[error("no such object: {bucket}/{key}")]
    NotFound {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// The bucket does not exist.
    #[error("bucket does not exist: {bucket}")]
    NoSuchBucket {
        /// The bucket.
        bucket: String,
    },
    /// The condition did not hold; nothing was written.
    #[error("the condition on {bucket}/{key} does not hold")]
    ConditionFailed {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// Another write to the key was under way; nothing was written, and it may be tried again.
    #[error("another write to {bucket}/{key} was under way")]
    Conflict {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// The identity may not do this.
    #[error(
        "{operation} on {resource} was refused: {code}: {}",
        remedy(operation, code)
    )]
    AccessDenied {
        /// The operation, by S3's name, such as `PutObject`.
        operation: &'static str,
        /// Bucket, or bucket and key.
        resource: String,
        /// The store's error code.
        code: String,
    },
    /// There are no credentials to ask with; nothing was sent.
    #[error("{detail}")]
    CredentialsMissing {
        /// What is missing, and where it was looked for.
        detail: String,
    },
    /// The store found other bytes than were announced, or announced others than it sent.
    #[error("the bytes of {bucket}/{key} are not what was announced")]
    ChecksumMismatch {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// The store answered a write without a version id.
    #[error("{bucket} answered a write without a version id: versioning is not enabled")]
    VersionMissing {
        /// The bucket.
        bucket: String,
    },
    /// The clocks are too far apart.
    #[error("the clock of this host and that of the store are too far apart")]
    ClockSkew,
    /// No answer, or one that says that the store is not well. A write may have happened.
    #[error("{operation} on {resource} failed: {detail}")]
    Unavailable {
        /// The operation, by S3's name.
        operation: &'static str,
        /// Bucket, or bucket and key.
        resource: String,
        /// What was seen.
        detail: String,
    },
    /// The store refused the request for another reason; nothing was written.
    #[error("{operation} on {resource} was refused: {code}: {detail}")]
    Refused {
        /// The operation, by S3's name.
        operation: &'static str,
        /// Bucket, or bucket and key.
        resource: String,
        /// The store's error code.
        code: String,
        /// The store's own words.
        detail: String,
    },
}

/// The right that is missing, where the store knows the identity and refuses it this one thing.
fn remedy(operation: &str, code: &str) -> String {
    let is_known = matches!(code, "AccessDenied" | "HTTP 403");
    match actions_of(operation).filter(|_| is_known) {
        Some(actions) => format!("allow its identity {actions}"),
        None => "check the credentials and the rights of their identity".to_owned(),
    }
}

impl StoreError {
    /// Whether the same request may succeed later. After a write it may also have happened.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Conflict { .. } => true,
            Self::NotFound { .. }
            | Self::NoSuchBucket { .. }
            | Self::ConditionFailed { .. }
            | Self::AccessDenied { .. }
            | Self::CredentialsMissing { .. }
            | Self::ChecksumMismatch { .. }
            | Self::VersionMissing { .. }
            | Self::ClockSkew
            | Self::Refused { .. } => false,
        }
    }
}
