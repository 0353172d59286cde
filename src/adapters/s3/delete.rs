//! Hiding keys behind delete markers.

use std::collections::BTreeSet;

use aws_sdk_s3::operation::delete_objects::DeleteObjectsOutput;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::S3Store;
use super::error::Request;
use crate::adapters::store::{DELETE_KEYS_MAX, Marked, StoreError};

/// The status that an error stands for which comes without one, inside an answer.
const KEY_REFUSED: u16 = 400;

impl S3Store {
    /// Puts delete markers. No version is named, so none can be removed.
    pub(super) async fn put_markers(
        &self,
        bucket: &str,
        keys: &[Marked],
    ) -> Result<Vec<String>, StoreError> {
        let mut refused = Vec::new();
        for batch in keys.chunks(DELETE_KEYS_MAX) {
            let request = Request::on_bucket("DeleteObjects", bucket);
            let answer = self
                .client
                .delete_objects()
                .bucket(bucket)
                .delete(delete(request, batch)?)
                .send()
                .await
                .map_err(|error| request.failed(&error))?;
            refused.extend(check(bucket, batch, &answer)?);
        }
        Ok(refused)
    }
}

/// The answer shall name every key, not only those that failed (which is what quiet mode does),
/// so that a key that was passed over is noticed.
fn delete(request: Request<'_>, batch: &[Marked]) -> Result<Delete, StoreError> {
    let identifiers = batch.iter().map(|marked| {
        ObjectIdentifier::builder()
            .key(&marked.key)
            .e_tag(&marked.etag)
            .build()
    });
    identifiers
        .collect::<Result<Vec<_>, _>>()
        .and_then(|identifiers| Delete::builder().set_objects(Some(identifiers)).build())
        .map_err(|_| request.refuse("InvalidRequest", "a key is missing"))
}

/// Answers with the keys whose ETag was another one.
fn check(
    bucket: &str,
    batch: &[Marked],
    answer: &DeleteObjectsOutput,
) -> Result<Vec<String>, StoreError> {
    let mut refused = Vec::new();
    let mut answered = BTreeSet::new();
    for error in answer.errors() {
        let key = error.key().unwrap_or_default();
        let request = Request::on_key("DeleteObjects", bucket, key);
        match request.refused(KEY_REFUSED, error.code(), error.message()) {
            StoreError::ConditionFailed { .. } => refused.push(key.to_owned()),
            // Nothing is left to hide.
            StoreError::NotFound { .. } => {}
            error => return Err(error),
        }
        answered.insert(key);
    }
    for deleted in answer.deleted() {
        if deleted.delete_marker() != Some(true) {
            // The object itself is gone: the bucket keeps no versions.
            return Err(StoreError::VersionMissing {
                bucket: bucket.to_owned(),
            });
        }
        answered.insert(deleted.key().unwrap_or_default());
    }
    match batch
        .iter()
        .find(|marked| !answered.contains(marked.key.as_str()))
    {
        Some(marked) => Err(Request::on_key("DeleteObjects", bucket, &marked.key)
            .unavailable("the answer passes over the key")),
        None => Ok(refused),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{DeletedObject, Error};

    use super::*;

    fn marked(key: &str) -> Marked {
        Marked {
            key: key.to_owned(),
            etag: "\"e\"".to_owned(),
        }
    }

    fn hidden(key: &str) -> DeletedObject {
        DeletedObject::builder()
            .key(key)
            .delete_marker(true)
            .build()
    }

    fn failed(key: &str, code: &str) -> Error {
        Error::builder().key(key).code(code).build()
    }

    #[test]
    fn s09_each_keys_own_answer_counts() {
        let batch = [marked("a"), marked("b"), marked("c")];
        let answer = DeleteObjectsOutput::builder().deleted(hidden("a"));
        let answer = answer.errors(failed("b", "PreconditionFailed"));
        let passed_over = check("bucket", &batch, &answer.clone().build());
        assert!(matches!(passed_over, Err(StoreError::Unavailable { .. })));

        let all = answer.clone().errors(failed("c", "NoSuchKey")).build();
        assert_eq!(check("bucket", &batch, &all), Ok(vec!["b".to_owned()]));

        let denied = answer.errors(failed("c", "AccessDenied")).build();
        assert!(matches!(
            check("bucket", &batch, &denied),
            Err(StoreError::AccessDenied { resource, .. }) if resource == "bucket/c"
        ));
    }

    #[test]
    fn s13_a_deletion_without_a_marker_is_told() {
        let gone = DeletedObject::builder().key("a").build();
        let answer = DeleteObjectsOutput::builder().deleted(gone).build();
        assert!(matches!(
            check("bucket", &[marked("a")], &answer),
            Err(StoreError::VersionMissing { .. })
        ));
    }
}
