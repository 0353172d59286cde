//! What runs that do not reach their repository leave to the next one: how often they failed, and
//! what has been told of it. Whoever reaches HEAD takes it over, once.

use jiff::Timestamp;
use uuid::Uuid;

use crate::api::catalog::{Head, Outbox, Writer};
use crate::api::left::Left;
use crate::api::outcome::Reason;
use crate::api::report::RunReport;

use super::{head, history, outbox};

/// The longest message of a notice that is owed, in bytes. It travels in a termination message,
/// with the report that it belongs to.
const MESSAGE_MAX_BYTES: usize = 400;

/// What has been told, and is owed, as far as this knows.
#[must_use]
pub fn outbox_of(left: Option<&Left>) -> Outbox {
    left.map(|left| left.outbox.clone()).unwrap_or_default()
}

/// One run more has failed without reaching HEAD, and this has been told. Of notices that are owed
/// the newest stays: it counts those that say the same.
#[must_use]
pub fn after(
    before: Option<&Left>,
    report: &RunReport,
    mut outbox: Outbox,
    at: Timestamp,
    nonce: Uuid,
) -> Left {
    let reason = report.reason.unwrap_or(Reason::Internal);
    let before = before.and_then(|left| left.trouble.as_ref());
    outbox::keep_newest(&mut outbox, 1);
    for ended in outbox.owed.iter_mut().flat_map(|owed| &mut owed.ended) {
        ended.message = history::cut(&ended.message, MESSAGE_MAX_BYTES);
    }
    Left {
        trouble: Some(head::one_more(before, &report.run, reason, at)),
        writer: None,
        outbox,
        nonce,
    }
}

/// What has been told by what HEAD says, for a run that cannot write there. What is owed stays there.
#[must_use]
pub fn told_by(head: &Head) -> Outbox {
    Outbox {
        told: head.outbox.told.clone(),
        ..Outbox::default()
    }
}

/// A run has said how it ended, and HEAD names it still.
#[must_use]
pub fn ended(report: &RunReport, nonce: Uuid) -> Left {
    Left {
        trouble: None,
        writer: Some(report.writer()),
        outbox: Outbox::default(),
        nonce,
    }
}

/// Whether a writer that HEAD names has ended by itself: then it owes no word.
#[must_use]
pub fn is_at_rest(left: Option<&Left>, writer: &Writer) -> bool {
    left.is_some_and(|left| left.writer.as_ref() == Some(&writer.id()))
}

/// HEAD, with what was left taken over. What has been taken over already is not again.
#[must_use]
pub fn taken(head: Head, left: Option<&Left>) -> Head {
    let Some(left) = left.filter(|left| head.taken != Some(left.nonce)) else {
        return head;
    };
    let mut trouble = left.trouble.clone();
    if let (Some(trouble), Some(before)) = (&mut trouble, &head.trouble) {
        trouble.since = before.since.min(trouble.since);
        trouble.runs = trouble.runs.saturating_add(before.runs);
    }
    Head {
        trouble: trouble.or(head.trouble),
        outbox: outbox::joined(head.outbox, left.outbox.clone()),
        taken: Some(left.nonce),
        ..head
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::catalog::Repository;
    use crate::api::outcome::Outcome;
    use crate::api::run::SourceIdentity;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).expect("a time")
    }

    fn head() -> Head {
        let repository = Repository {
            format: 1,
            uuid: Uuid::nil(),
            identity: SourceIdentity::Claim { uid: "u".into() },
            created: at(0),
        };
        head::initial(&repository, Uuid::nil())
    }

    fn failed(run: &str) -> RunReport {
        RunReport {
            outcome: Some(Outcome::Failed),
            reason: Some(Reason::AccessDenied),
            message: "m".repeat(2000),
            ..RunReport::started(run, at(0))
        }
    }

    /// A run that failed and could not tell.
    fn mute(before: Option<&Left>, run: &str, hour: i64) -> Left {
        let report = failed(run);
        let owed = outbox::owed_by(&report, outbox::about(&report), at(hour));
        let outbox = outbox::owing(outbox_of(before), owed);
        after(
            before,
            &report,
            outbox,
            at(hour),
            Uuid::from_u128(u128::from(hour.unsigned_abs())),
        )
    }

    #[test]
    fn runs_that_fail_alike_are_counted_and_owe_one_notice() {
        let first = mute(None, "a", 1);
        let second = mute(Some(&first), "b", 2);
        // Another attempt of the same run.
        let left = mute(Some(&second), "b", 3);
        let trouble = left.trouble.as_ref().expect("trouble");
        assert_eq!((trouble.since, trouble.runs), (at(1), 2));
        let [owed] = left.outbox.owed.as_slice() else {
            panic!("{left:?}");
        };
        assert_eq!((owed.run.as_str(), owed.repeats), ("a", 2));
        let json = serde_json::to_string(&left).expect("JSON");
        assert!(json.len() < 1200, "{}", json.len());
    }

    #[test]
    fn whoever_reaches_head_takes_it_over_once() {
        let left = mute(Some(&mute(None, "a", 1)), "b", 2);
        let head = taken(head(), Some(&left));
        assert_eq!(head.trouble, left.trouble);
        assert_eq!(head.outbox, left.outbox);
        assert_eq!(taken(head.clone(), Some(&left)), head);
        assert_eq!(taken(head.clone(), None), head);
        let more = taken(head.clone(), Some(&mute(None, "c", 3)));
        let trouble = more.trouble.expect("trouble");
        assert_eq!((trouble.since, trouble.runs), (at(1), 3));
        // They say the same.
        assert_eq!(more.outbox.owed.len(), 1);
        assert_eq!(more.outbox.owed[0].repeats, 2);
    }

    #[test]
    fn a_writer_that_has_said_how_it_ended_owes_no_word() {
        let report = RunReport {
            epoch: 4,
            ..failed("a")
        };
        let left = ended(&report, Uuid::nil());
        let writer = |epoch| Writer {
            run: "a".to_owned(),
            epoch,
            since: at(0),
            process: None,
        };
        assert!(is_at_rest(Some(&left), &writer(4)));
        assert!(!is_at_rest(Some(&left), &writer(5)) && !is_at_rest(None, &writer(4)));
        let troubled = Head {
            trouble: mute(None, "b", 1).trouble,
            ..head()
        };
        assert_eq!(
            taken(troubled.clone(), Some(&left)).trouble,
            troubled.trouble
        );
    }

    #[test]
    fn what_was_told_of_them_counts_for_the_next_run() {
        let report = failed("a");
        let about = outbox::about(&report);
        let told = outbox::told(Outbox::default(), about.clone(), "a", at(1));
        let left = after(None, &report, told, at(1), Uuid::nil());
        assert!(!outbox::is_due(
            &outbox_of(Some(&left)),
            about.as_deref(),
            at(2)
        ));
        let head = taken(head(), Some(&left));
        assert!(!outbox::is_due(&head.outbox, about.as_deref(), at(2)));
        assert!(outbox::is_due(&head.outbox, Some("StorageFull"), at(2)));
    }
}
