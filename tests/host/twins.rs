//! Two runs at once.

use std::process::Command;

use crate::host::Host;
use crate::proxy::Proxy;
use crate::running::Running;
use crate::store::minio;
use crate::tree::{file, office};

/// A run that is held amid its uploads.
fn held_run(host: &Host, arguments: &[&str]) -> (Proxy, Running) {
    let proxy = Proxy::holding(&minio(), |line| {
        line.starts_with("PUT") && line.contains("/data/")
    });
    host.write_policy(&proxy.endpoint, |policy| policy);
    let mut command: Command = host.command("backup");
    command.args(arguments);
    let running = Running::start(command);
    proxy.wait_until_held();
    host.write_policy(&minio(), |policy| policy);
    (proxy, running)
}

#[test]
fn p05_a_second_run_waits_for_the_first_one() {
    let host = Host::new();
    office(&host.root());
    let (proxy, first) = held_run(&host, &[]);
    let mut second = Running::start(host.command("backup"));
    second.wait_until_it_says("waiting for another run");
    proxy.release();
    let first = first.end().expect(0);
    assert_eq!(first.restore_point.unwrap().sequence, 1);
    let second = second.end().expect(0);
    assert_eq!(second.previous.unwrap().sequence, 1);
    assert_eq!(second.files.uploaded, 0);
    host.check_restore();
}

#[test]
fn p05_a_run_that_is_not_to_wait_leaves_the_first_one_alone_and_says_so() {
    let host = Host::new();
    office(&host.root());
    let (proxy, first) = held_run(&host, &[]);
    let metrics = host.at("office.prom");
    let metrics = ["--metrics-file", metrics.to_str().unwrap()];
    for seconds in ["0", "1"] {
        let second = host.backup_with(&[&["--wait", seconds], &metrics[..]].concat());
        second.expect_words(
            23,
            &["has been writing to catalog/test-host/acme/office/files/"],
        );
        assert_eq!(std::fs::read_to_string(metrics[1]).unwrap(), "");
    }
    proxy.release();
    first.end().expect(0);
    host.backup_with(&["--wait", "0"]).expect(0);
}

#[test]
fn p05_of_one_run_that_was_started_twice_the_first_is_fenced() {
    let host = Host::new();
    office(&host.root());
    let (proxy, first) = held_run(&host, &["--run-id", "nightly"]);
    file(&host.root(), "written/between.txt", "the two");
    let second = host.backup_with(&["--run-id", "nightly"]).expect(0);
    assert_eq!(
        (second.epoch, second.restore_point.unwrap().sequence),
        (2, 1)
    );
    proxy.release();
    first.end().expect(24);
    let third = host.backup().expect(0);
    assert_eq!(third.files.uploaded, 0);
    host.check_restore();
}
