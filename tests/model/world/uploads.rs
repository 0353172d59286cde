//! Uploads in parts.

use std::collections::BTreeMap;

use backstay::adapters::store::{
    Attributes, Complete, CopiedPart, CopyPart, Part, StoreError, Written,
};
use bytes::Bytes;

use super::{Copies, State, crc64, etag, index, mismatch, refused};

/// An upload under way.
pub(super) struct Upload {
    bucket: String,
    key: String,
    attributes: Attributes,
    parts: BTreeMap<u32, (String, Bytes)>,
}

impl State {
    /// Starts an upload.
    pub(crate) fn create_upload(
        &mut self,
        bucket: &str,
        key: &str,
        attributes: Attributes,
    ) -> Result<String, StoreError> {
        self.bucket(bucket)?;
        let id = format!("upload-{}", self.serial);
        let upload = Upload {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            attributes,
            parts: BTreeMap::new(),
        };
        self.uploads.insert(id.clone(), upload);
        Ok(id)
    }

    /// Takes one part.
    pub(crate) fn upload_part(&mut self, part: Part) -> Result<String, StoreError> {
        if crc64(&part.body) != part.crc64 {
            return Err(mismatch(&part.bucket, &part.key));
        }
        if !(1..=10_000).contains(&part.number) {
            return Err(refused(
                "UploadPart",
                &part.bucket,
                &part.key,
                "InvalidArgument",
            ));
        }
        let etag = etag(&part.body);
        let upload = self.upload(&part.bucket, &part.key, &part.upload)?;
        upload.parts.insert(part.number, (etag.clone(), part.body));
        Ok(etag)
    }

    /// Puts the parts together.
    pub(crate) fn complete(
        &mut self,
        process: &str,
        request: &Complete,
    ) -> Result<Written, StoreError> {
        let Complete { bucket, key, .. } = request;
        let part_min_bytes = self.settings.part_min_bytes;
        let upload = self.upload(bucket, key, &request.upload)?;
        let attributes = upload.attributes.clone();
        let mut whole = Vec::new();
        for (number, (etag, part_crc64)) in (1_u32..).zip(&request.parts) {
            let Some((_, body)) = upload.parts.get(&number).filter(|(known, _)| known == etag)
            else {
                return Err(refused(
                    "CompleteMultipartUpload",
                    bucket,
                    key,
                    "InvalidPart",
                ));
            };
            if crc64(body) != *part_crc64 {
                return Err(mismatch(bucket, key));
            }
            if body.len() < part_min_bytes && index(u64::from(number)) < request.parts.len() {
                return Err(refused(
                    "CompleteMultipartUpload",
                    bucket,
                    key,
                    "EntityTooSmall",
                ));
            }
            whole.extend_from_slice(body);
        }
        if crc64(&whole) != request.crc64 || request.size != whole.len() as u64 {
            return Err(mismatch(bucket, key));
        }
        let etag = format!("{}-{}", etag(&whole), request.parts.len());
        let condition = &request.condition;
        let written = self.write(
            process,
            bucket,
            key,
            whole.into(),
            etag,
            condition,
            attributes,
        )?;
        self.uploads.remove(&request.upload);
        Ok(written)
    }

    /// Copies one part.
    pub(crate) fn copy_part(&mut self, part: CopyPart) -> Result<CopiedPart, StoreError> {
        let CopyPart {
            bucket,
            key,
            original,
            range,
            ..
        } = part;
        let found = self.find(&original.bucket, &original.key, original.version.as_deref())?;
        let mut body = found
            .body
            .slice(index(range.start)..index(range.end.min(found.facts.size)));
        match self.settings.copies {
            Copies::Checked | Copies::Unchecked => {}
            Copies::Damaged => body = vec![0; body.len()].into(),
            Copies::Refused => {
                return Err(refused("UploadPartCopy", &bucket, &key, "InvalidArgument"));
            }
            Copies::Forbidden => {
                return Err(StoreError::AccessDenied {
                    operation: "UploadPartCopy",
                    resource: format!("{bucket}/{key}"),
                    code: "AccessDenied".to_owned(),
                });
            }
            Copies::Late => return Err(StoreError::ConditionFailed { bucket, key }),
        }
        if found.facts.etag != original.etag {
            return Err(StoreError::ConditionFailed { bucket, key });
        }
        let told = crc64(&body);
        let etag = self.upload_part(Part {
            bucket,
            key,
            upload: part.upload,
            number: part.number,
            body,
            crc64: told,
        })?;
        Ok(CopiedPart {
            etag,
            crc64: (self.settings.copies != Copies::Unchecked).then_some(told),
        })
    }

    /// Gives an upload up.
    pub(crate) fn abort(&mut self, bucket: &str, upload: &str) -> Result<(), StoreError> {
        self.bucket(bucket)?;
        self.uploads.remove(upload);
        Ok(())
    }

    /// How many uploads are under way.
    pub(crate) fn uploads_under_way(&self) -> usize {
        self.uploads.len()
    }

    fn upload(&mut self, bucket: &str, key: &str, id: &str) -> Result<&mut Upload, StoreError> {
        self.uploads
            .get_mut(id)
            .filter(|upload| upload.bucket == bucket && upload.key == key)
            .ok_or_else(|| StoreError::NotFound {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            })
    }
}
