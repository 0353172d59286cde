//! The whole line on a real cluster: the chart is installed, a policy applied, a volume backed up,
//! changed, backed up again, and restored.
//!
//! Needs the test cluster, the stores and the imported image: `make test` brings them up. It calls
//! what a user would call (helm, kubectl, backstay), and looks at what a user would look at.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests stand outside of test functions"
)]

mod cluster;
mod store;
mod tree;

use cluster::{Chart, Namespace};
use serde_json::Value;
use store::Stores;

/// What an owner keeps on a volume: a file of each category, and what is not a plain file.
fn fill(volume: &std::path::Path) {
    tree::write(volume, "contracts/offer.txt", b"one hundred");
    tree::write(volume, "contracts/old.txt", b"to be deleted");
    tree::write(volume, "photos/summer.JPG", &[0xff].repeat(70_000));
    tree::write(
        volume,
        "database/orders.csv",
        &b"id,sum\n1,2\n".repeat(1_000_000),
    );
    tree::write(volume, "odd/100% \u{1b}[31m\n.txt", b"an awkward name");
    std::fs::create_dir_all(volume.join("empty/folder")).unwrap();
    std::os::unix::fs::symlink("contracts/offer.txt", volume.join("link")).unwrap();
}

#[test]
fn a_volume_is_backed_up_told_measured_and_restored() {
    let stores = Stores::from_environment();
    let buckets = stores.buckets(&["documents", "photos", "database"]);
    let topic = stores.topic();
    Chart::install();
    let namespace = Namespace::restricted("office");
    let volume = namespace.volume("office-files", "RWO");
    fill(&volume);
    let original = tree::copy(&volume);
    namespace.secret("s3-credentials", &Stores::credentials());
    let policy = namespace.policy(&policy(&stores, &buckets, &topic));

    namespace.wait("backuppolicy/office", "condition=Ready");
    let first = namespace.run("office", "first");
    assert_eq!(first["outcome"], "Succeeded", "{first}");
    assert_eq!(first["files"]["uploaded"], 5, "{first}");
    let objects = |bucket: &str| stores.keys(bucket, "data/");
    let key = |path: &str| format!("data/{}/office/files/{path}", namespace.name);
    assert_eq!(objects(&buckets[1]), [key("photos/summer.JPG")]);
    assert_eq!(objects(&buckets[2]), [key("database/orders.csv")]);
    assert_eq!(objects(&buckets[0]).len(), 3);
    let object = stores.get(&buckets[0], &key("contracts/offer.txt"));
    assert_eq!(object, b"one hundred", "an object is the file");

    let message = stores.receive(&topic);
    assert_eq!(
        message["MessageAttributes"]["notice"]["Value"], "Succeeded",
        "{message}"
    );
    let body = message["Message"].as_str().unwrap();
    assert!(
        body.contains("5 uploaded") && body.contains("What to do: nothing"),
        "{body}"
    );

    let second = namespace.run("office", "second");
    assert_eq!(second["files"]["uploaded"], 0, "{second}");

    tree::write(&volume, "contracts/offer.txt", b"one hundred and ten");
    tree::write(&volume, "contracts/new.txt", b"signed");
    std::fs::remove_file(volume.join("contracts/old.txt")).unwrap();
    let third = namespace.run("office", "third");
    assert_eq!(third["files"]["uploaded"], 2, "{third}");
    assert_eq!(third["files"]["deleted"], 1, "{third}");
    assert!(
        !objects(&buckets[0]).contains(&key("contracts/old.txt")),
        "the bucket is a mirror"
    );

    let metrics = Chart::metrics();
    for name in [
        "backstay_success_due_timestamp_seconds",
        "backstay_last_success_timestamp_seconds",
    ] {
        let series = format!("{name}{{namespace=\"{}\",policy=\"office\"", namespace.name);
        assert!(metrics.contains(&series), "{series} is not in:\n{metrics}");
    }

    let restored = tree::fresh();
    let run = first["id"].as_str().unwrap();
    Stores::backstay(
        &policy,
        &["restore", "--run", run, "--to", restored.to_str().unwrap()],
    );
    assert_eq!(
        tree::facts(&restored),
        tree::facts(&original),
        "as of the first run"
    );
    let newest = tree::fresh();
    Stores::backstay(&policy, &["restore", "--to", newest.to_str().unwrap()]);
    assert_eq!(tree::facts(&newest), tree::facts(&volume), "as of now");
}

