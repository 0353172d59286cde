//! The lifecycle rules of a bucket: all of them, in what they do, and ours in what they say.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_bucket_lifecycle_configuration::GetBucketLifecycleConfigurationOutput as Output;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus,
    LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, NoncurrentVersionExpiration,
    NoncurrentVersionTransition, Transition, TransitionStorageClass,
};

use super::Buckets;
use crate::adapters::s3::error::Request;
use crate::adapters::s3::promises::{is_enabled, positive, promise};
use crate::adapters::store::StoreError;
use crate::api::settings::TransitionClass;
use crate::plan::bucket::{RULE_PREFIX, Rule, SeenRule};

impl Buckets {
    pub(super) async fn lifecycle(&self, bucket: &str) -> Result<Vec<SeenRule>, StoreError> {
        let answer = self.lifecycle_document(bucket).await?;
        let rules = answer.iter().flat_map(Output::rules);
        Ok(rules.map(seen).collect())
    }

    /// The rules of others are sent back as they came, ours take the place of ours. Nothing is said
    /// about which objects are too small to move but what was said before.
    pub(super) async fn set_lifecycle(
        &self,
        bucket: &str,
        ours: &[Rule],
    ) -> Result<(), StoreError> {
        let answer = self.lifecycle_document(bucket).await?;
        let smallest = answer
            .as_ref()
            .and_then(|answer| answer.transition_default_minimum_object_size().cloned());
        let foreign = answer
            .into_iter()
            .flat_map(|answer| answer.rules.unwrap_or_default())
            .filter(|rule| !rule.id().unwrap_or_default().starts_with(RULE_PREFIX));
        let rules: Vec<LifecycleRule> = foreign.chain(ours.iter().map(to_sdk)).collect();
        let configuration = BucketLifecycleConfiguration::builder()
            .set_rules(Some(rules))
            .build()
            .expect("the rules are there");
        self.client
            .put_bucket_lifecycle_configuration()
            .bucket(bucket)
            .lifecycle_configuration(configuration)
            .set_transition_default_minimum_object_size(smallest)
            .send()
            .await
            .map_err(|error| {
                Request::on_bucket("PutBucketLifecycleConfiguration", bucket).failed(&error)
            })?;
        Ok(())
    }

    async fn lifecycle_document(&self, bucket: &str) -> Result<Option<Output>, StoreError> {
        let answer = self
            .client
            .get_bucket_lifecycle_configuration()
            .bucket(bucket)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.code() == Some("NoSuchLifecycleConfiguration") => Ok(None),
            Err(error) => {
                Err(Request::on_bucket("GetBucketLifecycleConfiguration", bucket).failed(&error))
            }
        }
    }
}

fn seen(rule: &LifecycleRule) -> SeenRule {
    let promise = promise(rule);
    // What reads back as this same rule when it is sent says no more than ours can.
    let told = read(rule, &promise.prefix);
    let is_whole = told
        .as_ref()
        .is_some_and(|told| !promise.partial && is_same(&to_sdk(told), rule));
    SeenRule {
        is_enabled: is_enabled(rule),
        promise,
        rule: told.filter(|_| is_whole),
    }
}

/// Whether two rules do the same; where a prefix stands makes no difference.
fn is_same(ours: &LifecycleRule, seen: &LifecycleRule) -> bool {
    let expires = |rule: &LifecycleRule| {
        rule.expiration()
            .is_some_and(|expiration| expiration.days.is_some() || expiration.date.is_some())
    };
    let counts = |rule: &LifecycleRule| {
        rule.noncurrent_version_expiration()
            .and_then(|expiration| positive(expiration.newer_noncurrent_versions))
    };
    expires(ours) == expires(seen)
        && counts(ours) == counts(seen)
        && ours.transitions() == seen.transitions()
        && ours.noncurrent_version_transitions() == seen.noncurrent_version_transitions()
}

