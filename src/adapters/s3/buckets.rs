//! The settings of buckets: read and written, one by one.
//!
//! A type apart from [`S3Store`]: a worker has no request that could weaken a bucket.
//!
//! # Consistency
//! S3 keeps lifecycle, policy, replication and events as one document each, without conditions. What
//! others have in them is read and sent back with ours; a change of theirs in between is lost, as it
//! is with every tool.

mod encryption;
mod events;
mod lifecycle;
mod lock;
mod policy;
mod replication;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{
    AccelerateConfiguration, BucketAccelerateStatus, BucketLocationConstraint,
    BucketVersioningStatus, CreateBucketConfiguration, PublicAccessBlockConfiguration,
    VersioningConfiguration,
};

use super::error::Request;
use super::{S3Store, Timeouts, misnamed, versioning};
use crate::adapters::credentials::{Credentials, CredentialsError};
use crate::adapters::store::StoreError;
use crate::api::policy::Storage;
use crate::plan::bucket::{Observed, Role, Seen, Setting, Wanted};

/// The one region that a request to make a bucket must not name.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>
const UNNAMED_REGION: &str = "us-east-1";

/// What a store answers that has no such setting.
const NOT_IMPLEMENTED: &str = "NotImplemented";

/// Where settings of buckets are read and written.
#[derive(Clone, Debug)]
pub struct Buckets {
    client: Client,
    region: String,
    endpoint: Option<String>,
}

impl Buckets {
    /// Makes a client. No request is sent.
    ///
    /// # Errors
    /// When it can be seen already that the credentials will not work.
    pub fn new(
        storage: &Storage,
        credentials: &Credentials,
        timeouts: Timeouts,
    ) -> Result<Self, CredentialsError> {
        credentials.check()?;
        let mut config = S3Store::config(credentials, &storage.region, timeouts)
            .force_path_style(storage.endpoint.is_some());
        config.set_endpoint_url(storage.endpoint.clone());
        Ok(Self {
            client: Client::from_conf(config.build()),
            region: storage.region.clone(),
            endpoint: storage.endpoint.clone(),
        })
    }

    /// Reads what is wanted of a bucket, and nothing else; `None` where it does not exist.
    pub async fn observe(&self, wanted: &Wanted) -> Result<Option<Observed>, StoreError> {
        match self.at(wanted).read(wanted).await {
            Err(StoreError::NoSuchBucket { .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Writes one setting as it is wanted. What is not wanted of it is not written.
    pub async fn write(&self, wanted: &Wanted, setting: Setting) -> Result<(), StoreError> {
        self.at(wanted).set(wanted, setting).await
    }

    /// The same identity where a bucket is: that of a source may be of another region or store.
    fn at(&self, wanted: &Wanted) -> Self {
        if wanted.region == self.region && wanted.endpoint == self.endpoint {
            return self.clone();
        }
        let mut config = self
            .client
            .config()
            .to_builder()
            .region(Region::new(wanted.region.clone()))
            .force_path_style(wanted.endpoint.is_some());
        config.set_endpoint_url(wanted.endpoint.clone());
        Self {
            client: Client::from_conf(config.build()),
            region: wanted.region.clone(),
            endpoint: wanted.endpoint.clone(),
        }
    }

    async fn read(&self, wanted: &Wanted) -> Result<Observed, StoreError> {
        let bucket = wanted.bucket.as_str();
        let mut observed = Observed::default();
        // This tells of a bucket whether it exists, whatever is wanted of it.
        if wanted.role == Role::Own {
            observed.versioning = versioning::is_enabled(&self.client, bucket).await?;
        }
        if wanted.block_public_access {
            observed.public_access_blocks = seen(self.public_access_blocks(bucket).await)?;
        }
        if wanted.encryption.is_some() {
            observed.encryption = seen(self.default_encryption(bucket).await)?;
        }
        if !wanted.statements.is_empty() {
            observed.statements = seen(self.statements(bucket).await)?;
        }
        if !wanted.lifecycle.is_empty() {
            observed.lifecycle = seen(self.lifecycle(bucket).await)?;
        }
        if wanted.object_lock.is_some() {
            observed.object_lock = seen(self.default_lock(bucket).await)?;
        }
        if wanted.acceleration.is_some() {
            observed.acceleration = seen(self.acceleration(bucket).await)?;
        }
        if wanted.replica.is_some() {
            observed.replication = seen(self.replication(bucket).await)?;
        }
        if !wanted.events.is_empty() {
            observed.events = seen(self.events(bucket).await)?;
        }
        Ok(observed)
    }

    async fn set(&self, wanted: &Wanted, setting: Setting) -> Result<(), StoreError> {
        let bucket = wanted.bucket.as_str();
        match setting {
            Setting::Existence => self.create(wanted).await,
            Setting::Versioning => self.enable_versioning(bucket).await,
            Setting::PublicAccess => self.block_public_access(bucket).await,
            Setting::Encryption => match &wanted.encryption {
                Some(encryption) => self.set_default_encryption(bucket, encryption).await,
                None => Ok(()),
            },
            Setting::Policy => self.set_statements(bucket, &wanted.statements).await,
            Setting::Lifecycle => self.set_lifecycle(bucket, &wanted.lifecycle).await,
            Setting::ObjectLock => match wanted.object_lock {
                Some(lock) => self.set_default_lock(bucket, lock).await,
                None => Ok(()),
            },
            Setting::Acceleration => match wanted.acceleration {
                Some(is_on) => self.set_acceleration(bucket, is_on).await,
                None => Ok(()),
            },
            Setting::Replication => match &wanted.replica {
                Some(replica) => self.set_replication(bucket, replica).await,
                None => Ok(()),
            },
            Setting::Events => self.set_events(bucket, &wanted.events).await,
        }
    }

    /// A bucket that is to be locked is made so: not every store can lock one later.
    async fn create(&self, wanted: &Wanted) -> Result<(), StoreError> {
        let bucket = wanted.bucket.as_str();
        let location = (wanted.region != UNNAMED_REGION).then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(wanted.region.as_str()))
                .build()
        });
        let answer = self
            .client
            .create_bucket()
            .bucket(bucket)
            .set_create_bucket_configuration(location)
            .set_object_lock_enabled_for_bucket(wanted.object_lock.map(|_| true))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            // An earlier attempt made it, and its answer was lost.
            Err(error) if error.code() == Some("BucketAlreadyOwnedByYou") => Ok(()),
            Err(error) => Err(Request::on_bucket("CreateBucket", bucket).failed(&error)),
        }
    }

