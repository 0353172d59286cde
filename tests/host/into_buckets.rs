//! Restores into buckets.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use backstay::api::restore::RestoreReport;

use crate::bucket_sources::collecting;
use crate::compression::{squeezed, table};
use crate::host::{Done, Host};
use crate::interrupted::noise;
use crate::names::names;
use crate::proxy::Proxy;
use crate::running::Running;
use crate::store::minio;
use crate::tree::{file, office};

const MEBIBYTE: usize = 1 << 20;

/// A host with a bucket to restore into.
fn with_bucket(host: Host) -> (Host, String) {
    let out = host.bucket("out");
    host.store.make_bucket(&out);
    (host, out)
}

fn restore(host: &Host, to: &str, arguments: &[&str], code: i32) -> RestoreReport {
    host.restore(Path::new(to), arguments).expect(code)
}

/// What restoring says to a reader.
fn told(host: &Host, to: &str, arguments: &[&str]) -> Done {
    let mut command = host.command("restore");
    Done::of(command.args(["--to", to]).args(arguments).output())
}

#[test]
fn a_bucket_comes_back_to_where_it_was() {
    let (host, source) = collecting("in/");
    let mut objects: Vec<(String, Vec<u8>)> = vec![
        ("100% sure?.txt".to_owned(), b"percent".to_vec()),
        ("a!.txt".to_owned(), b"before the slash".to_vec()),
        ("a/b.txt".to_owned(), b"beneath".to_vec()),
        ("database/large.sql".to_owned(), noise(3, 20 * MEBIBYTE)),
        ("empty.txt".to_owned(), Vec::new()),
        ("folder/".to_owned(), Vec::new()),
        ("full/".to_owned(), Vec::new()),
        ("full/letter.txt".to_owned(), b"a letter".to_vec()),
        ("\u{fc}ber/caf\u{e9}.txt".to_owned(), b"accents".to_vec()),
    ];
    objects.sort();
    let keys = || host.store.keys(&source, "in/");
    for (name, body) in &objects {
        host.store.put(&source, &format!("in/{name}"), body);
    }
    host.store.put(&source, "inner/other.txt", b"not ours");
    host.backup().expect(0);
    let before = keys();
    for key in &before {
        host.store.hide(&source, key);
    }
    assert!(keys().is_empty());

    let to = format!("s3://{source}/in/");
    let report = restore(&host, &to, &[], 0);
    let entries = report.entries;
    assert_eq!((entries.restored, entries.metadata_partial), (9, 0));
    assert_eq!(keys(), before);
    for (name, body) in &objects {
        let found = host.store.get(&source, &format!("in/{name}"));
        assert!(found == *body, "{name}");
    }
    assert_eq!(host.store.get(&source, "inner/other.txt"), b"not ours");
}

#[test]
fn a_source_whose_prefix_is_no_folder_comes_back_under_the_same_keys() {
    let (host, source) = collecting("scan-");
    host.store.put(&source, "scan-1.txt", b"one");
    host.store.put(&source, "scan-a/2.txt", b"two");
    host.backup().expect(0);
    let before = host.store.keys(&source, "");
    for key in &before {
        host.store.hide(&source, key);
    }
    restore(&host, &format!("s3://{source}/scan-"), &[], 0);
    assert_eq!(host.store.keys(&source, ""), before);
}

#[test]
fn files_become_objects_and_what_has_no_place_is_counted() {
    let (host, out) = with_bucket(Host::new());
    office(&host.root());
    host.backup().expect(0);
    let done = told(&host, &format!("s3://{out}/office"), &[]);
    assert_eq!(done.code, 0, "{done:?}");
    let expected = [
        "office/a first name.pdf",
        "office/bin/run.sh",
        "office/contracts/2026/lease.pdf",
        "office/contracts/copy.pdf",
        "office/database/dump.sql",
        "office/empty.txt",
        "office/empty/also empty/",
        "office/export.csv",
        "office/photos/IMG_0001.JPG",
        "office/photos/notes.txt",
    ];
    assert_eq!(host.store.keys(&out, ""), expected);
    for key in expected.iter().filter(|key| !key.ends_with('/')) {
        let path = key.strip_prefix("office/").unwrap();
        let content = fs::read(host.root().join(path)).unwrap();
        assert_eq!(host.store.get(&out, key), content, "{key}");
    }
    for words in [
        &format!("restore into s3://{out}/office succeeded"),
        "restored       10 (",
        "note           10 objects are without the mode",
        "note           3 links, pipes, devices and sockets are left out",
    ] {
        assert!(done.out.contains(words), "{words}: {done:?}");
    }
}

