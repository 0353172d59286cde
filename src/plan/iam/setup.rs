//! What a setup needs: to read and to write just the settings that the policy asks for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{arn, document, statement};
use crate::api::setup::SetupSpec;
use crate::plan::bucket::{Role, Wanted, wanted};

const EVENTS: [&str; 2] = ["s3:GetBucketNotification", "s3:PutBucketNotification"];

/// The rights to see to the settings of a policy's buckets.
#[must_use]
pub fn setup(spec: &SetupSpec) -> Value {
    let mut all = wanted(spec);
    all.retain(|one| one.role == Role::Own);
    let mut actions: BTreeSet<&str> = all.iter().flat_map(actions).collect();
    if spec.settings.events.is_some() {
        actions.extend(EVENTS);
    }
    let actions: Vec<&str> = actions.into_iter().collect();
    let buckets = all.iter().map(|one| arn(&one.region, &one.bucket));
    let mut statements = vec![statement("BackstaySettings", &actions, &buckets.collect())];
    let sources = spec.source_events.iter();
    let sources: BTreeSet<String> = sources.map(|one| arn(&one.region, &one.bucket)).collect();
    if !sources.is_empty() {
        statements.push(statement("BackstaySourceEvents", &EVENTS, &sources));
    }
    if let Some(replica) = all.iter().find_map(|one| one.replica.as_ref()) {
        let role = BTreeSet::from([replica.role_arn.clone()]);
        let mut pass = statement("BackstayReplicationRole", &["iam:PassRole"], &role);
        pass["Condition"] = json!({"StringEquals": {"iam:PassedToService": "s3.amazonaws.com"}});
        statements.push(pass);
    }
    document(&statements)
}

fn actions(wanted: &Wanted) -> Vec<&'static str> {
    let settings: [(bool, &[&'static str]); 10] = [
        (true, &["s3:GetBucketVersioning"]),
        (wanted.versioning, &["s3:PutBucketVersioning"]),
        (wanted.create, &["s3:CreateBucket"]),
        (
            wanted.block_public_access,
            &[
                "s3:GetBucketPublicAccessBlock",
                "s3:PutBucketPublicAccessBlock",
            ],
        ),
        (
            wanted.encryption.is_some(),
            &[
                "s3:GetEncryptionConfiguration",
                "s3:PutEncryptionConfiguration",
            ],
        ),
        (
            !wanted.statements.is_empty(),
            &["s3:GetBucketPolicy", "s3:PutBucketPolicy"],
        ),
        (
            !wanted.lifecycle.is_empty(),
            &[
                "s3:GetLifecycleConfiguration",
                "s3:PutLifecycleConfiguration",
            ],
        ),
        // Making a bucket with a lock takes the rights to lock and to version it.
        (
            wanted.object_lock.is_some(),
            &[
                "s3:GetBucketObjectLockConfiguration",
                "s3:PutBucketObjectLockConfiguration",
                "s3:PutBucketVersioning",
            ],
        ),
        (
            wanted.acceleration.is_some(),
            &[
                "s3:GetAccelerateConfiguration",
                "s3:PutAccelerateConfiguration",
            ],
        ),
        (
            wanted.replica.is_some(),
            &[
                "s3:GetReplicationConfiguration",
                "s3:PutReplicationConfiguration",
            ],
        ),
    ];
    let asked = settings.into_iter().filter(|(is_asked, _)| *is_asked);
    asked.flat_map(|(_, actions)| actions).copied().collect()
}
