//! The default encryption of a bucket.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule,
};

use super::Buckets;
use crate::adapters::s3::error::Request;
use crate::adapters::store::StoreError;
use crate::plan::bucket::AtRest;

impl Buckets {
    pub(super) async fn default_encryption(
        &self,
        bucket: &str,
    ) -> Result<Option<AtRest>, StoreError> {
        let rule = self.encryption_rule(bucket).await?;
        let default = rule.and_then(|rule| rule.apply_server_side_encryption_by_default);
        Ok(default.and_then(at_rest))
    }

    /// What else the rule says stays: encryption types that are blocked, for one. Where a key is
    /// used, S3 asks it once for many objects.
    pub(super) async fn set_default_encryption(
        &self,
        bucket: &str,
        encryption: &AtRest,
    ) -> Result<(), StoreError> {
        let rule = self.encryption_rule(bucket).await?;
        let default = by_default(encryption);
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(default)
            .set_bucket_key_enabled((*encryption != AtRest::S3).then_some(true))
            .set_blocked_encryption_types(rule.and_then(|rule| rule.blocked_encryption_types))
            .build();
        let configuration = ServerSideEncryptionConfiguration::builder()
            .rules(rule)
            .build()
            .expect("the rules are there");
        self.client
            .put_bucket_encryption()
            .bucket(bucket)
            .server_side_encryption_configuration(configuration)
            .send()
            .await
            .map_err(|error| Request::on_bucket("PutBucketEncryption", bucket).failed(&error))?;
        Ok(())
    }

    async fn encryption_rule(
        &self,
        bucket: &str,
    ) -> Result<Option<ServerSideEncryptionRule>, StoreError> {
        let answer = self
            .client
            .get_bucket_encryption()
            .bucket(bucket)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer
                .server_side_encryption_configuration
                .and_then(|configuration| configuration.rules.into_iter().next())),
            Err(error)
                if error.code() == Some("ServerSideEncryptionConfigurationNotFoundError") =>
            {
                Ok(None)
            }
            Err(error) => Err(Request::on_bucket("GetBucketEncryption", bucket).failed(&error)),
        }
    }
}

fn at_rest(default: ServerSideEncryptionByDefault) -> Option<AtRest> {
    // Without a key of its own it is the account's key for S3.
    let key_id = default
        .kms_master_key_id
        .unwrap_or_else(|| "alias/aws/s3".to_owned());
    match default.sse_algorithm {
        ServerSideEncryption::Aes256 => Some(AtRest::S3),
        ServerSideEncryption::AwsKms => Some(AtRest::Kms { key_id }),
        ServerSideEncryption::AwsKmsDsse => Some(AtRest::KmsTwice { key_id }),
        _ => None,
    }
}

fn by_default(encryption: &AtRest) -> ServerSideEncryptionByDefault {
    let (algorithm, key_id) = match encryption {
        AtRest::S3 => (ServerSideEncryption::Aes256, None),
        AtRest::Kms { key_id } => (ServerSideEncryption::AwsKms, Some(key_id)),
        AtRest::KmsTwice { key_id } => (ServerSideEncryption::AwsKmsDsse, Some(key_id)),
    };
    ServerSideEncryptionByDefault::builder()
        .sse_algorithm(algorithm)
        .set_kms_master_key_id(key_id.cloned())
        .build()
        .expect("the algorithm is there")
}
