//! What the buckets' settings must not do to a backup, checked before every run.

/// What a bucket promises about the versions in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promises {
    /// Whether versioning is enabled (not suspended).
    pub versioning: bool,
    /// The enabled lifecycle rules; `None` where they may not be read.
    pub lifecycle: Option<Vec<LifecycleRule>>,
}

/// What one enabled lifecycle rule does to keys under its prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifecycleRule {
    /// The rule's name.
    pub id: String,
    /// Whether the rule has a filter besides the prefix (tags, sizes), so that it may apply to
    /// some objects under the prefix and not to others.
    pub partial: bool,
    /// The prefix; empty for all keys.
    pub prefix: String,
    /// Whether current versions expire.
    pub expires_current: bool,
    /// After how many days a noncurrent version expires.
    pub noncurrent_days: Option<u32>,
    /// Whether it also keeps only so many noncurrent versions.
    pub newer_noncurrent_versions: Option<u32>,
    /// Whether current versions change their storage class.
    pub transitions: bool,
}

/// One bucket and what it is used for.
#[derive(Clone, Debug)]
pub struct Bucket<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it promises.
    pub promises: &'a Promises,
    /// Whether it holds the catalog.
    pub holds_catalog: bool,
    /// Whether it holds files.
    pub holds_data: bool,
}

/// What a look at the buckets' settings found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why a run must not start; empty where it may.
    pub refusals: Vec<String>,
    /// What is not as it should be.
    pub warnings: Vec<String>,
}

/// The fewest days that a superseded version should live: less leaves no time to notice that
/// runs fail.
const NONCURRENT_DAYS_ADVISED: u32 = 14;

/// Looks at every bucket of a repository.
#[must_use]
pub fn check(buckets: &[Bucket<'_>]) -> Verdict {
    let mut verdict = Verdict::default();
    for bucket in buckets {
        check_bucket(bucket, &mut verdict);
    }
    verdict
}

fn check_bucket(bucket: &Bucket<'_>, verdict: &mut Verdict) {
    let name = bucket.name;
    if !bucket.promises.versioning {
        verdict.refusals.push(format!(
            "bucket {name} does not keep versions, so an overwritten file could not be restored: \
             enable versioning on it"
        ));
    }
    let Some(rules) = &bucket.promises.lifecycle else {
        verdict.warnings.push(format!(
            "the lifecycle rules of bucket {name} may not be read, so how far back can be restored \
             is unknown: allow s3:GetLifecycleConfiguration"
        ));
        return;
    };
    for rule in rules {
        if bucket.holds_data && touches(rule, "data/") {
            check_data_rule(name, rule, verdict);
        }
        if bucket.holds_catalog && touches(rule, "catalog/") {
            check_catalog_rule(name, rule, verdict);
        }
    }
}

fn check_data_rule(name: &str, rule: &LifecycleRule, verdict: &mut Verdict) {
    let id = &rule.id;
    if rule.expires_current {
        verdict.refusals.push(format!(
            "lifecycle rule {id} of bucket {name} expires current files under data/: restore \
             points would lose them; expire noncurrent versions instead"
        ));
    }
    if rule.newer_noncurrent_versions.is_some() {
        verdict.refusals.push(format!(
            "lifecycle rule {id} of bucket {name} keeps a number of noncurrent versions under \
             data/ (NewerNoncurrentVersions): how far back can be restored would depend on how \
             often a file changes; use NoncurrentDays alone"
        ));
    }
    if let Some(days) = rule
        .noncurrent_days
        .filter(|days| *days < NONCURRENT_DAYS_ADVISED)
    {
        verdict.warnings.push(format!(
            "lifecycle rule {id} of bucket {name} expires superseded files after {days} days; at \
             least {NONCURRENT_DAYS_ADVISED} leave time to notice that runs fail"
        ));
    }
}

fn check_catalog_rule(name: &str, rule: &LifecycleRule, verdict: &mut Verdict) {
    let id = &rule.id;
    if rule.transitions {
        verdict.refusals.push(format!(
            "lifecycle rule {id} of bucket {name} moves objects under catalog/ to another storage \
             class: limit the rule to the prefix data/"
        ));
    }
    if rule.expires_current {
        verdict.refusals.push(format!(
            "lifecycle rule {id} of bucket {name} expires objects under catalog/: limit the rule \
             to another prefix"
        ));
    }
}

/// Whether a rule may apply to keys under `prefix`: either lies within the other.
fn touches(rule: &LifecycleRule, prefix: &str) -> bool {
    rule.prefix.starts_with(prefix) || prefix.starts_with(&rule.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_rule(rule: LifecycleRule, refusals: usize, warnings: usize) {
        let promises = Promises {
            versioning: true,
            lifecycle: Some(vec![rule]),
        };
        let bucket = Bucket {
            name: "b",
            promises: &promises,
            holds_catalog: true,
            holds_data: true,
        };
        let verdict = check(&[bucket]);
        assert_eq!(
            (verdict.refusals.len(), verdict.warnings.len()),
            (refusals, warnings)
        );
    }

    #[test]
    fn s13_a_bucket_without_versions_is_refused() {
        let promises = Promises {
            versioning: false,
            lifecycle: Some(Vec::new()),
        };
        let bucket = Bucket {
            name: "b",
            promises: &promises,
            holds_catalog: false,
            holds_data: true,
        };
        assert_eq!(check(&[bucket]).refusals.len(), 1);
    }

    #[test]
    fn g06_rules_that_would_break_restore_points_are_refused() {
        check_rule(
            LifecycleRule {
                expires_current: true,
                ..LifecycleRule::default()
            },
            2,
            0,
        );
        let of_data = LifecycleRule {
            prefix: "data/".into(),
            ..LifecycleRule::default()
        };
        check_rule(
            LifecycleRule {
                expires_current: true,
                ..of_data.clone()
            },
            1,
            0,
        );
        check_rule(
            LifecycleRule {
                newer_noncurrent_versions: Some(3),
                ..of_data.clone()
            },
            1,
            0,
        );
        check_rule(
            LifecycleRule {
                transitions: true,
                ..of_data.clone()
            },
            0,
            0,
        );
        check_rule(
            LifecycleRule {
                transitions: true,
                ..LifecycleRule::default()
            },
            1,
            0,
        );
        check_rule(
            LifecycleRule {
                noncurrent_days: Some(7),
                ..of_data.clone()
            },
            0,
            1,
        );
        check_rule(
            LifecycleRule {
                noncurrent_days: Some(365),
                ..of_data
            },
            0,
            0,
        );
    }

    #[test]
    fn a_rule_for_another_prefix_is_none_of_ours() {
        let other = LifecycleRule {
            prefix: "logs/".into(),
            expires_current: true,
            ..LifecycleRule::default()
        };
        check_rule(other, 0, 0);
    }
}
