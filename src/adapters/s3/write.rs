//! Writing objects: in one piece or in parts.

use std::collections::HashMap;
use std::error::Error;

use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, ServerSideEncryption,
    StorageClass,
};

use super::error::Request;
use super::read::{SHA256_NOTE, TOKEN_NOTE, encode_crc64};
use super::wire::Attempts;
use super::{AtRest, S3Store};
use crate::adapters::store::{Attributes, Complete, Condition, Part, Put, StoreError, Written};
use crate::plan::headers::{System, USER_METADATA};

/// The most bytes that names and values of user metadata may have together.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>
const NOTES_MAX_BYTES: usize = 2048;

/// The most that ours take of it.
const OWN_NOTES_MAX_BYTES: usize = 128;

/// What a write in one piece and one in parts say alike of their object.
macro_rules! described {
    ($operation:expr, $attributes:expr, $encryption:expr) => {{
        let says = System::of(&$attributes.headers);
        $operation
            .set_metadata(notes(&$attributes))
            .set_storage_class($attributes.storage_class.map(StorageClass::from))
            .set_cache_control(says.cache_control.map(str::to_owned))
            .set_content_disposition(says.content_disposition.map(str::to_owned))
            .set_content_encoding(encoding(&$attributes, says))
            .set_content_language(says.content_language.map(str::to_owned))
            .set_content_type(says.content_type.map(str::to_owned))
            .set_server_side_encryption($encryption.algorithm())
            .set_ssekms_key_id($encryption.key_id())
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
    }};
}

impl S3Store {
    pub(super) async fn put_object(&self, put: Put) -> Result<Written, StoreError> {
        let request = Request::on_key("PutObject", &put.bucket, &put.key);
        let attempts = Attempts::default();
        let timeouts = self.timeouts.for_body(&put.body);
        let operation = described!(self.client.put_object(), put.attributes, self.encryption);
        let mut operation = operation
            .bucket(&put.bucket)
            .key(&put.key)
            .set_if_match(put.condition.if_match())
            .set_if_none_match(put.condition.if_none_match())
            .checksum_crc64_nvme(encode_crc64(put.crc64))
            .body(put.body.into())
            .customize()
            .interceptor(attempts.clone())
            .config_override(Builder::new().timeout_config(timeouts));
        if self.is_encrypted_in_transit {
            operation = operation.disable_payload_signing();
        }
        let answer = operation
            .send()
            .await
            .map_err(|error| write_failed(request, &error, &put.condition, attempts.count()))?;
        written(request, answer.version_id(), answer.e_tag())
    }

    pub(super) async fn create_multipart_upload(
        &self,
        bucket: &str,
        key: &str,
        attributes: Attributes,
    ) -> Result<String, StoreError> {
        let request = Request::on_key("CreateMultipartUpload", bucket, key);
        let operation = self.client.create_multipart_upload();
        let answer = described!(operation, attributes, self.encryption)
            .bucket(bucket)
            .key(key)
            .checksum_type(ChecksumType::FullObject)
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
        answer
            .upload_id
            .ok_or_else(|| request.unavailable("the answer lacks UploadId"))
    }

    pub(super) async fn send_part(&self, part: Part) -> Result<String, StoreError> {
        let request = Request::on_key("UploadPart", &part.bucket, &part.key);
        let timeouts = self.timeouts.for_body(&part.body);
        let mut operation = self
            .client
            .upload_part()
            .bucket(&part.bucket)
            .key(&part.key)
            .upload_id(part.upload)
            .part_number(part_number(part.number))
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .checksum_crc64_nvme(encode_crc64(part.crc64))
            .body(part.body.into())
            .customize()
            .config_override(Builder::new().timeout_config(timeouts));
        if self.is_encrypted_in_transit {
            operation = operation.disable_payload_signing();
        }
        let answer = operation
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
        answer
            .e_tag
            .ok_or_else(|| request.unavailable("the answer lacks ETag"))
    }

    pub(super) async fn complete_multipart_upload(
        &self,
        complete: Complete,
    ) -> Result<Written, StoreError> {
        let request = Request::on_key("CompleteMultipartUpload", &complete.bucket, &complete.key);
        let attempts = Attempts::default();
        let answer = self
            .client
            .complete_multipart_upload()
            .bucket(&complete.bucket)
            .key(&complete.key)
            .upload_id(complete.upload)
            .multipart_upload(completed(&complete.parts))
            .mpu_object_size(i64::try_from(complete.size).unwrap_or(i64::MAX))
            .checksum_type(ChecksumType::FullObject)
            .checksum_crc64_nvme(encode_crc64(complete.crc64))
            .set_if_match(complete.condition.if_match())
            .set_if_none_match(complete.condition.if_none_match())
            .customize()
            .interceptor(attempts.clone())
            .config_override(Builder::new().timeout_config(self.timeouts.for_completion()))
            .send()
            .await
            .map_err(|error| {
                write_failed(request, &error, &complete.condition, attempts.count())
            })?;
        written(request, answer.version_id(), answer.e_tag())
    }

