//! The default lock of new versions.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule,
};

use super::Buckets;
use crate::adapters::s3::error::Request;
use crate::adapters::store::StoreError;
use crate::plan::bucket::{Lock, LockMode};

/// How S3 counts a year of retention.
const DAYS_PER_YEAR: i32 = 365;

impl Buckets {
    pub(super) async fn default_lock(&self, bucket: &str) -> Result<Option<Lock>, StoreError> {
        let request = Request::on_bucket("GetObjectLockConfiguration", bucket);
        let answer = self
            .client
            .get_object_lock_configuration()
            .bucket(bucket)
            .send()
            .await;
        let answer = match answer {
            Err(error) if error.code() == Some("ObjectLockConfigurationNotFoundError") => {
                return Ok(None);
            }
            answer => answer.map_err(|error| request.failed(&error))?,
        };
        let retention = answer
            .object_lock_configuration
            .and_then(|configuration| configuration.rule)
            .and_then(|rule| rule.default_retention);
        Ok(retention.and_then(|retention| lock(&retention)))
    }

    pub(super) async fn set_default_lock(
        &self,
        bucket: &str,
        lock: Lock,
    ) -> Result<(), StoreError> {
        let mode = match lock.mode {
            LockMode::Governance => ObjectLockRetentionMode::Governance,
            LockMode::Compliance => ObjectLockRetentionMode::Compliance,
        };
        let retention = DefaultRetention::builder()
            .mode(mode)
            .days(i32::try_from(lock.days).unwrap_or(i32::MAX))
            .build();
        let configuration = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .rule(
                ObjectLockRule::builder()
                    .default_retention(retention)
                    .build(),
            )
            .build();
        self.client
            .put_object_lock_configuration()
            .bucket(bucket)
            .object_lock_configuration(configuration)
            .send()
            .await
            .map_err(|error| {
                Request::on_bucket("PutObjectLockConfiguration", bucket).failed(&error)
            })?;
        Ok(())
    }
}

fn lock(retention: &DefaultRetention) -> Option<Lock> {
    let mode = match retention.mode()? {
        ObjectLockRetentionMode::Governance => LockMode::Governance,
        ObjectLockRetentionMode::Compliance => LockMode::Compliance,
        _ => return None,
    };
    let years = retention.years.unwrap_or_default();
    let days = retention.days.unwrap_or_default();
    let days = u32::try_from(days.saturating_add(years.saturating_mul(DAYS_PER_YEAR))).ok()?;
    Some(Lock { mode, days })
}
