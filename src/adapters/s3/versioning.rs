//! Whether a bucket keeps versions.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::BucketVersioningStatus;

use super::error::Request;
use super::misnamed;
use crate::adapters::store::StoreError;

const OPERATION: &str = "GetBucketVersioning";

/// Whether versioning is enabled, and not suspended.
pub(super) async fn is_enabled(client: &Client, bucket: &str) -> Result<bool, StoreError> {
    match client.get_bucket_versioning().bucket(bucket).send().await {
        Ok(answer) => Ok(answer.status() == Some(&BucketVersioningStatus::Enabled)),
        Err(error) => misnamed::is_enabled(&error, OPERATION)
            .ok_or_else(|| Request::on_bucket(OPERATION, bucket).failed(&error)),
    }
}
