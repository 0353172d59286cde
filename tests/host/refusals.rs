//! Stores that a backup cannot go to: each is told with what is wrong and what to do, before
//! anything is written.

use crate::host::{Backup, Host};
use crate::store::minio;
use crate::tree::office;

#[track_caller]
fn check(prepare: impl Fn(&Host), code: i32, words: &[&str]) {
    let host = Host::new();
    office(&host.root());
    prepare(&host);
    let report = host.backup().expect_words(code, words);
    assert_eq!(report.restore_point, None);
    assert_eq!(report.files.uploaded, 0);
}

#[test]
fn s17_a_bucket_that_does_not_exist_is_named() {
    let prepare = |host: &Host| {
        host.write_policy(&minio(), |policy| policy.replace("-photos}", "-fotos}"));
    };
    check(prepare, 20, &["-fotos", "does not exist"]);
}

#[test]
fn s13_a_bucket_without_versions_is_named() {
    let prepare = |host: &Host| {
        let bucket = host.bucket("plain");
        host.store.make_bucket(&bucket);
        host.write_policy(&minio(), |policy| policy.replace("-photos}", "-plain}"));
    };
    check(prepare, 22, &["-plain", "enable versioning"]);
}

#[test]
fn g06_a_rule_that_expires_files_is_named() {
    let prepare = |host: &Host| host.store.expire_current(&host.bucket("photos"), "data/");
    check(
        prepare,
        22,
        &[
            "rule tidy-up of bucket",
            "-photos",
            "expire noncurrent versions instead",
        ],
    );
}

#[test]
fn g06_a_rule_for_something_else_is_none_of_ours() {
    let host = Host::new();
    office(&host.root());
    host.store.expire_current(&host.bucket("photos"), "logs/");
    host.backup().expect(0);
}

#[test]
fn s14_keys_that_the_store_does_not_know_are_told() {
    let host = Host::new();
    office(&host.root());
    let mut command = host.command("backup");
    command
        .args(["--output", "json"])
        .env("AWS_SECRET_ACCESS_KEY", "wrong-wrong-wrong");
    Backup::of(command.output()).expect_words(21, &["SignatureDoesNotMatch"]);
}

#[test]
fn a_host_without_keys_is_told_where_they_are_looked_for() {
    let host = Host::new();
    office(&host.root());
    let mut command = host.command("backup");
    command
        .args(["--output", "json"])
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("HOME", host.at("nowhere"));
    Backup::of(command.output()).expect_words(21, &["environment", "set AWS_ACCESS_KEY_ID"]);
}

#[test]
fn a_store_that_does_not_answer_is_named() {
    let host = Host::new();
    office(&host.root());
    // Nothing listens on the port of a listener that is gone.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    host.write_policy(&endpoint, |policy| policy);
    host.backup().expect_words(40, &["-database"]);
}

#[test]
fn a_prefix_that_another_repository_writes_to_is_refused() {
    let prefix = |name: &'static str, prefix: &'static str| {
        move |policy: String| {
            let prefix = format!("storage: {{keyPrefix: {prefix}, ");
            policy
                .replace("name: office", &format!("name: {name}"))
                .replace("storage: {", &prefix)
        }
    };
    let host = Host::new();
    office(&host.root());
    host.write_policy(&minio(), prefix("office", "shared/files"));
    host.backup().expect(0);
    for claimed in ["shared/files", "shared", "shared/files/deeper"] {
        host.write_policy(&minio(), prefix("second", claimed));
        let words = [
            "belongs to the repository at",
            "choose another storage.keyPrefix",
        ];
        host.backup().expect_words(22, &words);
    }
    host.write_policy(&minio(), prefix("third", "shared/files-of-another"));
    host.backup().expect(0);
}
