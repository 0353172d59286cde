//! What the topic is told.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use aws_sdk_sns::config::{Credentials, Region};
use serde_json::{Value, json};

use crate::host::Host;
use crate::interrupted::noise;
use crate::proxy::Proxy;
use crate::queue::moto;
use crate::queues::sqs;
use crate::running::Running;
use crate::store::{REGION, minio};
use crate::tree::{file, office};

/// A topic, and a queue that gets what it is told.
pub(crate) struct Topic {
    runtime: tokio::runtime::Runtime,
    arn: String,
    queue: String,
}

impl Topic {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (arn, queue) = runtime.block_on(subscribed());
        Self {
            runtime,
            arn,
            queue,
        }
    }

    /// Writes the policy of a host that tells this topic.
    fn tell(&self, host: &Host, notices: &str) {
        self.tell_of(host, &minio(), notices);
    }

    /// The same, with the store at an endpoint.
    fn tell_of(&self, host: &Host, store: &str, notices: &str) {
        host.write_policy(store, |policy| policy + &self.lines(notices));
    }

    /// The lines of a policy that tell it.
    pub(crate) fn lines(&self, notices: &str) -> String {
        format!(
            "  notifications: {{sns: {{topicArn: '{}', endpoint: '{}', notices: [{notices}]}}}}\n",
            self.arn,
            moto()
        )
    }

    /// The messages that have come since the last call, as the queue got them.
    pub(crate) fn messages(&self) -> Vec<Value> {
        let ask = json!({"QueueUrl": self.queue, "MaxNumberOfMessages": 10});
        let answer = self.runtime.block_on(sqs(REGION, "ReceiveMessage", ask));
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        for message in &messages {
            let done = json!({"QueueUrl": self.queue, "ReceiptHandle": message["ReceiptHandle"]});
            self.runtime.block_on(sqs(REGION, "DeleteMessage", done));
        }
        messages
            .iter()
            .map(|message| serde_json::from_str(message["Body"].as_str().unwrap()).unwrap())
            .collect()
    }

    #[track_caller]
    fn message(&self) -> Value {
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1, "{messages:#?}");
        messages.remove(0)
    }
}

async fn subscribed() -> (String, String) {
    let config = aws_sdk_sns::Config::builder()
        .behavior_version_latest()
        .region(Region::new(REGION))
        .endpoint_url(moto())
        .credentials_provider(Credentials::new("id", "key", None, None, "test"))
        .build();
    let client = aws_sdk_sns::Client::from_conf(config);
    let name = format!("host-{}", uuid::Uuid::new_v4().simple());
    let topic = client.create_topic().name(&name).send().await.unwrap();
    let arn = topic.topic_arn.unwrap();
    let queue = sqs(REGION, "CreateQueue", json!({"QueueName": name})).await;
    let subscribe = client.subscribe().topic_arn(&arn).protocol("sqs");
    let queue_arn = arn.replace(":sns:", ":sqs:");
    subscribe.endpoint(queue_arn).send().await.unwrap();
    (arn, queue["QueueUrl"].as_str().unwrap().to_owned())
}

#[test]
fn a_notice_says_what_an_owner_wants_to_know_and_can_be_filtered() {
    let (host, topic) = (Host::new(), Topic::new());
    topic.tell(&host, "");
    office(&host.root());
    let report = host.backup().expect(0);
    assert_eq!(report.notice_sent, Some(true));
    let message = topic.message();
    assert_eq!(
        message["Subject"],
        "Backup of files (acme/office) succeeded"
    );
    let body = message["Message"].as_str().unwrap();
    for words in [
        "policy office",
        "test-host",
        "9 uploaded",
        "Newest restore point",
        "1 of",
    ] {
        assert!(body.contains(words), "{words:?} is not in:\n{body}");
    }
    let attribute = |name: &str| {
        let attribute = &message["MessageAttributes"][name];
        let text = |field: &str| attribute[field].as_str().unwrap_or_default().to_owned();
        (text("Type"), text("Value"))
    };
    let expected = |kind: &str, value: &str| (kind.to_owned(), value.to_owned());
    assert_eq!(attribute("notice"), expected("String", "Succeeded"));
    assert_eq!(attribute("policy"), expected("String", "office"));
    assert_eq!(attribute("filesUploaded"), expected("Number", "9"));
}

