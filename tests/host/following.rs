//! Buckets that a queue tells of.

use std::fs;

use backstay::api::outcome::Outcome;
use backstay::api::report::RunReport;

use crate::host::{DATA, Done, Host};
use crate::notices::{Topic, check_kinds};
use crate::queue::Queue;
use crate::running::Running;
use crate::store::minio;

/// A host whose source is a bucket, the bucket's name, and the queue that tells of it.
fn followed() -> (Host, String, Queue) {
    let (host, queue) = (Host::new(), Queue::new());
    let source = host.bucket("incoming");
    host.store.make_bucket(&source);
    let place = format!("path: {{directory: {}}}", host.root().display());
    let url = &queue.url;
    let bucket = format!("bucket: {{name: {source}, prefix: in/, events: {{queueUrl: '{url}'}}}}");
    host.write_policy(&minio(), |policy| policy.replace(&place, &bucket));
    (host, source, queue)
}

/// A follower that has made its first run.
fn following(host: &Host) -> Running {
    let mut follower = Running::start(host.command("follow"));
    follower.wait_until_it_says("\"following\"");
    follower
}

/// The reports of a follower that was asked to stop.
fn reports(follower: Running) -> Vec<RunReport> {
    follower.ask_to_stop();
    let done = Done::of(follower.output());
    assert_eq!(done.code, 0, "{done:?}");
    let reports = serde_json::Deserializer::from_str(&done.out).into_iter();
    reports.map(Result::unwrap).collect()
}

#[test]
fn what_is_told_is_copied_and_the_rest_stays_as_it_was() {
    let (host, source, queue) = followed();
    for name in ["a.jpg", "b.txt", "c.txt"] {
        host.store.put(&source, &format!("in/{name}"), b"old");
    }
    let mut follower = following(&host);
    host.store.put(&source, "in/new report.txt", b"new");
    host.store.put(&source, "in/b.txt", b"changed");
    host.store.hide(&source, "in/c.txt");
    // Nobody tells of this one: the next whole run finds it.
    host.store.put(&source, "in/untold.txt", b"untold");
    queue.tell("ObjectCreated:Put", &source, "in/new report.txt");
    queue.tell("ObjectCreated:Put", &source, "in/b.txt");
    queue.tell("ObjectCreated:Put", &source, "in/b.txt");
    // Out of order: what became of a key is asked of the bucket.
    queue.tell("ObjectRemoved:Delete", &source, "in/b.txt");
    queue.tell("ObjectRemoved:DeleteMarkerCreated", &source, "in/c.txt");
    queue.tell("ObjectCreated:Put", &source, "elsewhere/x.txt");
    // No bucket has such a key, whoever says so.
    queue.tell("ObjectCreated:Put", &source, "in/a/../../b.txt");
    queue.tell(
        "ObjectCreated:Put",
        &source,
        &format!("in/{}", "k".repeat(2000)),
    );
    follower.wait_until(|| queue.messages() == 0);
    let reports = reports(follower);
    assert_eq!(reports[0].files.uploaded, 3, "it starts with a whole run");
    let batches = &reports[1..];
    let sum = |of: fn(&RunReport) -> u64| batches.iter().map(of).sum::<u64>();
    assert_eq!(sum(|report| report.files.uploaded), 2, "{batches:#?}");
    assert_eq!(sum(|report| report.files.deleted), 1);
    assert_eq!(sum(|report| report.files.not_captured), 0);
    let documents = host.bucket("documents");
    let keys = host.store.keys(&documents, DATA);
    assert_eq!(
        keys,
        [format!("{DATA}b.txt"), format!("{DATA}new report.txt")]
    );
    assert_eq!(host.store.get(&documents, &keys[0]), b"changed");

    let whole = host.backup().expect(0);
    assert_eq!((whole.files.uploaded, whole.files.unchanged), (1, 3));
}

