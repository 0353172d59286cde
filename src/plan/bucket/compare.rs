//! What is to be done about a bucket, setting by setting.

use super::{
    AtRest, Finding, Observed, Replica, Replication, Role, Seen, Setting, Verdict, Wanted, events,
    lifecycle, object_lock, statements,
};

/// How many ways S3 has to block public access.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>
const PUBLIC_ACCESS_BLOCKS: u8 = 4;

/// Sets what a bucket is to be like against what it was seen to be like; `None` where it does not
/// exist. The findings stand in the order in which they are to be written.
#[must_use]
pub fn compare(wanted: &Wanted, observed: Option<&Observed>) -> Vec<Finding> {
    let Some(observed) = observed else {
        return missing(wanted);
    };
    let mut findings = Vec::new();
    if wanted.versioning {
        findings.push(versioning(observed.versioning));
    }
    findings.extend(public_access(&observed.public_access_blocks));
    findings.extend(on(&observed.encryption, Setting::Encryption, |seen| {
        let wanted = wanted.encryption.as_ref()?;
        Some(vec![encryption(wanted, seen.as_ref())])
    }));
    findings.extend(on(&observed.statements, Setting::Policy, |seen| {
        Some(vec![statements::compare(wanted, seen)])
    }));
    findings.extend(on(&observed.lifecycle, Setting::Lifecycle, |seen| {
        Some(lifecycle::compare(wanted, seen))
    }));
    findings.extend(on(&observed.object_lock, Setting::ObjectLock, |seen| {
        Some(vec![object_lock::compare(wanted.object_lock?, *seen)])
    }));
    findings.extend(on(&observed.acceleration, Setting::Acceleration, |seen| {
        Some(vec![acceleration(wanted.acceleration?, *seen)])
    }));
    findings.extend(on(&observed.replication, Setting::Replication, |seen| {
        Some(vec![replication(wanted.replica.as_ref()?, seen)])
    }));
    findings.extend(on(&observed.events, Setting::Events, |seen| {
        Some(vec![events::compare(&wanted.events, seen)])
    }));
    findings
}

/// A bucket that does not exist: whether it is made, it has nothing yet.
fn missing(wanted: &Wanted) -> Vec<Finding> {
    let bucket = &wanted.bucket;
    let verdict = if wanted.create {
        Verdict::Apply
    } else if wanted.role == Role::Source {
        Verdict::Refused(format!(
            "a source is not made: create bucket {bucket}, or correct the source's bucket.name"
        ))
    } else {
        Verdict::Refused(format!(
            "bucket {bucket} does not exist: create it, correct its name, or set \
             bucketSettings.create"
        ))
    };
    let existence = Finding {
        setting: Setting::Existence,
        is: "missing".to_owned(),
        wanted: if wanted.role == Role::Source {
            "a source".to_owned()
        } else {
            format!("made in {}", wanted.region)
        },
        verdict,
    };
    let rest = wanted.create.then(|| compare(wanted, Some(&empty(wanted))));
    [existence]
        .into_iter()
        .chain(rest.into_iter().flatten())
        .collect()
}

/// What a new bucket is like, as far as anything else is wanted.
fn empty(wanted: &Wanted) -> Observed {
    fn is<T>(is_wanted: bool, value: T) -> Seen<T> {
        if is_wanted {
            Seen::Is(value)
        } else {
            Seen::NotAsked
        }
    }
    Observed {
        versioning: false,
        public_access_blocks: is(wanted.block_public_access, 0),
        encryption: is(wanted.encryption.is_some(), None),
        statements: is(!wanted.statements.is_empty(), Vec::new()),
        lifecycle: is(!wanted.lifecycle.is_empty(), Vec::new()),
        object_lock: is(wanted.object_lock.is_some(), None),
        acceleration: is(wanted.acceleration.is_some(), false),
        replication: is(wanted.replica.is_some(), Replication::default()),
        events: is(!wanted.events.is_empty(), Vec::new()),
    }
}

fn on<T>(
    seen: &Seen<T>,
    setting: Setting,
    found: impl FnOnce(&T) -> Option<Vec<Finding>>,
) -> Vec<Finding> {
    match seen {
        Seen::NotAsked => Vec::new(),
        Seen::Is(seen) => found(seen).unwrap_or_default(),
        Seen::Unsupported => vec![unsupported(setting)],
    }
}

fn unsupported(setting: Setting) -> Finding {
    Finding {
        setting,
        is: "unknown to the store".to_owned(),
        wanted: "asked for".to_owned(),
        verdict: Verdict::Unsupported,
    }
}

fn finding(setting: Setting, is: String, wanted: String, verdict: Verdict) -> Finding {
    Finding {
        setting,
        is,
        wanted,
        verdict,
    }
}

fn apply_unless(is_there: bool) -> Verdict {
    if is_there {
        Verdict::AlreadyThere
    } else {
        Verdict::Apply
    }
}

fn on_or_off(is_on: bool) -> String {
    if is_on { "enabled" } else { "off" }.to_owned()
}

fn versioning(is_on: bool) -> Finding {
    finding(
        Setting::Versioning,
        on_or_off(is_on),
        on_or_off(true),
        apply_unless(is_on),
    )
}

