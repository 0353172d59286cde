//! What a run says, and where.

use backstay::api::outcome::Outcome;
use backstay::api::report::RunReport;

use crate::environment::variable;
use crate::host::{Done, Host};
use crate::store::minio;
use crate::tree::{file, office, settle};

#[test]
fn the_summary_says_what_was_uploaded_skipped_and_failed() {
    let host = Host::new();
    office(&host.root());
    settle(&host.root());
    let first = Done::of(host.command("backup").output());
    let second = Done::of(host.command("backup").output());
    for (done, lines) in [
        (
            first,
            [
                "uploaded       9 (",
                "skipped        0 unchanged",
                "failed         0",
            ],
        ),
        (
            second,
            [
                "uploaded       0 (0 bytes)",
                "skipped        19 unchanged",
                "failed         0",
            ],
        ),
    ] {
        assert_eq!(done.code, 0, "{done:?}");
        assert!(
            done.out.starts_with("backup of files succeeded\n"),
            "{done:?}"
        );
        for line in lines {
            assert!(done.out.contains(line), "{line:?} is not in:\n{}", done.out);
        }
    }
}

#[test]
fn l01_the_log_goes_to_a_file_as_json_and_holds_no_secret() {
    let host = Host::new();
    office(&host.root());
    let log = host.at("log.json");
    let mut command = host.command("backup");
    let chatty = "backstay=trace,aws_sigv4=trace,aws_config=trace,aws_smithy_runtime=trace";
    command
        .args(["--log-level", chatty, "--log-file"])
        .arg(&log);
    let done = Done::of(command.output());
    assert_eq!(done.code, 0, "{done:?}");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.lines().count() > 10, "{log}");
    for line in log.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["level"].is_string(), "{line}");
    }
    let secret = variable("AWS_SECRET_ACCESS_KEY");
    assert!(!log.contains(&secret) && !done.err.contains(&secret) && !done.out.contains(&secret));
}

#[test]
fn each_source_has_its_own_report_and_the_worst_one_is_the_exit_code() {
    let host = Host::new();
    office(&host.root());
    let missing = host.at("missing");
    host.write_policy(&minio(), |policy| {
        let other = format!(
            "}}}}, {{name: other, path: {{directory: {}}}}}]",
            missing.display()
        );
        policy.replace("}}]", &other)
    });
    let mut command = host.command("backup");
    let done = Done::of(command.args(["--output", "json"]).output());
    assert_eq!(done.code, 27, "{done:?}");
    let reports = done
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let reports: Vec<RunReport> = reports.collect();
    let outcomes: Vec<_> = reports.iter().map(|report| report.outcome).collect();
    assert_eq!(outcomes, [Some(Outcome::Succeeded), Some(Outcome::Failed)]);

    std::fs::create_dir(&missing).unwrap();
    file(&missing, "letter.txt", "dear");
    let mut command = host.command("backup");
    let one = Done::of(command.args(["--source", "other"]).output());
    assert_eq!(one.code, 0, "{one:?}");
    assert!(one.out.contains("backup of other succeeded"), "{one:?}");
}

/// A run as cron starts it, and the events of its log, of which there is one for each run.
fn as_cron(host: &Host, log: &std::path::Path) -> (Done, Vec<serde_json::Value>) {
    let mut command = host.command("backup");
    let level = "warn,backstay::run=info";
    command.args(["--log-format", "text", "--log-level", level, "--log-file"]);
    let done = Done::of(command.arg(log).output());
    let log = std::fs::read_to_string(log).unwrap();
    let events = log.lines().map(|line| serde_json::from_str(line).unwrap());
    (done, events.collect())
}

#[test]
fn a_run_that_is_no_success_is_told_where_results_are_thrown_away_and_in_the_log() {
    let host = Host::new();
    office(&host.root());
    let log = host.at("log/office.log");
    let (done, events) = as_cron(&host, &log);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
    assert_eq!(events.len(), 1, "{events:?}");
    let event = &events[0];
    assert_eq!(
        (&event["level"], &event["outcome"]),
        (&"INFO".into(), &"Succeeded".into())
    );
    assert_eq!(event["message"], "backup of files succeeded");
    assert_eq!(event["uploaded"], 9);

    host.write_policy(&minio(), |policy| {
        let all = "{name: documents, bucket";
        policy.replace(all, "{name: documents, match: {extensions: [txt]}, bucket")
    });
    file(&host.root(), "program.bin", "of no category");
    let (done, events) = as_cron(&host, &log);
    assert_eq!((done.code, done.out.as_str()), (3, ""), "{done:?}");
    let mut lines = done.err.lines();
    assert_eq!(
        lines.next(),
        Some("backup of files is incomplete"),
        "{done:?}"
    );
    assert!(lines.all(|line| line.starts_with("  ")), "{done:?}");
    let event = events.last().unwrap();
    assert_eq!(
        (events.len(), &event["level"]),
        (2, &"WARN".into()),
        "{events:?}"
    );
    assert_eq!(event["reason"], "EntriesNotCaptured");
    let message = event["message"].as_str().unwrap();
    assert!(message.contains(" (no category takes it)"), "{message}");

    std::fs::remove_dir_all(host.root()).unwrap();
    let (done, events) = as_cron(&host, &log);
    assert_eq!((done.code, done.out.as_str()), (27, ""), "{done:?}");
    assert!(done.err.starts_with("backup of files failed\n"), "{done:?}");
    let event = events.last().unwrap();
    assert_eq!(
        (events.len(), &event["level"]),
        (3, &"ERROR".into()),
        "{events:?}"
    );
    let message = event["message"].as_str().unwrap();
    assert!(
        message.starts_with("backup of files failed: the source's root"),
        "{message}"
    );

    // A policy that cannot be read begins no run, and that stands in the log, too.
    std::fs::write(host.at("policy.yaml"), "kind: none").unwrap();
    let (done, events) = as_cron(&host, &log);
    assert_eq!((done.code, events.len()), (2, 4), "{events:?}");
    let message = events[3]["message"].as_str().unwrap();
    assert!(message.starts_with("no run began: "), "{message}");
}

#[test]
fn the_directory_of_the_log_is_made_and_no_tree_above_it() {
    use std::os::unix::fs::PermissionsExt;
    let host = Host::new();
    office(&host.root());
    let (done, _) = as_cron(&host, &host.at("log/office.log"));
    assert_eq!(done.code, 0, "{done:?}");
    let made = std::fs::metadata(host.at("log")).unwrap();
    assert_eq!(made.permissions().mode() & 0o777, 0o700);

    let log = host.at("no/such/office.log");
    let mut command = host.command("backup");
    let done = Done::of(command.arg("--log-file").arg(&log).output());
    assert_eq!(done.code, 0, "a backup without a log is one: {done:?}");
    let remedy = format!("install -d -m 700 {}", host.at("no/such").display());
    assert!(done.err.contains(&remedy), "{done:?}");
    assert!(!host.at("no").exists());
}

#[test]
fn keys_that_are_wrong_are_told_once() {
    let host = Host::new();
    office(&host.root());
    let mut command = host.command("backup");
    let done = Done::of(command.env("AWS_SECRET_ACCESS_KEY", "wrong").output());
    assert_eq!((done.code, done.out.as_str()), (21, ""), "{done:?}");
    let told = done.err.matches("SignatureDoesNotMatch").count();
    assert_eq!(told, 1, "{done:?}");
    assert!(done.err.starts_with("backup of files failed\n"), "{done:?}");
}
