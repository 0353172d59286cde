//! The S3 servers that the contract is run against, and what each is known to do otherwise.

use std::path::PathBuf;

use aws_sdk_s3::config::{Credentials as Keys, Region};
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketVersioningStatus, LifecycleRule, VersioningConfiguration,
};
use backstay::adapters::credentials::Credentials;
use backstay::adapters::s3::{S3Store, Timeouts};
use backstay::api::policy::{Empty, Encryption, Kms, Storage};

use super::environment::variable;

/// What a server does otherwise than S3. A clause expects just that of it, so that a server that
/// changes its ways fails the clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deviation {
    /// Bytes are taken whatever their CRC64NVME.
    TakesOtherBytes,
    /// The CRC64NVME of an upload in parts is not told.
    ForgetsChecksumsOfUploads,
    /// The CRC64NVME of a part that was copied is not told.
    ForgetsChecksumsOfCopies,
    /// Nothing is copied into an upload that has checksums.
    RefusesCheckedCopies,
    /// Any keys will do.
    TakesWrongKeys,
    /// Keys that start with another key and a slash are not listed.
    HidesKeysBeneathKeys,
    /// `If-Match` at the end of an upload in parts is ignored.
    IgnoresMatchAtComplete,
    /// What the ETag of an original must be is ignored.
    IgnoresMatchAtCopy,
    /// The ETag of a key to be deleted is ignored.
    IgnoresMatchAtDelete,
    /// To complete an upload that was given up is an internal error.
    FailsOnUploadsGivenUp,
    /// There are no storage classes besides `STANDARD` and `REDUCED_REDUNDANCY`.
    LacksStorageClasses,
    /// Public access cannot be blocked.
    LacksPublicAccessBlock,
    /// There is no transfer acceleration.
    LacksAcceleration,
    /// There are no storage classes to move to, as long as nobody has set a tier up.
    LacksTiers,
    /// Rules for uploads that were not finished are refused.
    LacksUploadRules,
    /// A bucket is locked when it is made, or never.
    LocksNewBucketsOnly,
    /// Buckets are copied by other means than roles.
    LacksReplicas,
    /// Which superseded versions are kept by their number is not told.
    ForgetsVersionCounts,
    /// Delete markers are not copied, whatever is said.
    CopiesNoMarkers,
    /// There are no queues but those that the server was started with.
    LacksQueues,
}

use Deviation::*;

const MINIO: &[Deviation] = &[
    RefusesCheckedCopies,
    HidesKeysBeneathKeys,
    IgnoresMatchAtDelete,
    LacksStorageClasses,
    LacksPublicAccessBlock,
    LacksAcceleration,
    LacksTiers,
    LacksUploadRules,
    LocksNewBucketsOnly,
    LacksReplicas,
    LacksQueues,
];

const MOTO: &[Deviation] = &[
    TakesOtherBytes,
    ForgetsChecksumsOfUploads,
    ForgetsChecksumsOfCopies,
    TakesWrongKeys,
    IgnoresMatchAtComplete,
    IgnoresMatchAtCopy,
    IgnoresMatchAtDelete,
    FailsOnUploadsGivenUp,
    ForgetsVersionCounts,
    CopiesNoMarkers,
];

/// The one key that MinIO has in the tests.
pub(crate) const KMS_KEY: &str = "backstay-test";

pub(crate) const REGION: &str = "us-east-1";

pub(crate) struct Server {
    pub(crate) endpoint: String,
    deviations: &'static [Deviation],
}

impl Server {
    pub(crate) fn minio() -> Self {
        Self {
            endpoint: variable("BACKSTAY_MINIO_ENDPOINT"),
            deviations: MINIO,
        }
    }

    pub(crate) fn moto() -> Self {
        Self {
            endpoint: variable("BACKSTAY_MOTO_ENDPOINT"),
            deviations: MOTO,
        }
    }

