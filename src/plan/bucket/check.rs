//! What schema and CEL cannot say of `bucketSettings`.

use super::wanted::{BUCKET_PLACEHOLDER, is_plain_http};
use super::{lifecycle, sources};
use crate::api::policy::BackupPolicySpec;
use crate::api::settings::{BucketEvents, Lifecycle, Replication, TransitionClass};
use crate::plan::names;
use crate::plan::policy::Place;
use crate::plan::problem::Problems;
use crate::plan::storage::{check_credentials, check_names_for_acceleration};

const FIELD: &str = "spec.bucketSettings";

/// How long an object is in a class before a rule may move it to infrequent access, and how long it
/// stays there before the next one may.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>
const INFREQUENT_DAYS: u32 = 30;

/// Checks the settings, where there are any.
pub(in crate::plan) fn check(spec: &BackupPolicySpec, place: Place, problems: &mut Problems) {
    let Some(settings) = &spec.bucket_settings else {
        return;
    };
    if settings.secure_transport == Some(true) && is_plain_http(&spec.storage) {
        let message = "would lock the worker out: storage.endpoint is an http:// address; leave it \
                       out, or reach the store by https://";
        problems.add(format!("{FIELD}.secureTransport"), "true", message);
    }
    if let Some(lifecycle) = &settings.lifecycle {
        check_lifecycle(lifecycle, problems);
    }
    if settings.transfer_acceleration == Some(true) {
        let field = format!("{FIELD}.transferAcceleration");
        check_names_for_acceleration(&field, &spec.storage, &spec.categories, problems);
    }
    if let Some(replication) = &settings.replication {
        check_replication(replication, spec, problems);
    }
    if let Some(events) = &settings.events {
        check_events(events, problems);
    }
    if settings.source_events {
        sources::check(spec, problems);
    }
    let credentials = settings.credentials.as_ref();
    check_credentials(
        &format!("{FIELD}.credentials"),
        credentials,
        place,
        problems,
    );
}

fn check_lifecycle(given: &Lifecycle, problems: &mut Problems) {
    let resolved = lifecycle::tiers(given);
    let field = |name: &str| format!("{FIELD}.lifecycle.{name}");
    check_transitions(&field("transitions"), &resolved.transitions, problems);
    let noncurrent = &resolved.noncurrent_transitions;
    check_transitions(&field("noncurrentTransitions"), noncurrent, problems);
    let (Some(expiration), Some((last, _))) =
        (resolved.noncurrent_expiration_days, noncurrent.last())
    else {
        return;
    };
    if expiration <= *last {
        let message = format!("must be more than {last}, when superseded versions move last");
        problems.add(
            field("noncurrentExpirationDays"),
            &expiration.to_string(),
            message,
        );
    }
}

/// Objects move from dearer classes to cheaper ones, and no sooner than S3 allows.
fn check_transitions(field: &str, transitions: &[(u32, TransitionClass)], problems: &mut Problems) {
    let mut before: Option<(u32, TransitionClass)> = None;
    for (index, (days, class)) in transitions.iter().enumerate() {
        let is_infrequent = |class| {
            matches!(
                class,
                TransitionClass::StandardIa | TransitionClass::OnezoneIa
            )
        };
        if let Some((_, class_before)) = before.filter(|(_, before)| before >= class) {
            let message = format!(
                "cannot follow {}: objects move to cheaper classes only",
                class_before.as_str()
            );
            let field = format!("{field}[{index}].storageClass");
            problems.add(field, class.as_str(), message);
        }
        let mut least = if is_infrequent(*class) {
            INFREQUENT_DAYS
        } else {
            1
        };
        if let Some((days_before, class_before)) = before {
            let stay = if is_infrequent(class_before) {
                INFREQUENT_DAYS
            } else {
                1
            };
            least = least.max(days_before.saturating_add(stay));
        }
        if *days < least {
            let message = format!("must be at least {least} for {}", class.as_str());
            problems.add(format!("{field}[{index}].days"), &days.to_string(), message);
        }
        before = Some((*days, *class));
    }
}