#[test]
fn a_bucket_is_backed_up_with_keys_of_its_own() {
    let stores = Stores::from_environment();
    let buckets = stores.buckets(&["documents", "photos", "database", "incoming"]);
    let topic = stores.topic();
    stores.put(&buckets[3], "in/a/lease.pdf", b"lease");
    stores.put(&buckets[3], "in/a/orders.csv", b"id,sum");
    Chart::install();
    let namespace = Namespace::restricted("office");
    namespace.secret("s3-credentials", &Stores::credentials());
    namespace.secret("other-account", &Stores::credentials());
    let claim = "persistentVolumeClaim: {claimName: office-files}";
    let bucket = format!(
        "bucket: {{name: {}, prefix: in/, credentials: {{secret: {{name: other-account}}}}}}",
        buckets[3]
    );
    namespace.policy(&policy(&stores, &buckets[..3], &topic).replace(claim, &bucket));
    namespace.wait("backuppolicy/office", "condition=Ready");
    let first = namespace.run("office", "first");
    assert_eq!(first["files"]["uploaded"], 2, "{first}");
    let key = |path: &str| format!("data/{}/office/files/{path}", namespace.name);
    assert_eq!(stores.get(&buckets[0], &key("a/lease.pdf")), b"lease");
    assert_eq!(stores.keys(&buckets[2], "data/"), [key("a/orders.csv")]);
    let second = namespace.run("office", "second");
    assert_eq!(second["files"]["uploaded"], 0, "{second}");
}

#[test]
fn buckets_are_set_up_by_an_identity_of_their_own() {
    let stores = Stores::from_environment();
    let buckets = ["documents", "photos", "database"].map(|name| stores.unused(name));
    let topic = stores.topic();
    Chart::install();
    let namespace = Namespace::restricted("office");
    namespace.volume("office-files", "RWO");
    for secret in ["s3-credentials", "bucket-admin"] {
        namespace.secret(secret, &Stores::credentials());
    }
    let settings = "bucketSettings: {create: true, blockPublicAccess: false, lifecycle: \
                    {noncurrentExpirationDays: 365}, credentials: {secret: {name: bucket-admin}}}";
    let policy = policy(&stores, &buckets, &topic);
    namespace.policy(&policy.replace("  storage:", &format!("  {settings}\n  storage:")));
    namespace.wait("backuppolicy/office", "condition=BucketsConfigured");
    // The setup made them with versioning, or the run would be refused.
    let first = namespace.run("office", "first");
    assert_eq!(first["outcome"], "Succeeded", "{first}");
}

