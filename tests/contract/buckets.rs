//! What a bucket promises.

use aws_sdk_s3::types::builders::LifecycleRuleBuilder;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ExpirationStatus, LifecycleExpiration, LifecycleRule as Rule,
    LifecycleRuleAndOperator, LifecycleRuleFilter, NoncurrentVersionExpiration, Tag,
};
use backstay::adapters::store::{LifecycleRule, Promises, Store};

use super::server::Deviation::ForgetsVersionCounts;
use super::server::Server;

async fn promises(server: &Server, bucket: &str) -> Promises {
    server.store().bucket_promises(bucket).await.unwrap()
}

pub(crate) async fn versioning_is_read(server: &Server) {
    let bucket = server.bucket_without_versions().await;
    let without = promises(server, &bucket).await;
    assert!(!without.versioning);
    for (status, expected) in [
        (BucketVersioningStatus::Enabled, true),
        (BucketVersioningStatus::Suspended, false),
    ] {
        server.set_versioning(&bucket, status).await;
        assert_eq!(promises(server, &bucket).await.versioning, expected);
    }
}

pub(crate) async fn lifecycle_rules_are_read(server: &Server) {
    let bucket = server.bucket().await;
    let without = promises(server, &bucket).await;
    assert_eq!(
        without,
        Promises {
            versioning: true,
            lifecycle: Some(vec![])
        }
    );

    server.set_lifecycle(&bucket, rules()).await;
    let mut read = promises(server, &bucket).await.lifecycle.unwrap();
    read.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(
        read,
        [
            LifecycleRule {
                noncurrent_days: Some(90),
                ..expected("a", "data/")
            },
            LifecycleRule {
                expires_current: true,
                ..expected("b", "tmp/")
            },
            expected("c", ""),
            LifecycleRule {
                partial: true,
                noncurrent_days: Some(30),
                newer_noncurrent_versions: (!server.has(ForgetsVersionCounts)).then_some(3),
                ..expected("e", "data/")
            },
        ]
    );
}

/// Rules of every kind that all servers take; `d` is disabled.
fn rules() -> Vec<Rule> {
    let tag = Tag::builder().key("keep").value("no").build().unwrap();
    let and = LifecycleRuleAndOperator::builder()
        .prefix("data/")
        .tags(tag)
        .build();
    let few = NoncurrentVersionExpiration::builder().noncurrent_days(30);
    let markers = LifecycleExpiration::builder().expired_object_delete_marker(true);
    let rules = [
        rule("a", "data/").noncurrent_version_expiration(noncurrent(90)),
        rule("b", "tmp/").expiration(LifecycleExpiration::builder().days(1).build()),
        rule("c", "").expiration(markers.build()),
        rule("d", "")
            .status(ExpirationStatus::Disabled)
            .noncurrent_version_expiration(noncurrent(1)),
        rule("e", "")
            .filter(LifecycleRuleFilter::builder().and(and).build())
            .noncurrent_version_expiration(few.newer_noncurrent_versions(3).build()),
    ];
    rules
        .into_iter()
        .map(|rule| rule.build().unwrap())
        .collect()
}

fn rule(id: &str, prefix: &str) -> LifecycleRuleBuilder {
    Rule::builder()
        .id(id)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
}

fn noncurrent(days: i32) -> NoncurrentVersionExpiration {
    NoncurrentVersionExpiration::builder()
        .noncurrent_days(days)
        .build()
}

fn expected(id: &str, prefix: &str) -> LifecycleRule {
    LifecycleRule {
        id: id.to_owned(),
        prefix: prefix.to_owned(),
        ..LifecycleRule::default()
    }
}
