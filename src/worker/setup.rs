//! Setup: whether the buckets of a policy are as they should be, and what makes them so.
//!
//! # Guarantees
//! Done twice it is done once. What is stricter than wanted stays, unless a person insists. After the
//! last write everything is read back: what is told is what stands, not what was sent.
//!
//! # Consistency
//! A crash leaves some settings written and others not; the next setup finds out and goes on.

use std::time::Duration;

use crate::adapters::s3::buckets::{Buckets, is_unsupported};
use crate::adapters::store::StoreError;
use crate::plan::bucket::{Finding, Verdict, Wanted, compare};
use crate::worker::failure::Failure;

/// How long to wait before what was written is read back once more: a bucket's settings may take a
/// moment to be seen everywhere.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel>
const READ_BACK_PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// One bucket, and all that was found about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketState {
    /// The bucket.
    pub bucket: String,
    /// What was found, in the order in which it would be written.
    pub findings: Vec<Finding>,
}

/// What becomes of a setting that is stricter than wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// It stays.
    Keep,
    /// It is weakened: a person insists.
    Weaken,
}

impl Stance {
    /// Whether a setting is to be written.
    #[must_use]
    pub fn writes(self, finding: &Finding) -> bool {
        match &finding.verdict {
            Verdict::Apply => true,
            Verdict::Stricter => self == Self::Weaken,
            Verdict::AlreadyThere | Verdict::Refused(_) | Verdict::Unsupported => false,
        }
    }
}

/// Reads what every bucket is like.
pub async fn check(buckets: &Buckets, wanted: &[Wanted]) -> Result<Vec<BucketState>, Failure> {
    let mut states = Vec::new();
    for one in wanted {
        states.push(BucketState {
            bucket: one.bucket.clone(),
            findings: look(buckets, one).await?,
        });
    }
    Ok(states)
}

/// Writes what `states` found to be missing, and tells how it is then.
pub async fn apply(
    buckets: &Buckets,
    wanted: &[Wanted],
    states: &[BucketState],
    stance: Stance,
) -> Result<Vec<BucketState>, Failure> {
    let mut after = Vec::new();
    for (one, state) in wanted.iter().zip(states) {
        after.push(BucketState {
            bucket: one.bucket.clone(),
            findings: apply_to(buckets, one, &state.findings, stance).await?,
        });
    }
    Ok(after)
}

async fn look(buckets: &Buckets, wanted: &Wanted) -> Result<Vec<Finding>, Failure> {
    let observed = buckets.observe(wanted).await?;
    Ok(compare(wanted, observed.as_ref()))
}

async fn apply_to(
    buckets: &Buckets,
    wanted: &Wanted,
    findings: &[Finding],
    stance: Stance,
) -> Result<Vec<Finding>, Failure> {
    let mut failed: Vec<Finding> = Vec::new();
    let mut is_any_written = false;
    for finding in findings.iter().filter(|finding| stance.writes(finding)) {
        match buckets.write(wanted, finding.setting).await {
            Ok(()) => {
                is_any_written = true;
                tracing::info!(
                    bucket = wanted.bucket,
                    setting = finding.setting.as_str(),
                    "bucket setting written"
                );
            }
            Err(error) => failed.push(Finding {
                verdict: not_written(error)?,
                ..finding.clone()
            }),
        }
    }
    if !is_any_written && failed.is_empty() {
        return Ok(findings.to_vec());
    }
    let seen = read_back(buckets, wanted, &failed).await?;
    Ok(told(seen, &failed))
}

/// What follows from a write that was refused. One that may succeed later, or that lacks a right,
/// ends the setup: it is to be done again.
fn not_written(error: StoreError) -> Result<Verdict, Failure> {
    if is_unsupported(&error) {
        return Ok(Verdict::Unsupported);
    }
    match error {
        StoreError::Refused { .. } => Ok(Verdict::Refused(error.to_string())),
        StoreError::NotFound { .. }
        | StoreError::NoSuchBucket { .. }
        | StoreError::ConditionFailed { .. }
        | StoreError::Conflict { .. }
        | StoreError::AccessDenied { .. }
        | StoreError::CredentialsMissing { .. }
        | StoreError::ChecksumMismatch { .. }
        | StoreError::VersionMissing { .. }
        | StoreError::ClockSkew
        | StoreError::Unavailable { .. } => Err(error.into()),
    }
}

async fn read_back(
    buckets: &Buckets,
    wanted: &Wanted,
    failed: &[Finding],
) -> Result<Vec<Finding>, Failure> {
    let is_due = |finding: &Finding| {
        finding.verdict == Verdict::Apply
            && !failed
                .iter()
                .any(|failed| failed.setting == finding.setting)
    };
    for pause in READ_BACK_PAUSES {
        let seen = look(buckets, wanted).await?;
        if !seen.iter().any(is_due) {
            return Ok(seen);
        }
        tokio::time::sleep(pause).await;
    }
    look(buckets, wanted).await
}

/// What was seen last, with the store's own words where it refused a write, or with ours where it
/// took one and did not keep it.
fn told(seen: Vec<Finding>, failed: &[Finding]) -> Vec<Finding> {
    let tell = |finding: Finding| {
        if finding.verdict != Verdict::Apply {
            return finding;
        }
        let refused = failed
            .iter()
            .find(|failed| failed.setting == finding.setting);
        let verdict = refused.map_or_else(
            || Verdict::Refused("the store took it and did not keep it".to_owned()),
            |failed| failed.verdict.clone(),
        );
        Finding { verdict, ..finding }
    };
    seen.into_iter().map(tell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::bucket::Setting;

    fn finding(setting: Setting, verdict: Verdict) -> Finding {
        Finding {
            setting,
            is: String::new(),
            wanted: String::new(),
            verdict,
        }
    }

    #[test]
    fn only_a_person_weakens() {
        let stricter = finding(Setting::ObjectLock, Verdict::Stricter);
        assert!(!Stance::Keep.writes(&stricter));
        assert!(Stance::Weaken.writes(&stricter));
        let refused = finding(Setting::ObjectLock, Verdict::Refused(String::new()));
        assert!(!Stance::Weaken.writes(&refused));
    }

    #[test]
    fn what_was_written_and_is_not_there_is_told() {
        let seen = vec![
            finding(Setting::Versioning, Verdict::AlreadyThere),
            finding(Setting::Lifecycle, Verdict::Apply),
            finding(Setting::ObjectLock, Verdict::Apply),
        ];
        let failed = [finding(Setting::ObjectLock, Verdict::Unsupported)];
        let told = told(seen, &failed);
        assert_eq!(told[0].verdict, Verdict::AlreadyThere);
        assert_eq!(
            told[1].verdict,
            Verdict::Refused("the store took it and did not keep it".to_owned())
        );
        assert_eq!(told[2].verdict, Verdict::Unsupported);
    }

    #[test]
    fn a_right_that_is_missing_ends_the_setup() {
        let denied = StoreError::AccessDenied {
            operation: "PutBucketPolicy",
            resource: "b".to_owned(),
            code: "AccessDenied".to_owned(),
        };
        assert!(not_written(denied).is_err());
        let refused = StoreError::Refused {
            operation: "PutBucketLifecycleConfiguration",
            resource: "b".to_owned(),
            code: "InvalidStorageClass".to_owned(),
            detail: "no such tier".to_owned(),
        };
        assert!(matches!(not_written(refused), Ok(Verdict::Refused(_))));
    }
}