#[test]
fn an_upload_is_copied_as_the_queue_tells_of_it() {
    let stores = Stores::from_environment();
    let buckets = stores.buckets(&["documents", "photos", "database", "incoming"]);
    let (topic, queue) = (stores.topic(), stores.queue());
    Chart::install();
    let namespace = Namespace::restricted("office");
    namespace.secret("s3-credentials", &Stores::credentials());
    let claim = "persistentVolumeClaim: {claimName: office-files}";
    let incoming = &buckets[3];
    let bucket = format!("bucket: {{name: {incoming}, events: {{queueUrl: '{queue}'}}}}");
    namespace.policy(&policy(&stores, &buckets[..3], &topic).replace(claim, &bucket));
    namespace.wait("backuppolicy/office", "condition=EventsFollowed");
    let documents = || stores.keys(&buckets[0], "data/");
    let key = |path: &str| format!("data/{}/office/files/{path}", namespace.name);
    for name in ["first.txt", "second.txt"] {
        stores.put(incoming, name, b"content");
        stores.tell(&queue, "ObjectCreated:Put", incoming, name);
        eventually(name, || documents().contains(&key(name)));
    }
    stores.remove(incoming, "first.txt");
    stores.tell(
        &queue,
        "ObjectRemoved:DeleteMarkerCreated",
        incoming,
        "first.txt",
    );
    eventually("the deletion", || documents() == [key("second.txt")]);
    let whole = namespace.run("office", "whole");
    assert_eq!(whole["files"]["uploaded"], 0, "{whole}");
    assert_eq!(whole["files"]["unchanged"], 1, "{whole}");
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !is_so() {
        assert!(started.elapsed().as_secs() < 120, "never seen: {what}");
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
}

#[test]
fn a_missing_secret_and_a_missing_bucket_are_told_with_the_remedy_and_once() {
    let stores = Stores::from_environment();
    let buckets = stores.buckets(&["documents", "photos"]);
    let late = stores.unused("late");
    let buckets = [&buckets[..], std::slice::from_ref(&late)].concat();
    let topic = stores.topic();
    Chart::install();
    let namespace = Namespace::restricted("office");
    fill(&namespace.volume("office-files", "RWX"));
    namespace.policy(&policy(&stores, &buckets, &topic));
    namespace.wait("backuppolicy/office", "condition=Ready");

    let without_secret = namespace.run("office", "without-secret");
    assert_eq!(
        without_secret["reason"], "CredentialsMissing",
        "{without_secret}"
    );
    assert!(
        text(&without_secret).contains("Secret s3-credentials does not exist"),
        "{without_secret}"
    );

    namespace.secret("s3-credentials", &Stores::credentials());
    let without_bucket = namespace.run("office", "without-bucket");
    assert_eq!(
        without_bucket["reason"], "RepositoryNotFound",
        "{without_bucket}"
    );
    assert!(text(&without_bucket).contains(&late), "{without_bucket}");
    namespace.wait("backuppolicy/office", "condition=Healthy=false");
    // Nothing but the next worker can know what was told: there is no repository yet.
    namespace.run("office", "still-without-bucket");
    stores.buckets(&["late"]);
    let recovered = namespace.run("office", "with-bucket");
    assert_eq!(recovered["outcome"], "Succeeded", "{recovered}");
    let told: Vec<Value> = (0..3).map(|_| stores.receive(&topic)).collect();
    let notices: Vec<&str> = told
        .iter()
        .map(|message| {
            message["MessageAttributes"]["notice"]["Value"]
                .as_str()
                .unwrap()
        })
        .collect();
    // The first is the first run's, which had no keys for the topic either.
    assert_eq!(notices, ["Failed", "Failed", "Recovered"], "{told:#?}");
    let body = told[2]["Message"].as_str().unwrap();
    assert!(body.contains("Failed before: 3 runs since"), "{body}");
}

fn text(run: &Value) -> &str {
    run["message"].as_str().unwrap_or_default()
}

fn policy(stores: &Stores, buckets: &[String], topic: &str) -> String {
    let [documents, photos, database] = buckets else {
        panic!("three buckets")
    };
    format!(
        r#"
apiVersion: backstay.dev/v1alpha1
kind: BackupPolicy
metadata: {{name: office}}
spec:
  schedule: "H 2 * * *"
  timeZone: Europe/Rome
  sources:
    - name: files
      persistentVolumeClaim: {{claimName: office-files}}
  categories:
    - name: database
      match: {{extensions: [csv]}}
      bucket: {database}
    - name: photos
      match: {{paths: ["photos/**"]}}
      bucket: {photos}
    - name: documents
      bucket: {documents}
  storage:
    region: us-east-1
    endpoint: {minio}
    encryption: {{none: {{}}}}
    credentials: {{secret: {{name: s3-credentials}}}}
  notifications:
    sns: {{topicArn: "{topic}", endpoint: "{moto}", notices: [Succeeded, Failed, Recovered]}}
"#,
        minio = stores.minio,
        moto = stores.moto,
    )
}