    pub(super) async fn abort_multipart_upload(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
    ) -> Result<(), StoreError> {
        let request = Request::on_key("AbortMultipartUpload", bucket, key);
        let answer = self
            .client
            .abort_multipart_upload()
            .bucket(bucket)
            .key(key)
            .upload_id(upload)
            .send()
            .await;
        match answer.map_err(|error| request.failed(&error)) {
            Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Condition {
    fn if_match(&self) -> Option<String> {
        match self {
            Self::Matches(etag) => Some(etag.clone()),
            Self::Absent | Self::None => None,
        }
    }

    fn if_none_match(&self) -> Option<String> {
        match self {
            Self::Absent => Some("*".to_owned()),
            Self::Matches(_) | Self::None => None,
        }
    }
}

impl AtRest {
    fn algorithm(&self) -> Option<ServerSideEncryption> {
        match self {
            Self::S3 => Some(ServerSideEncryption::Aes256),
            Self::Kms { .. } => Some(ServerSideEncryption::AwsKms),
            Self::BucketDefault => None,
        }
    }

    fn key_id(&self) -> Option<String> {
        match self {
            Self::Kms { key_id } => Some(key_id.clone()),
            Self::S3 | Self::BucketDefault => None,
        }
    }
}

/// Why a write under a condition failed.
fn write_failed<E>(
    request: Request<'_>,
    error: &SdkError<E, HttpResponse>,
    condition: &Condition,
    attempts: u32,
) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let told = match request.failed(error) {
        // `If-Match` on a key without a current version.
        StoreError::NotFound { .. }
            if matches!(condition, Condition::Matches(_))
                && error.code() != Some("NoSuchUpload") =>
        {
            request.condition_failed()
        }
        told => told,
    };
    let is_perhaps_own_echo = matches!(
        told,
        StoreError::ConditionFailed { .. } | StoreError::NotFound { .. }
    );
    if attempts > 1 && is_perhaps_own_echo {
        return request.unavailable(&format!("an attempt got no clear answer, then: {told}"));
    }
    told
}

/// A write that the store acknowledged; only a version id makes it one.
fn written(
    request: Request<'_>,
    version: Option<&str>,
    etag: Option<&str>,
) -> Result<Written, StoreError> {
    let Some(version) = version.filter(|version| !version.is_empty() && *version != "null") else {
        return Err(StoreError::VersionMissing {
            bucket: request.bucket.to_owned(),
        });
    };
    let etag = etag.ok_or_else(|| request.unavailable("the answer lacks ETag"))?;
    Ok(Written {
        version: version.to_owned(),
        etag: etag.to_owned(),
    })
}

/// What is noted with an object: the user's own of its source, and ours. What others have under the
/// names of ours is not passed on as if we had written it, and what is too much not at all: the
/// catalog has it.
fn notes(attributes: &Attributes) -> Option<HashMap<String, String>> {
    let users = attributes.headers.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(USER_METADATA)?;
        Some((name.to_owned(), value.clone()))
    });
    let mut notes: HashMap<String, String> = users.collect();
    if attributes.sha256.is_some() || attributes.token.is_some() {
        notes.retain(|name, _| ![SHA256_NOTE, TOKEN_NOTE].contains(&name.as_str()));
        let sizes = notes.iter().map(|(name, value)| name.len() + value.len());
        if sizes.sum::<usize>() > NOTES_MAX_BYTES - OWN_NOTES_MAX_BYTES {
            notes.clear();
        }
    }
    if let Some(sha256) = attributes.sha256 {
        notes.insert(SHA256_NOTE.to_owned(), sha256.to_string());
    }
    if let Some(token) = &attributes.token {
        notes.insert(TOKEN_NOTE.to_owned(), token.clone());
    }
    (!notes.is_empty()).then_some(notes)
}

/// Our encoding comes before none of the content's own: that is not compressed again.
fn encoding(attributes: &Attributes, says: System<'_>) -> Option<String> {
    let encoding = attributes.content_encoding.or(says.content_encoding);
    encoding.map(str::to_owned)
}

fn completed(parts: &[(String, u64)]) -> CompletedMultipartUpload {
    let parts = (1..).zip(parts).map(|(number, (etag, crc64))| {
        CompletedPart::builder()
            .part_number(number)
            .e_tag(etag)
            .checksum_crc64_nvme(encode_crc64(*crc64))
            .build()
    });
    CompletedMultipartUpload::builder()
        .set_parts(Some(parts.collect()))
        .build()
}

/// A number over the store's limit of 10,000 is refused there.
pub(super) fn part_number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
