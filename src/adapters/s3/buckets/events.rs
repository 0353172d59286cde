//! The queues that a bucket tells of what happens in it.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, NotificationConfiguration, NotificationConfigurationFilter,
    QueueConfiguration, S3KeyFilter,
};

use super::Buckets;
use crate::adapters::s3::error::Request;
use crate::adapters::s3::misnamed;
use crate::adapters::store::StoreError;
use crate::plan::bucket::{EventRule, SeenEvents, TOLD, is_ours, missing};

/// What S3 says of a queue that it cannot send to, and what can be done.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html>
const NOT_VALIDATED: &str = "Unable to validate the following destination configurations";
const IS_NOT_VALIDATED: &str = "the queue, or another that this bucket tells, does not exist or does \
                                not let S3 send: its policy needs sqs:SendMessage for \
                                s3.amazonaws.com with this bucket as aws:SourceArn, and the key of \
                                an encrypted one must let S3 use it (docs/events.md)";

/// What S3 says of rules that overlap, where one came between the look and the write.
const OVERLAP: &str = "Configurations overlap";
const IS_OVERLAP: &str = "a rule of somebody else's tells of the same objects, and S3 takes one rule \
                          for them: remove that one, or have it tell an SNS topic that tells both";

/// What stores say that know no queues but their own.
const UNKNOWN: &str = "A specified destination ARN does not exist";
const IS_UNKNOWN: &str = "the store has no such queue: one that is not AWS tells what its own \
                          configuration names, so set this by its own means and leave it out of \
                          bucketSettings";

impl Buckets {
    /// All rules, of whomever.
    pub(super) async fn events(&self, bucket: &str) -> Result<Vec<SeenEvents>, StoreError> {
        Ok(seen(&self.notifications(bucket).await?))
    }

    /// Everything but our rules stays as it is.
    pub(super) async fn set_events(
        &self,
        bucket: &str,
        wanted: &[EventRule],
    ) -> Result<(), StoreError> {
        let mut document = self.notifications(bucket).await?;
        let due = missing(wanted, &seen(&document));
        let mut rules = document.queue_configurations.take().unwrap_or_default();
        rules.retain(|rule| rule.id().is_none_or(|id| !is_ours(wanted, id)));
        rules.extend(due.into_iter().map(to_sdk));
        document.queue_configurations = Some(rules);
        let answer = self
            .client
            .put_bucket_notification_configuration()
            .bucket(bucket)
            .notification_configuration(document)
            .send()
            .await;
        let request = Request::on_bucket("PutBucketNotificationConfiguration", bucket);
        match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(match (error.code(), remedy(error.message())) {
                (Some(code), Some(remedy)) => request.refuse(code, remedy),
                _ => request.failed(&error),
            }),
        }
    }

    async fn notifications(&self, bucket: &str) -> Result<NotificationConfiguration, StoreError> {
        let answer = self
            .client
            .get_bucket_notification_configuration()
            .bucket(bucket)
            .send()
            .await;
        let answer = match answer {
            Err(error) if misnamed::is_empty(&error, "GetBucketNotification") => {
                return Ok(NotificationConfiguration::builder().build());
            }
            Err(error) => {
                let request = Request::on_bucket("GetBucketNotificationConfiguration", bucket);
                return Err(request.failed(&error));
            }
            Ok(answer) => answer,
        };
        Ok(NotificationConfiguration::builder()
            .set_topic_configurations(answer.topic_configurations)
            .set_queue_configurations(answer.queue_configurations)
            .set_lambda_function_configurations(answer.lambda_function_configurations)
            .set_event_bridge_configuration(answer.event_bridge_configuration)
            .build())
    }
}

/// What a person can do about an answer that says too little.
fn remedy(message: Option<&str>) -> Option<&'static str> {
    let message = message?;
    let known = [
        (NOT_VALIDATED, IS_NOT_VALIDATED),
        (OVERLAP, IS_OVERLAP),
        (UNKNOWN, IS_UNKNOWN),
    ];
    let mut known = known.into_iter();
    let (_, remedy) = known.find(|(words, _)| message.contains(words))?;
    Some(remedy)
}

fn seen(document: &NotificationConfiguration) -> Vec<SeenEvents> {
    let queues = document.queue_configurations().iter();
    let queues = queues.map(|one| from_sdk(one.id(), &one.queue_arn, &one.events, one.filter()));
    let topics = document.topic_configurations().iter();
    let topics = topics.map(|one| from_sdk(one.id(), &one.topic_arn, &one.events, one.filter()));
    let functions = document.lambda_function_configurations().iter();
    let functions = functions.map(|one| {
        let function = &one.lambda_function_arn;
        from_sdk(one.id(), function, &one.events, one.filter())
    });
    queues.chain(topics).chain(functions).collect()
}

fn from_sdk(
    id: Option<&str>,
    destination: &str,
    events: &[Event],
    filter: Option<&NotificationConfigurationFilter>,
) -> SeenEvents {
    let rules = filter
        .and_then(NotificationConfigurationFilter::key)
        .map(S3KeyFilter::filter_rules)
        .unwrap_or_default();
    let value = |name: &str| {
        // Stores write the name of a filter in small or in large letters.
        let is_it = |rule: &&FilterRule| {
            let of_rule = rule.name().map(FilterRuleName::as_str);
            of_rule.is_some_and(|of_rule| of_rule.eq_ignore_ascii_case(name))
        };
        let rule = rules.iter().find(is_it);
        rule.and_then(FilterRule::value)
            .unwrap_or_default()
            .to_owned()
    };
    SeenEvents {
        id: id.unwrap_or_default().to_owned(),
        prefix: value("prefix"),
        suffix: value("suffix"),
        events: events
            .iter()
            .map(|event| event.as_str().to_owned())
            .collect(),
        destination: destination.to_owned(),
    }
}

fn to_sdk(rule: &EventRule) -> QueueConfiguration {
    let filter = (!rule.prefix.is_empty()).then(|| {
        let prefix = FilterRule::builder()
            .name(FilterRuleName::Prefix)
            .value(&rule.prefix)
            .build();
        NotificationConfigurationFilter::builder()
            .key(S3KeyFilter::builder().filter_rules(prefix).build())
            .build()
    });
    QueueConfiguration::builder()
        .id(&rule.id)
        .queue_arn(&rule.queue_arn)
        .set_events(Some(TOLD.map(Event::from).to_vec()))
        .set_filter(filter)
        .build()
        .expect("queue and events are there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_says_too_little_is_told_with_its_remedy() {
        assert_eq!(remedy(Some(NOT_VALIDATED)), Some(IS_NOT_VALIDATED));
        let overlap = "Configurations overlap. Configurations on the same bucket cannot share a \
                       common event type.";
        assert_eq!(remedy(Some(overlap)), Some(IS_OVERLAP));
        assert_eq!(remedy(Some("MalformedXML")), None);
    }

    #[test]
    fn a_rule_is_read_as_it_was_written() {
        for prefix in ["in/", ""] {
            let rule = EventRule {
                id: "ours".to_owned(),
                prefix: prefix.to_owned(),
                queue_arn: "arn".to_owned(),
            };
            let document = NotificationConfiguration::builder()
                .queue_configurations(to_sdk(&rule))
                .build();
            let expected = SeenEvents {
                id: "ours".to_owned(),
                prefix: prefix.to_owned(),
                suffix: String::new(),
                events: TOLD.map(ToOwned::to_owned).to_vec(),
                destination: "arn".to_owned(),
            };
            assert_eq!(seen(&document), [expected]);
        }
    }
}
