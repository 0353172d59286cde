//! Lifecycle rules: what ours say, and how those that are there differ.

use super::{Finding, RULE_PREFIX, Rule, SeenRule, Setting, Verdict, Wanted};
use crate::api::settings::{Lifecycle, LifecyclePreset, Transition, TransitionClass};
use crate::plan::preflight::{self, Bucket, Promises};
use crate::plan::words::count;

/// The name of the rule for files. Classes and expiry are for `data/` alone.
const DATA_RULE: &str = "backstay-data";
const DATA_PREFIX: &str = "data/";

/// The name of the rule for uploads that were not finished; it is for all keys.
const UPLOADS_RULE: &str = "backstay-uploads";

/// When an upload that was not finished is given up, where nothing is said and the store is AWS's. An
/// interrupted run goes on the next day; a week leaves room for a long weekend. Other stores see to
/// it by themselves, and MinIO refuses such a rule.
const ABORT_DAYS_DEFAULT: u32 = 7;

/// A policy's lifecycle, with its preset resolved.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::plan) struct Tiers {
    /// After how many days current versions move where.
    pub(in crate::plan) transitions: Vec<(u32, TransitionClass)>,
    /// After how many days superseded versions move where.
    pub(in crate::plan) noncurrent_transitions: Vec<(u32, TransitionClass)>,
    /// After how many days superseded versions expire.
    pub(in crate::plan) noncurrent_expiration_days: Option<u32>,
}

/// What stands beside a preset takes the place of the preset's own.
pub(in crate::plan) fn tiers(lifecycle: &Lifecycle) -> Tiers {
    use TransitionClass::{Glacier, StandardIa};
    let (transitions, noncurrent_transitions, expiration) = match lifecycle.preset {
        Some(LifecyclePreset::InfrequentThenGlacier) => {
            (vec![(30, StandardIa), (60, Glacier)], vec![], None)
        }
        Some(LifecyclePreset::LongTerm) => (vec![(30, StandardIa), (180, Glacier)], vec![], None),
        Some(LifecyclePreset::NoncurrentArchive) => (vec![], vec![(30, Glacier)], Some(365)),
        None => (vec![], vec![], None),
    };
    let given = |transitions: &Option<Vec<Transition>>| {
        transitions.as_ref().map(|transitions| {
            transitions
                .iter()
                .map(|transition| (transition.days, transition.storage_class))
                .collect()
        })
    };
    Tiers {
        transitions: given(&lifecycle.transitions).unwrap_or(transitions),
        noncurrent_transitions: given(&lifecycle.noncurrent_transitions)
            .unwrap_or(noncurrent_transitions),
        noncurrent_expiration_days: lifecycle.noncurrent_expiration_days.or(expiration),
    }
}

/// Our rules for a bucket.
pub(super) fn rules(lifecycle: &Lifecycle, holds_data: bool, is_aws: bool) -> Vec<Rule> {
    let resolved = tiers(lifecycle);
    let data = Rule {
        id: DATA_RULE.to_owned(),
        prefix: DATA_PREFIX.to_owned(),
        // Once the last version behind a marker has expired, the marker only slows listings down.
        removes_bare_markers: resolved.noncurrent_expiration_days.is_some(),
        transitions: resolved.transitions,
        noncurrent_transitions: resolved.noncurrent_transitions,
        noncurrent_expiration_days: resolved.noncurrent_expiration_days,
        abort_days: None,
    };
    let abort_days = lifecycle
        .abort_incomplete_multipart_upload_days
        .or_else(|| is_aws.then_some(ABORT_DAYS_DEFAULT));
    let uploads = abort_days.map(|days| Rule {
        id: UPLOADS_RULE.to_owned(),
        abort_days: Some(days),
        ..Rule::default()
    });
    let says_anything = !data.transitions.is_empty()
        || !data.noncurrent_transitions.is_empty()
        || data.noncurrent_expiration_days.is_some();
    let data = (holds_data && says_anything).then_some(data);
    data.into_iter().chain(uploads).collect()
}

/// Sets what is there against our rules.
pub(super) fn compare(wanted: &Wanted, seen: &[SeenRule]) -> Vec<Finding> {
    let (ours, foreign): (Vec<&SeenRule>, Vec<&SeenRule>) = seen
        .iter()
        .partition(|rule| rule.promise.id.starts_with(RULE_PREFIX));
    let is_there = ours.len() == wanted.lifecycle.len()
        && wanted.lifecycle.iter().all(|rule| {
            ours.iter()
                .any(|seen| seen.is_enabled && seen.rule.as_ref() == Some(rule))
        });
    let verdict = if is_there {
        Verdict::AlreadyThere
    } else if keeps_longer(&wanted.lifecycle, &ours) {
        Verdict::Stricter
    } else {
        Verdict::Apply
    };
    let own = Finding {
        setting: Setting::Lifecycle,
        is: describe_seen(&ours),
        wanted: describe(&wanted.lifecycle),
        verdict,
    };
    let harmful = harmful(wanted, &foreign);
    [own].into_iter().chain(harmful).collect()
}