    async fn enable_versioning(&self, bucket: &str) -> Result<(), StoreError> {
        let enabled = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .build();
        self.client
            .put_bucket_versioning()
            .bucket(bucket)
            .versioning_configuration(enabled)
            .send()
            .await
            .map_err(|error| Request::on_bucket("PutBucketVersioning", bucket).failed(&error))?;
        Ok(())
    }

    /// In how many of the four ways public access is blocked.
    async fn public_access_blocks(&self, bucket: &str) -> Result<u8, StoreError> {
        let answer = self
            .client
            .get_public_access_block()
            .bucket(bucket)
            .send()
            .await;
        let answer = match answer {
            Err(error) if error.code() == Some("NoSuchPublicAccessBlockConfiguration") => {
                return Ok(0);
            }
            Err(error) => {
                return Err(Request::on_bucket("GetPublicAccessBlock", bucket).failed(&error));
            }
            Ok(answer) => answer,
        };
        let blocks = answer.public_access_block_configuration.map(|blocks| {
            [
                blocks.block_public_acls,
                blocks.ignore_public_acls,
                blocks.block_public_policy,
                blocks.restrict_public_buckets,
            ]
        });
        let blocks = blocks.into_iter().flatten();
        Ok(blocks.map(|block| u8::from(block == Some(true))).sum())
    }

    async fn block_public_access(&self, bucket: &str) -> Result<(), StoreError> {
        let blocks = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        self.client
            .put_public_access_block()
            .bucket(bucket)
            .public_access_block_configuration(blocks)
            .send()
            .await
            .map_err(|error| Request::on_bucket("PutPublicAccessBlock", bucket).failed(&error))?;
        Ok(())
    }

    async fn acceleration(&self, bucket: &str) -> Result<bool, StoreError> {
        const OPERATION: &str = "GetBucketAccelerateConfiguration";
        let answer = self
            .client
            .get_bucket_accelerate_configuration()
            .bucket(bucket)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.status() == Some(&BucketAccelerateStatus::Enabled)),
            Err(error) => misnamed::is_enabled(&error, OPERATION)
                .ok_or_else(|| Request::on_bucket(OPERATION, bucket).failed(&error)),
        }
    }

    async fn set_acceleration(&self, bucket: &str, is_on: bool) -> Result<(), StoreError> {
        let status = if is_on {
            BucketAccelerateStatus::Enabled
        } else {
            BucketAccelerateStatus::Suspended
        };
        self.client
            .put_bucket_accelerate_configuration()
            .bucket(bucket)
            .accelerate_configuration(AccelerateConfiguration::builder().status(status).build())
            .send()
            .await
            .map_err(|error| {
                Request::on_bucket("PutBucketAccelerateConfiguration", bucket).failed(&error)
            })?;
        Ok(())
    }
}

/// Whether an error says that the store has no such setting.
#[must_use]
pub fn is_unsupported(error: &StoreError) -> bool {
    matches!(error, StoreError::Refused { code, .. } if code == NOT_IMPLEMENTED)
}

/// A setting that the store does not have is no error.
fn seen<T>(answer: Result<T, StoreError>) -> Result<Seen<T>, StoreError> {
    match answer {
        Ok(value) => Ok(Seen::Is(value)),
        Err(error) if is_unsupported(&error) => Ok(Seen::Unsupported),
        Err(error) => Err(error),
    }
}