fn check_replication(replication: &Replication, spec: &BackupPolicySpec, problems: &mut Problems) {
    let field = |name: &str| format!("{FIELD}.replication.{name}");
    let arn = &replication.bucket_arn;
    let mut buckets: Vec<&String> = spec
        .categories
        .iter()
        .map(|category| &category.bucket)
        .chain(&spec.storage.catalog_bucket)
        .collect();
    buckets.sort();
    buckets.dedup();
    let template = arn.rsplit_once(":::").map_or("", |(_, template)| template);
    if buckets.len() > 1 && !template.contains(BUCKET_PLACEHOLDER) {
        let message = "must contain {bucket}: several buckets would be copied onto one another";
        problems.add(field("bucketArn"), arn, message);
    }
    for bucket in buckets {
        let copy = template.replace(BUCKET_PLACEHOLDER, bucket);
        if copy == *bucket {
            let message = format!("names {bucket} itself; a copy needs another bucket");
            problems.add(field("bucketArn"), arn, message);
        }
        problems.check(field("bucketArn"), arn, names::check_bucket(&copy));
    }
    if !names::is_arn(&replication.role_arn, "iam", false) {
        let message = "must be a role's ARN: arn:aws:iam::123456789012:role/replication";
        problems.add(field("roleArn"), &replication.role_arn, message);
    }
    check_replica_key(replication, spec, problems);
}

fn check_replica_key(replication: &Replication, spec: &BackupPolicySpec, problems: &mut Problems) {
    let field = format!("{FIELD}.replication.kmsKeyArn");
    let encryption = spec.storage.encryption.as_ref();
    let is_kms = encryption.is_some_and(|encryption| encryption.kms.is_some());
    match &replication.kms_key_arn {
        None if is_kms => problems.add(
            field,
            "",
            "is needed where storage.encryption is kms: S3 copies such objects only under a key \
             that is named",
        ),
        Some(key) if !is_kms => {
            problems.add(
                field,
                key,
                "is for storage.encryption kms alone: leave it out",
            );
        }
        Some(key) if !names::is_arn(key, "kms", true) => problems.add(
            field,
            key,
            "must be a key's ARN: arn:aws:kms:eu-west-1:123456789012:key/…",
        ),
        Some(_) | None => {}
    }
}

