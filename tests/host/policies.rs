//! Policies that cannot be carried out: each is told in one line that names the field, what
//! stands there and what would be right.

use crate::host::{Done, Host};
use crate::store::minio;

/// What is replaced in a policy that is right, by what, and the words of the one line.
type Mistake = (&'static str, &'static str, &'static [&'static str]);

const MISTAKES: &[Mistake] = &[
    (
        "H 2 * * *",
        "0 25 * * *",
        &["spec.schedule", "\"0 25 * * *\"", "hour", "0 to 23"],
    ),
    (
        "H 2 * * *",
        "\"@nightly\"",
        &["spec.schedule", "\"@nightly\"", "@daily"],
    ),
    (
        "H 2 * * *",
        "0 2 30 2 *",
        &["spec.schedule", "0 2 30 2 *", "never"],
    ),
    ("  schedule: H 2 * * *\n", "", &["spec.schedule is missing"]),
    (
        "spec:",
        "spec:\n  timeZone: Europe/Roma",
        &["spec.timeZone", "Europe/Roma", "Europe/Rome"],
    ),
    (
        "spec:",
        "spec:\n  startingDeadlineSeconds: 5",
        &["spec.startingDeadlineSeconds", "5", "10"],
    ),
    (
        "  schedule:",
        "  shedule:",
        &[
            "spec.shedule is not a known field",
            "known are",
            "schedule",
            "spec.schedule is missing",
        ],
    ),
    (
        "spec:",
        "spec:\n  retention: 30d",
        &[
            "spec.retention is not a known field",
            "known are bucketSettings, categories",
        ],
    ),
    (
        "bucket: host",
        "compression: {algorithm: Zstd, extensions: [.csv]}, bucket: host",
        &["compression.extensions[0]", "\".csv\"", "without a dot"],
    ),
    (
        "spec:",
        "spec:\n  schedule: '@daily'",
        &["duplicate mapping key"],
    ),
    (
        "storage: {region",
        "storage: {transferAcceleration: true, region",
        &["spec.storage.transferAcceleration", "storage.endpoint out"],
    ),
    (
        "{name: documents, bucket",
        "{name: documents, buckets",
        &[
            "spec.categories[2].bucket is missing",
            "spec.categories[2].buckets is not a known field",
        ],
    ),
    (
        ", match: {extensions: [jpg], paths: [\"photos/**\"]}",
        "",
        &["spec.categories[1]", "\"photos\"", "last"],
    ),
    (
        "name: photos",
        "name: documents",
        &[
            "spec.categories[2].name",
            "\"documents\"",
            "another category",
        ],
    ),
    (
        "extensions: [jpg]",
        "extensions: [.jpg]",
        &[
            "spec.categories[1].match.extensions[0]",
            "\".jpg\"",
            "without a dot",
        ],
    ),
    (
        "\"photos/**\"",
        "\"photos/[a\"",
        &[
            "spec.categories[1].match.paths[0]",
            "\"photos/[a\"",
            "not a pattern",
        ],
    ),
    (
        "{extensions: [jpg], paths: [\"photos/**\"]}",
        "{}",
        &["spec.categories[1].match", "preset, extensions or paths"],
    ),
    (
        "-photos}",
        "_Photos}",
        &["spec.categories[1].bucket", "_Photos", "lower case"],
    ),
    (
        "directory: /",
        "directory: ./",
        &["spec.sources[0].path.directory", "\"./", "absolute"],
    ),
    (
        "path: {directory",
        "persistentVolumeClaim: {claimName",
        &[
            "spec.sources[0].persistentVolumeClaim",
            "path: {directory: /",
        ],
    ),
    (
        "path: {directory",
        "persistentVolumeClaim: {claimName: c}, path: {directory",
        &[
            "spec.sources[0]",
            "exactly one of persistentVolumeClaim, bucket and path",
        ],
    ),
    (
        "{name: files,",
        "{name: Files_1,",
        &["spec.sources[0].name", "\"Files_1\"", "lower case letters"],
    ),
    (
        "{name: files,",
        "{name: files, exclude: ['a[']  ,",
        &["spec.sources[0].exclude[0]", "\"a[\"", "not a pattern"],
    ),
    (
        "region: us-east-1",
        "region: us-east-1, keyPrefix: /backup",
        &[
            "spec.storage.keyPrefix",
            "\"/backup\"",
            "without a slash at either end",
        ],
    ),
    (
        "region: us-east-1",
        "region: us-east-1, keyPrefix: '{host}/x'",
        &[
            "spec.storage.keyPrefix",
            "{host}",
            "{namespace}, {policy}, {source} and {date}",
        ],
    ),
    (
        "region: us-east-1",
        "region: us-east-1, keyPrefix: a/../b",
        &["spec.storage.keyPrefix", "a/../b", ".."],
    ),
    (
        "region: us-east-1",
        "region: Milan",
        &["spec.storage.region", "\"Milan\"", "eu-south-1"],
    ),
    (
        "endpoint: \"http://",
        "endpoint: \"",
        &["spec.storage.endpoint", "http"],
    ),
    (
        "region: us-east-1",
        "region: us-east-1, credentials: {}",
        &["spec.storage.credentials", "exactly one of secret"],
    ),
    (
        "-documents}",
        "-documents, storageClass: GLACIER}",
        &[
            "spec.categories[2].storageClass",
            "\"GLACIER\"",
            "GLACIER_IR",
        ],
    ),
    (
        "spec:",
        "spec:\n  deletions: {maxPercent: 0}",
        &["spec.deletions.maxPercent", "0", "1 to 100"],
    ),
    (
        "spec:",
        "spec:\n  worker: {concurrency: 100}",
        &["spec.worker.concurrency", "100", "1 to 64"],
    ),
    (
        "spec:",
        "spec:\n  notifications: {sns: {topicArn: 'arn:aws:sns:backups'}}",
        &["spec.notifications.sns.topicArn", "arn:aws:sns:backups"],
    ),
    (
        "kind: BackupPolicy",
        "kind: CronJob",
        &["kind", "\"CronJob\"", "BackupPolicy"],
    ),
    (
        "backstay.dev/v1alpha1",
        "backstay.dev/v2",
        &["apiVersion", "\"backstay.dev/v2\"", "backstay.dev/v1alpha1"],
    ),
    (
        "{name: office, namespace: acme}",
        "{namespace: acme}",
        &["metadata.name", "missing"],
    ),
    (
        "name: office",
        "name: The Office",
        &["metadata.name", "\"The Office\"", "lower case letters"],
    ),
    (
        "namespace: acme",
        "namespace: ../acme",
        &["metadata.namespace", "\"../acme\"", "lower case letters"],
    ),
    ("sources: [{", "sources: {[", &["line 6"]),
    (
        "region: us-east-1",
        "region: 5",
        &["spec.storage.region", "\"5\"", "must be text"],
    ),
    (
        "spec:",
        "sepc:",
        &["spec is missing", "sepc is not a known field"],
    ),
    ("spec:", "", &["line"]),
];