/// Whether a rule of ours keeps superseded versions for longer than is wanted now: to shorten that
/// takes restore points away.
fn keeps_longer(wanted: &[Rule], ours: &[&SeenRule]) -> bool {
    let expiry = |rule: &&SeenRule| {
        let days = rule.promise.noncurrent_days;
        days.filter(|_| rule.is_enabled)
    };
    let (Some(seen), Some(wanted)) = (
        ours.iter().filter_map(expiry).min(),
        wanted
            .iter()
            .filter_map(|rule| rule.noncurrent_expiration_days)
            .min(),
    ) else {
        return false;
    };
    seen > wanted
}

/// Rules of others because of which a run would refuse the bucket. They are not ours to change.
fn harmful(wanted: &Wanted, foreign: &[&SeenRule]) -> Option<Finding> {
    let rules = foreign.iter().filter(|rule| rule.is_enabled);
    let promises = Promises {
        versioning: true,
        lifecycle: Some(rules.map(|rule| rule.promise.clone()).collect()),
    };
    let verdict = preflight::check(&[Bucket {
        name: &wanted.bucket,
        promises: &promises,
        holds_catalog: true,
        holds_data: true,
    }]);
    if verdict.refusals.is_empty() {
        return None;
    }
    Some(Finding {
        setting: Setting::Lifecycle,
        is: format!("{} of another owner", count(foreign.len(), "rule")),
        wanted: "no rule that breaks restore points".to_owned(),
        verdict: Verdict::Refused(verdict.refusals.join("; ")),
    })
}

fn describe_seen(ours: &[&SeenRule]) -> String {
    let known: Option<Vec<Rule>> = ours
        .iter()
        .map(|seen| seen.rule.clone().filter(|_| seen.is_enabled))
        .collect();
    match known {
        Some(rules) if rules.is_empty() => "none of ours".to_owned(),
        Some(rules) => describe(&rules),
        None => format!("{} of ours, changed by hand", count(ours.len(), "rule")),
    }
}

fn describe(rules: &[Rule]) -> String {
    let parts: Vec<String> = rules.iter().flat_map(describe_rule).collect();
    parts.join(", ")
}

