//! `bucket check` and `bucket apply`: the diff, what is set, and the exit codes.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::Value;

use crate::environment::variable;
use crate::host::{Done, Host, check};
use crate::store::minio;
use crate::tree::office;

/// The policy's buckets do not exist, and are to be made like this.
fn host(endpoint: &str, settings: &str) -> Host {
    let host = Host::without_buckets();
    ask_for(&host, endpoint, settings);
    host
}

fn ask_for(host: &Host, endpoint: &str, settings: &str) {
    host.write_policy(endpoint, |policy| {
        policy.replace(
            "  storage:",
            &format!("  bucketSettings: {settings}\n  storage:"),
        )
    });
}

/// What MinIO has, but for the lock.
const OF_MINIO: &str = "{create: true, blockPublicAccess: false, \
                        lifecycle: {noncurrentExpirationDays: 365}}";

#[test]
fn buckets_are_made_set_and_then_as_the_policy_wants() {
    let lock = "objectLock: {mode: Governance, days: 1}, create";
    let host = host(&minio(), &OF_MINIO.replace("create", lock));
    let before = host.bucket_command("check", &[]);
    check(
        &before,
        4,
        &["+ bucket", "missing -> made in", "+ versioning"],
    );
    let dry = host.bucket_command("apply", &["--dry-run"]);
    check(&dry, 4, &["to be set"]);
    check(&host.bucket_command("check", &[]), 4, &["missing"]);
    let applied = host.bucket_command("apply", &["--yes"]);
    check(
        &applied,
        0,
        &["set, and read back:", "3 buckets: as the policy wants"],
    );
    check(
        &host.bucket_command("check", &[]),
        0,
        &["= object lock", "= lifecycle"],
    );
    let again = host.bucket_command("apply", &[]);
    check(&again, 0, &["3 buckets: as the policy wants"]);
    office(&host.root());
    let report = host.backup().expect(0);
    assert_eq!(report.warnings, Vec::<String>::new());
    host.check_restore();
}

#[test]
fn drift_is_told_field_by_field() {
    let host = host(&minio(), OF_MINIO);
    check(&host.bucket_command("apply", &["--yes"]), 0, &[]);
    host.store.suspend_versions(&host.bucket("photos"));
    let done = host.bucket_command("check", &["--output", "json"]);
    assert_eq!(done.code, 4, "{done:?}");
    let told: Value = done.json();
    assert_eq!(told["drift"], true);
    let photos = told["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|bucket| bucket["bucket"] == host.bucket("photos"))
        .unwrap();
    let drifted: Vec<&Value> = photos["settings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|setting| setting["verdict"] != "AlreadyThere")
        .collect();
    assert_eq!(drifted.len(), 1, "{photos}");
    assert_eq!(drifted[0]["setting"], "versioning");
    assert_eq!(drifted[0]["is"], "off");
}

#[test]
fn what_is_stricter_stays_without_force() {
    let host = host(&minio(), OF_MINIO);
    check(&host.bucket_command("apply", &["--yes"]), 0, &[]);
    let weaker = OF_MINIO.replace("365", "30");
    ask_for(&host, &minio(), &weaker);
    let kept = host.bucket_command("apply", &["--yes"]);
    check(
        &kept,
        4,
        &["> lifecycle", "--force weakens it", "3 settings stricter"],
    );
    let forced = host.bucket_command("apply", &["--yes", "--force"]);
    check(&forced, 0, &["superseded expire after 30 d"]);
}

#[test]
fn what_the_store_lacks_is_told_with_the_remedy() {
    let host = host(&minio(), "{create: true, transferAcceleration: true}");
    let done = host.bucket_command("apply", &["--yes"]);
    let words = [
        "! public access",
        "set bucketSettings.blockPublicAccess to false",
        "! acceleration",
        "PutBucketAccelerateConfiguration",
    ];
    check(&done, 4, &words);
    let tiers = "{blockPublicAccess: false, lifecycle: {preset: LongTerm}}";
    ask_for(&host, &minio(), tiers);
    let done = host.bucket_command("apply", &["--yes"]);
    check(
        &done,
        4,
        &["! lifecycle", "PutBucketLifecycleConfiguration"],
    );
}

#[test]
fn a_store_like_s3_takes_everything() {
    let everything = "{create: true, transferAcceleration: true, \
         lifecycle: {preset: InfrequentThenGlacier, noncurrentExpirationDays: 365, \
         noncurrentTransitions: [{days: 30, storageClass: GLACIER}]}, \
         objectLock: {mode: Governance, days: 30}}";
    let moto = variable("BACKSTAY_MOTO_ENDPOINT");
    let host = host(&moto, everything);
    check(
        &host.bucket_command("apply", &["--yes"]),
        0,
        &["as the policy wants"],
    );
    check(
        &host.bucket_command("check", &[]),
        0,
        &["STANDARD_IA after 30 d"],
    );
    office(&host.root());
    host.backup().expect(0);
}

#[test]
fn nobody_is_asked_where_there_is_no_terminal() {
    let host = host(&minio(), OF_MINIO);
    check(
        &host.bucket_command("apply", &[]),
        2,
        &["--yes", "--dry-run"],
    );
}

#[test]
fn a_policy_without_settings_is_told_what_is_missing() {
    let host = Host::without_buckets();
    let done = host.bucket_command("check", &[]);
    check(&done, 2, &["policy.yaml", "spec.bucketSettings is missing"]);
    ask_for(&host, &minio(), "{}");
    let missing = host.bucket_command("apply", &["--yes"]);
    check(
        &missing,
        4,
        &["! bucket", "does not exist", "bucketSettings.create"],
    );
    ask_for(
        &host,
        &minio(),
        "{lifecycle: {transitions: [{days: 7, storageClass: STANDARD_IA}]}}",
    );
    let words = ["transitions[0].days \"7\" must be at least 30"];
    check(&host.bucket_command("check", &[]), 2, &words);
}

#[test]
fn a_right_that_is_missing_is_named() {
    let host = host(&minio(), OF_MINIO);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_backstay"));
    command
        .args(["bucket", "check", "--policy"])
        .arg(host.at("policy.yaml"))
        .env("AWS_ACCESS_KEY_ID", "nobody");
    let done = Done::of(command.output());
    check(&done, 21, &["GetBucketVersioning"]);
}

/// What a run asks first for, seen by a proxy that answers nothing.
fn first_asked(storage: &str) -> String {
    let host = Host::without_buckets();
    office(&host.root());
    host.write_policy(&minio(), |policy| {
        let (before, _) = policy.split_once("  storage:").unwrap();
        format!("{before}  storage: {storage}\n")
    });
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let asked = std::thread::spawn(move || {
        let mut line = String::new();
        let (asks, _) = proxy.accept().unwrap();
        BufReader::new(asks).read_line(&mut line).unwrap();
        line
    });
    let mut command = host.command("backup");
    command.env("HTTPS_PROXY", format!("http://{address}"));
    let mut run = command.stdout(Stdio::null()).spawn().unwrap();
    let line = asked.join().unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    line.replace(&host.name, "acme")
}

#[test]
fn an_accelerated_run_goes_to_the_accelerate_endpoint() {
    let plain = first_asked("{region: eu-south-1}");
    assert_eq!(
        plain.trim(),
        "CONNECT acme-database.s3.eu-south-1.amazonaws.com:443 HTTP/1.1"
    );
    let fast = first_asked("{region: eu-south-1, transferAcceleration: true}");
    assert_eq!(
        fast.trim(),
        "CONNECT acme-database.s3-accelerate.amazonaws.com:443 HTTP/1.1"
    );
}