    pub(crate) fn has(&self, deviation: Deviation) -> bool {
        self.deviations.contains(&deviation)
    }

    pub(crate) fn store(&self) -> S3Store {
        store(&self.endpoint, encryption("s3"))
    }

    /// A new bucket with versioning enabled.
    pub(crate) async fn bucket(&self) -> String {
        let bucket = self.bucket_without_versions().await;
        self.set_versioning(&bucket, BucketVersioningStatus::Enabled)
            .await;
        bucket
    }

    pub(crate) async fn bucket_without_versions(&self) -> String {
        let bucket = format!("contract-{}", uuid::Uuid::new_v4().simple());
        self.client()
            .create_bucket()
            .bucket(&bucket)
            .send()
            .await
            .unwrap();
        bucket
    }

    pub(crate) async fn set_versioning(&self, bucket: &str, status: BucketVersioningStatus) {
        let configuration = VersioningConfiguration::builder().status(status).build();
        self.client()
            .put_bucket_versioning()
            .bucket(bucket)
            .versioning_configuration(configuration)
            .send()
            .await
            .unwrap();
    }

    pub(crate) async fn set_lifecycle(&self, bucket: &str, rules: Vec<LifecycleRule>) {
        let configuration = BucketLifecycleConfiguration::builder()
            .set_rules(Some(rules))
            .build()
            .unwrap();
        self.client()
            .put_bucket_lifecycle_configuration()
            .bucket(bucket)
            .lifecycle_configuration(configuration)
            .send()
            .await
            .unwrap();
    }

    /// The SDK's own client, for what the adapter must not be able to do.
    pub(crate) fn client(&self) -> aws_sdk_s3::Client {
        let (access_key, secret_key) = (
            variable("AWS_ACCESS_KEY_ID"),
            variable("AWS_SECRET_ACCESS_KEY"),
        );
        let keys = Keys::new(access_key, secret_key, None, None, "contract");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version_latest()
            .region(Region::new(REGION))
            .endpoint_url(&self.endpoint)
            .force_path_style(true)
            .credentials_provider(keys)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }
}

/// A store at an endpoint, with the credentials of the environment.
pub(crate) fn store(endpoint: &str, encryption: Encryption) -> S3Store {
    S3Store::new(
        &storage(endpoint, encryption),
        &Credentials::Ambient,
        Timeouts::default(),
    )
    .unwrap()
}

/// A store at an endpoint, with credentials from files as a pod has them.
pub(crate) fn store_with_keys(endpoint: &str, access_key: &str, secret_key: &str) -> S3Store {
    let directory = secret(access_key, secret_key);
    let credentials = Credentials::Files { directory };
    S3Store::new(
        &storage(endpoint, encryption("s3")),
        &credentials,
        Timeouts::default(),
    )
    .unwrap()
}

pub(crate) fn encryption(kind: &str) -> Encryption {
    let on = |name| (kind == name).then_some(Empty {});
    let kms = (kind == "kms").then(|| Kms {
        key_id: KMS_KEY.to_owned(),
    });
    Encryption {
        s3: on("s3"),
        none: on("none"),
        kms,
    }
}

pub(crate) fn storage(endpoint: &str, encryption: Encryption) -> Storage {
    Storage {
        region: REGION.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        key_prefix: None,
        catalog_bucket: None,
        credentials: None,
        encryption: Some(encryption),
        transfer_acceleration: false,
    }
}

pub(crate) fn secret(access_key: &str, secret_key: &str) -> PathBuf {
    // It must outlive the store, which reads it again; so it stays among what was built.
    let target = env!("CARGO_TARGET_TMPDIR");
    let directory = tempfile::tempdir_in(target).unwrap().keep();
    std::fs::write(directory.join("AWS_ACCESS_KEY_ID"), access_key).unwrap();
    std::fs::write(directory.join("AWS_SECRET_ACCESS_KEY"), secret_key).unwrap();
    directory
}