#[test]
fn w23_names_are_keys_as_they_are_and_those_that_are_no_text_are_told() {
    let (host, out) = with_bucket(Host::new());
    let text = |name: &[u8]| str::from_utf8(name).ok().map(ToOwned::to_owned);
    for name in names() {
        fs::write(host.root().join(OsStr::from_bytes(&name)), &name).unwrap();
    }
    host.backup().expect(0);
    let keys: Vec<String> = names().iter().filter_map(|name| text(name)).collect();
    let others = names().len() - keys.len();
    let to = format!("s3://{out}/in");
    let report = restore(&host, &to, &[], 3);
    let entries = &report.entries;
    assert_eq!(
        (entries.restored, entries.failed),
        (keys.len() as u64, others as u64),
        "{:#?}",
        report.failed
    );
    assert!(report.failed[0].reason.contains("not UTF-8"), "{report:#?}");
    for key in &keys {
        let found = host.store.get(&out, &format!("in/{key}"));
        assert_eq!(found, key.as_bytes(), "{key:?}");
    }
    // Each is found where it stands, whatever its place in the catalog's order.
    let again = restore(&host, &to, &["--conflict", "skip"], 3);
    assert_eq!(again.entries.skipped, keys.len() as u64);
    let refused = restore(&host, &to, &[], 26);
    assert_eq!(refused.conflicts.len(), keys.len());
}

#[test]
fn w24_a_path_longer_than_a_key_is_told() {
    let (host, out) = with_bucket(Host::new());
    let path = ["a".repeat(200).as_str(); 5].join("/");
    file(&host.root(), &format!("{path}/b.txt"), "deep");
    file(&host.root(), "c.txt", "flat");
    host.backup().expect(0);
    let prefix = "p".repeat(30);
    let report = restore(&host, &format!("s3://{out}/{prefix}"), &[], 3);
    assert_eq!((report.entries.restored, report.entries.failed), (1, 1));
    let reason = &report.failed[0].reason;
    assert!(reason.contains("1041 bytes, and may have 1024"), "{reason}");
}

#[test]
fn r01_what_stands_in_the_way_is_listed_skipped_or_overwritten() {
    let (host, out) = with_bucket(Host::new());
    office(&host.root());
    host.backup().expect(0);
    let to = format!("s3://{out}/in");
    host.store.put(&out, "in/photos/notes.txt", b"mine");
    host.store.put(&out, "in/export.csv", b"mine");
    host.store.put(&out, "in/empty/also empty/", b"");
    host.store.put(&out, "in/unrelated.txt", b"mine");
    let before = host.store.keys(&out, "");
    let refused = restore(&host, &to, &[], 26);
    assert_eq!(refused.conflicts, ["export.csv", "photos/notes.txt"]);
    assert!(refused.message.contains("nothing was written"));
    assert_eq!(host.store.keys(&out, ""), before);

    let skipped = restore(&host, &to, &["--conflict", "skip"], 0).entries;
    assert_eq!((skipped.skipped, skipped.restored), (3, 7));
    assert_eq!(host.store.get(&out, "in/export.csv"), b"mine");
    assert_eq!(host.store.get(&out, "in/bin/run.sh"), b"#!/bin/sh\n");

    let written = restore(&host, &to, &["--conflict", "overwrite"], 0).entries;
    assert_eq!((written.skipped, written.restored), (0, 10));
    assert_eq!(host.store.get(&out, "in/export.csv"), b"a,b\n1,2\n");
    assert_eq!(host.store.get(&out, "in/unrelated.txt"), b"mine");
}

#[test]
fn r03_what_appears_meanwhile_is_not_overwritten() {
    let (host, out) = with_bucket(Host::new());
    file(&host.root(), "a.txt", "a");
    file(&host.root(), "b.txt", "b");
    host.backup().expect(0);
    let held = |line: &str| line.starts_with("PUT") && line.contains("/in/a.txt");
    let proxy = Proxy::holding(&minio(), held);
    host.write_policy(&proxy.endpoint, |policy| policy);
    let mut command = host.command("restore");
    command.args(["--output", "json", "--to", &format!("s3://{out}/in")]);
    let restoring = std::thread::spawn(move || Done::of(command.output()));
    proxy.wait_until_held();
    host.store.put(&out, "in/a.txt", b"mine");
    proxy.release();
    let done = restoring.join().unwrap();
    assert_eq!(done.code, 3, "{done:?}");
    let report: RestoreReport = done.json();
    assert_eq!(report.failed[0].path, "a.txt");
    assert!(report.failed[0].reason.contains("has appeared"));
    assert_eq!(host.store.get(&out, "in/a.txt"), b"mine");
    assert_eq!(host.store.get(&out, "in/b.txt"), b"b");
}

