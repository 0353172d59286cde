//! The object store as its owner sees it: buckets, versions, rules.

use std::collections::BTreeMap;
use std::future::Future;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, Region};
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketVersioningStatus, Event, ExpirationStatus, FilterRule,
    FilterRuleName, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    NotificationConfiguration, NotificationConfigurationFilter, QueueConfiguration, S3KeyFilter,
    VersioningConfiguration,
};

use crate::environment::variable;

pub(crate) const REGION: &str = "us-east-1";

pub(crate) fn minio() -> String {
    variable("BACKSTAY_MINIO_ENDPOINT")
}

/// What an object says of its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Says {
    pub(crate) cache_control: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) content_type: Option<String>,
    /// A user's own, by name.
    pub(crate) own: BTreeMap<String, String>,
}

/// The store, as someone who may do anything.
pub(crate) struct Store {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self::at(&minio())
    }

    pub(crate) fn at(endpoint: &str) -> Self {
        let keys = Credentials::new(
            variable("AWS_ACCESS_KEY_ID"),
            variable("AWS_SECRET_ACCESS_KEY"),
            None,
            None,
            "test",
        );
        let config = aws_sdk_s3::Config::builder()
            .behavior_version_latest()
            .region(Region::new(REGION))
            .endpoint_url(endpoint)
            .force_path_style(true)
            .credentials_provider(keys)
            .build();
        Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            client: Client::from_conf(config),
        }
    }

    fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    pub(crate) fn make_bucket(&self, bucket: &str) {
        self.wait(self.client.create_bucket().bucket(bucket).send())
            .unwrap();
    }

    pub(crate) fn enable_versions(&self, bucket: &str) {
        self.set_versions(bucket, BucketVersioningStatus::Enabled);
    }

    pub(crate) fn suspend_versions(&self, bucket: &str) {
        self.set_versions(bucket, BucketVersioningStatus::Suspended);
    }

    fn set_versions(&self, bucket: &str, status: BucketVersioningStatus) {
        let versioning = VersioningConfiguration::builder().status(status).build();
        let request = self.client.put_bucket_versioning().bucket(bucket);
        self.wait(request.versioning_configuration(versioning).send())
            .unwrap();
    }

    /// Has a queue told of what is stored under a prefix, by a rule of somebody else's and no other.
    pub(crate) fn tell(&self, bucket: &str, rule: &str, prefix: &str, queue_arn: &str) {
        let filter = FilterRule::builder()
            .name(FilterRuleName::Prefix)
            .value(prefix)
            .build();
        let key = S3KeyFilter::builder().filter_rules(filter).build();
        let rule = QueueConfiguration::builder()
            .id(rule)
            .queue_arn(queue_arn)
            .events(Event::S3ObjectCreated)
            .filter(NotificationConfigurationFilter::builder().key(key).build())
            .build()
            .unwrap();
        let rules = NotificationConfiguration::builder()
            .queue_configurations(rule)
            .build();
        let request = self.client.put_bucket_notification_configuration();
        let request = request.bucket(bucket).notification_configuration(rules);
        self.wait(request.send()).unwrap();
    }

    /// The names of the rules by which queues are told.
    pub(crate) fn told(&self, bucket: &str) -> Vec<String> {
        let request = self.client.get_bucket_notification_configuration();
        let answer = self.wait(request.bucket(bucket).send()).unwrap();
        let rules = answer.queue_configurations.unwrap_or_default();
        rules.into_iter().filter_map(|rule| rule.id).collect()
    }

    /// A rule that deletes the current version of everything under a prefix after some days.
    pub(crate) fn expire_current(&self, bucket: &str, prefix: &str) {
        let rule = LifecycleRule::builder()
            .id("tidy-up")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
            .expiration(LifecycleExpiration::builder().days(90).build())
            .build()
            .unwrap();
        let rules = BucketLifecycleConfiguration::builder()
            .rules(rule)
            .build()
            .unwrap();
        let request = self
            .client
            .put_bucket_lifecycle_configuration()
            .bucket(bucket);
        self.wait(request.lifecycle_configuration(rules).send())
            .unwrap();
    }

    /// What someone sees who looks into the bucket: the keys under a prefix, sorted.
    pub(crate) fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let pages = self.client.list_objects_v2().bucket(bucket).prefix(prefix);
        let mut pages = pages.into_paginator().send();
        let mut keys = Vec::new();
        self.wait(async {
            while let Some(page) = pages.next().await {
                let page = page.unwrap();
                keys.extend(
                    page.contents
                        .unwrap_or_default()
                        .into_iter()
                        .map(|object| object.key.unwrap()),
                );
            }
        });
        keys
    }

    /// The current version of an object, as any tool gets it.
    pub(crate) fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        let request = self.client.get_object().bucket(bucket).key(key);
        self.wait(async {
            let object = request.send().await.unwrap();
            object.body.collect().await.unwrap().to_vec()
        })
    }

    /// How many uploads of an object nobody has put together or given up. (MinIO lists those of one
    /// key only.)
    pub(crate) fn uploads(&self, bucket: &str, key: &str) -> usize {
        let request = self.client.list_multipart_uploads().bucket(bucket);
        let answer = self.wait(request.prefix(key).send()).unwrap();
        answer.uploads.unwrap_or_default().len()
    }

    /// How an object says that it is encoded.
    pub(crate) fn encoding(&self, bucket: &str, key: &str) -> Option<String> {
        let request = self.client.head_object().bucket(bucket).key(key);
        let answer = self.wait(request.send()).unwrap();
        answer.content_encoding
    }

    pub(crate) fn put(&self, bucket: &str, key: &str, body: &[u8]) {
        let request = self.client.put_object().bucket(bucket).key(key);
        self.wait(request.body(body.to_vec().into()).send())
            .unwrap();
    }

    /// Writes an object that says something of its content.
    pub(crate) fn put_saying(&self, bucket: &str, key: &str, body: &[u8], says: &Says) {
        let says = says.clone();
        let request = self.client.put_object().bucket(bucket).key(key);
        let request = request
            .set_cache_control(says.cache_control)
            .set_content_disposition(says.content_disposition)
            .set_content_encoding(says.content_encoding)
            .set_content_language(says.content_language)
            .set_content_type(says.content_type)
            .set_metadata(Some(says.own.into_iter().collect()));
        self.wait(request.body(body.to_vec().into()).send())
            .unwrap();
    }

    /// What an object says of its content; a type that the store made up is none.
    pub(crate) fn says(&self, bucket: &str, key: &str) -> Says {
        let request = self.client.head_object().bucket(bucket).key(key);
        let answer = self.wait(request.send()).unwrap();
        let made_up = |kind: &String| kind.ends_with("/octet-stream");
        Says {
            cache_control: answer.cache_control,
            content_disposition: answer.content_disposition,
            content_encoding: answer.content_encoding,
            content_language: answer.content_language,
            content_type: answer.content_type.filter(|kind| !made_up(kind)),
            own: answer.metadata.unwrap_or_default().into_iter().collect(),
        }
    }

    /// Writes an object of which the store knows the CRC64NVME, as most objects on AWS are.
    pub(crate) fn put_checked(&self, bucket: &str, key: &str, body: &[u8]) {
        let request = self.client.put_object().bucket(bucket).key(key);
        let request = request.content_type("text/x-of-a-test");
        let request = request.checksum_crc64_nvme(crc64(body));
        self.wait(request.body(body.to_vec().into()).send())
            .unwrap();
    }

    /// Carries a part of one object into an upload; answers with its ETag and CRC64NVME.
    #[expect(clippy::too_many_arguments, reason = "it is what a copy is made of")]
    pub(crate) fn copy_part(
        &self,
        (from_bucket, from_key): &(String, String),
        version: &str,
        etag: &str,
        range: &str,
        (bucket, key): &(String, String),
        upload: &str,
        number: i32,
    ) -> (String, String) {
        let original = self.client.get_object().bucket(from_bucket).key(from_key);
        let original = original.version_id(version).if_match(etag).range(range);
        let body = self.wait(async {
            let object = original.send().await.unwrap();
            object.body.collect().await.unwrap().into_bytes()
        });
        let crc64 = crc64(&body);
        let part = self.client.upload_part().bucket(bucket).key(key);
        let part = part.upload_id(upload).part_number(number);
        let part = part.checksum_crc64_nvme(&crc64).body(body.into());
        (self.wait(part.send()).unwrap().e_tag.unwrap(), crc64)
    }

    /// The ids of a key's versions, the newest first. Delete markers do not count.
    pub(crate) fn versions(&self, bucket: &str, key: &str) -> Vec<String> {
        let request = self.client.list_object_versions().bucket(bucket);
        let answer = self.wait(request.prefix(key).send()).unwrap();
        let versions = answer.versions.unwrap_or_default().into_iter();
        versions
            .filter(|version| version.key.as_deref() == Some(key))
            .map(|version| version.version_id.unwrap())
            .collect()
    }

    /// Deletes an object, as its owner does.
    pub(crate) fn hide(&self, bucket: &str, key: &str) {
        let request = self.client.delete_object().bucket(bucket).key(key);
        self.wait(request.send()).unwrap();
    }

    /// Deletes a version for good, which no identity of ours may do.
    pub(crate) fn destroy(&self, bucket: &str, key: &str, version: &str) {
        let request = self.client.delete_object().bucket(bucket).key(key);
        self.wait(request.version_id(version).send()).unwrap();
    }
}

/// CRC64NVME, as S3 writes it.
fn crc64(bytes: &[u8]) -> String {
    let crc64 = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes);
    aws_smithy_types::base64::encode(crc64.to_be_bytes())
}