fn describe_rule(rule: &Rule) -> Vec<String> {
    let moves = |what: &str, transitions: &[(u32, TransitionClass)]| {
        transitions
            .iter()
            .map(|(days, class)| format!("{what}{} after {days} d", class.as_str()))
            .collect::<Vec<_>>()
    };
    let mut parts = moves("", &rule.transitions);
    parts.extend(moves("superseded to ", &rule.noncurrent_transitions));
    if let Some(days) = rule.noncurrent_expiration_days {
        parts.push(format!("superseded expire after {days} d"));
    }
    if let Some(days) = rule.abort_days {
        parts.push(format!("unfinished uploads end after {days} d"));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::super::compare::tests::wanted;
    use super::*;
    use crate::plan::preflight::LifecycleRule;

    fn lifecycle(yaml: &str) -> Lifecycle {
        serde_saphyr::from_str(yaml).expect("a lifecycle")
    }

    pub(crate) fn seen(rule: &Rule) -> SeenRule {
        SeenRule {
            is_enabled: true,
            promise: LifecycleRule {
                id: rule.id.clone(),
                prefix: rule.prefix.clone(),
                noncurrent_days: rule.noncurrent_expiration_days,
                transitions: !rule.transitions.is_empty(),
                ..LifecycleRule::default()
            },
            rule: Some(rule.clone()),
        }
    }

    #[test]
    fn the_presets_are_the_usual_tiers() {
        let check = |preset: &str, expected: &str| {
            let rules = rules(&lifecycle(&format!("{{preset: {preset}}}")), true, true);
            assert_eq!(describe(&rules), expected);
        };
        let uploads = "unfinished uploads end after 7 d";
        check(
            "InfrequentThenGlacier",
            &format!("STANDARD_IA after 30 d, GLACIER after 60 d, {uploads}"),
        );
        check(
            "LongTerm",
            &format!("STANDARD_IA after 30 d, GLACIER after 180 d, {uploads}"),
        );
        check(
            "NoncurrentArchive",
            &format!("superseded to GLACIER after 30 d, superseded expire after 365 d, {uploads}"),
        );
    }

    #[test]
    fn what_stands_beside_a_preset_takes_its_place() {
        let both = lifecycle("{preset: LongTerm, noncurrentExpirationDays: 90, transitions: []}");
        let resolved = tiers(&both);
        assert!(resolved.transitions.is_empty());
        assert_eq!(resolved.noncurrent_expiration_days, Some(90));
    }

    /// Every rule that we make, set against what a run checks before it starts.
    #[test]
    fn g06_a_run_accepts_every_rule_of_ours() {
        let whole = lifecycle(
            "{transitions: [{days: 30, storageClass: STANDARD_IA}], noncurrentExpirationDays: 30, \
             noncurrentTransitions: [{days: 1, storageClass: GLACIER}]}",
        );
        let promises = Promises {
            versioning: true,
            lifecycle: Some(
                rules(&whole, true, true)
                    .iter()
                    .map(|rule| seen(rule).promise)
                    .collect(),
            ),
        };
        let verdict = preflight::check(&[Bucket {
            name: "b",
            promises: &promises,
            holds_catalog: true,
            holds_data: true,
        }]);
        assert_eq!(verdict, preflight::Verdict::default());
    }

    #[test]
    fn no_rule_of_ours_moves_or_expires_the_catalog() {
        let whole = lifecycle("{preset: NoncurrentArchive}");
        for rule in rules(&whole, true, true) {
            assert!(rule.prefix == DATA_PREFIX || rule.abort_days.is_some());
        }
        let of_catalog = rules(&whole, false, true);
        assert_eq!(of_catalog.len(), 1);
        assert_eq!(of_catalog[0].id, UPLOADS_RULE);
        assert_eq!(rules(&whole, false, false), []);
    }

    fn verdicts(wanted: &Wanted, seen: &[SeenRule]) -> Vec<&'static str> {
        compare(wanted, seen)
            .iter()
            .map(|finding| finding.verdict.as_str())
            .collect()
    }

    #[test]
    fn rules_are_set_until_they_are_there() {
        let wanted = Wanted {
            lifecycle: rules(&lifecycle("{preset: NoncurrentArchive}"), true, true),
            ..wanted()
        };
        let there: Vec<SeenRule> = wanted.lifecycle.iter().map(seen).collect();
        assert_eq!(verdicts(&wanted, &[]), ["Apply"]);
        assert_eq!(verdicts(&wanted, &there), ["AlreadyThere"]);
        let mut disabled = there.clone();
        disabled[0].is_enabled = false;
        assert_eq!(verdicts(&wanted, &disabled), ["Apply"]);
        let mut left_over = there.clone();
        left_over.push(seen(&Rule {
            id: "backstay-old".to_owned(),
            ..Rule::default()
        }));
        assert_eq!(verdicts(&wanted, &left_over), ["Apply"]);
    }

    #[test]
    fn versions_that_live_longer_are_not_shortened() {
        let wanted = Wanted {
            lifecycle: rules(&lifecycle("{noncurrentExpirationDays: 30}"), true, true),
            ..wanted()
        };
        let longer = rules(&lifecycle("{noncurrentExpirationDays: 365}"), true, true);
        let seen_longer: Vec<SeenRule> = longer.iter().map(seen).collect();
        assert_eq!(verdicts(&wanted, &seen_longer), ["StricterLeftAlone"]);
        let shorter = rules(&lifecycle("{noncurrentExpirationDays: 7}"), true, true);
        let seen_shorter: Vec<SeenRule> = shorter.iter().map(seen).collect();
        assert_eq!(verdicts(&wanted, &seen_shorter), ["Apply"]);
    }

    #[test]
    fn a_rule_of_others_stays_and_is_told_where_it_breaks_restore_points() {
        let wanted = Wanted {
            lifecycle: rules(&lifecycle("{noncurrentExpirationDays: 30}"), true, true),
            ..wanted()
        };
        let mut rules: Vec<SeenRule> = wanted.lifecycle.iter().map(seen).collect();
        rules.push(SeenRule {
            is_enabled: true,
            promise: LifecycleRule {
                id: "logs".to_owned(),
                prefix: "logs/".to_owned(),
                expires_current: true,
                ..LifecycleRule::default()
            },
            rule: None,
        });
        assert_eq!(verdicts(&wanted, &rules), ["AlreadyThere"]);
        rules[2].promise.prefix = String::new();
        assert_eq!(verdicts(&wanted, &rules), ["AlreadyThere", "Refused"]);
        rules[2].is_enabled = false;
        assert_eq!(verdicts(&wanted, &rules), ["AlreadyThere"]);
    }
}