#[test]
fn a_failure_is_told_and_so_is_the_recovery() {
    let (host, topic) = (Host::new(), Topic::new());
    topic.tell(&host, "");
    for index in 0..9 {
        file(&host.root(), &format!("{index}.txt"), "x");
    }
    host.backup().expect(0);
    topic.message();
    let aside = host.at("aside");
    std::fs::rename(host.root(), &aside).unwrap();
    std::fs::create_dir(host.root()).unwrap();
    host.backup().expect(27);
    let failed = topic.message();
    assert_eq!(
        failed["Subject"],
        "Backup of files (acme/office) REFUSED: look at the source"
    );
    assert_eq!(failed["MessageAttributes"]["notice"]["Value"], "Refused");
    // The same again is not shouted.
    let report = host.backup().expect(27);
    assert_eq!(report.notice_sent, None);
    assert!(topic.messages().is_empty());
    assert_eq!(
        failed["MessageAttributes"]["reason"]["Value"],
        "SourceSuspicious"
    );
    std::fs::remove_dir(host.root()).unwrap();
    std::fs::rename(&aside, host.root()).unwrap();
    host.backup().expect(0);
    let recovered = topic.message();
    assert_eq!(
        recovered["Subject"],
        "Backup of files (acme/office) works again"
    );
    assert_eq!(
        recovered["MessageAttributes"]["notice"]["Value"],
        "Recovered"
    );
}

#[test]
fn outcomes_that_are_not_asked_for_are_not_told() {
    let (host, topic) = (Host::new(), Topic::new());
    topic.tell(&host, "Failed, Partial");
    office(&host.root());
    let report = host.backup().expect(0);
    assert_eq!(report.notice_sent, None);
    assert!(topic.messages().is_empty());
}

#[test]
fn a_topic_that_is_gone_takes_nothing_from_the_backup() {
    let (host, topic) = (Host::new(), Topic::new());
    let arn = topic.arn.clone();
    topic.tell(&host, "");
    let policy = std::fs::read_to_string(host.at("policy.yaml")).unwrap();
    let gone = policy.replace(&arn, &format!("{arn}-gone"));
    std::fs::write(host.at("policy.yaml"), gone).unwrap();
    office(&host.root());
    let report = host.backup().expect(0);
    assert_eq!(report.notice_sent, Some(false));
    let error = report.notice_error.clone().unwrap_or_default();
    assert!(error.contains("topic does not exist"), "{error}");
    let mut command = host.command("backup");
    let done = crate::host::Done::of(command.output());
    assert_eq!(done.code, 0, "{done:?}");
    let note = "note           notice not sent: topic does not exist: ";
    let remedy = ": create it, or correct spec.notifications.sns.topicArn";
    assert!(
        done.out.contains(note) && done.out.contains(remedy),
        "{done:?}"
    );
    let first = report.run.clone();
    // It is there again: the next run sends what is owed, and nothing is sent twice.
    std::fs::write(host.at("policy.yaml"), policy).unwrap();
    let report = host.backup().expect(0);
    assert_eq!(
        (report.notice_sent, report.notice_error.clone()),
        (Some(true), None)
    );
    let messages = topic.messages();
    assert_eq!(messages.len(), 3, "{messages:#?}");
    let is_late = |message: &&Value| {
        let body = message["Message"].as_str().unwrap();
        body.contains("This notice is late")
    };
    assert_eq!(messages.iter().filter(is_late).count(), 2);
    let runs: Vec<&Value> = messages
        .iter()
        .map(|message| &message["MessageAttributes"]["run"]["Value"])
        .collect();
    assert!(runs.iter().any(|run| **run == first) && runs.iter().any(|run| **run == report.run));
    host.backup().expect(0);
    topic.message();
}

#[test]
fn n01_a_failure_before_anything_is_open_is_told_once_and_then_its_recovery() {
    let (host, topic) = (Host::new(), Topic::new());
    topic.tell(&host, "Failed, Recovered");
    office(&host.root());
    host.backup().expect(0);
    let aside = host.at("aside");
    std::fs::rename(host.root(), &aside).unwrap();
    let report = host.backup().expect(27);
    assert_eq!(report.notice_sent, Some(true));
    topic.message();
    assert_eq!(host.backup().expect(27).notice_sent, None);
    std::fs::rename(&aside, host.root()).unwrap();
    host.backup().expect(0);
    let recovered = topic.message();
    let attribute = |name: &str| recovered["MessageAttributes"][name]["Value"].as_str();
    assert_eq!(attribute("notice"), Some("Recovered"));
    let report: Value = serde_json::from_str(attribute("report").unwrap()).unwrap();
    assert_eq!(report["trouble"]["runs"], 2);
}

