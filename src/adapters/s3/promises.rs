//! What a bucket's versioning and lifecycle rules promise.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule as Rule, LifecycleRuleFilter};

use super::error::Request;
use super::{S3Store, versioning};
use crate::adapters::store::{LifecycleRule, Promises, StoreError};

impl S3Store {
    pub(super) async fn promises(&self, bucket: &str) -> Result<Promises, StoreError> {
        Ok(Promises {
            versioning: versioning::is_enabled(&self.client, bucket).await?,
            lifecycle: self.lifecycle(bucket).await?,
        })
    }

    /// The enabled rules; `None` where they may not be read, or where the store has no such thing
    /// and so says nothing about what it does.
    async fn lifecycle(&self, bucket: &str) -> Result<Option<Vec<LifecycleRule>>, StoreError> {
        let request = Request::on_bucket("GetBucketLifecycleConfiguration", bucket);
        let answer = self
            .client
            .get_bucket_lifecycle_configuration()
            .bucket(bucket)
            .send()
            .await;
        let error = match answer {
            Ok(answer) => {
                let rules = answer.rules().iter();
                return Ok(Some(
                    rules.filter(|rule| is_enabled(rule)).map(promise).collect(),
                ));
            }
            Err(error) => error,
        };
        match error.code() {
            Some("NoSuchLifecycleConfiguration") => Ok(Some(vec![])),
            Some("AccessDenied" | "NotImplemented") => Ok(None),
            _ => Err(request.failed(&error)),
        }
    }
}

pub(super) fn is_enabled(rule: &Rule) -> bool {
    *rule.status() == ExpirationStatus::Enabled
}

pub(super) fn promise(rule: &Rule) -> LifecycleRule {
    let expiration = rule.expiration();
    let noncurrent = rule.noncurrent_version_expiration();
    // A rule without a filter may carry a prefix of its own, as it was before filters.
    let (prefix, partial) = match rule.filter() {
        Some(filter) => scope(filter),
        None => (prefix_before_filters(rule), false),
    };
    LifecycleRule {
        id: rule.id().unwrap_or_default().to_owned(),
        partial,
        prefix,
        expires_current: expiration
            .is_some_and(|expiration| expiration.days().is_some() || expiration.date().is_some()),
        noncurrent_days: noncurrent.and_then(|rule| positive(rule.noncurrent_days())),
        newer_noncurrent_versions: noncurrent
            .and_then(|rule| positive(rule.newer_noncurrent_versions())),
        transitions: !rule.transitions().is_empty(),
    }
}

#[expect(
    deprecated,
    reason = "rules made before filters existed are still in force"
)]
fn prefix_before_filters(rule: &Rule) -> String {
    rule.prefix().unwrap_or_default().to_owned()
}

/// The prefix that a filter names, and whether it names anything else.
fn scope(filter: &LifecycleRuleFilter) -> (String, bool) {
    if let Some(and) = filter.and() {
        let partial = !and.tags().is_empty()
            || and.object_size_greater_than().is_some()
            || and.object_size_less_than().is_some();
        return (and.prefix().unwrap_or_default().to_owned(), partial);
    }
    let partial = filter.tag().is_some()
        || filter.object_size_greater_than().is_some()
        || filter.object_size_less_than().is_some();
    (filter.prefix().unwrap_or_default().to_owned(), partial)
}

pub(super) fn positive(number: Option<i32>) -> Option<u32> {
    number
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::builders::LifecycleRuleBuilder;
    use aws_sdk_s3::types::{Tag, Transition};

    use super::*;

    fn rule() -> LifecycleRuleBuilder {
        Rule::builder().id("r").status(ExpirationStatus::Enabled)
    }

    fn check(rule: LifecycleRuleBuilder, expected: LifecycleRule) {
        let expected = LifecycleRule {
            id: "r".to_owned(),
            ..expected
        };
        assert_eq!(promise(&rule.build().unwrap()), expected);
    }

    #[test]
    fn a_transition_is_seen() {
        let rule = rule().transitions(Transition::builder().days(30).build());
        check(
            rule,
            LifecycleRule {
                transitions: true,
                ..LifecycleRule::default()
            },
        );
    }

    #[test]
    fn any_filter_besides_the_prefix_makes_a_rule_partial() {
        let tag = Tag::builder().key("k").value("v").build().unwrap();
        for filter in [
            LifecycleRuleFilter::builder().tag(tag),
            LifecycleRuleFilter::builder().object_size_less_than(1),
            LifecycleRuleFilter::builder().object_size_greater_than(1),
        ] {
            let rule = rule().filter(filter.build());
            check(
                rule,
                LifecycleRule {
                    partial: true,
                    ..LifecycleRule::default()
                },
            );
        }
    }

    #[test]
    #[expect(
        deprecated,
        reason = "rules made before filters existed are still in force"
    )]
    fn a_prefix_without_a_filter_counts() {
        let prefix = "data/".to_owned();
        check(
            rule().prefix(&prefix),
            LifecycleRule {
                prefix,
                ..LifecycleRule::default()
            },
        );
    }
}
