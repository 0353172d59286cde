//! Names that Kubernetes and S3 accept: checked once here, and trusted afterwards.

use std::fmt;

use sha2::{Digest, Sha256};

/// The longest name of a CronJob: its Jobs get eleven characters more, and must stay within 63.
/// <https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#job-creation>
const CRON_JOB_NAME_MAX_BYTES: usize = 52;

/// The longest DNS label, and the longest label value.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>
const LABEL_MAX_BYTES: usize = 63;

/// The longest DNS subdomain.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names>
const SUBDOMAIN_MAX_BYTES: usize = 253;

/// The longest name of a bucket.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
const BUCKET_MAX_BYTES: usize = 63;

/// What no bucket's name may start with.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
const BUCKET_PREFIXES_RESERVED: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];

/// What no name of an ordinary bucket may end with: aliases, and kinds of buckets without versions.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
const BUCKET_SUFFIXES_RESERVED: [&str; 5] =
    ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// What is wrong with a name.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    /// It has too few or too many characters.
    #[error("has {actual} characters, and must have {min} to {max}")]
    Length {
        /// How many it has.
        actual: usize,
        /// How many it must have at least.
        min: usize,
        /// How many it may have at most.
        max: usize,
    },
    /// It has a character that it may not have there.
    #[error("must be made of {allowed}, and start and end with a letter or a digit")]
    Characters {
        /// What it may be made of.
        allowed: &'static str,
    },
    /// A bucket's name has a dot beside another dot or a hyphen.
    #[error(
        "must not have a dot beside another dot or a hyphen: put a letter or a digit between them"
    )]
    DotBesides,
    /// A bucket's name looks like an address.
    #[error("must not look like an IP address: take a name with a letter in it")]
    Address,
    /// A bucket's name starts or ends with what S3 keeps for itself.
    #[error(
        "must not {place} with {affix}, which S3 keeps for names of its own: take another name"
    )]
    Reserved {
        /// `start` or `end`.
        place: &'static str,
        /// What is kept.
        affix: &'static str,
    },
}

/// The name of a CronJob: a policy's and a source's name, and a hash that tells `a-b` + `c` from
/// `a` + `b-c`. Where the two are too long they are cut, never the hash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CronJobName(String);

