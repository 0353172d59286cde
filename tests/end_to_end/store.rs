//! The stores, as a user of AWS's tools has them.

use std::path::{Path, PathBuf};
use std::process::Command;

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use serde_json::{Value, json};

/// MinIO for the objects, moto for the notices.
pub(crate) struct Stores {
    pub(crate) minio: String,
    pub(crate) moto: String,
    s3: aws_sdk_s3::Client,
    runtime: tokio::runtime::Runtime,
    unique: String,
}

impl Stores {
    pub(crate) fn from_environment() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let minio = variable("BACKSTAY_MINIO_ENDPOINT");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_s3::config::Region::new("us-east-1"))
            .endpoint_url(&minio)
            .force_path_style(true)
            .credentials_provider(aws_credential_types::Credentials::new(
                variable("AWS_ACCESS_KEY_ID"),
                variable("AWS_SECRET_ACCESS_KEY"),
                None,
                None,
                "test",
            ));
        let s3 = aws_sdk_s3::Client::from_conf(config.build());
        let unique = super::cluster::unique();
        Self {
            minio,
            moto: variable("BACKSTAY_MOTO_ENDPOINT"),
            s3,
            runtime,
            unique,
        }
    }

    /// The name of a bucket that nobody has made.
    pub(crate) fn unused(&self, name: &str) -> String {
        format!("{name}-{}", self.unique)
    }

    /// Buckets of this test alone, with versioning.
    pub(crate) fn buckets(&self, names: &[&str]) -> Vec<String> {
        let buckets: Vec<String> = names.iter().map(|name| self.unused(name)).collect();
        for bucket in &buckets {
            let versioning = VersioningConfiguration::builder()
                .status(BucketVersioningStatus::Enabled)
                .build();
            self.runtime.block_on(async {
                self.s3.create_bucket().bucket(bucket).send().await.unwrap();
                let put = self.s3.put_bucket_versioning().bucket(bucket);
                put.versioning_configuration(versioning)
                    .send()
                    .await
                    .unwrap();
            });
        }
        buckets
    }

    pub(crate) fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let list = self
            .s3
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .send();
        let page = self.runtime.block_on(list).unwrap();
        page.contents()
            .iter()
            .map(|object| object.key().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn put(&self, bucket: &str, key: &str, body: &[u8]) {
        let put = self.s3.put_object().bucket(bucket).key(key);
        self.runtime
            .block_on(put.body(body.to_vec().into()).send())
            .unwrap();
    }

    pub(crate) fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        self.runtime.block_on(async {
            let object = self
                .s3
                .get_object()
                .bucket(bucket)
                .key(key)
                .send()
                .await
                .unwrap();
            object.body.collect().await.unwrap().to_vec()
        })
    }

    /// A topic with a queue that is subscribed to it; answers with the topic's ARN.
    pub(crate) fn topic(&self) -> String {
        let name = format!("backups-{}", self.unique);
        let topic = self.ask("sns", &["Action=CreateTopic", &format!("Name={name}")]);
        let topic = between(&topic, "<TopicArn>", "</TopicArn>");
        self.ask("sqs", &["Action=CreateQueue", &format!("QueueName={name}")]);
        let queue = topic.replace(":sns:", ":sqs:");
        let subscription = [
            "Action=Subscribe",
            "Protocol=sqs",
            &format!("TopicArn={topic}"),
            &format!("Endpoint={queue}"),
        ];
        self.ask("sns", &subscription);
        topic
    }

    pub(crate) fn remove(&self, bucket: &str, key: &str) {
        let delete = self.s3.delete_object().bucket(bucket).key(key);
        self.runtime.block_on(delete.send()).unwrap();
    }

    /// A queue of this test alone; answers with its URL.
    pub(crate) fn queue(&self) -> String {
        let name = format!("uploads-{}", self.unique);
        self.ask("sqs", &["Action=CreateQueue", &format!("QueueName={name}")]);
        format!("{}/123456789012/{name}", self.moto)
    }

    /// Tells a queue of a key as S3 does.
    pub(crate) fn tell(&self, queue: &str, event: &str, bucket: &str, key: &str) {
        let s3 = json!({"bucket": {"name": bucket}, "object": {"key": key}});
        let record = json!({"eventSource": "aws:s3", "eventName": event, "s3": s3});
        let message = json!({"Records": [record]});
        let (queue, body) = (
            format!("QueueUrl={queue}"),
            format!("MessageBody={message}"),
        );
        self.ask("sqs", &["Action=SendMessage", &queue, &body]);
    }

    /// The next message of a topic, as its queue has it.
    pub(crate) fn receive(&self, topic: &str) -> Value {
        let name = topic.rsplit(':').next().unwrap();
        let url = format!("QueueUrl={}/123456789012/{name}", self.moto);
        let answer = self.ask(
            "sqs",
            &["Action=ReceiveMessage", "WaitTimeSeconds=10", &url],
        );
        let receipt = between(&answer, "<ReceiptHandle>", "</ReceiptHandle>");
        let receipt = format!("ReceiptHandle={receipt}");
        self.ask("sqs", &["Action=DeleteMessage", &url, &receipt]);
        let body = between(&answer, "<Body>", "</Body>").replace("&quot;", "\"");
        serde_json::from_str(&body.replace("&lt;", "<").replace("&amp;", "&")).unwrap()
    }

    /// The keys of the Secret that a policy names.
    pub(crate) fn credentials() -> Vec<(&'static str, String)> {
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
            .map(|name| (name, variable(name)))
            .into()
    }

    /// Runs the command line of this host on a policy of the cluster.
    pub(crate) fn backstay(policy: &Path, arguments: &[&str]) {
        let (verb, rest) = arguments.split_first().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_backstay"))
            .args([
                verb,
                "--cluster-name",
                super::cluster::CLUSTER_NAME,
                "--policy",
            ])
            .arg(policy)
            .args(rest)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }

    /// Asks moto, which speaks the query protocol and verifies no signature.
    fn ask(&self, service: &str, form: &[&str]) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail"]);
        let scope = format!("Credential=test/20260101/us-east-1/{service}/aws4_request");
        curl.args([
            "--header",
            &format!("Authorization: AWS4-HMAC-SHA256 {scope}"),
        ]);
        for field in form {
            curl.args(["--data-urlencode", field]);
        }
        let output = curl.arg(&self.moto).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

fn between(text: &str, start: &str, end: &str) -> String {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("{start} is not in {text}"));
    rest.split_once(end).unwrap().0.to_owned()
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: these tests need the cluster and the stores, see `make test`")
    })
}

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