fn public_access(blocks: &Seen<u8>) -> Vec<Finding> {
    on(blocks, Setting::PublicAccess, |blocks| {
        let describe = |number: u8| match number {
            0 => "not blocked".to_owned(),
            PUBLIC_ACCESS_BLOCKS => "blocked".to_owned(),
            some => format!("blocked in {some} of {PUBLIC_ACCESS_BLOCKS} ways"),
        };
        Some(vec![finding(
            Setting::PublicAccess,
            describe(*blocks),
            describe(PUBLIC_ACCESS_BLOCKS),
            apply_unless(*blocks >= PUBLIC_ACCESS_BLOCKS),
        )])
    })
}

fn encryption(wanted: &AtRest, seen: Option<&AtRest>) -> Finding {
    let verdict = match (seen, wanted) {
        (None, _) | (Some(AtRest::S3), AtRest::Kms { .. } | AtRest::KmsTwice { .. }) => {
            Verdict::Apply
        }
        (Some(AtRest::S3), AtRest::S3) => Verdict::AlreadyThere,
        (Some(AtRest::Kms { .. } | AtRest::KmsTwice { .. }), AtRest::S3)
        | (Some(AtRest::KmsTwice { .. }), AtRest::Kms { .. }) => Verdict::Stricter,
        (Some(AtRest::Kms { .. }), AtRest::KmsTwice { .. }) => Verdict::Apply,
        (Some(AtRest::Kms { key_id: seen }), AtRest::Kms { key_id: wanted })
        | (Some(AtRest::KmsTwice { key_id: seen }), AtRest::KmsTwice { key_id: wanted }) => {
            apply_unless(is_same_key(seen, wanted))
        }
    };
    finding(
        Setting::Encryption,
        seen.map_or_else(|| "none".to_owned(), at_rest),
        at_rest(wanted),
        verdict,
    )
}

/// An ARN ends with the id or the alias that the other may give alone.
fn is_same_key(seen: &str, wanted: &str) -> bool {
    let tail = |key: &str| {
        let tail = key.rsplit_once(':').map_or(key, |(_, tail)| tail);
        tail.strip_prefix("key/").unwrap_or(tail).to_owned()
    };
    let is_arn = |key: &str| key.starts_with("arn:");
    seen == wanted || (is_arn(seen) != is_arn(wanted) && tail(seen) == tail(wanted))
}

fn at_rest(encryption: &AtRest) -> String {
    match encryption {
        AtRest::S3 => "SSE-S3".to_owned(),
        AtRest::Kms { key_id } => format!("SSE-KMS with {key_id}"),
        AtRest::KmsTwice { key_id } => format!("DSSE-KMS with {key_id}"),
    }
}

fn acceleration(wanted: bool, seen: bool) -> Finding {
    finding(
        Setting::Acceleration,
        on_or_off(seen),
        on_or_off(wanted),
        apply_unless(wanted == seen),
    )
}

fn replication(wanted: &Replica, seen: &Replication) -> Finding {
    let is_other_role = seen
        .role_arn
        .as_ref()
        .is_some_and(|role| *role != wanted.role_arn);
    let verdict = if seen.ours.as_ref() == Some(wanted) {
        Verdict::AlreadyThere
    } else if seen.has_foreign && is_other_role {
        Verdict::Refused(format!(
            "rules of another owner are carried out by the role {}, and a bucket has one role for \
             all its rules: name that one in bucketSettings.replication.roleArn",
            seen.role_arn.as_deref().unwrap_or_default()
        ))
    } else {
        Verdict::Apply
    };
    let is = seen
        .ours
        .as_ref()
        .map_or_else(|| "none of ours".to_owned(), describe_replica);
    finding(Setting::Replication, is, describe_replica(wanted), verdict)
}

