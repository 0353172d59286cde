//! What a setup needs: to read and to write just the settings that the policy asks for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{arn, document, statement};
use crate::api::setup::SetupSpec;
use crate::plan::bucket::{Wanted, wanted};

/// The rights to see to the settings of a policy's buckets.
#[must_use]
pub fn setup(spec: &SetupSpec) -> Value {
    let all = wanted(spec);
    let actions: BTreeSet<&str> = all.iter().flat_map(actions).collect();
    let actions: Vec<&str> = actions.into_iter().collect();
    let buckets = all.iter().map(|one| arn(&one.region, &one.bucket));
    let mut statements = vec![statement("BackstaySettings", &actions, &buckets.collect())];
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
    let events: &[&str] = if wanted.events.is_some() {
        &["s3:GetBucketNotification", "s3:PutBucketNotification"]
    } else {
        &[]
    };
    let asked = settings.into_iter().filter(|(is_asked, _)| *is_asked);
    let actions = asked.flat_map(|(_, actions)| actions);
    actions.chain(events).copied().collect()
}