#[test]
fn each_mistake_in_a_policy_is_one_clear_line() {
    let host = Host::without_buckets();
    let mut unclear = Vec::new();
    for (right, wrong, words) in MISTAKES {
        host.write_policy(&minio(), |policy| {
            assert!(policy.contains(right), "{right}");
            policy.replacen(right, wrong, 1)
        });
        let done = Done::of(host.command("backup").output());
        // A field with another name is two mistakes: one is not known, and one is missing.
        let lines = 1 + words
            .iter()
            .filter(|word| word.contains("is not a known"))
            .count();
        let is_one_line = done.err.lines().count() <= lines && done.err.starts_with("backstay: ");
        let missing = words.iter().find(|word| !done.err.contains(**word));
        if done.code != 2 || !done.out.is_empty() || !is_one_line || missing.is_some() {
            unclear.push(format!("{wrong}: lacks {missing:?}: {done:?}"));
        }
    }
    assert!(unclear.is_empty(), "{unclear:#?}");
}

#[test]
fn all_mistakes_are_told_at_once_each_in_a_line() {
    let host = Host::without_buckets();
    host.write_policy(&minio(), |policy| {
        policy
            .replace("H 2 * * *", "61 * * * *")
            .replace("-photos}", "_x}")
            .replace("region: us-east-1", "region: Milan")
    });
    let done = Done::of(host.command("backup").output());
    assert_eq!(done.code, 2);
    let lines: Vec<&str> = done.err.lines().collect();
    assert_eq!(lines.len(), 3, "{}", done.err);
    for (line, field) in lines
        .iter()
        .zip(["categories[1].bucket", "schedule", "storage.region"])
    {
        assert!(line.contains(&format!("spec.{field}")), "{}", done.err);
    }
}

#[test]
fn mistakes_of_the_command_line_are_told() {
    let host = Host::new();
    for (arguments, words) in [
        (
            &["--source", "fils"] as &[&str],
            "--source fils is not a source of the policy: it has files",
        ),
        (&["--output", "yaml"], "invalid value 'yaml'"),
        (&["--log-level", "loud=quiet"], "--log-level"),
    ] {
        let done = Done::of(host.command("backup").args(arguments).output());
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.err.contains(words), "{done:?}");
    }
    let mut command = host.command("backup");
    std::fs::remove_file(host.at("policy.yaml")).unwrap();
    let done = Done::of(command.output());
    assert_eq!(done.code, 2);
    assert!(done.err.contains("policy.yaml: No such file"), "{done:?}");
}
