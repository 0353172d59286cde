//! A queue of moto's, as its owner sees it.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::store::{REGION, variable};

pub(crate) fn moto() -> String {
    variable("BACKSTAY_MOTO_ENDPOINT")
}

/// Asks the queue service, which moto tells from the others by the scope of a signature that it
/// does not verify.
pub(crate) async fn sqs(action: &str, body: Value) -> Value {
    let moto = moto();
    let address = moto.trim_start_matches("http://");
    let body = body.to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/x-amz-json-1.0\r\nx-amz-target: AmazonSQS.{action}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=id/20260101/{REGION}/sqs/aws4_request, \
         SignedHeaders=host, Signature=none\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or(Value::Null)
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
        let made = runtime.block_on(sqs("CreateQueue", json!({"QueueName": name})));
        let url = made["QueueUrl"].as_str().unwrap().to_owned();
        Self { runtime, url }
    }

    /// Sends a message as it is.
    pub(crate) fn send(&self, body: &str) {
        let message = json!({"QueueUrl": self.url, "MessageBody": body});
        let sent = self.runtime.block_on(sqs("SendMessage", message));
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
        let answer = self.runtime.block_on(sqs("GetQueueAttributes", ask));
        let count = |name: &&str| answer["Attributes"][name].as_str()?.parse::<u64>().ok();
        names.iter().filter_map(count).sum()
    }
}
