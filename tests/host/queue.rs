//! A queue of moto's, as its owner sees it.

use serde_json::json;

use crate::environment::variable;
use crate::queues::sqs;
use crate::store::REGION;

pub(crate) fn moto() -> String {
    variable("BACKSTAY_MOTO_ENDPOINT")
}

/// A queue that nobody else uses.
pub(crate) struct Queue {
    runtime: tokio::runtime::Runtime,
    pub(crate) url: String,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let name = format!("host-{}", uuid::Uuid::new_v4().simple());
        let made = runtime.block_on(sqs(REGION, "CreateQueue", json!({"QueueName": name})));
        let url = made["QueueUrl"].as_str().unwrap().to_owned();
        Self { runtime, url }
    }

    /// Its name, which its ARN ends with.
    pub(crate) fn name(&self) -> &str {
        self.url.rsplit_once('/').unwrap().1
    }

    /// Sends a message as it is.
    pub(crate) fn send(&self, body: &str) {
        let message = json!({"QueueUrl": self.url, "MessageBody": body});
        let sent = self.runtime.block_on(sqs(REGION, "SendMessage", message));
        assert!(sent["MessageId"].is_string(), "{sent}");
    }

    /// Tells of a key as S3 does.
    pub(crate) fn tell(&self, event: &str, bucket: &str, key: &str) {
        let s3 = json!({"bucket": {"name": bucket}, "object": {"key": key.replace(' ', "+")}});
        let record = json!({"eventSource": "aws:s3", "eventName": event, "s3": s3});
        self.send(&json!({"Records": [record]}).to_string());
    }

    /// How many messages there are, those that somebody holds included.
    pub(crate) fn messages(&self) -> u64 {
        let names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
        ];
        let ask = json!({"QueueUrl": self.url, "AttributeNames": names});
        let answer = self
            .runtime
            .block_on(sqs(REGION, "GetQueueAttributes", ask));
        let count = |name: &&str| answer["Attributes"][name].as_str()?.parse::<u64>().ok();
        names.iter().filter_map(count).sum()
    }
}
