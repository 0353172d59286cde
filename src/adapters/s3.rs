//! An S3 bucket, or one of a store that speaks S3's language.
//!
//! # Guarantees
//! A request is repeated a few times where that is safe, with growing and random pauses. When an
//! earlier attempt of a conditional write got no clear answer, "the condition does not hold" may
//! be the echo of its own success; it then becomes [`StoreError::Unavailable`], so that the
//! caller reads back. Nothing is ever deleted: keys get delete markers, and no request of this
//! file names a version to be removed. Redirects are not followed.
//!
//! # Caveats
//! Proxies are taken from the process's environment, as the AWS tools do.

pub mod buckets;
mod copy;
mod delete;
mod error;
mod list;
mod misnamed;
mod promises;
mod read;
mod slices;
mod versioning;
mod wire;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};

use self::slices::Slicing;
use self::wire::Wire;
use super::credentials::{Credentials, CredentialsError};
use super::sdk::{CONNECT_WITHIN, app_name, retries};
use super::store::{
    Attributes, Body, Complete, CopiedPart, CopyPart, Facts, Get, Marked, Object, Page, Part,
    Promises, Put, Store, StoreError, Written,
};
use crate::api::policy::{Encryption, Storage};

/// The slowest line that is still used: eight uploads at once over one megabit a second. An
/// attempt gets the time that its body takes at this speed on top of [`Timeouts::attempt`].
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;

/// How many times [`Timeouts::attempt`] the end of an upload may take.
const COMPLETION_ATTEMPTS: u32 = 10;

/// An object store that speaks S3's language. Clones share their connections and counts.
#[derive(Clone, Debug)]
pub struct S3Store {
    client: Client,
    encryption: AtRest,
    timeouts: Timeouts,
    /// Whether the line protects the bodies, so that signing them would only cost.
    is_encrypted_in_transit: bool,
    wire: Wire,
}

/// How long to wait before an attempt counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to be made.
    pub connect: Duration,
    /// For the first bytes of an answer, besides the time that the request's body takes.
    pub attempt: Duration,
    /// For the next byte of a body, in either direction.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: CONNECT_WITHIN,
            attempt: Duration::from_mins(1),
            stall: Duration::from_mins(1),
        }
    }
}

impl Timeouts {
    /// For the end of an upload: a store may take minutes to put the parts together.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
    fn for_completion(self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt.saturating_mul(COMPLETION_ATTEMPTS))
            .build()
    }

    fn for_body(self, body: &[u8]) -> TimeoutConfig {
        let body_bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let transfer = Duration::from_secs(body_bytes / SLOWEST_BYTES_PER_SECOND);
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt.saturating_add(transfer))
            .build()
    }
}

/// What a write says about encryption at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AtRest {
    S3,
    Kms { key_id: String },
    BucketDefault,
}

impl AtRest {
    fn new(encryption: Option<&Encryption>) -> Self {
        match encryption {
            Some(Encryption { kms: Some(kms), .. }) => Self::Kms {
                key_id: kms.key_id.clone(),
            },
            Some(Encryption { none: Some(_), .. }) => Self::BucketDefault,
            Some(Encryption {
                kms: None,
                none: None,
                s3: _,
            })
            | None => Self::S3,
        }
    }
}

impl S3Store {
    /// Makes a client. No request is sent.
    ///
    /// # Errors
    /// When it can be seen already that the credentials will not work: a file is missing, or an
    /// address is not allowed.
    pub fn new(
        storage: &Storage,
        credentials: &Credentials,
        timeouts: Timeouts,
    ) -> Result<Self, CredentialsError> {
        credentials.check()?;
        let wire = Wire::default();
        let mut config = Self::config(credentials, &storage.region, timeouts)
            .interceptor(wire.clone())
            .interceptor(Slicing)
            .force_path_style(storage.endpoint.is_some())
            .accelerate(storage.transfer_acceleration);
        config.set_endpoint_url(storage.endpoint.clone());
        Ok(Self {
            client: Client::from_conf(config.build()),
            encryption: AtRest::new(storage.encryption.as_ref()),
            timeouts,
            is_encrypted_in_transit: storage
                .endpoint
                .as_ref()
                .is_none_or(|endpoint| endpoint.starts_with("https:")),
            wire,
        })
    }

    /// What does not depend on the endpoint. The caller computes and checks checksums, in the
    /// same pass over the bytes as the SHA-256, so the SDK shall not do it once more.
    fn config(credentials: &Credentials, region: &str, timeouts: Timeouts) -> Builder {
        Builder::new()
            .behavior_version_latest()
            .app_name(app_name())
            .region(Region::new(region.to_owned()))
            .credentials_provider(credentials.provider(region))
            .retry_config(retries())
            .timeout_config(timeouts.for_body(&[]))
            .stalled_stream_protection(
                StalledStreamProtectionConfig::enabled()
                    .grace_period(timeouts.stall)
                    .build(),
            )
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // A clock that is off is told, and not made up for.
            .disable_clock_skew_correction(true)
            .disable_s3_express_session_auth(true)
    }
}

impl Store for S3Store {
    async fn get(&self, request: Get) -> Result<Object, StoreError> {
        self.get_whole(&request).await
    }

    async fn read(&self, request: Get) -> Result<Body, StoreError> {
        self.open_body(request).await
    }

    async fn head(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Facts, StoreError> {
        self.head_object(bucket, key, version).await
    }

    async fn put(&self, request: Put) -> Result<Written, StoreError> {
        self.put_object(request).await
    }

    async fn create_upload(
        &self,
        bucket: &str,
        key: &str,
        attributes: Attributes,
    ) -> Result<String, StoreError> {
        self.create_multipart_upload(bucket, key, attributes).await
    }

    async fn upload_part(&self, part: Part) -> Result<String, StoreError> {
        self.send_part(part).await
    }

    async fn copy_part(&self, part: CopyPart) -> Result<CopiedPart, StoreError> {
        self.upload_part_copy(part).await
    }

    async fn complete_upload(&self, request: Complete) -> Result<Written, StoreError> {
        self.complete_multipart_upload(request).await
    }

    async fn abort_upload(&self, bucket: &str, key: &str, upload: &str) -> Result<(), StoreError> {
        self.abort_multipart_upload(bucket, key, upload).await
    }

    async fn delete(&self, bucket: &str, keys: Vec<Marked>) -> Result<Vec<String>, StoreError> {
        self.put_markers(bucket, &keys).await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        start_after: Option<&str>,
    ) -> Result<Page, StoreError> {
        self.list_page(bucket, prefix, start_after).await
    }

    async fn bucket_promises(&self, bucket: &str) -> Result<Promises, StoreError> {
        self.promises(bucket).await
    }

    fn last_answer(&self) -> Option<jiff::Timestamp> {
        self.wire.last_answer()
    }

    fn requests(&self) -> BTreeMap<String, u64> {
        self.wire.requests()
    }
}
