//! Whom a bucket tells of what happens in it.
//!
//! A bucket has one document for all its rules, and S3 takes no two rules for the same event whose
//! filters overlap: a rule of somebody else's that tells our queue already is as good as ours, and
//! one that tells another stands in its way.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html>

use super::{Finding, Setting, Verdict};

/// What is told: all that is stored, and all that is hidden or deleted.
pub const TOLD: [&str; 2] = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"];

/// A rule of ours: a queue is told of all that is stored or hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRule {
    /// Its name, by which it is found again.
    pub id: String,
    /// What the keys begin with; empty for all.
    pub prefix: String,
    /// The queue's ARN.
    pub queue_arn: String,
}

/// A rule that was seen, of whomever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenEvents {
    /// Its name.
    pub id: String,
    /// What the keys begin with.
    pub prefix: String,
    /// What the keys end with.
    pub suffix: String,
    /// What is told, by S3's names.
    pub events: Vec<String>,
    /// The ARN of the queue, topic or function that is told.
    pub destination: String,
}

/// The rules that are to be written: those of which nobody else's rules do the work.
#[must_use]
pub fn missing<'a>(wanted: &'a [EventRule], seen: &[SeenEvents]) -> Vec<&'a EventRule> {
    let foreign = foreign(wanted, seen);
    let is_due = |rule: &&EventRule| !is_told_by(rule, &foreign);
    wanted.iter().filter(is_due).collect()
}

/// What is to be done about a bucket's rules, which are written together.
pub(super) fn compare(wanted: &[EventRule], seen: &[SeenEvents]) -> Finding {
    let foreign = foreign(wanted, seen);
    let missing = missing(wanted, seen);
    let is_stale =
        |one: &SeenEvents| is_ours(wanted, &one.id) && wanted.iter().all(|rule| rule.id != one.id);
    let verdict = if missing.iter().all(|rule| is_there(rule, seen)) && !seen.iter().any(is_stale) {
        Verdict::AlreadyThere
    } else {
        let refusal = missing.iter().find_map(|rule| refusal(rule, &foreign));
        refusal.map_or(Verdict::Apply, Verdict::Refused)
    };
    let relevant = seen.iter().filter(|one| {
        let does_our_work = |rule: &EventRule| is_told_by(rule, &[one]);
        is_ours(wanted, &one.id) || wanted.iter().any(does_our_work)
    });
    let is: Vec<String> = relevant.map(describe_seen).collect();
    Finding {
        setting: Setting::Events,
        is: if is.is_empty() {
            "none of ours".to_owned()
        } else {
            is.join("; ")
        },
        wanted: wanted.iter().map(describe).collect::<Vec<_>>().join("; "),
        verdict,
    }
}

/// Whether a rule is this policy's: one that is wanted, or of a source that is called otherwise now.
#[must_use]
pub fn is_ours(wanted: &[EventRule], id: &str) -> bool {
    wanted.iter().any(|rule| {
        let of_policy = policy_part(&rule.id);
        rule.id == id || (of_policy.is_some() && policy_part(id) == of_policy)
    })
}

/// What the names of all rules of a policy's sources begin with: `backstay-source.NAMESPACE.POLICY`.
/// Without its dots, a name is of a kind of its own.
fn policy_part(id: &str) -> Option<&str> {
    let (policy, _source) = id.rsplit_once('.')?;
    (policy.matches('.').count() >= 2).then_some(policy)
}

fn foreign<'a>(wanted: &[EventRule], seen: &'a [SeenEvents]) -> Vec<&'a SeenEvents> {
    seen.iter()
        .filter(|one| !is_ours(wanted, &one.id))
        .collect()
}

/// Whether our rule says just what it should say.
fn is_there(rule: &EventRule, seen: &[SeenEvents]) -> bool {
    seen.iter().any(|seen| {
        seen.id == rule.id
            && seen.destination == rule.queue_arn
            && seen.prefix == rule.prefix
            && seen.suffix.is_empty()
            && is_all(&seen.events)
    })
}

fn is_all(events: &[String]) -> bool {
    events.len() == TOLD.len() && TOLD.iter().all(|told| events.iter().any(|one| one == told))
}

/// Whether these rules, of whomever, tell the queue at least as much.
fn is_told_by(rule: &EventRule, rules: &[&SeenEvents]) -> bool {
    TOLD.iter().all(|told| {
        rules.iter().any(|seen| {
            seen.destination == rule.queue_arn
                && rule.prefix.starts_with(&seen.prefix)
                && seen.suffix.is_empty()
                && seen.events.iter().any(|event| event == told)
        })
    })
}

/// Why S3 would not take a rule beside those of others.
fn refusal(rule: &EventRule, foreign: &[&SeenEvents]) -> Option<String> {
    let other = foreign.iter().find(|seen| overlaps(rule, seen))?;
    Some(format!(
        "rule {} tells {} of the same objects, and S3 takes one rule for them: remove that one, or \
         have it tell an SNS topic that tells both",
        other.id, other.destination
    ))
}

fn overlaps(rule: &EventRule, seen: &SeenEvents) -> bool {
    // By whatever request they come about.
    let is_of_a_kind = |event: &String| {
        let mut kinds = TOLD.iter().map(|told| told.trim_end_matches('*'));
        kinds.any(|kind| event.starts_with(kind))
    };
    is_overlap(&rule.prefix, &seen.prefix) && seen.events.iter().any(is_of_a_kind)
}

/// Whether there can be a key that begins with both.
pub(super) fn is_overlap(left: &str, right: &str) -> bool {
    left.starts_with(right) || right.starts_with(left)
}