#[test]
fn what_is_not_of_the_bucket_is_left_in_the_queue() {
    let (host, source, queue) = followed();
    host.store.put(&source, "in/a.txt", b"content");
    queue.send("hello");
    queue.tell("ObjectCreated:Put", "another-bucket", "in/a.txt");
    queue.tell("ObjectCreated:Put", &source, "in/a.txt");
    let mut follower = following(&host);
    follower.wait_until(|| queue.messages() == 2);
    let reports = reports(follower);
    assert!(
        reports
            .iter()
            .all(|report| report.outcome == Some(Outcome::Succeeded))
    );
    assert_eq!(queue.messages(), 2);
}

#[test]
fn a_queue_of_another_bucket_is_named_and_keeps_its_messages() {
    let (host, source, queue) = followed();
    // What S3 sends when a notification is set up says nothing of whose queue it is.
    queue.send(r#"{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "another-bucket"}"#);
    for key in ["in/a.txt", "in/b.txt", "in/c.txt"] {
        queue.tell("ObjectCreated:Put", "another-bucket", key);
    }
    let done = Done::of(host.command("follow").output());
    assert_eq!(done.code, 2, "{done:?}");
    let words = format!("tells of the bucket another-bucket, and the source is {source}: correct");
    assert!(done.err.contains(&words), "{done:?}");
    assert_eq!(done.out, "", "nothing is backed up before: {done:?}");
    assert_eq!(queue.messages(), 3);
}

#[test]
fn messages_stay_until_there_is_a_restore_point() {
    let (host, source, queue) = followed();
    let follower = following(&host);
    host.store.put(&source, "in/a.txt", b"content");
    host.store.suspend_versions(&host.bucket("documents"));
    queue.tell("ObjectCreated:Put", &source, "in/a.txt");
    let failed = Done::of(follower.output());
    assert_eq!(failed.code, 22, "{failed:?}");
    assert_eq!(queue.messages(), 1);
}

#[test]
fn what_is_wrong_shows_before_a_message_is_taken() {
    let (host, _, _queue) = followed();
    host.store.suspend_versions(&host.bucket("documents"));
    let failed = Done::of(host.command("follow").output());
    assert_eq!(failed.code, 22, "{failed:?}");
}

#[test]
fn a_deletion_of_too_much_is_refused_here_too() {
    let (host, source, queue) = followed();
    for number in 0..10 {
        host.store
            .put(&source, &format!("in/{number}.txt"), b"content");
    }
    let follower = following(&host);
    for number in 0..8 {
        let key = format!("in/{number}.txt");
        host.store.hide(&source, &key);
        queue.tell("ObjectRemoved:DeleteMarkerCreated", &source, &key);
    }
    let refused = Done::of(follower.output());
    assert_eq!(refused.code, 27, "{refused:?}");
    assert_eq!(queue.messages(), 8);
}

#[test]
fn a_queue_that_is_not_there_is_named() {
    let (host, _, queue) = followed();
    let policy = fs::read_to_string(host.at("policy.yaml")).unwrap();
    let missing = format!("{}-missing", queue.url);
    fs::write(host.at("policy.yaml"), policy.replace(&queue.url, &missing)).unwrap();
    let done = Done::of(host.command("follow").output());
    assert_eq!(done.code, 20, "{done:?}");
    let words = format!("queue does not exist: {missing}: create it, or correct");
    assert!(done.err.contains(&words), "{done:?}");
}

#[test]
fn n01_a_queue_that_is_not_there_is_told_once_and_then_the_recovery() {
    let (host, _, queue) = followed();
    let topic = Topic::new();
    let policy = fs::read_to_string(host.at("policy.yaml")).unwrap() + &topic.lines("");
    let missing = format!("{}-missing", queue.url);
    fs::write(host.at("policy.yaml"), policy.replace(&queue.url, &missing)).unwrap();
    for _ in 0..2 {
        let done = Done::of(host.command("follow").output());
        assert_eq!(done.code, 20, "{done:?}");
    }
    check_kinds(&topic.messages(), &["Failed"]);
    fs::write(host.at("policy.yaml"), policy).unwrap();
    reports(following(&host));
    check_kinds(&topic.messages(), &["Recovered"]);
}

#[test]
fn a_source_without_a_queue_cannot_be_followed() {
    let host = Host::new();
    let done = Done::of(host.command("follow").output());
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("has no bucket.events"), "{done:?}");
}
