//! The policy of a bucket.

use aws_sdk_s3::error::ProvideErrorMetadata;
use serde_json::{Value, json};

use super::Buckets;
use crate::adapters::s3::error::Request;
use crate::adapters::store::StoreError;
use crate::plan::bucket::merged;

/// The version of the policy language, where a bucket has no policy yet.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html>
const LANGUAGE: &str = "2012-10-17";

impl Buckets {
    pub(super) async fn statements(&self, bucket: &str) -> Result<Vec<Value>, StoreError> {
        let document = self.policy(bucket).await?;
        Ok(document.as_ref().map(statements).unwrap_or_default())
    }

    /// Everything but our statements stays as it is.
    pub(super) async fn set_statements(
        &self,
        bucket: &str,
        ours: &[Value],
    ) -> Result<(), StoreError> {
        let document = self.policy(bucket).await?;
        let mut document = document.unwrap_or_else(|| json!({"Version": LANGUAGE}));
        document["Statement"] = Value::Array(merged(&statements(&document), ours));
        self.client
            .put_bucket_policy()
            .bucket(bucket)
            .policy(document.to_string())
            .send()
            .await
            .map_err(|error| Request::on_bucket("PutBucketPolicy", bucket).failed(&error))?;
        Ok(())
    }

    async fn policy(&self, bucket: &str) -> Result<Option<Value>, StoreError> {
        let request = Request::on_bucket("GetBucketPolicy", bucket);
        let answer = match self.client.get_bucket_policy().bucket(bucket).send().await {
            Err(error) if error.code() == Some("NoSuchBucketPolicy") => return Ok(None),
            answer => answer.map_err(|error| request.failed(&error))?,
        };
        let text = answer.policy.unwrap_or_default();
        match serde_json::from_str(&text) {
            Ok(document @ Value::Object(_)) => Ok(Some(document)),
            Ok(_) | Err(_) => Err(request.refuse("InvalidAnswer", "the policy is not JSON")),
        }
    }
}

/// One statement may stand without a list around it.
fn statements(document: &Value) -> Vec<Value> {
    match &document["Statement"] {
        Value::Array(statements) => statements.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}