/// A restore that is held amid a video that is sent in parts.
fn held_restore(host: &Host, to: &str, video: &[u8]) -> (Proxy, Running) {
    office(&host.root());
    file(&host.root(), "video.mov", video);
    host.backup().expect(0);
    let proxy = Proxy::holding(&minio(), |line| {
        line.contains("video.mov") && line.contains("partNumber=3")
    });
    host.write_policy(&proxy.endpoint, |policy| policy);
    let mut command = host.command("restore");
    command.args(["--to", to]);
    let running = Running::start(command);
    proxy.wait_until_held();
    host.write_policy(&minio(), |policy| policy);
    (proxy, running)
}

#[test]
fn p01_a_restore_that_is_asked_to_stop_gives_its_upload_up() {
    let (host, out) = with_bucket(Host::new());
    let to = format!("s3://{out}/in");
    let (proxy, mut stopped) = held_restore(&host, &to, &noise(7, 80 * MEBIBYTE));
    stopped.ask_to_stop();
    stopped.wait_until_it_says("asked to stop");
    proxy.release();
    stopped.end_restore().expect(143);
    let left = host.store.keys(&out, "");
    assert!(!left.contains(&"in/video.mov".to_owned()), "{left:?}");
    assert_eq!(host.store.uploads(&out, "in/video.mov"), 0);
}

#[test]
fn r05_a_restore_that_was_killed_goes_on_where_it_was() {
    let (host, out) = with_bucket(Host::new());
    host.store.enable_versions(&out);
    let video = noise(5, 40 * MEBIBYTE);
    let to = format!("s3://{out}/in");
    let (_proxy, killed) = held_restore(&host, &to, &video);
    killed.kill();
    assert_eq!(host.store.uploads(&out, "in/video.mov"), 1);
    let left = host.store.keys(&out, "");
    assert!(!left.contains(&"in/video.mov".to_owned()), "{left:?}");

    let report = restore(&host, &to, &["--conflict", "skip"], 0);
    assert_eq!(report.entries.skipped, left.len() as u64);
    assert_eq!(report.entries.skipped + report.entries.restored, 11);
    assert!(host.store.get(&out, "in/video.mov") == video);
    for key in host.store.keys(&out, "") {
        assert_eq!(host.store.versions(&out, &key).len(), 1, "{key}");
    }
}

#[test]
fn s06_parts_that_are_not_what_was_recorded_are_not_put_together() {
    let (host, out) = with_bucket(Host::new());
    let mut video = b"taken in May".to_vec();
    video.extend(noise(6, 20 * MEBIBYTE));
    file(&host.root(), "video.mov", video);
    file(&host.root(), "letter.txt", "taken in June");
    host.backup().expect(0);
    let proxy = Proxy::falsifying(&minio(), b"taken in May", b"taken in Jun");
    host.write_policy(&proxy.endpoint, |policy| policy);
    let report = restore(&host, &format!("s3://{out}"), &[], 3);
    assert_eq!(report.failed[0].path, "video.mov");
    assert!(report.failed[0].reason.contains("not what was recorded"));
    assert_eq!(host.store.keys(&out, ""), ["letter.txt"]);
    assert_eq!(host.store.uploads(&out, "video.mov"), 0);
}

#[test]
fn what_was_compressed_comes_back_as_it_was() {
    let (host, out) = with_bucket(squeezed());
    // More than one part, of which little is stored.
    let zeros = vec![0; 100 * MEBIBYTE];
    let large = table(20 * MEBIBYTE).into_bytes();
    for (path, content) in [
        ("large.csv", large.as_slice()),
        ("small.csv", table(9000).as_bytes()),
        ("zeros.txt", zeros.as_slice()),
    ] {
        file(&host.root(), path, content);
    }
    host.backup().expect(0);
    restore(&host, &format!("s3://{out}/"), &[], 0);
    for path in ["large.csv", "small.csv", "zeros.txt"] {
        let content = fs::read(host.root().join(path)).unwrap();
        assert!(host.store.get(&out, path) == content, "{path}");
        assert_eq!(host.store.encoding(&out, path), None, "{path}");
    }
}