impl CronJobName {
    /// The name for a source of a policy. Both are names that Kubernetes has accepted.
    #[must_use]
    pub fn new(policy: &str, source: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(policy)
            .chain_update([0])
            .chain_update(source);
        let hash = hex::encode(&digest.finalize()[..4]);
        let readable: String = format!("{policy}-{source}")
            .chars()
            .map(|character| if character == '.' { '-' } else { character })
            .take(CRON_JOB_NAME_MAX_BYTES - 1 - hash.len())
            .collect();
        Self(format!("{}-{hash}", readable.trim_end_matches('-')))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CronJobName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether this may be a source's or a category's name: a DNS label.
pub fn check_label(name: &str) -> Result<(), NameError> {
    check_length(name, 1, LABEL_MAX_BYTES)?;
    check_characters(
        name,
        "lower case letters, digits and hyphens",
        |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'),
        |byte| byte == b'-',
    )
}

/// Whether this may be the name of a claim, a Secret or a ServiceAccount: a DNS subdomain.
pub fn check_subdomain(name: &str) -> Result<(), NameError> {
    check_length(name, 1, SUBDOMAIN_MAX_BYTES)?;
    for label in name.split('.') {
        check_characters(
            label,
            "lower case letters, digits, hyphens and dots",
            |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'),
            |byte| byte == b'-',
        )?;
    }
    Ok(())
}

/// Whether this may be the value of a label, which may be empty.
pub fn check_label_value(value: &str) -> Result<(), NameError> {
    check_length(value, 0, LABEL_MAX_BYTES)?;
    if value.is_empty() {
        return Ok(());
    }
    check_characters(
        value,
        "letters, digits, hyphens, dots and underscores",
        |byte| byte.is_ascii_alphanumeric(),
        |byte| matches!(byte, b'-' | b'.' | b'_'),
    )
}

/// Whether this may be the key of a label or of a taint: a name, with or without `prefix/`.
pub fn check_label_key(key: &str) -> Result<(), NameError> {
    let name = match key.split_once('/') {
        Some((prefix, name)) => {
            check_subdomain(prefix)?;
            name
        }
        None => key,
    };
    check_length(name, 1, LABEL_MAX_BYTES)?;
    check_label_value(name)
}

/// Whether this may be a bucket's name.
pub fn check_bucket(name: &str) -> Result<(), NameError> {
    check_length(name, 3, BUCKET_MAX_BYTES)?;
    check_characters(
        name,
        "lower case letters, digits, hyphens and dots",
        |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'),
        |byte| matches!(byte, b'-' | b'.'),
    )?;
    if ["..", ".-", "-."].iter().any(|pair| name.contains(pair)) {
        return Err(NameError::DotBesides);
    }
    if is_like_address(name) {
        return Err(NameError::Address);
    }
    let starts = BUCKET_PREFIXES_RESERVED.into_iter();
    let ends = BUCKET_SUFFIXES_RESERVED.into_iter();
    let mut reserved = starts
        .filter(|affix| name.starts_with(affix))
        .map(|affix| ("start", affix))
        .chain(
            ends.filter(|affix| name.ends_with(affix))
                .map(|affix| ("end", affix)),
        );
    match reserved.next() {
        Some((place, affix)) => Err(NameError::Reserved { place, affix }),
        None => Ok(()),
    }
}

/// Whether it is four groups of digits: S3 looks no further.
fn is_like_address(name: &str) -> bool {
    let is_number = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    name.split('.').count() == 4 && name.split('.').all(is_number)
}

/// The partition of a region: what an ARN of a resource there starts with.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
#[must_use]
pub(super) fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// Whether this is the ARN of a service's resource that has a region, or has none, and an account.
#[must_use]
pub(super) fn is_arn(text: &str, service: &str, has_region: bool) -> bool {
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    matches!(parts[..], ["arn", partition, of, region, account, resource]
        if is_word(partition) && of == service && !resource.is_empty()
            && if has_region { is_word(region) } else { region.is_empty() }
            && account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
}

fn check_length(name: &str, min: usize, max: usize) -> Result<(), NameError> {
    let actual = name.len();
    if (min..=max).contains(&actual) {
        return Ok(());
    }
    Err(NameError::Length { actual, min, max })
}

fn check_characters(
    name: &str,
    allowed: &'static str,
    at_either_end: fn(u8) -> bool,
    between: fn(u8) -> bool,
) -> Result<(), NameError> {
    let bytes = name.as_bytes();
    let ends_are_right = bytes.first().is_some_and(|byte| at_either_end(*byte))
        && bytes.last().is_some_and(|byte| at_either_end(*byte));
    if ends_are_right
        && bytes
            .iter()
            .all(|byte| at_either_end(*byte) || between(*byte))
    {
        return Ok(());
    }
    Err(NameError::Characters { allowed })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_reads_as_policy_and_source() {
        let name = CronJobName::new("office", "files");
        assert!(name.as_str().starts_with("office-files-"), "{name}");
        assert_eq!(name, CronJobName::new("office", "files"));
    }

    #[test]
    fn names_that_read_alike_do_not_meet() {
        assert_ne!(CronJobName::new("a-b", "c"), CronJobName::new("a", "b-c"));
        assert_ne!(CronJobName::new("a.b", "c"), CronJobName::new("a-b", "c"));
    }

    #[test]
    fn what_kubernetes_refuses_is_refused() {
        for name in ["", "-a", "a-", "A", "a_b", "a.b", &"x".repeat(64)] {
            assert!(check_label(name).is_err(), "{name}");
        }
        for name in ["", ".a", "a.", "a..b", "a.-b", "a/b"] {
            assert!(check_subdomain(name).is_err(), "{name}");
        }
        for key in ["", "/", "a/", "/a", "a/b/c", "A b", "UPPER.example/a"] {
            assert!(check_label_key(key).is_err(), "{key}");
        }
        for name in ["ab", "-ab", "Bucket", "under_score", "ab."] {
            assert!(check_bucket(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_bucket_that_s3_refuses_is_told_with_its_remedy() {
        for (name, remedy) in [
            ("acme..backup", "put a letter or a digit between them"),
            ("a.-b", "put a letter or a digit between them"),
            ("192.168.1.1", "take a name with a letter"),
            ("xn--acme", "must not start with xn--"),
            ("sthree-acme", "must not start with sthree-"),
            ("acme-s3alias", "must not end with -s3alias"),
            ("acme--x-s3", "must not end with --x-s3"),
        ] {
            let error = check_bucket(name).expect_err(name).to_string();
            assert!(error.contains(remedy), "{name}: {error}");
        }
        for name in ["192.168.1.1a", "1.2.3", "a-1.b", "acme--backup"] {
            assert_eq!(check_bucket(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_kubernetes_accepts_is_accepted() {
        assert_eq!(check_label("files-2"), Ok(()));
        assert_eq!(check_subdomain("data.office-0"), Ok(()));
        assert_eq!(check_label_value(""), Ok(()));
        assert_eq!(
            check_label_key("node-role.kubernetes.io/control_plane.A"),
            Ok(())
        );
        assert_eq!(check_bucket("acme-backup.eu"), Ok(()));
    }

    proptest! {
        #[test]
        fn every_cron_job_name_is_short_and_valid(
            policy in "[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?", source in "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
        ) {
            let name = CronJobName::new(&policy, &source);
            prop_assert!(name.as_str().len() <= 52);
            prop_assert_eq!(check_label(name.as_str()), Ok(()));
        }
    }
}
