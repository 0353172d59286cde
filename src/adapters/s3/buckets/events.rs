//! The queue that a bucket tells of what happens in it.

use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, NotificationConfiguration, NotificationConfigurationFilter,
    QueueConfiguration, S3KeyFilter,
};

use super::Buckets;
use crate::adapters::s3::error::Request;
use crate::adapters::store::StoreError;
use crate::plan::bucket::{Events, RULE_PREFIX};

/// The name of our rule, what it is about, and where.
const RULE: &str = "backstay-events";
const TOLD: [Event; 2] = [Event::S3ObjectCreated, Event::S3ObjectRemoved];
const PREFIX: &str = "data/";

impl Buckets {
    pub(super) async fn events(&self, bucket: &str) -> Result<Option<Events>, StoreError> {
        let document = self.notifications(bucket).await?;
        let ours = document
            .queue_configurations()
            .iter()
            .find(|rule| is_ours(rule));
        Ok(ours.map(|rule| Events {
            queue_arn: rule.queue_arn.clone(),
            is_whole: is_whole(rule),
        }))
    }

    /// Everything but our rule stays as it is.
    pub(super) async fn set_events(&self, bucket: &str, queue_arn: &str) -> Result<(), StoreError> {
        let mut document = self.notifications(bucket).await?;
        let mut rules = document.queue_configurations.take().unwrap_or_default();
        rules.retain(|rule| !is_ours(rule));
        rules.push(to_sdk(queue_arn));
        document.queue_configurations = Some(rules);
        self.client
            .put_bucket_notification_configuration()
            .bucket(bucket)
            .notification_configuration(document)
            .send()
            .await
            .map_err(|error| {
                Request::on_bucket("PutBucketNotificationConfiguration", bucket).failed(&error)
            })?;
        Ok(())
    }

    async fn notifications(&self, bucket: &str) -> Result<NotificationConfiguration, StoreError> {
        let answer = self
            .client
            .get_bucket_notification_configuration()
            .bucket(bucket)
            .send()
            .await
            .map_err(|error| {
                Request::on_bucket("GetBucketNotificationConfiguration", bucket).failed(&error)
            })?;
        Ok(NotificationConfiguration::builder()
            .set_topic_configurations(answer.topic_configurations)
            .set_queue_configurations(answer.queue_configurations)
            .set_lambda_function_configurations(answer.lambda_function_configurations)
            .set_event_bridge_configuration(answer.event_bridge_configuration)
            .build())
    }
}

fn is_ours(rule: &QueueConfiguration) -> bool {
    rule.id().unwrap_or_default().starts_with(RULE_PREFIX)
}

/// Whether the queue is told of just what it should be told of.
fn is_whole(rule: &QueueConfiguration) -> bool {
    let filters = rule
        .filter()
        .and_then(NotificationConfigurationFilter::key)
        .map(S3KeyFilter::filter_rules)
        .unwrap_or_default();
    // Stores write the name of a filter in small or in large letters.
    let is_prefix = |name: &FilterRuleName| name.as_str().eq_ignore_ascii_case("prefix");
    let is_at_prefix = matches!(filters, [one]
        if one.name().is_some_and(is_prefix) && one.value() == Some(PREFIX));
    rule.events().len() == TOLD.len()
        && TOLD.iter().all(|event| rule.events().contains(event))
        && is_at_prefix
}

fn to_sdk(queue_arn: &str) -> QueueConfiguration {
    let prefix = FilterRule::builder()
        .name(FilterRuleName::Prefix)
        .value(PREFIX)
        .build();
    let filter = NotificationConfigurationFilter::builder()
        .key(S3KeyFilter::builder().filter_rules(prefix).build())
        .build();
    QueueConfiguration::builder()
        .id(RULE)
        .queue_arn(queue_arn)
        .set_events(Some(TOLD.to_vec()))
        .filter(filter)
        .build()
        .expect("queue and events are there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_of_ours_is_whole_until_somebody_changes_it() {
        let rule = to_sdk("arn");
        assert!(is_ours(&rule) && is_whole(&rule));
        let mut less = rule.clone();
        less.events.pop();
        let mut everywhere = rule;
        everywhere.filter = None;
        assert!(!is_whole(&less) && !is_whole(&everywhere));
    }
}
