//! Reading objects.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::ChecksumMode;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream;

use super::S3Store;
use super::error::Request;
use crate::adapters::sdk::causes;
use crate::adapters::store::{Body, Facts, Get, Headers, Object, StoreError};
use crate::api::catalog::Sha256;
use crate::plan::headers::{System, USER_METADATA};

/// How often a body is asked for that breaks off on its way into memory. (A body that is read in
/// pieces is the caller's to resume.)
const BODIES_MAX: u32 = 3;

/// The largest object, or range of one, that is read into memory. What is read so is of our own
/// making and far smaller; this is for a store that answers with something else.
const WHOLE_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Names of the user metadata in which a writer notes the SHA-256 and its token.
pub(super) const SHA256_NOTE: &str = "sha256";
pub(super) const TOKEN_NOTE: &str = "token";

/// What S3 calls the version of an object that has none.
const NO_VERSION: &str = "null";

impl S3Store {
    pub(super) async fn get_whole(&self, get: &Get) -> Result<Object, StoreError> {
        if get.range.as_ref().is_some_and(std::ops::Range::is_empty) {
            // A range of no bytes cannot be said in a request.
            let facts = self
                .head_object(&get.bucket, &get.key, get.version.as_deref())
                .await?;
            return Ok(Object {
                body: Bytes::new(),
                facts,
            });
        }
        let mut tried = 1;
        loop {
            let (facts, length, body) = self.get_object(get).await?;
            if length > WHOLE_MAX_BYTES {
                return Err(request(get).refuse("EntityTooLarge", "too large for the memory"));
            }
            match collect(get, length, body).await {
                Ok(body) => return Ok(Object { body, facts }),
                Err(_) if tried < BODIES_MAX => tried += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn open_body(&self, get: Get) -> Result<Body, StoreError> {
        if get.range.as_ref().is_some_and(std::ops::Range::is_empty) {
            self.head_object(&get.bucket, &get.key, get.version.as_deref())
                .await?;
            return Ok(stream::empty().boxed());
        }
        Ok(self.open_object(get).await?.1)
    }

    /// An object's facts, and its bytes as they arrive.
    pub(in crate::adapters) async fn open_object(
        &self,
        get: Get,
    ) -> Result<(Facts, Body), StoreError> {
        let (facts, _, body) = self.get_object(&get).await?;
        let pieces = stream::try_unfold((get, body), |(get, mut body)| async move {
            match body.try_next().await {
                Ok(Some(piece)) => Ok(Some((piece, (get, body)))),
                Ok(None) => Ok(None),
                Err(error) => Err(broke_off(&get, &error)),
            }
        });
        Ok((facts, pieces.boxed()))
    }

    pub(super) async fn head_object(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Facts, StoreError> {
        let request = Request::on_key("HeadObject", bucket, key);
        let answer = self
            .client
            .head_object()
            .bucket(bucket)
            .key(key)
            .set_version_id(version.map(str::to_owned))
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .map_err(|error| marker_is_absence(request, request.failed(&error)))?;
        facts(
            request,
            Answer {
                version: answer.version_id(),
                etag: answer.e_tag(),
                size: answer
                    .content_length()
                    .and_then(|size| u64::try_from(size).ok()),
                crc64: answer.checksum_crc64_nvme(),
                modified: answer.last_modified(),
                note: &|name| answer.metadata()?.get(name).map(String::as_str),
                headers: headers!(answer),
            },
        )
    }

    /// Asks for an object; answers with its facts, the length of the body, and the body.
    async fn get_object(&self, get: &Get) -> Result<(Facts, u64, ByteStream), StoreError> {
        let request = request(get);
        let range = get
            .range
            .as_ref()
            .map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let mut answer = self
            .client
            .get_object()
            .bucket(&get.bucket)
            .key(&get.key)
            .set_version_id(get.version.clone())
            .set_range(range)
            .send()
            .await
            .map_err(|error| marker_is_absence(request, request.failed(&error)))?;
        let body = std::mem::take(&mut answer.body);
        let length = answer
            .content_length()
            .and_then(|length| u64::try_from(length).ok());
        let size = if get.range.is_some() {
            whole_size(&answer)
        } else {
            length
        };
        let (Some(length), Some(size)) = (length, size) else {
            return Err(request.unavailable("the answer does not say how long it is"));
        };
        let facts = facts(
            request,
            Answer {
                version: answer.version_id(),
                etag: answer.e_tag(),
                size: Some(size),
                crc64: answer.checksum_crc64_nvme(),
                modified: answer.last_modified(),
                note: &|name| answer.metadata()?.get(name).map(String::as_str),
                headers: headers!(answer),
            },
        )?;
        Ok((facts, length, body))
    }
}

/// What GET and HEAD answer alike.
struct Answer<'a> {
    version: Option<&'a str>,
    etag: Option<&'a str>,
    size: Option<u64>,
    crc64: Option<&'a str>,
    modified: Option<&'a DateTime>,
    note: &'a dyn Fn(&str) -> Option<&'a str>,
    headers: Headers,
}

/// What an answer to GET or HEAD says of the content.
macro_rules! headers {
    ($answer:ident) => {{
        let system = System {
            cache_control: $answer.cache_control(),
            content_disposition: $answer.content_disposition(),
            content_encoding: $answer.content_encoding(),
            content_language: $answer.content_language(),
            content_type: $answer.content_type(),
        };
        let own = $answer.metadata().into_iter().flatten();
        let own = own.map(|(name, value)| (format!("{USER_METADATA}{name}"), value.clone()));
        system.headers().chain(own).collect()
    }};
}
use headers;

fn facts(request: Request<'_>, answer: Answer<'_>) -> Result<Facts, StoreError> {
    let lacks = |what: &str| request.unavailable(&format!("the answer lacks {what}"));
    let modified = answer.modified.ok_or_else(|| lacks("Last-Modified"))?;
    Ok(Facts {
        version: answer.version.unwrap_or(NO_VERSION).to_owned(),
        etag: answer.etag.ok_or_else(|| lacks("ETag"))?.to_owned(),
        size: answer.size.ok_or_else(|| lacks("Content-Length"))?,
        crc64: answer.crc64.and_then(decode_crc64),
        sha256: (answer.note)(SHA256_NOTE).and_then(decode_sha256),
        token: (answer.note)(TOKEN_NOTE).map(str::to_owned),
        modified: jiff::Timestamp::from_second(modified.secs())
            .map_err(|_| lacks("a possible Last-Modified"))?,
        headers: answer.headers,
    })
}

fn request(get: &Get) -> Request<'_> {
    Request::on_key("GetObject", &get.bucket, &get.key)
}

/// Reads a body into memory, as long as it was announced.
async fn collect(get: &Get, length: u64, mut body: ByteStream) -> Result<Bytes, StoreError> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut bytes = BytesMut::with_capacity(length);
    while let Some(piece) = body
        .try_next()
        .await
        .map_err(|error| broke_off(get, &error))?
    {
        bytes.extend_from_slice(&piece);
    }
    if bytes.len() != length {
        return Err(request(get).unavailable("the body is not as long as announced"));
    }
    Ok(bytes.freeze())
}

fn broke_off(get: &Get, error: &aws_sdk_s3::primitives::ByteStreamError) -> StoreError {
    request(get).unavailable(&format!("the body broke off: {}", causes(error)))
}

/// A version that is a delete marker answers 405: there is no object to be read.
fn marker_is_absence(request: Request<'_>, error: StoreError) -> StoreError {
    match error {
        StoreError::Refused { code, .. } if code == "MethodNotAllowed" || code == "HTTP 405" => {
            request.not_found()
        }
        other => other,
    }
}

/// The size after the slash of `bytes 0-9/100`. An answer without one is not the range that was
/// asked for.
fn whole_size(answer: &GetObjectOutput) -> Option<u64> {
    answer.content_range()?.rsplit_once('/')?.1.parse().ok()
}

pub(super) fn encode_crc64(crc64: u64) -> String {
    aws_smithy_types::base64::encode(crc64.to_be_bytes())
}

pub(super) fn decode_crc64(text: &str) -> Option<u64> {
    let bytes = aws_smithy_types::base64::decode(text).ok()?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

fn decode_sha256(text: &str) -> Option<Sha256> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(Sha256(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_big_endian_base64() {
        // "123456789", whose CRC64NVME is given in the catalogue of CRC parameters.
        assert_eq!(encode_crc64(0xae8b_1486_0a79_9888), "rosUhgp5mIg=");
        assert_eq!(decode_crc64("rosUhgp5mIg="), Some(0xae8b_1486_0a79_9888));
        assert_eq!(decode_crc64("AAAA"), None);
    }

    #[test]
    fn the_size_of_the_whole_is_read_from_the_range() {
        let answer = |range: &str| GetObjectOutput::builder().content_range(range).build();
        assert_eq!(whole_size(&answer("bytes 0-9/100")), Some(100));
        assert_eq!(whole_size(&answer("bytes 0-9/*")), None);
        assert_eq!(whole_size(&GetObjectOutput::builder().build()), None);
    }
}
