//! The copy of a bucket that S3 keeps in another one.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, EncryptionConfiguration,
    ReplicationConfiguration, ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
    SourceSelectionCriteria, SseKmsEncryptedObjects, SseKmsEncryptedObjectsStatus, StorageClass,
};

use super::Buckets;
use crate::adapters::s3::error::Request;
use crate::adapters::store::StoreError;
use crate::api::settings::TransitionClass;
use crate::plan::bucket::{RULE_PREFIX, Replica, Replication};

/// The name of our rule.
const RULE: &str = "backstay-replica";

impl Buckets {
    pub(super) async fn replication(&self, bucket: &str) -> Result<Replication, StoreError> {
        let Some(document) = self.replication_document(bucket).await? else {
            return Ok(Replication::default());
        };
        let (ours, foreign): (Vec<_>, Vec<_>) =
            document.rules.iter().partition(|rule| is_ours(rule));
        let ours = match ours.as_slice() {
            [one] => read(one, &document.role),
            _ => None,
        };
        Ok(Replication {
            role_arn: Some(document.role.clone()),
            ours,
            has_foreign: !foreign.is_empty(),
        })
    }

    /// The rules of others stay. Ours gets the first priority that nobody has.
    pub(super) async fn set_replication(
        &self,
        bucket: &str,
        replica: &Replica,
    ) -> Result<(), StoreError> {
        let document = self.replication_document(bucket).await?;
        let mut rules: Vec<ReplicationRule> = document
            .into_iter()
            .flat_map(|document| document.rules)
            .filter(|rule| !is_ours(rule))
            .collect();
        let taken = rules.iter().filter_map(|rule| rule.priority).max();
        let priority = taken.unwrap_or_default().saturating_add(1);
        rules.push(to_sdk(replica, priority));
        let configuration = ReplicationConfiguration::builder()
            .role(&replica.role_arn)
            .set_rules(Some(rules))
            .build()
            .expect("role and rules are there");
        self.client
            .put_bucket_replication()
            .bucket(bucket)
            .replication_configuration(configuration)
            .send()
            .await
            .map_err(|error| Request::on_bucket("PutBucketReplication", bucket).failed(&error))?;
        Ok(())
    }

    async fn replication_document(
        &self,
        bucket: &str,
    ) -> Result<Option<ReplicationConfiguration>, StoreError> {
        let answer = self
            .client
            .get_bucket_replication()
            .bucket(bucket)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.replication_configuration),
            Err(error) if error.code() == Some("ReplicationConfigurationNotFoundError") => Ok(None),
            Err(error) => Err(Request::on_bucket("GetBucketReplication", bucket).failed(&error)),
        }
    }
}

fn is_ours(rule: &ReplicationRule) -> bool {
    rule.id().unwrap_or_default().starts_with(RULE_PREFIX)
}

/// What our rule says, if it is in force and copies everything.
fn read(rule: &ReplicationRule, role_arn: &str) -> Option<Replica> {
    let destination = rule.destination()?;
    let storage_class = match destination.storage_class() {
        None | Some(StorageClass::Standard) => None,
        Some(class) => Some(class_of(class)?),
    };
    let filter = rule.filter();
    let copies_all = filter.is_none_or(|filter| {
        filter.prefix().unwrap_or_default().is_empty()
            && filter.tag().is_none()
            && filter.and().is_none()
    });
    let markers = rule
        .delete_marker_replication()
        .and_then(DeleteMarkerReplication::status);
    let is_whole = *rule.status() == ReplicationRuleStatus::Enabled
        && copies_all
        && markers == Some(&DeleteMarkerReplicationStatus::Enabled);
    is_whole.then(|| Replica {
        bucket_arn: destination.bucket.clone(),
        role_arn: role_arn.to_owned(),
        storage_class,
        kms_key_arn: destination
            .encryption_configuration()
            .and_then(|encryption| encryption.replica_kms_key_id.clone()),
    })
}

fn class_of(class: &StorageClass) -> Option<TransitionClass> {
    match class {
        StorageClass::StandardIa => Some(TransitionClass::StandardIa),
        StorageClass::IntelligentTiering => Some(TransitionClass::IntelligentTiering),
        StorageClass::OnezoneIa => Some(TransitionClass::OnezoneIa),
        StorageClass::GlacierIr => Some(TransitionClass::GlacierIr),
        StorageClass::Glacier => Some(TransitionClass::Glacier),
        StorageClass::DeepArchive => Some(TransitionClass::DeepArchive),
        _ => None,
    }
}

fn to_sdk(replica: &Replica, priority: i32) -> ReplicationRule {
    let encryption = replica.kms_key_arn.as_ref().map(|key| {
        EncryptionConfiguration::builder()
            .replica_kms_key_id(key)
            .build()
    });
    // Objects under a KMS key are left out unless they are asked for.
    let selection = replica.kms_key_arn.as_ref().map(|_| {
        let encrypted = SseKmsEncryptedObjects::builder()
            .status(SseKmsEncryptedObjectsStatus::Enabled)
            .build()
            .expect("the status is there");
        SourceSelectionCriteria::builder()
            .sse_kms_encrypted_objects(encrypted)
            .build()
    });
    let class = replica.storage_class.map(|class| class.as_str().into());
    let destination = Destination::builder()
        .bucket(&replica.bucket_arn)
        .set_storage_class(class)
        .set_encryption_configuration(encryption)
        .build()
        .expect("the bucket is there");
    let markers = DeleteMarkerReplication::builder()
        .status(DeleteMarkerReplicationStatus::Enabled)
        .build();
    ReplicationRule::builder()
        .id(RULE)
        .priority(priority)
        .status(ReplicationRuleStatus::Enabled)
        .filter(ReplicationRuleFilter::builder().prefix("").build())
        .delete_marker_replication(markers)
        .set_source_selection_criteria(selection)
        .destination(destination)
        .build()
        .expect("the status is there")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica() -> Replica {
        Replica {
            bucket_arn: "arn:aws:s3:::copy".to_owned(),
            role_arn: "role".to_owned(),
            storage_class: Some(TransitionClass::GlacierIr),
            kms_key_arn: Some("key".to_owned()),
        }
    }

    #[test]
    fn a_copy_reads_back_as_itself() {
        let plain = Replica {
            storage_class: None,
            kms_key_arn: None,
            ..replica()
        };
        for replica in [replica(), plain] {
            assert_eq!(read(&to_sdk(&replica, 1), "role"), Some(replica));
        }
    }

    #[test]
    fn a_copy_that_leaves_something_out_is_not_whole() {
        let mut disabled = to_sdk(&replica(), 1);
        disabled.status = ReplicationRuleStatus::Disabled;
        let mut partial = to_sdk(&replica(), 1);
        partial.filter = Some(ReplicationRuleFilter::builder().prefix("data/").build());
        let mut without_markers = to_sdk(&replica(), 1);
        without_markers.delete_marker_replication = None;
        for rule in [disabled, partial, without_markers] {
            assert_eq!(read(&rule, "role"), None);
        }
    }
}