#[test]
fn a_failure_names_the_newest_restore_point_or_says_that_it_is_not_known() {
    let (host, topic) = (Host::new(), Topic::new());
    topic.tell(&host, "");
    office(&host.root());
    host.backup().expect(0);
    topic.message();
    let body = |message: &Value| message["Message"].as_str().unwrap().to_owned();
    // The bucket of a category is missing, and HEAD can be read.
    let policy = std::fs::read_to_string(host.at("policy.yaml")).unwrap();
    let late = policy.replace("-photos}", "-late}");
    std::fs::write(host.at("policy.yaml"), late).unwrap();
    host.backup().expect(20);
    let told = body(&topic.message());
    assert!(
        told.contains("Newest restore point: number 1 of "),
        "{told}"
    );
    std::fs::write(host.at("policy.yaml"), policy).unwrap();
    let mut command = host.command("backup");
    command.env("AWS_SECRET_ACCESS_KEY", "wrong");
    let command = command.args(["--output", "json"]);
    crate::host::Backup::of(command.output()).expect(21);
    let told = body(&topic.message());
    for words in [
        "Newest restore point: not known: the repository was not read",
        "What to do: check the credentials",
    ] {
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    }
}

#[test]
fn a_first_run_that_fails_says_that_there_is_no_restore_point_and_is_remembered() {
    let (host, topic) = (Host::without_buckets(), Topic::new());
    topic.tell(&host, "");
    office(&host.root());
    let make = |category: &str| {
        host.store.make_bucket(&host.bucket(category));
        host.store.enable_versions(&host.bucket(category));
    };
    make("documents");
    make("database");
    host.backup().expect(20);
    let failed = topic.message();
    let body = failed["Message"].as_str().unwrap();
    assert!(body.contains("Newest restore point: none yet"), "{body}");
    assert_eq!(host.backup().expect(20).notice_sent, None);
    make("photos");
    let report = host.backup().expect(0);
    assert_eq!(report.trouble.as_ref().map(|trouble| trouble.runs), Some(2));
    let kind = &topic.message()["MessageAttributes"]["notice"]["Value"];
    assert_eq!(kind, "Recovered");
    // It is over.
    let report = host.backup().expect(0);
    assert_eq!((&report.trouble, &report.left), (&None, &None));
}

#[test]
fn n01_runs_that_cannot_read_head_are_told_once_and_then_their_recovery() {
    let (host, topic) = (Host::new(), Topic::new());
    topic.tell(&host, "");
    office(&host.root());
    host.backup().expect(0);
    topic.message();
    let with_wrong_keys = || {
        let mut command = host.command("backup");
        command.env("AWS_SECRET_ACCESS_KEY", "wrong");
        crate::host::Backup::of(command.args(["--output", "json"]).output()).expect(21)
    };
    assert_eq!(with_wrong_keys().notice_sent, Some(true));
    topic.message();
    assert_eq!(with_wrong_keys().notice_sent, None);
    // Another reason is told at once.
    topic.tell_of(&host, "http://127.0.0.1:9", "");
    assert_eq!(host.backup().expect(40).notice_sent, Some(true));
    topic.message();
    topic.tell(&host, "");
    let report = host.backup().expect(0);
    assert_eq!(report.trouble.as_ref().map(|trouble| trouble.runs), Some(3));
    let recovered = topic.message();
    let body = recovered["Message"].as_str().unwrap();
    assert!(body.contains("Failed before: 3 runs since"), "{body}");
    host.backup().expect(0);
    let kind = &topic.message()["MessageAttributes"]["notice"]["Value"];
    assert_eq!(kind, "Succeeded");
}

#[test]
fn n02_what_neither_topic_nor_head_could_be_told_is_told_later_and_once() {
    let (host, topic) = (Host::new(), Topic::new());
    topic.tell(&host, "Failed");
    let policy = std::fs::read_to_string(host.at("policy.yaml")).unwrap();
    let away = policy.replace(&minio(), "http://127.0.0.1:9");
    let gone = away.replace(&topic.arn, &format!("{}-gone", topic.arn));
    std::fs::write(host.at("policy.yaml"), gone).unwrap();
    office(&host.root());
    let first = host.backup().expect(40).run.clone();
    assert_eq!(host.backup().expect(40).notice_sent, Some(false));
    std::fs::write(host.at("policy.yaml"), policy).unwrap();
    assert_eq!(host.backup().expect(0).notice_sent, Some(true));
    let late = topic.message();
    assert_eq!(late["MessageAttributes"]["run"]["Value"], first);
    let body = late["Message"].as_str().unwrap();
    assert!(body.contains("This notice is late"), "{body}");
    host.backup().expect(0);
    assert!(topic.messages().is_empty());
}

