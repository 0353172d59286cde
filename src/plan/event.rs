//! Events: which keys a message of a queue names.
//!
//! A message is believed as to which keys to look at, and nothing else: messages come twice, late
//! and out of order, so what became of a key is asked of the bucket.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::api::policy::{Notice, SnsTopic};

/// How deep a message may be wrapped: S3's in SNS's, or `EventBridge`'s in SNS's.
const WRAPS_MAX: usize = 2;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Something happened to these keys of the source; none where it was outside of its prefix.
    Keys(Vec<String>),
    /// Nothing happened: S3 sends such a message when a notification is set up, of whichever bucket.
    Nothing,
    /// It is about this bucket, which is another one.
    OfBucket(String),
    /// It is no message of S3's, or in a form that is not known.
    Unknown,
}

/// Reads a message: S3's own, or one that came by way of SNS or `EventBridge`. Keys are relative to the
/// prefix.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>
#[must_use]
pub fn read(body: &str, bucket: &str, prefix: &str) -> Told {
    let Some(objects) = objects(body, WRAPS_MAX) else {
        return Told::Unknown;
    };
    if objects.is_empty() {
        return Told::Nothing;
    }
    if let Some((other, _)) = objects.iter().find(|(name, _)| name != bucket) {
        return Told::OfBucket(other.clone());
    }
    let keys = objects.into_iter().filter_map(|(_, key)| {
        let key = key.strip_prefix(prefix)?;
        (!key.is_empty()).then(|| key.to_owned())
    });
    Told::Keys(keys.collect())
}

/// A topic as runs of messages tell it: a notice for each upload would be no notice. Nothing where only
/// successes are to be told.
#[must_use]
pub fn without_successes(topic: SnsTopic) -> Option<SnsTopic> {
    let all = vec![
        Notice::Partial,
        Notice::Failed,
        Notice::Refused,
        Notice::Recovered,
    ];
    let mut notices = if topic.notices.is_empty() {
        all
    } else {
        topic.notices
    };
    notices.retain(|notice| *notice != Notice::Succeeded);
    (!notices.is_empty()).then_some(SnsTopic { notices, ..topic })
}

/// The buckets and keys that a message names; nothing where it is none of S3's.
fn objects(body: &str, wraps: usize) -> Option<Vec<(String, String)>> {
    let message: Value = serde_json::from_str(body).ok()?;
    if let Some(records) = message["Records"].as_array() {
        return records.iter().map(of_record).collect();
    }
    if message["source"] == "aws.s3" {
        return of_event(&message).map(|object| vec![object]);
    }
    // What S3 sends when a notification is set up.
    if message["Event"] == "s3:TestEvent" {
        return Some(Vec::new());
    }
    match message["Message"].as_str() {
        Some(inner) if message["Type"] == "Notification" && wraps > 0 => objects(inner, wraps - 1),
        _ => None,
    }
}

/// One of S3's records. Its key is encoded as a form is.
fn of_record(record: &Value) -> Option<(String, String)> {
    let bucket = record["s3"]["bucket"]["name"].as_str()?;
    let key = record["s3"]["object"]["key"].as_str()?.replace('+', " ");
    let key = percent_decode_str(&key).decode_utf8().ok()?.into_owned();
    Some((bucket.to_owned(), key))
}

/// `EventBridge`'s event. Its key is as it is.
fn of_event(event: &Value) -> Option<(String, String)> {
    let bucket = event["detail"]["bucket"]["name"].as_str()?;
    let key = event["detail"]["object"]["key"].as_str()?;
    Some((bucket.to_owned(), key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(message: &Value, keys: &[&str]) {
        let told = read(&message.to_string(), "in", "new/");
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(told, Told::Keys(keys), "{message}");
    }

    fn record(bucket: &str, key: &str) -> Value {
        let s3 = json!({"bucket": {"name": bucket}, "object": {"key": key, "size": 1}});
        json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3})
    }

    fn by_sns(message: &Value) -> Value {
        json!({"Type": "Notification", "MessageId": "1", "Message": message.to_string()})
    }

    #[test]
    fn s3_names_keys_encoded_as_a_form_is() {
        let records = json!({"Records": [
            record("in", "new/a+b%2Bc.txt"),
            record("in", "new/%C3%BC/%25.pdf"),
        ]});
        check(&records, &["a b+c.txt", "ü/%.pdf"]);
        check(&by_sns(&records), &["a b+c.txt", "ü/%.pdf"]);
    }

    #[test]
    fn eventbridge_names_keys_as_they_are() {
        let detail = json!({"bucket": {"name": "in"}, "object": {"key": "new/a+b%20"}});
        let event = json!({"source": "aws.s3", "detail-type": "Object Created", "detail": detail});
        check(&event, &["a+b%20"]);
        check(&by_sns(&event), &["a+b%20"]);
    }

    #[test]
    fn what_lies_outside_of_the_prefix_names_no_key() {
        check(
            &json!({"Records": [record("in", "old/a"), record("in", "new/")]}),
            &[],
        );
    }

    #[test]
    fn a_message_that_was_sent_to_try_the_queue_out_is_about_nothing() {
        for bucket in ["in", "other"] {
            let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": bucket});
            assert_eq!(read(&test.to_string(), "in", "new/"), Told::Nothing);
            assert_eq!(
                read(&by_sns(&test).to_string(), "in", "new/"),
                Told::Nothing
            );
        }
    }

    #[test]
    fn what_is_not_of_the_bucket_is_told() {
        let other = json!({"Records": [record("other", "new/a")]}).to_string();
        let deep = by_sns(&by_sns(&by_sns(&json!({"Records": []}))));
        for body in [
            "hello",
            "{}",
            "[]",
            r#"{"Records": [{}]}"#,
            r#"{"Records": [{"s3": {"bucket": {"name": "in"}, "object": {"key": "%FF"}}}]}"#,
            r#"{"Type": "Notification", "Message": "hello"}"#,
            &deep.to_string(),
        ] {
            assert_eq!(read(body, "in", "new/"), Told::Unknown, "{body}");
        }
        assert_eq!(
            read(&other, "in", "new/"),
            Told::OfBucket("other".to_owned())
        );
    }
}
