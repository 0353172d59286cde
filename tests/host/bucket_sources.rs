//! Sources that are buckets.

use std::fs;

use backstay::api::cost::Estimate;

use crate::environment::variable;
use crate::host::{DATA, Done, Host};
use crate::proxy::Proxy;
use crate::queue::moto;
use crate::store::{Store, minio};

/// A host whose source is a bucket, and the bucket's name.
pub(crate) fn collecting(prefix: &str) -> (Host, String) {
    let host = Host::new();
    let source = host.bucket("incoming");
    host.store.make_bucket(&source);
    let place = format!("path: {{directory: {}}}", host.root().display());
    let prefix = if prefix.is_empty() {
        String::new()
    } else {
        format!(", prefix: {prefix}")
    };
    let bucket = format!("bucket: {{name: {source}{prefix}}}");
    host.write_policy(&minio(), |policy| policy.replace(&place, &bucket));
    (host, source)
}

fn restored(host: &Host, name: &str) -> Vec<(String, Vec<u8>)> {
    let to = host.at(name);
    let restore = host.restore(&to, &[]);
    assert_eq!(restore.code, 0, "{}", restore.report.message);
    let mut files = Vec::new();
    let mut directories = vec![to.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(&to).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_bucket_is_backed_up_like_a_tree_and_comes_back() {
    let (host, source) = collecting("in/");
    let large = vec![b'l'; 20 << 20];
    let mut objects: Vec<(String, Vec<u8>)> = vec![
        ("100% sure?.txt".to_owned(), b"percent".to_vec()),
        ("contracts/2026/lease.pdf".to_owned(), b"lease".to_vec()),
        ("database/large.sql".to_owned(), large),
        ("empty.txt".to_owned(), Vec::new()),
        ("photos/IMG_1.JPG".to_owned(), b"picture".to_vec()),
        ("\u{fc}ber/caf\u{e9}.txt".to_owned(), b"accents".to_vec()),
    ];
    objects.sort();
    for (name, body) in &objects {
        host.store.put(&source, &format!("in/{name}"), body);
    }
    host.store.put(&source, "in/folder/", b"");
    host.store
        .put(&source, "out/other.txt", b"not under the prefix");

    let first = host.backup().expect(0);
    assert_eq!((first.files.uploaded, first.files.total), (6, 7));
    let picture = host
        .store
        .get(&host.bucket("photos"), &format!("{DATA}photos/IMG_1.JPG"));
    assert_eq!(picture, b"picture");
    assert!(restored(&host, "first") == objects);
    assert!(host.at("first/folder").is_dir());

    let second = host.backup().expect(0);
    assert_eq!((second.files.uploaded, second.files.unchanged), (0, 7));
    assert_eq!(second.bytes.read, 0);

    host.store
        .put(&source, "in/contracts/2026/lease.pdf", b"LEASE");
    host.store.hide(&source, "in/empty.txt");
    let third = host.backup().expect(0);
    assert_eq!((third.files.uploaded, third.files.deleted), (1, 1));
    objects.retain(|(name, _)| name != "empty.txt");
    for (name, body) in &mut objects {
        if name.starts_with("contracts") {
            *body = b"LEASE".to_vec();
        }
    }
    assert!(restored(&host, "third") == objects);
}

/// More than one part of a copy.
fn large() -> Vec<u8> {
    let line = |number| format!("line {number:09} is sound\n").into_bytes();
    (0..6_000_000).flat_map(line).take(129 << 20).collect()
}

/// Leads the policy over another line to the store.
fn lead_over(host: &Host, line: &Proxy) {
    let policy = fs::read_to_string(host.at("policy.yaml")).unwrap();
    let before = policy.split_once("endpoint: \"").unwrap().1;
    let before = before.split_once('"').unwrap().0;
    fs::write(
        host.at("policy.yaml"),
        policy.replace(before, &line.endpoint),
    )
    .unwrap();
}

#[test]
fn a_large_object_is_copied_by_a_store_that_says_what_it_copies() {
    let (host, source) = collecting("in/");
    host.store.enable_versions(&source);
    let name = "database/dump 100%.sql";
    host.store
        .put_checked(&source, &format!("in/{name}"), &large());
    host.store.put(&source, "in/small.txt", b"small");
    let copying = Proxy::copying(&minio());
    lead_over(&host, &copying);

    let first = host.backup().expect(0);
    let count = |operation: &str| first.requests.get(operation).copied();
    assert_eq!(count("UploadPartCopy"), Some(2), "{:?}", first.requests);
    assert_eq!(count("UploadPart"), None, "{:?}", first.requests);
    assert_eq!(
        (first.bytes.read, first.bytes.uploaded),
        (5, 5 + (129 << 20))
    );
    let mut listing = host.command("ls");
    let listing = Done::of(
        listing
            .args(["--output", "json", "--include", "*.sql"])
            .output(),
    );
    let row: serde_json::Value = listing.json();
    assert!(row["object"]["sha256"].is_null(), "{row}");
    let copy = format!("{DATA}{name}").replace('%', "%25");
    let says = host.store.says(&host.bucket("database"), &copy);
    assert_eq!(says.content_type.as_deref(), Some("text/x-of-a-test"));
    assert_eq!(row["object"]["crc64"].as_str().unwrap().len(), 16, "{row}");
    let found = restored(&host, "first");
    assert!(found[0] == (name.to_owned(), large()) && found.len() == 2);
    let second = host.backup().expect(0);
    assert_eq!(second.files.unchanged, 2);

    let falsifying = Proxy::falsifying(&minio(), b"is sound", b"is false");
    lead_over(&host, &falsifying);
    let to = host.at("falsified");
    let report = host.restore(&to, &["--include", "*.sql"]).expect(3);
    assert!(!to.join(name).exists(), "{report:#?}");
}

/// `MinIO` copies nothing into an upload that has checksums.
#[test]
fn a_large_object_is_carried_where_its_copy_could_not_be_proved() {
    let (host, source) = collecting("in/");
    for name in ["a.sql", "b.sql"] {
        let content = &large()[..9 << 20];
        host.store
            .put_checked(&source, &format!("in/{name}"), content);
    }
    let backup = host.backup();
    assert!(
        backup.log.contains("not copied by the store"),
        "{}",
        backup.log
    );
    let report = backup.expect(0);
    assert_eq!(report.bytes.read, 2 * (9 << 20));
    assert_eq!(report.requests["UploadPart"], 4);
    let found = restored(&host, "restored");
    assert!(
        found
            .iter()
            .all(|(_, content)| *content == large()[..9 << 20])
    );
}

#[test]
fn the_cost_of_a_bucket_is_estimated_from_its_listing() {
    let (host, source) = collecting("in/");
    host.store.put(&source, "in/photos/a.jpg", &[7; 3000]);
    host.store.put(&source, "in/b.txt", &[7; 2000]);
    let mut command = host.command("estimate");
    let done = Done::of(command.args(["--output", "json"]).output());
    assert_eq!(done.code, 0, "{done:?}");
    let estimate: Estimate = done.json();
    assert_eq!((estimate.files, estimate.bytes), (2, 5000));
}

#[test]
fn a_source_has_a_profile_of_its_own() {
    let (host, source) = collecting("in/");
    host.store.put(&source, "in/b.txt", b"of another account");
    let (place, profile) = ("prefix: in/", "prefix: in/, credentials: {profile: other}");
    let policy = fs::read_to_string(host.at("policy.yaml")).unwrap();
    fs::write(host.at("policy.yaml"), policy.replace(place, profile)).unwrap();
    let shared = host.at("credentials");
    let back_up = || {
        let mut command = host.command("backup");
        command.env("AWS_SHARED_CREDENTIALS_FILE", &shared);
        Done::of(command.output())
    };
    fs::write(&shared, "[default]\n").unwrap();
    let missing = back_up();
    assert_eq!(missing.code, 21, "{missing:?}");
    assert!(
        missing.err.contains("profile other is not among"),
        "{missing:?}"
    );

    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let lines = keys.map(|name| format!("{} = {}\n", name.to_lowercase(), variable(name)));
    fs::write(&shared, format!("[other]\n{}", lines.concat())).unwrap();
    let done = back_up();
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("uploaded       1 "), "{done:?}");
}

#[test]
fn a_source_bucket_that_is_not_there_is_named() {
    let host = Host::new();
    let place = format!("path: {{directory: {}}}", host.root().display());
    host.write_policy(&minio(), |policy| {
        policy.replace(&place, "bucket: {name: there-is-no-such-bucket}")
    });
    let words = ["bucket does not exist: there-is-no-such-bucket"];
    host.backup().expect_words(20, &words);
}

#[test]
fn a_source_that_does_not_answer_is_told_by_its_own_address() {
    let (host, _) = collecting("in/");
    let (place, elsewhere) = ("prefix: in/", "prefix: in/, endpoint: 'http://127.0.0.1:9'");
    let policy = fs::read_to_string(host.at("policy.yaml")).unwrap();
    fs::write(host.at("policy.yaml"), policy.replace(place, elsewhere)).unwrap();
    let done = Done::of(host.command("backup").output());
    assert_eq!(done.code, 40, "{done:?}");
    assert!(
        done.err.contains("the store is http://127.0.0.1:9,"),
        "{done:?}"
    );
    assert!(
        done.err.contains("the source's bucket.endpoint"),
        "{done:?}"
    );
    assert!(!done.err.contains("storage.endpoint"), "{done:?}");
}

#[test]
fn a_bucket_that_loses_its_objects_is_not_believed() {
    let (host, source) = collecting("");
    for number in 0..10 {
        host.store
            .put(&source, &format!("{number}.txt"), b"content");
    }
    host.backup().expect(0);
    for number in 0..8 {
        host.store.hide(&source, &format!("{number}.txt"));
    }
    host.backup().expect_words(27, &["nothing was deleted"]);
}

/// `MinIO` has no such keys.
#[test]
fn a_key_that_is_no_path_is_told_unless_it_is_left_out() {
    let (host, source) = collecting("in/");
    let elsewhere = Store::at(&moto());
    elsewhere.make_bucket(&source);
    elsewhere.put(&source, "in/a//b.txt", b"no path");
    elsewhere.put(&source, "in/c.txt", b"a path");
    let bucket = format!("name: {source}, prefix: in/");
    let there = format!("{bucket}, endpoint: '{}'", moto());
    let policy = fs::read_to_string(host.at("policy.yaml")).unwrap();
    let policy = policy.replace(&bucket, &there);
    fs::write(host.at("policy.yaml"), &policy).unwrap();
    let report = host.backup().expect(3);
    assert_eq!(report.not_captured[0].path, "in/a//b.txt");
    let without = policy.replacen("}}]", "}, exclude: [a/]}]", 1);
    fs::write(host.at("policy.yaml"), without).unwrap();
    host.backup().expect(0);
}
