//! Copying inside of the store.

use aws_sdk_s3::config::Builder;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::S3Store;
use super::error::Request;
use super::read::decode_crc64;
use super::write::part_number;
use crate::adapters::store::{CopiedPart, CopyPart, Original, StoreError};

/// What is neither unreserved nor a slash.
/// <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

impl S3Store {
    pub(super) async fn upload_part_copy(&self, part: CopyPart) -> Result<CopiedPart, StoreError> {
        let request = Request::on_key("UploadPartCopy", &part.bucket, &part.key);
        let last = part.range.end.saturating_sub(1);
        let answer = self
            .client
            .upload_part_copy()
            .bucket(&part.bucket)
            .key(&part.key)
            .upload_id(part.upload)
            .part_number(part_number(part.number))
            .copy_source(name(&part.original))
            .copy_source_if_match(&part.original.etag)
            .copy_source_range(format!("bytes={}-{last}", part.range.start))
            .customize()
            // The answer ends when the part is copied.
            .config_override(Builder::new().timeout_config(self.timeouts.for_completion()))
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
        let copied = answer.copy_part_result();
        let etag = copied.and_then(|copied| copied.e_tag());
        let crc64 = copied.and_then(|copied| copied.checksum_crc64_nvme());
        Ok(CopiedPart {
            etag: etag
                .ok_or_else(|| request.unavailable("the answer lacks ETag"))?
                .to_owned(),
            crc64: crc64.and_then(decode_crc64),
        })
    }
}

/// An object as a header names it: escaped, with its version where it has one.
fn name(original: &Original) -> String {
    let place = format!("{}/{}", original.bucket, original.key);
    let place = utf8_percent_encode(&place, ESCAPED);
    match &original.version {
        Some(version) => {
            let version = utf8_percent_encode(version, ESCAPED);
            format!("{place}?versionId={version}")
        }
        None => place.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_original_is_named_as_a_header_can_carry_it() {
        let mut original = Original {
            bucket: "incoming".to_owned(),
            key: "in/ü 100%+?.sql".to_owned(),
            version: None,
            etag: "\"e\"".to_owned(),
        };
        assert_eq!(name(&original), "incoming/in/%C3%BC%20100%25%2B%3F.sql");
        original.version = Some("a+b".to_owned());
        assert!(name(&original).ends_with(".sql?versionId=a%2Bb"));
    }
}