fn describe(rule: &EventRule) -> String {
    let queue = &rule.queue_arn;
    match rule.prefix.as_str() {
        "" => format!("all told to {queue}"),
        prefix => format!("{prefix} told to {queue}"),
    }
}

fn describe_seen(seen: &SeenEvents) -> String {
    let rule = EventRule {
        id: seen.id.clone(),
        prefix: seen.prefix.clone(),
        queue_arn: seen.destination.clone(),
    };
    let suffix = match seen.suffix.as_str() {
        "" => String::new(),
        suffix => format!(", only …{suffix}"),
    };
    let events = if is_all(&seen.events) {
        String::new()
    } else {
        format!(", only {}", seen.events.join(" and "))
    };
    format!("{}{suffix}{events}", describe(&rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: &str = "arn:aws:sqs:eu-south-1:123456789012:up";

    fn rule(prefix: &str) -> EventRule {
        EventRule {
            id: "ours".to_owned(),
            prefix: prefix.to_owned(),
            queue_arn: QUEUE.to_owned(),
        }
    }

    fn seen(id: &str, prefix: &str, destination: &str) -> SeenEvents {
        SeenEvents {
            id: id.to_owned(),
            prefix: prefix.to_owned(),
            suffix: String::new(),
            events: TOLD.map(ToOwned::to_owned).to_vec(),
            destination: destination.to_owned(),
        }
    }

    #[track_caller]
    fn check(seen: &[SeenEvents], expected: &str) {
        let finding = compare(&[rule("in/")], seen);
        assert_eq!(finding.verdict.as_str(), expected, "{finding:?}");
    }

    #[test]
    fn a_rule_of_ours_is_there_until_somebody_changes_it() {
        let whole = seen("ours", "in/", QUEUE);
        check(&[], "Apply");
        check(std::slice::from_ref(&whole), "AlreadyThere");
        check(&[seen("ours", "in/", "another queue")], "Apply");
        check(&[seen("ours", "", QUEUE)], "Apply");
        let mut less = whole.clone();
        less.events.pop();
        check(std::slice::from_ref(&less), "Apply");
        let told = compare(&[rule("in/")], &[less]).is;
        assert_eq!(
            told,
            format!("in/ told to {QUEUE}, only s3:ObjectCreated:*")
        );
        let ends = SeenEvents {
            suffix: ".jpg".to_owned(),
            ..whole
        };
        check(&[ends], "Apply");
    }

    #[test]
    fn the_rule_of_a_source_that_is_called_otherwise_now_is_taken_away() {
        let ours = |source: &str| EventRule {
            id: format!("backstay-source.acme.up.{source}"),
            ..rule("in/")
        };
        let there = |id: &str| seen(id, "in/", QUEUE);
        let check = |seen: &[SeenEvents], expected| {
            let verdict = compare(&[ours("new")], seen).verdict;
            assert_eq!(verdict.as_str(), expected, "{seen:?}");
        };
        check(&[there("backstay-source.acme.up.new")], "AlreadyThere");
        check(&[there("backstay-source.acme.up.old")], "Apply");
        let both = ["new", "old"].map(|name| there(&format!("backstay-source.acme.up.{name}")));
        check(&both, "Apply");
        // Another policy's, and one whose name was too long.
        check(&[there("backstay-source.acme.down.new")], "AlreadyThere");
        assert!(!is_ours(&[ours("new")], "backstay-source.00ff"));
        assert!(!is_ours(
            &[EventRule {
                id: "backstay-source.00ff".to_owned(),
                ..rule("")
            }],
            "backstay-source.ff00"
        ));
    }

    #[test]
    fn a_rule_of_others_that_tells_our_queue_as_much_is_as_good() {
        check(&[seen("theirs", "in/", QUEUE)], "AlreadyThere");
        check(&[seen("theirs", "", QUEUE)], "AlreadyThere");
        let [created, removed] = TOLD.map(|told| SeenEvents {
            events: vec![told.to_owned()],
            ..seen(told, "in/", QUEUE)
        });
        check(&[created.clone(), removed], "AlreadyThere");
        check(&[created], "Refused");
        check(&[seen("theirs", "in/new/", QUEUE)], "Refused");
    }

    #[test]
    fn a_rule_of_others_in_the_way_is_named() {
        let theirs = seen("theirs", "in/new/", "arn:aws:sns:eu-south-1:123456789012:t");
        let verdict = compare(&[rule("in/")], std::slice::from_ref(&theirs)).verdict;
        let Verdict::Refused(reason) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(
            reason.starts_with("rule theirs tells arn:aws:sns:"),
            "{reason}"
        );
        let put = SeenEvents {
            events: vec!["s3:ObjectCreated:Put".to_owned()],
            ..theirs.clone()
        };
        check(&[put], "Refused");
        let tagged = SeenEvents {
            events: vec!["s3:ObjectTagging:*".to_owned()],
            ..theirs
        };
        check(&[tagged, seen("theirs", "out/", "another queue")], "Apply");
    }

    #[test]
    fn rules_of_several_sources_stand_side_by_side() {
        let second = EventRule {
            id: "second".to_owned(),
            prefix: "out/".to_owned(),
            queue_arn: "another queue".to_owned(),
        };
        let both = [rule("in/"), second];
        let by_hand = [seen("by hand", "in/", QUEUE)];
        let due: Vec<&str> = missing(&both, &by_hand)
            .iter()
            .map(|rule| rule.id.as_str())
            .collect();
        assert_eq!(due, ["second"]);
        let finding = compare(&both, &by_hand);
        assert_eq!(finding.verdict, Verdict::Apply);
        assert_eq!(
            finding.wanted,
            format!("in/ told to {QUEUE}; out/ told to another queue")
        );
    }
}
