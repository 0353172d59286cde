//! Buckets of sources that are set up to tell a queue.

use crate::host::{Host, check};
use crate::queue::{Queue, moto};
use crate::store::{REGION, Store, minio};

const SETTINGS: &str = "{create: true, blockPublicAccess: false, sourceEvents: true}";

/// A host whose repository is in MinIO, and whose source is a bucket of another store.
fn host(source: &str, endpoint: &str, queue: &Queue) -> Host {
    let host = Host::without_buckets();
    let place = format!("path: {{directory: {}}}", host.root().display());
    let url = &queue.url;
    let bucket = format!(
        "bucket: {{name: {source}, endpoint: \"{endpoint}\", prefix: in/, events: {{queueUrl: \
         '{url}'}}}}"
    );
    host.write_policy(&minio(), |policy| {
        let policy = policy.replace(&place, &bucket);
        policy.replace(
            "  storage:",
            &format!("  bucketSettings: {SETTINGS}\n  storage:"),
        )
    });
    host
}

fn source() -> String {
    format!("source-{}", uuid::Uuid::new_v4().simple())
}

#[test]
fn a_sources_bucket_tells_its_queue_once_it_is_set_up() {
    let (source, store, queue) = (source(), Store::at(&moto()), Queue::new());
    let host = host(&source, &moto(), &queue);
    let words = ["! bucket", "a source is not made: create bucket", &source];
    check(&host.bucket_command("check", &[]), 4, &words);

    store.make_bucket(&source);
    let logs = format!("arn:aws:sqs:{REGION}:123456789012:logs");
    store.tell(&source, "theirs", "logs/", &logs);
    let arn = format!("arn:aws:sqs:{REGION}:123456789012:{}", queue.name());
    let due = format!("+ events         none of ours -> in/ told to {arn}");
    check(&host.bucket_command("check", &[]), 4, &[&due]);
    let applied = host.bucket_command("apply", &["--yes"]);
    let there = format!("bucket {source}\n  = events         in/ told to {arn}\n4 buckets: as");
    check(&applied, 0, &[&there]);
    let rules = store.told(&source);
    assert_eq!(rules, ["theirs", "backstay-source.acme.office.files"]);

    // The store has sent a test already.
    let before = queue.messages();
    store.put(&source, "out/b.txt", b"not of the source");
    assert_eq!(queue.messages(), before);
    store.put(&source, "in/a.txt", b"content");
    assert_eq!(queue.messages(), before + 1);
    check(&host.bucket_command("check", &[]), 0, &[&there]);
}

#[test]
fn a_rule_of_others_in_the_way_is_named_and_stays() {
    let (source, store, queue) = (source(), Store::at(&moto()), Queue::new());
    let host = host(&source, &moto(), &queue);
    store.make_bucket(&source);
    let other = format!("arn:aws:sqs:{REGION}:123456789012:other");
    store.tell(&source, "theirs", "in/new/", &other);
    let reason = format!("rule theirs tells {other} of the same objects");
    let done = host.bucket_command("apply", &["--yes"]);
    check(
        &done,
        4,
        &["! events", &reason, "1 setting that cannot be set"],
    );
    assert_eq!(store.told(&source), ["theirs"]);
}

#[test]
fn a_store_without_queues_is_told_with_the_remedy() {
    let (source, queue) = (source(), Queue::new());
    let host = host(&source, &minio(), &queue);
    host.store.make_bucket(&source);
    let words = [
        "! events",
        "the store has no such queue",
        "by its own means",
    ];
    check(&host.bucket_command("apply", &["--yes"]), 4, &words);
}
