//! Restores into places that are not empty, of parts, and of objects that are not what they were.

use std::fs;

use crate::host::{Host, key};
use crate::image::{check_image, image};
use crate::proxy::Proxy;
use crate::store::minio;
use crate::tree::{file, office};

/// A host with a restore point.
fn backed_up() -> Host {
    let host = Host::new();
    office(&host.root());
    host.backup().expect(0);
    host
}

#[test]
fn r01_conflicts_are_listed_before_anything_is_written() {
    let host = backed_up();
    let to = host.at("occupied");
    file(&to, "photos/notes.txt", "mine");
    file(&to, "bin/run.sh", "mine");
    file(&to, "unrelated.txt", "mine");
    let before = image(&to);
    let report = host.restore(&to, &[]).expect(26);
    assert_eq!(report.conflicts, ["bin/run.sh", "photos/notes.txt"]);
    assert!(
        report.message.contains("nothing was written"),
        "{}",
        report.message
    );
    check_image(&before, &image(&to));
}

#[test]
fn r01_what_stands_in_the_way_is_replaced_where_that_is_asked_for() {
    let host = backed_up();
    let to = host.at("occupied");
    file(&to, "photos/notes.txt", "mine");
    file(&to, "newest", "a file, not a link");
    let report = host.restore(&to, &["--conflict", "overwrite"]).expect(0);
    assert_eq!(report.entries.failed, 0);
    check_image(&image(&host.root()), &image(&to));
}

#[test]
fn r01_what_stands_in_the_way_is_left_alone_where_that_is_asked_for() {
    let host = backed_up();
    let to = host.at("occupied");
    file(&to, "photos/notes.txt", "mine");
    let report = host.restore(&to, &["--conflict", "skip"]).expect(0);
    assert_eq!(fs::read(to.join("photos/notes.txt")).unwrap(), b"mine");
    assert_eq!(fs::read(to.join("export.csv")).unwrap(), b"a,b\n1,2\n");
    assert!(report.entries.skipped >= 1, "{report:#?}");
}

#[test]
fn r05_a_restore_can_go_on_where_another_one_ended() {
    let host = backed_up();
    let to = host.at("begun");
    host.restore(&to, &["--include", "contracts/"]).expect(0);
    host.restore(&to, &["--conflict", "skip"]).expect(0);
    assert_eq!(fs::read(to.join("bin/run.sh")).unwrap(), b"#!/bin/sh\n");
    host.restore(&to, &["--conflict", "overwrite"]).expect(0);
    check_image(&image(&host.root()), &image(&to));
}

#[test]
fn only_what_is_included_comes_back() {
    let host = backed_up();
    let to = host.at("part");
    let arguments = ["--include", "contracts/", "--include", "*.csv"];
    host.restore(&to, &arguments).expect(0);
    let (whole, part) = (image(&host.root()), image(&to));
    let paths: Vec<_> = part.keys().map(|path| path.to_str().unwrap()).collect();
    let expected = [
        "",
        "contracts",
        "contracts/2026",
        "contracts/2026/lease.pdf",
        "contracts/copy.pdf",
        "export.csv",
    ];
    assert_eq!(paths, expected);
    assert_eq!(
        part[&*std::path::PathBuf::from("export.csv")],
        whole[&*std::path::PathBuf::from("export.csv")]
    );
}

#[test]
fn an_include_that_matches_nothing_is_told() {
    let host = backed_up();
    let report = host
        .restore(&host.at("part"), &["--include", "contrakts/"])
        .expect(26);
    assert!(
        report
            .message
            .contains("nothing in this restore point is included"),
        "{}",
        report.message
    );
}

#[test]
fn r06_of_an_object_that_is_gone_the_file_is_named_and_the_others_come_back() {
    let host = backed_up();
    let photos = host.bucket("photos");
    let object = key("photos/notes.txt");
    let version = host.store.versions(&photos, &object).remove(0);
    host.store.destroy(&photos, &object, &version);
    // What someone puts in its place is another version, and does not count.
    host.store.put(&photos, &object, b"taken in June");
    let to = host.at("restored");
    let report = host.restore(&to, &[]).expect(3);
    let failed: Vec<_> = report
        .failed
        .iter()
        .map(|failed| failed.path.as_str())
        .collect();
    assert_eq!(failed, ["photos/notes.txt"]);
    assert!(!to.join("photos/notes.txt").exists());
    let mut expected = image(&host.root());
    expected.remove(std::path::Path::new("photos/notes.txt"));
    check_image(&expected, &image(&to));
}

#[test]
fn s06_bytes_that_are_not_what_was_recorded_stand_under_no_name() {
    let host = backed_up();
    let proxy = Proxy::falsifying(&minio(), b"taken in May", b"taken in Jun");
    host.write_policy(&proxy.endpoint, |policy| policy);
    let to = host.at("restored");
    let report = host.restore(&to, &[]).expect(3);
    let [failed] = &report.failed[..] else {
        panic!("{report:#?}");
    };
    assert_eq!(failed.path, "photos/notes.txt");
    assert!(
        failed.reason.contains("not what was recorded"),
        "{}",
        failed.reason
    );
    assert!(!to.join("photos/notes.txt").exists());
}