#[test]
fn only_what_is_included_and_as_of_when_comes_back() {
    let (host, out) = with_bucket(Host::new());
    file(&host.root(), "contracts/lease.pdf", "first");
    file(&host.root(), "photos/a.jpg", "photo");
    let first = host.backup().expect(0).restore_point.unwrap();
    file(&host.root(), "contracts/lease.pdf", "second, and longer");
    host.backup().expect(0);
    let time = first.time.to_string();
    let arguments = ["--as-of", time.as_str(), "--include", "contracts/"];
    restore(&host, &format!("s3://{out}/old"), &arguments, 0);
    assert_eq!(host.store.keys(&out, ""), ["old/contracts/lease.pdf"]);
    assert_eq!(host.store.get(&out, "old/contracts/lease.pdf"), b"first");
    let nothing = ["--include", "contrakts/"];
    restore(&host, &format!("s3://{out}/none"), &nothing, 26);
}

#[test]
fn a_bucket_that_cannot_be_restored_into_is_told_in_one_line() {
    let (host, out) = with_bucket(Host::new());
    file(&host.root(), "a.txt", "a");
    host.backup().expect(0);
    let photos = host.bucket("photos");
    let missing = host.bucket("missing");
    let to = |rest: &str| format!("s3://{out}{rest}");
    let cases: &[(&str, &[&str], i32, &str)] = &[
        (
            "s3://",
            &[],
            2,
            "names a bucket whose name has 0 characters",
        ),
        ("s3://My_Bucket/x", &[], 2, "names a bucket whose name must"),
        (
            &to("/a/../b"),
            &[],
            2,
            "has a prefix with an empty, `.` or `..`",
        ),
        (
            &to("//a"),
            &[],
            2,
            "has a prefix with an empty, `.` or `..`",
        ),
        (
            "s3:bucket",
            &[],
            2,
            "must be a directory, or a bucket as s3://",
        ),
        (
            "gs://bucket/x",
            &[],
            2,
            "must be a directory, or a bucket as s3://",
        ),
        (
            &format!("s3://{photos}"),
            &[],
            2,
            "this policy's own backups",
        ),
        (&format!("s3://{photos}/data/x"), &[], 2, "own backups"),
        (
            &to(""),
            &["--restore-set-ids"],
            2,
            "is a bucket: leave it out",
        ),
        (
            &to(""),
            &["--to-region", "Milan"],
            2,
            "--to-region \"Milan\" must",
        ),
        (
            &to(""),
            &["--to-endpoint", "minio"],
            2,
            "--to-endpoint \"minio\" must",
        ),
        (
            "restored",
            &["--to-profile", "x"],
            2,
            "--to-profile is for a bucket",
        ),
        (
            &to(""),
            &["--to-profile", "nobody"],
            21,
            "profile nobody is not among",
        ),
        (
            &format!("s3://{missing}"),
            &[],
            20,
            "create it, or correct --to",
        ),
        (
            &to(""),
            &["--to-endpoint", "http://127.0.0.1:9"],
            40,
            "check --to-endpoint",
        ),
    ];
    for (to, arguments, code, words) in cases {
        let done = told(&host, to, arguments);
        assert_eq!(done.code, *code, "{to} {arguments:?}: {done:?}");
        let said = format!("{}{}", done.out, done.err);
        let told = said.lines().filter(|line| line.contains(words)).count();
        assert_eq!(told, 1, "{to} {arguments:?}: {said}");
    }
    assert!(host.store.keys(&out, "").is_empty());
    assert!(!Path::new("restored").exists() && !Path::new("gs:").exists());
}

#[test]
fn a_bucket_has_a_profile_of_its_own() {
    let (host, out) = with_bucket(Host::new());
    file(&host.root(), "a.txt", "a");
    host.backup().expect(0);
    let shared = host.at("credentials");
    let to = format!("s3://{out}/in");
    let restore = |secret: &str| {
        let key = crate::environment::variable("AWS_ACCESS_KEY_ID");
        let profile =
            format!("[other]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
        fs::write(&shared, profile).unwrap();
        let mut command = host.command("restore");
        command.env("AWS_SHARED_CREDENTIALS_FILE", &shared);
        Done::of(
            command
                .args(["--to-profile", "other", "--to", &to])
                .output(),
        )
    };
    let refused = restore("wrong");
    assert_eq!(refused.code, 21, "{refused:?}");
    assert!(refused.err.contains("ListObjectsV2 on"), "{refused:?}");
    let done = restore(&crate::environment::variable("AWS_SECRET_ACCESS_KEY"));
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(host.store.get(&out, "in/a.txt"), b"a");
}
