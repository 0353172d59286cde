//! `--metrics-file`: what a host tells Prometheus.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::host::{Done, Host};
use crate::store::minio;
use crate::tree::{file, office};

fn told(host: &Host) -> String {
    fs::read_to_string(host.at("office.prom")).unwrap()
}

fn backup(host: &Host, more: &[&str]) -> Done {
    let mut command = host.command("backup");
    command.arg("--metrics-file").arg(host.at("office.prom"));
    Done::of(command.args(more).output())
}

/// The value of a line that has these words.
#[track_caller]
fn value(text: &str, words: &[&str]) -> i64 {
    let has_all = |line: &&str| words.iter().all(|word| line.contains(word));
    let line = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find(has_all);
    let line = line.unwrap_or_else(|| panic!("{words:?} is not in\n{text}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// That Prometheus can read a text, where its own tool is there to say so.
fn check_with_promtool(text: &str) {
    use std::io::Write;
    let mut promtool = Command::new("promtool");
    promtool
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped());
    promtool
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let Ok(mut child) = promtool.spawn() else {
        return;
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_failed_run_is_told_and_the_last_success_is_kept() {
    let host = Host::new();
    office(&host.root());
    assert_eq!(backup(&host, &[]).code, 0);
    let first = told(&host);
    check_with_promtool(&first);
    let mode = fs::metadata(host.at("office.prom"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
    let source = "{namespace=\"acme\",policy=\"office\",source=\"files\"";
    let success = value(&first, &["backstay_last_success", source]);
    assert!(value(&first, &["backstay_success_due", source]) > success);
    assert!(value(&first, &["backstay_last_run_requests", source]) > 10);

    // Where nobody answers, the file alone knows when all was well.
    host.write_policy("http://127.0.0.1:9", |policy| policy);
    assert_eq!(backup(&host, &[]).code, 40);
    let second = told(&host);
    assert_eq!(value(&second, &["outcome", "outcome=\"Failed\""]), 1);
    assert_eq!(value(&second, &["backstay_last_success", source]), success);
    assert_eq!(
        value(&second, &["backstay_success_due", source]),
        value(&first, &["backstay_success_due", source])
    );

    // A host that has lost the file asks the repository's newest restore point.
    fs::remove_file(host.at("office.prom")).unwrap();
    host.write_policy(&minio(), |policy| policy);
    fs::rename(host.root(), host.at("away")).unwrap();
    fs::create_dir(host.root()).unwrap();
    assert_eq!(backup(&host, &[]).code, 27);
    assert!((value(&told(&host), &["backstay_last_success"]) - success).abs() < 60);
}

#[test]
fn a_source_that_did_not_run_keeps_what_was_told_of_it() {
    let host = Host::new();
    office(&host.root());
    let other = host.at("other");
    fs::create_dir(&other).unwrap();
    file(&other, "letter.txt", "dear");
    let whole = |policy: String| {
        let other = format!(
            "}}}}, {{name: other, path: {{directory: {}}}}}]",
            other.display()
        );
        policy.replace("}}]", &other)
    };
    host.write_policy(&minio(), whole);
    assert_eq!(backup(&host, &[]).code, 0);
    let before = value(&told(&host), &["backstay_last_run_timestamp", "other"]);
    assert_eq!(backup(&host, &["--source", "files"]).code, 0);
    assert_eq!(
        value(&told(&host), &["backstay_last_run_timestamp", "other"]),
        before
    );
    host.write_policy(&minio(), |policy| policy);
    assert_eq!(backup(&host, &[]).code, 0);
    assert!(!told(&host).contains("source=\"other\""));
}

#[test]
fn a_file_that_cannot_be_written_is_told_and_one_of_another_policy_refused() {
    let host = Host::new();
    let mut command = host.command("backup");
    command.args(["--metrics-file", "/no/such/place/office.prom"]);
    let done = Done::of(command.output());
    assert_eq!(done.code, 0, "{done:?}");
    let lines = done
        .err
        .matches("open the directory /no/such/place: No such file");
    assert_eq!(lines.count(), 2, "before the run, and after it: {done:?}");

    let line =
        "backstay_last_run_requests{namespace=\"acme\",policy=\"mail\",source=\"files\"} 3\n";
    fs::write(host.at("office.prom"), line).unwrap();
    let done = backup(&host, &[]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(
        done.err
            .contains("policy acme/mail: give each policy a file of its own"),
        "{done:?}"
    );
    assert_eq!(told(&host), line);
}
