//! Runs one after the other, and restores of each.

use std::fs;
use std::os::unix::fs::symlink;

use crate::host::{DATA, Host, key};
use crate::image::{check_image, image};
use crate::proxy::Proxy;
use crate::store::minio;
use crate::tree::{file, mode, office, settle};

/// The most requests that a run may make on a small tree in which nothing has changed.
const UNCHANGED_REQUESTS_MAX: usize = 15;

#[test]
fn the_first_run_takes_everything_and_a_restore_gives_it_back() {
    let host = Host::new();
    office(&host.root());
    let report = host.backup().expect(0);
    assert_eq!(report.files.uploaded, 9);
    assert_eq!(report.files.special, 1);
    assert_eq!(report.files.not_captured, 0);
    assert_eq!(report.restore_point.unwrap().sequence, 1);
    assert_eq!(report.previous, None);
    host.check_restore();
}

#[test]
fn an_unchanged_tree_is_not_sent_again() {
    let host = Host::new();
    let proxy = Proxy::start(&minio());
    host.write_policy(&proxy.endpoint, |policy| policy);
    office(&host.root());
    settle(&host.root());
    let first = host.backup().expect(0);
    let before = proxy.requests().len();
    let second = host.backup().expect(0);
    let requests = proxy.requests().split_off(before);
    assert_eq!(second.files.uploaded, 0);
    assert_eq!(second.files.unchanged, first.files.total);
    assert_eq!(second.restore_point, first.restore_point);
    assert!(
        requests.len() <= UNCHANGED_REQUESTS_MAX,
        "{}: {requests:#?}",
        requests.len()
    );
    let to_data = requests.iter().filter(|line| line.contains("/data/"));
    assert_eq!(to_data.count(), 0, "{requests:#?}");
    let puts = requests.iter().filter(|line| line.starts_with("PUT"));
    assert_eq!(puts.count(), 3, "{requests:#?}");
    let told: u64 = second.requests.values().sum();
    // The report itself is written after it was counted.
    assert_eq!(told + 1, requests.len() as u64, "{:?}", second.requests);
}

#[test]
fn each_restore_point_gives_back_the_tree_as_it_was() {
    let host = Host::new();
    let root = host.root();
    let mut points = Vec::new();
    let mut keep = |host: &Host| {
        let report = host.backup().expect(0);
        points.push((report.run, report.restore_point.unwrap(), image(&root)));
    };
    office(&root);
    keep(&host);

    file(&root, "contracts/2026/lease.pdf", "%PDF-1.7 another lease");
    file(&root, "database/dump.sql", "create table t (b int);\n");
    fs::remove_file(root.join("export.csv")).unwrap();
    file(&root, "export.csv/now a directory.csv", "a\n");
    file(&root, "photos/IMG_0002.JPG", "new");
    mode(&root.join("photos/notes.txt"), 0o400);
    fs::remove_dir(root.join("empty/also empty")).unwrap();
    keep(&host);

    fs::remove_dir_all(root.join("export.csv")).unwrap();
    fs::rename(root.join("contracts"), root.join("archive")).unwrap();
    fs::remove_file(root.join("newest")).unwrap();
    symlink("archive", root.join("newest")).unwrap();
    fs::remove_file(root.join("photos/IMG_0001.JPG")).unwrap();
    keep(&host);

    for (run, point, expected) in &points {
        for (flag, value) in [("--run", run.clone()), ("--as-of", point.time.to_string())] {
            let to = host.at(&format!("{}{flag}", point.sequence));
            let report = host.restore(&to, &[flag, &value]).expect(0);
            assert_eq!(report.restore_point.unwrap().sequence, point.sequence);
            check_image(expected, &image(&to));
        }
    }
    let before = points[0].1.time - jiff::SignedDuration::from_millis(1);
    let refused = host.restore(&host.at("before"), &["--as-of", &before.to_string()]);
    assert!(
        refused
            .expect(26)
            .message
            .contains("the first restore point is of")
    );
}

#[test]
fn the_buckets_look_like_the_source() {
    let host = Host::new();
    let root = host.root();
    office(&root);
    host.backup().expect(0);
    fs::remove_file(root.join("photos/IMG_0001.JPG")).unwrap();
    fs::rename(root.join("empty.txt"), root.join("leer.txt")).unwrap();
    let report = host.backup().expect(0);
    assert_eq!(report.files.deleted, 2);
    let photos = host.bucket("photos");
    assert_eq!(host.store.keys(&photos, DATA), [key("photos/notes.txt")]);
    assert_eq!(
        host.store
            .versions(&photos, &key("photos/IMG_0001.JPG"))
            .len(),
        1
    );
    let documents = host.store.keys(&host.bucket("documents"), DATA);
    assert!(documents.contains(&key("leer.txt")), "{documents:?}");
    assert!(!documents.contains(&key("empty.txt")), "{documents:?}");
}

#[test]
fn with_deletions_kept_the_last_copy_stays_in_sight() {
    let host = Host::new();
    host.write_policy(&minio(), |policy| policy + "  deletions: {policy: Keep}\n");
    let root = host.root();
    office(&root);
    host.backup().expect(0);
    fs::remove_file(root.join("photos/IMG_0001.JPG")).unwrap();
    host.backup().expect(0);
    let photos = host.store.keys(&host.bucket("photos"), DATA);
    assert_eq!(
        photos,
        [key("photos/IMG_0001.JPG"), key("photos/notes.txt")]
    );
    host.check_restore();
}

#[test]
fn a_file_rewritten_with_the_same_content_is_not_sent_again() {
    let host = Host::new();
    office(&host.root());
    host.backup().expect(0);
    file(&host.root(), "export.csv", "a,b\n1,2\n");
    let report = host.backup().expect(0);
    assert_eq!(report.files.uploaded, 0);
    let versions = host
        .store
        .versions(&host.bucket("database"), &key("export.csv"));
    assert_eq!(versions.len(), 1);
    host.check_restore();
}

#[test]
fn a_host_can_say_what_it_has() {
    let host = Host::new();
    office(&host.root());
    let first = host.backup().expect(0);
    file(&host.root(), "contracts/2027/lease.pdf", "next year's");
    let second = host.backup().expect(0);
    let runs = crate::host::Done::of(host.command("runs").output());
    assert_eq!(runs.code, 0, "{}", runs.err);
    let lines: Vec<&str> = runs.out.lines().collect();
    assert!(
        lines[1].contains(&second.run) && lines[2].contains(&first.run),
        "{lines:?}"
    );
    let mut ls = host.command("ls");
    let ls = ls.args([
        "--run",
        &first.run,
        "--include",
        "contracts/",
        "--output",
        "json",
    ]);
    let ls = crate::host::Done::of(ls.output());
    let rows: Vec<serde_json::Value> = ls
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let paths: Vec<&str> = rows
        .iter()
        .map(|row| row["path"].as_str().unwrap())
        .collect();
    let expected = [
        "contracts",
        "contracts/2026",
        "contracts/2026/lease.pdf",
        "contracts/copy.pdf",
    ];
    let mut sorted = paths.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
}