fn read(rule: &LifecycleRule, prefix: &str) -> Option<Rule> {
    let transitions = rule.transitions().iter().map(|transition| {
        let class = class(transition.storage_class()?)?;
        Some((positive(transition.days)?, class))
    });
    let noncurrent = rule.noncurrent_version_transitions().iter();
    let noncurrent = noncurrent.map(|transition| {
        let class = class(transition.storage_class()?)?;
        Some((positive(transition.noncurrent_days)?, class))
    });
    let mut told = Rule {
        id: rule.id()?.to_owned(),
        prefix: prefix.to_owned(),
        transitions: transitions.collect::<Option<_>>()?,
        noncurrent_transitions: noncurrent.collect::<Option<_>>()?,
        noncurrent_expiration_days: rule
            .noncurrent_version_expiration()
            .and_then(|expiration| positive(expiration.noncurrent_days)),
        removes_bare_markers: rule
            .expiration()
            .is_some_and(|expiration| expiration.expired_object_delete_marker == Some(true)),
        abort_days: rule
            .abort_incomplete_multipart_upload()
            .and_then(|abort| positive(abort.days_after_initiation)),
    };
    // Stores give them back in any order.
    told.transitions.sort_unstable();
    told.noncurrent_transitions.sort_unstable();
    Some(told)
}

fn class(class: &TransitionStorageClass) -> Option<TransitionClass> {
    match class {
        TransitionStorageClass::StandardIa => Some(TransitionClass::StandardIa),
        TransitionStorageClass::IntelligentTiering => Some(TransitionClass::IntelligentTiering),
        TransitionStorageClass::OnezoneIa => Some(TransitionClass::OnezoneIa),
        TransitionStorageClass::GlacierIr => Some(TransitionClass::GlacierIr),
        TransitionStorageClass::Glacier => Some(TransitionClass::Glacier),
        TransitionStorageClass::DeepArchive => Some(TransitionClass::DeepArchive),
        _ => None,
    }
}

fn to_sdk(rule: &Rule) -> LifecycleRule {
    let days = |days: u32| i32::try_from(days).unwrap_or(i32::MAX);
    let transitions = rule.transitions.iter().map(|(after, class)| {
        Transition::builder()
            .days(days(*after))
            .storage_class(class.as_str().into())
            .build()
    });
    let noncurrent = rule.noncurrent_transitions.iter().map(|(after, class)| {
        NoncurrentVersionTransition::builder()
            .noncurrent_days(days(*after))
            .storage_class(class.as_str().into())
            .build()
    });
    let some = |count: usize| count > 0;
    let expiration = rule.noncurrent_expiration_days.map(|after| {
        NoncurrentVersionExpiration::builder()
            .noncurrent_days(days(after))
            .build()
    });
    let abort = rule.abort_days.map(|after| {
        AbortIncompleteMultipartUpload::builder()
            .days_after_initiation(days(after))
            .build()
    });
    let markers = rule.removes_bare_markers.then(|| {
        LifecycleExpiration::builder()
            .expired_object_delete_marker(true)
            .build()
    });
    LifecycleRule::builder()
        .id(&rule.id)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(&rule.prefix).build())
        .set_transitions(some(rule.transitions.len()).then(|| transitions.collect()))
        .set_noncurrent_version_transitions(
            some(rule.noncurrent_transitions.len()).then(|| noncurrent.collect()),
        )
        .set_noncurrent_version_expiration(expiration)
        .set_abort_incomplete_multipart_upload(abort)
        .set_expiration(markers)
        .build()
        .expect("a rule of ours has a status")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Rule {
        Rule {
            id: "backstay-data".to_owned(),
            prefix: "data/".to_owned(),
            transitions: vec![
                (30, TransitionClass::StandardIa),
                (60, TransitionClass::Glacier),
            ],
            noncurrent_transitions: vec![(30, TransitionClass::Glacier)],
            noncurrent_expiration_days: Some(365),
            removes_bare_markers: true,
            abort_days: Some(7),
        }
    }

    #[test]
    fn a_rule_of_ours_reads_back_as_itself() {
        for rule in [
            rule(),
            Rule {
                id: "r".to_owned(),
                ..Rule::default()
            },
        ] {
            let seen = seen(&to_sdk(&rule));
            assert!(seen.is_enabled);
            assert_eq!(seen.rule, Some(rule));
        }
    }

    #[test]
    fn a_rule_that_says_more_is_not_taken_for_ours() {
        let mut expires = to_sdk(&rule());
        expires.expiration = Some(LifecycleExpiration::builder().days(1).build());
        let mut counts = to_sdk(&rule());
        counts.noncurrent_version_expiration = Some(
            NoncurrentVersionExpiration::builder()
                .noncurrent_days(365)
                .newer_noncurrent_versions(3)
                .build(),
        );
        let mut small = to_sdk(&rule());
        small.filter = Some(
            LifecycleRuleFilter::builder()
                .object_size_less_than(9)
                .build(),
        );
        for sdk in [expires, counts, small] {
            assert_eq!(seen(&sdk).rule, None, "{sdk:?}");
        }
    }
}
