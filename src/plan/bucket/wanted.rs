//! From a policy's words to what each bucket is to be like.

use std::collections::BTreeSet;

use super::{
    AtRest, EventRule, Lock, LockMode, Replica, Role, Wanted, lifecycle, sources, statements,
};
use crate::api::policy::{Encryption, Storage};
use crate::api::settings::{ObjectLock, ObjectLockMode, Replication};
use crate::api::setup::SetupSpec;

/// What stands for the bucket's name in the ARN of its copy.
pub(super) const BUCKET_PLACEHOLDER: &str = "{bucket}";

/// The rule of the categories' buckets, and where it is for.
const RULE: &str = "backstay-events";
const FILES: &str = "data/";

/// What each bucket of a policy is to be like: its own in the order of their names, then those of its
/// sources.
#[must_use]
pub fn wanted(spec: &SetupSpec) -> Vec<Wanted> {
    let data: BTreeSet<&String> = spec.data_buckets.iter().collect();
    let mut all = data.clone();
    all.extend(&spec.storage.catalog_bucket);
    let own = all.into_iter();
    let mut wanted: Vec<Wanted> = own
        .map(|bucket| of_bucket(spec, bucket, data.contains(bucket)))
        .collect();
    sources::add(spec, &mut wanted);
    wanted
}

fn of_bucket(spec: &SetupSpec, bucket: &str, holds_data: bool) -> Wanted {
    let SetupSpec {
        storage, settings, ..
    } = spec;
    let is_secure = settings
        .secure_transport
        .unwrap_or_else(|| !is_plain_http(storage));
    Wanted {
        bucket: bucket.to_owned(),
        region: storage.region.clone(),
        endpoint: storage.endpoint.clone(),
        role: Role::Own,
        create: settings.create,
        versioning: settings.versioning,
        block_public_access: settings.block_public_access,
        encryption: settings
            .default_encryption
            .then(|| at_rest(storage.encryption.as_ref()))
            .flatten(),
        statements: if is_secure {
            statements::ours(bucket, &storage.region)
        } else {
            Vec::new()
        },
        lifecycle: settings
            .lifecycle
            .as_ref()
            .map(|lifecycle| lifecycle::rules(lifecycle, holds_data, storage.endpoint.is_none()))
            .unwrap_or_default(),
        object_lock: settings.object_lock.map(lock),
        acceleration: settings.transfer_acceleration,
        replica: settings
            .replication
            .as_ref()
            .map(|replication| replica(replication, bucket)),
        events: settings
            .events
            .iter()
            .filter(|_| holds_data)
            .map(|events| EventRule {
                id: RULE.to_owned(),
                prefix: FILES.to_owned(),
                queue_arn: events.queue_arn.clone(),
            })
            .collect(),
    }
}

/// Whether the store is reached without TLS.
pub(super) fn is_plain_http(storage: &Storage) -> bool {
    let endpoint = storage.endpoint.as_ref();
    endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"))
}

fn at_rest(encryption: Option<&Encryption>) -> Option<AtRest> {
    match encryption {
        Some(Encryption { kms: Some(kms), .. }) => Some(AtRest::Kms {
            key_id: kms.key_id.clone(),
        }),
        Some(Encryption { none: Some(_), .. }) => None,
        Some(Encryption {
            kms: None,
            none: None,
            s3: _,
        })
        | None => Some(AtRest::S3),
    }
}

fn lock(lock: ObjectLock) -> Lock {
    Lock {
        mode: match lock.mode {
            ObjectLockMode::Governance => LockMode::Governance,
        },
        days: lock.days,
    }
}

fn replica(replication: &Replication, bucket: &str) -> Replica {
    Replica {
        bucket_arn: replication.bucket_arn.replace(BUCKET_PLACEHOLDER, bucket),
        role_arn: replication.role_arn.clone(),
        storage_class: replication.storage_class,
        kms_key_arn: replication.kms_key_arn.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::setup::SETUP_SPEC_VERSION;

    pub(crate) fn setup(storage: &str, settings: &str) -> SetupSpec {
        SetupSpec {
            version: SETUP_SPEC_VERSION,
            namespace: "acme".to_owned(),
            policy: "office".to_owned(),
            storage: serde_saphyr::from_str(storage).expect("a store"),
            data_buckets: vec!["photos".to_owned(), "documents".to_owned()],
            source_events: Vec::new(),
            settings: serde_saphyr::from_str(settings).expect("settings"),
        }
    }

    const STORAGE: &str = "{region: eu-south-1, catalogBucket: catalog}";

    #[test]
    fn each_bucket_is_told_once_and_the_defaults_are_the_safe_ones() {
        let mut spec = setup(STORAGE, "{}");
        spec.data_buckets.push("photos".to_owned());
        let wanted = wanted(&spec);
        let names: Vec<&str> = wanted.iter().map(|one| one.bucket.as_str()).collect();
        assert_eq!(names, ["catalog", "documents", "photos"]);
        for one in &wanted {
            assert!(one.versioning && one.block_public_access && !one.create);
            assert_eq!(one.encryption, Some(AtRest::S3));
            assert_eq!(one.statements.len(), 2);
            assert!(one.lifecycle.is_empty() && one.object_lock.is_none());
        }
    }

    #[test]
    fn a_store_without_tls_is_not_locked_out() {
        let plain = "{region: eu-south-1, endpoint: 'http://minio:9000', catalogBucket: catalog}";
        assert!(wanted(&setup(plain, "{}"))[0].statements.is_empty());
        assert!(
            wanted(&setup(STORAGE, "{secureTransport: false}"))[0]
                .statements
                .is_empty()
        );
    }

    #[test]
    fn the_default_encryption_is_what_a_worker_asks_for() {
        let check = |encryption: &str, expected: Option<AtRest>| {
            let storage =
                format!("{{region: eu-south-1, catalogBucket: c, encryption: {encryption}}}");
            assert_eq!(wanted(&setup(&storage, "{}"))[0].encryption, expected);
        };
        let key_id = "alias/backup".to_owned();
        check("{kms: {keyId: alias/backup}}", Some(AtRest::Kms { key_id }));
        check("{s3: {}}", Some(AtRest::S3));
        check("{none: {}}", None);
    }

    #[test]
    fn each_bucket_has_a_copy_of_its_own() {
        let spec = setup(
            STORAGE,
            "{replication: {bucketArn: 'arn:aws:s3:::{bucket}-copy', roleArn: 'arn:aws:iam::123456789012:role/copy'}}",
        );
        let copies: Vec<String> = wanted(&spec)
            .into_iter()
            .filter_map(|one| one.replica)
            .map(|replica| replica.bucket_arn)
            .collect();
        assert_eq!(
            copies,
            [
                "arn:aws:s3:::catalog-copy",
                "arn:aws:s3:::documents-copy",
                "arn:aws:s3:::photos-copy"
            ]
        );
    }

    #[test]
    fn a_queue_is_told_of_files_and_not_of_the_catalog() {
        let spec = setup(
            STORAGE,
            "{events: {queueArn: 'arn:aws:sqs:eu-south-1:123456789012:files'}}",
        );
        let told: Vec<bool> = wanted(&spec)
            .iter()
            .map(|one| !one.events.is_empty())
            .collect();
        assert_eq!(told, [false, true, true]);
    }
}