fn check_events(events: &BucketEvents, problems: &mut Problems) {
    if !names::is_arn(&events.queue_arn, "sqs", true) {
        let message = "must be a queue's ARN: arn:aws:sqs:eu-south-1:123456789012:files";
        problems.add(
            format!("{FIELD}.events.queueArn"),
            &events.queue_arn,
            message,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings of a policy with two buckets have this one problem, or none.
    fn check_settings(settings: &str, expected: &str) {
        check_with("{region: eu-south-1}", settings, expected);
    }

    fn check_with(storage: &str, settings: &str, expected: &str) {
        let spec: BackupPolicySpec = serde_saphyr::from_str(&format!(
            "{{schedule: '@daily', sources: [], categories: [{{name: a, bucket: first}}, \
             {{name: b, bucket: second}}], storage: {storage}, bucketSettings: {settings}}}"
        ))
        .expect("a policy's spec");
        let mut problems = Problems::default();
        check(&spec, Place::Host, &mut problems);
        let problems: Vec<String> = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        if expected.is_empty() {
            assert_eq!(problems, Vec::<String>::new());
        } else {
            assert!(
                problems.len() == 1 && problems[0].contains(expected),
                "{settings}: {problems:#?}"
            );
        }
    }

    #[test]
    fn classes_get_cheaper_and_no_sooner_than_s3_allows() {
        let check = |transitions: &str, expected: &str| {
            check_settings(
                &format!("{{lifecycle: {{transitions: [{transitions}]}}}}"),
                expected,
            );
        };
        check("{days: 30, storageClass: STANDARD_IA}", "");
        check("{days: 1, storageClass: GLACIER_IR}", "");
        check(
            "{days: 29, storageClass: STANDARD_IA}",
            "transitions[0].days \"29\" must be at least 30 for STANDARD_IA",
        );
        check(
            "{days: 30, storageClass: STANDARD_IA}, {days: 59, storageClass: GLACIER}",
            "transitions[1].days \"59\" must be at least 60",
        );
        check(
            "{days: 30, storageClass: GLACIER}, {days: 90, storageClass: GLACIER_IR}",
            "transitions[1].storageClass \"GLACIER_IR\" cannot follow GLACIER",
        );
        check(
            "{days: 30, storageClass: GLACIER}, {days: 30, storageClass: DEEP_ARCHIVE}",
            "must be at least 31",
        );
    }

    #[test]
    fn versions_expire_after_they_have_moved() {
        check_settings(
            "{lifecycle: {preset: NoncurrentArchive, noncurrentExpirationDays: 30}}",
            "noncurrentExpirationDays \"30\" must be more than 30",
        );
        for preset in ["InfrequentThenGlacier", "LongTerm", "NoncurrentArchive"] {
            check_settings(&format!("{{lifecycle: {{preset: {preset}}}}}"), "");
        }
    }

    #[test]
    fn a_worker_is_not_locked_out() {
        let plain = "{region: x, endpoint: 'http://minio:9000'}";
        check_with(plain, "{secureTransport: true}", "lock the worker out");
        check_with(plain, "{secureTransport: false}", "");
        check_with(plain, "{}", "");
    }

    #[test]
    fn a_copy_is_another_bucket_for_each() {
        let role = "roleArn: 'arn:aws:iam::123456789012:role/copy'";
        let check = |arn: &str, expected: &str| {
            check_settings(
                &format!("{{replication: {{bucketArn: '{arn}', {role}}}}}"),
                expected,
            );
        };
        check("arn:aws:s3:::{bucket}-copy", "");
        check("arn:aws:s3:::copy", "must contain {bucket}");
        check("arn:aws:s3:::{bucket}", "names first itself");
        check("arn:aws:s3:::{bucket}-", "must be made of");
        check_settings(
            "{replication: {bucketArn: 'arn:aws:s3:::{bucket}-c', roleArn: 'arn:aws:iam:::role/copy'}}",
            "must be a role's ARN",
        );
    }

    #[test]
    fn a_copy_under_kms_names_its_key() {
        let replication = |key: &str| {
            format!(
                "{{replication: {{bucketArn: 'arn:aws:s3:::{{bucket}}-c', \
                 roleArn: 'arn:aws:iam::123456789012:role/copy'{key}}}}}"
            )
        };
        let kms = "{region: x, encryption: {kms: {keyId: alias/backup}}}";
        check_with(kms, &replication(""), "kmsKeyArn is needed");
        let key = ", kmsKeyArn: 'arn:aws:kms:eu-west-1:123456789012:key/1'";
        check_with(kms, &replication(key), "");
        check_settings(&replication(key), "is for storage.encryption kms alone");
    }

    #[test]
    fn a_queue_is_named_by_its_arn() {
        let check = |arn: &str, expected| {
            check_settings(&format!("{{events: {{queueArn: '{arn}'}}}}"), expected);
        };
        check("arn:aws:sqs:eu-south-1:123456789012:files", "");
        check("arn:aws:sns:eu-south-1:123456789012:files", "a queue's ARN");
    }

    #[test]
    fn a_bucket_with_a_dot_cannot_be_accelerated() {
        check_settings("{transferAcceleration: true}", "");
        check_with(
            "{region: x, catalogBucket: a.b}",
            "{transferAcceleration: true}",
            "such as a.b",
        );
    }

    #[test]
    fn in_a_cluster_the_identity_is_given() {
        let spec: BackupPolicySpec = serde_saphyr::from_str(
            "{schedule: '@daily', sources: [], categories: [], storage: {region: x}, bucketSettings: {}}",
        )
        .expect("a policy's spec");
        let mut problems = Problems::default();
        check(&spec, Place::Cluster, &mut problems);
        let problems = problems.into_vec();
        assert_eq!(problems[0].field, "spec.bucketSettings.credentials");
    }
}