#[test]
fn n01_runs_that_may_not_write_head_are_told_once_and_then_their_recovery() {
    let (host, topic) = (Host::new(), Topic::new());
    topic.tell(&host, "Failed, Recovered");
    office(&host.root());
    host.backup().expect(0);
    let refusing = Proxy::refusing(&minio(), |request| request.starts_with("PUT"));
    topic.tell_of(&host, &refusing.endpoint, "Failed, Recovered");
    assert_eq!(host.backup().expect(21).notice_sent, Some(true));
    topic.message();
    assert_eq!(host.backup().expect(21).notice_sent, None);
    topic.tell(&host, "Failed, Recovered");
    let report = host.backup().expect(0);
    assert_eq!(report.trouble.as_ref().map(|trouble| trouble.runs), Some(2));
    check_kinds(&topic.messages(), &["Recovered"]);
}

#[test]
fn n01_a_run_that_loses_its_store_half_way_is_told_once_and_then_its_recovery() {
    let (host, topic) = (Host::new(), Topic::new());
    topic.tell(&host, "Failed, Recovered");
    office(&host.root());
    host.backup().expect(0);
    file(&host.root(), "video.mov", noise(1, 40 << 20));
    let is_away = AtomicBool::default();
    let line = Proxy::refusing(&minio(), move |request| {
        is_away.fetch_or(request.contains("partNumber=3"), Relaxed)
    });
    topic.tell_of(&host, &line.endpoint, "Failed, Recovered");
    assert_eq!(host.backup().expect(21).notice_sent, Some(true));
    check_kinds(&topic.messages(), &["Failed"]);
    topic.tell(&host, "Failed, Recovered");
    let report = host.backup().expect(0);
    assert_eq!(report.trouble.as_ref().map(|trouble| trouble.runs), Some(1));
    check_kinds(&topic.messages(), &["Recovered"]);
}

#[track_caller]
pub(crate) fn check_kinds(messages: &[Value], expected: &[&str]) {
    let kind = |message: &Value| message["MessageAttributes"]["notice"]["Value"].clone();
    let kinds: Vec<Value> = messages.iter().map(kind).collect();
    assert_eq!(kinds, expected, "{messages:#?}");
}

#[test]
fn n08_the_last_word_after_a_run_that_was_killed_is_that_all_is_well() {
    let (host, topic) = (Host::new(), Topic::new());
    office(&host.root());
    let proxy = Proxy::holding(&minio(), |request| request.contains("partNumber=3"));
    topic.tell_of(&host, &proxy.endpoint, "Failed, Recovered");
    file(&host.root(), "video.mov", noise(1, 40 << 20));
    let killed = Running::start(host.command("backup"));
    proxy.wait_until_held();
    killed.kill();
    topic.tell(&host, "Failed, Recovered");
    host.backup().expect(0);
    check_kinds(&topic.messages(), &["Failed", "Recovered"]);
}

#[test]
fn n08_a_run_that_was_killed_is_told_of_by_the_next_one() {
    let (host, topic) = (Host::new(), Topic::new());
    topic.tell(&host, "Failed");
    office(&host.root());
    host.backup().expect(0);
    let proxy = Proxy::holding(&minio(), |request| request.contains("partNumber=3"));
    topic.tell_of(&host, &proxy.endpoint, "Failed");
    file(&host.root(), "video.mov", noise(1, 40 << 20));
    let killed = Running::start(host.command("backup"));
    proxy.wait_until_held();
    killed.kill();
    topic.tell(&host, "Failed");
    let report = host.backup().expect(0);
    assert_eq!(report.notice_sent, Some(true));
    let message = topic.message();
    let body = message["Message"].as_str().unwrap();
    assert!(body.contains("ended without a word"), "{body}");
    assert_ne!(message["MessageAttributes"]["run"]["Value"], report.run);
    host.backup().expect(0);
    assert!(topic.messages().is_empty());
}

#[test]
fn a_test_notice_says_what_happened() {
    let (host, topic) = (Host::new(), Topic::new());
    let notify = |host: &Host| {
        let command = host.command("notify");
        let options: Vec<_> = command.get_args().skip(1).map(ToOwned::to_owned).collect();
        let mut command = std::process::Command::new(command.get_program());
        command.args(["notify", "test"]).args(options);
        crate::host::Done::of(command.output())
    };
    let done = notify(&host);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(
        done.err.contains("spec.notifications is missing"),
        "{done:?}"
    );
    topic.tell(&host, "Failed");
    let done = notify(&host);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains(&topic.arn), "{done:?}");
    assert_eq!(topic.message()["Subject"], "Test notice of acme/office");
    let policy = std::fs::read_to_string(host.at("policy.yaml")).unwrap();
    let gone = policy.replace(&topic.arn, &format!("{}-gone", topic.arn));
    std::fs::write(host.at("policy.yaml"), gone).unwrap();
    let done = notify(&host);
    assert_eq!((done.code, done.err.lines().count()), (20, 1), "{done:?}");
    assert!(done.err.contains("topic does not exist"), "{done:?}");
}
