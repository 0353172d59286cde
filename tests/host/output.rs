//! What a run says, and where.

use backstay::api::outcome::Outcome;
use backstay::api::report::RunReport;

use crate::host::{Done, Host};
use crate::store::{minio, variable};
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