fn describe_replica(replica: &Replica) -> String {
    let class = replica
        .storage_class
        .map_or_else(String::new, |class| format!(", as {}", class.as_str()));
    let key = replica
        .kms_key_arn
        .as_ref()
        .map_or_else(String::new, |key| format!(", under {key}"));
    format!(
        "to {} by {}{class}{key}",
        replica.bucket_arn, replica.role_arn
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plan::bucket::{EventRule, Lock, LockMode};

    /// A bucket of which nothing is wanted.
    pub(in crate::plan::bucket) fn wanted() -> Wanted {
        Wanted::nothing("b", "eu-south-1", None, Role::Own)
    }

    #[test]
    fn of_a_bucket_of_which_nothing_is_wanted_nothing_is_told() {
        assert_eq!(compare(&wanted(), Some(&Observed::default())), []);
    }

    #[test]
    fn a_missing_bucket_is_made_where_that_is_asked_for() {
        let asked = Wanted {
            create: true,
            versioning: true,
            ..wanted()
        };
        let told = |wanted: &Wanted| -> Vec<(Setting, &'static str)> {
            compare(wanted, None)
                .iter()
                .map(|finding| (finding.setting, finding.verdict.as_str()))
                .collect()
        };
        assert_eq!(
            told(&asked),
            [
                (Setting::Existence, "Apply"),
                (Setting::Versioning, "Apply")
            ]
        );
        let not_asked = Wanted {
            create: false,
            ..asked
        };
        assert_eq!(told(&not_asked), [(Setting::Existence, "Refused")]);
        let source = Wanted {
            role: Role::Source,
            ..not_asked
        };
        let remark = compare(&source, None)[0].remark().unwrap_or_default();
        assert!(remark.starts_with("a source is not made"), "{remark}");
    }

    #[test]
    fn versions_and_public_access() {
        let wanted = Wanted {
            versioning: true,
            block_public_access: true,
            ..wanted()
        };
        for (versioning, blocks, expected) in [
            (false, 0, ["Apply", "Apply"]),
            (true, 3, ["AlreadyThere", "Apply"]),
            (true, 4, ["AlreadyThere", "AlreadyThere"]),
        ] {
            let observed = Observed {
                versioning,
                public_access_blocks: Seen::Is(blocks),
                ..Observed::default()
            };
            let verdicts: Vec<&str> = compare(&wanted, Some(&observed))
                .iter()
                .map(|finding| finding.verdict.as_str())
                .collect();
            assert_eq!(verdicts, expected);
        }
    }

    #[test]
    fn a_setting_that_the_store_lacks_names_the_field() {
        let wanted = Wanted {
            block_public_access: true,
            ..wanted()
        };
        let observed = Observed {
            public_access_blocks: Seen::Unsupported,
            ..Observed::default()
        };
        let findings = compare(&wanted, Some(&observed));
        assert_eq!(findings[0].verdict, Verdict::Unsupported);
        let remark = findings[0].remark().expect("a remark");
        assert!(remark.contains("blockPublicAccess to false"), "{remark}");
    }

    #[test]
    fn encryption_is_never_weakened() {
        let kms = |key: &str| AtRest::Kms {
            key_id: key.to_owned(),
        };
        let twice = AtRest::KmsTwice {
            key_id: "a".to_owned(),
        };
        let check = |wanted: &AtRest, seen: Option<AtRest>, expected: Verdict| {
            assert_eq!(
                encryption(wanted, seen.as_ref()).verdict,
                expected,
                "{wanted:?} {seen:?}"
            );
        };
        check(&AtRest::S3, None, Verdict::Apply);
        check(&AtRest::S3, Some(AtRest::S3), Verdict::AlreadyThere);
        check(&AtRest::S3, Some(kms("a")), Verdict::Stricter);
        check(&kms("a"), Some(twice), Verdict::Stricter);
        check(&kms("a"), Some(AtRest::S3), Verdict::Apply);
        check(&kms("a"), Some(kms("b")), Verdict::Apply);
        let arn = "arn:aws:kms:eu-south-1:123456789012:key/1b4e";
        check(&kms("1b4e"), Some(kms(arn)), Verdict::AlreadyThere);
        check(&kms(arn), Some(kms("1b4e")), Verdict::AlreadyThere);
        let alias = "arn:aws:kms:eu-south-1:123456789012:alias/backup";
        check(
            &kms("alias/backup"),
            Some(kms(alias)),
            Verdict::AlreadyThere,
        );
        check(&kms("alias/backup"), Some(kms(arn)), Verdict::Apply);
    }

    #[test]
    fn rules_of_others_with_another_role_are_not_taken_over() {
        let wanted = Replica {
            bucket_arn: "arn:aws:s3:::copy".to_owned(),
            role_arn: "arn:aws:iam::123456789012:role/ours".to_owned(),
            storage_class: None,
            kms_key_arn: None,
        };
        let seen = |role: &str, ours: Option<Replica>, has_foreign| Replication {
            role_arn: Some(role.to_owned()),
            ours,
            has_foreign,
        };
        let theirs = "arn:aws:iam::123456789012:role/theirs";
        let check = |seen: &Replication, expected: &str| {
            assert_eq!(replication(&wanted, seen).verdict.as_str(), expected);
        };
        check(&Replication::default(), "Apply");
        check(&seen(theirs, None, true), "Refused");
        check(&seen(theirs, None, false), "Apply");
        check(&seen(&wanted.role_arn, None, true), "Apply");
        let there = seen(&wanted.role_arn, Some(wanted.clone()), true);
        check(&there, "AlreadyThere");
    }

    #[test]
    fn findings_stand_in_the_order_in_which_they_are_written() {
        let rule = EventRule {
            id: "r".to_owned(),
            prefix: "data/".to_owned(),
            queue_arn: "q".to_owned(),
        };
        let wanted = Wanted {
            create: true,
            versioning: true,
            block_public_access: true,
            encryption: Some(AtRest::S3),
            statements: statements::ours("b", "eu-south-1"),
            object_lock: Some(Lock {
                mode: LockMode::Governance,
                days: 1,
            }),
            acceleration: Some(true),
            events: vec![rule],
            ..wanted()
        };
        let settings: Vec<Setting> = compare(&wanted, None)
            .iter()
            .map(|finding| finding.setting)
            .collect();
        assert!(settings.is_sorted());
        assert_eq!(settings.len(), 8);
    }
}
