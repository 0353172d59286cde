//! Who we are to a source that is a bucket.

use std::path::PathBuf;

use crate::adapters::bucket::BucketTree;
use crate::adapters::credentials::{Credentials, CredentialsError};
use crate::adapters::s3::{S3Store, Timeouts};
use crate::adapters::sqs::Queue;
use crate::api::policy::{Empty, Encryption, Storage};
use crate::api::run::{BucketOrder, QueueOrder, SOURCE_CREDENTIALS_DIRECTORY};
use crate::api::source::SourceCredentials;

/// Makes a client for the queue that tells of a bucket; `storage` is who we are to the storage.
pub(super) fn open_queue(bucket: &BucketOrder, queue: &QueueOrder, storage: &Credentials) -> Queue {
    Queue::new(queue, &of_source(bucket.credentials.as_ref(), storage))
}

/// Makes a client for the bucket, which is backed up into `storage`; `identity` is who we are to
/// that.
pub(super) fn open_bucket(
    bucket: &BucketOrder,
    storage: &Storage,
    identity: &Credentials,
) -> Result<BucketTree, CredentialsError> {
    let connection = connection(&bucket.region, bucket.endpoint.clone());
    let credentials = of_source(bucket.credentials.as_ref(), identity);
    let store = S3Store::new(&connection, &credentials, Timeouts::default())?;
    Ok(BucketTree::new(store, bucket, storage))
}

/// How a bucket is reached that is none of the policy's. It encrypts as its own settings say: the
/// policy's key is the backups'.
pub(super) fn connection(region: &str, endpoint: Option<String>) -> Storage {
    Storage {
        region: region.to_owned(),
        endpoint,
        key_prefix: None,
        catalog_bucket: None,
        credentials: None,
        encryption: Some(Encryption {
            none: Some(Empty {}),
            s3: None,
            kms: None,
        }),
        transfer_acceleration: false,
    }
}

fn of_source(own: Option<&SourceCredentials>, storage: &Credentials) -> Credentials {
    match own {
        None => storage.clone(),
        Some(SourceCredentials {
            profile: Some(name),
            ..
        }) => Credentials::Profile { name: name.clone() },
        Some(SourceCredentials { profile: None, .. }) => Credentials::Files {
            directory: PathBuf::from(SOURCE_CREDENTIALS_DIRECTORY),
        },
    }
}
