//! HEAD, as values: what each step of a run makes of it. Nothing here touches the store; every
//! successor bears the nonce it is given, so that a lost reply can be told from a lost write.

use uuid::Uuid;

use crate::api::catalog::{CommitRef, FORMAT_VERSION, Head, Outbox, Repository, Writer};
use crate::api::outcome::Reason;
use crate::api::report::Trouble;

/// How long a writer is believed to be alive after its last sign of life.
pub const LEASE_STALE_SECONDS: i64 = 5 * 60;

/// How long after its last sign of life a writer may be sure that nobody has taken it for dead:
/// well below the time after which others do.
pub const LEASE_SURE_SECONDS: u64 = 3 * 60;

/// How often a writer gives a sign of life.
pub const LEASE_INTERVAL_SECONDS: u64 = 2 * 60;

/// The HEAD of a repository that holds nothing yet.
#[must_use]
pub fn initial(repository: &Repository, nonce: Uuid) -> Head {
    Head {
        format: FORMAT_VERSION,
        repository: repository.uuid,
        epoch: 0,
        writer: None,
        commit: None,
        published: 0,
        superseding_since: None,
        dead: Vec::new(),
        claimed: Vec::new(),
        probed: Vec::new(),
        adopted: None,
        trouble: None,
        outbox: Outbox::default(),
        taken: None,
        last_check: None,
        nonce,
    }
}

/// Opened for writing by a writer of the next epoch, which fences every older one. A writer that
/// was still set is dead from here on.
#[must_use]
pub fn opened(head: &Head, writer: Writer, nonce: Uuid) -> Head {
    let mut dead = head.dead.clone();
    if let Some(previous) = &head.writer {
        remember(&mut dead, previous.id());
    }
    Head {
        epoch: writer.epoch,
        writer: Some(writer),
        dead,
        nonce,
        ..head.clone()
    }
}

/// Committed: the restore point stands, and the journal of dead runs is used up. A commit that
/// drops nothing is published at once.
#[must_use]
pub fn committed(head: &Head, commit: CommitRef, drops: bool, nonce: Uuid) -> Head {
    Head {
        published: if drops {
            head.published
        } else {
            commit.sequence
        },
        commit: Some(commit),
        writer: None,
        superseding_since: None,
        dead: Vec::new(),
        trouble: None,
        nonce,
        ..head.clone()
    }
}

/// Published: the deletions of the newest commit stand in the bucket. Whether a writer is set
/// does not change.
#[must_use]
pub fn published(head: &Head, nonce: Uuid) -> Head {
    let published = head.commit.as_ref().map_or(0, |commit| commit.sequence);
    Head {
        published,
        nonce,
        ..head.clone()
    }
}

/// Closed by a writer that has nothing left to do.
#[must_use]
pub fn closed(head: &Head, nonce: Uuid) -> Head {
    Head {
        writer: None,
        nonce,
        ..head.clone()
    }
}

/// Checked: the source is as the newest commit has it.
#[must_use]
pub fn checked(head: &Head, at: jiff::Timestamp, nonce: Uuid) -> Head {
    Head {
        writer: None,
        dead: Vec::new(),
        trouble: None,
        last_check: Some(at),
        nonce,
        ..head.clone()
    }
}

/// Released by a writer that failed: what it has written is the next one's journal, and the next
/// one that does not fail announces a recovery.
#[must_use]
pub fn released(head: &Head, reason: Reason, at: jiff::Timestamp, nonce: Uuid) -> Head {
    let mut dead = head.dead.clone();
    if let Some(writer) = &head.writer {
        remember(&mut dead, writer.id());
    }
    let run = head.writer.as_ref().map_or("", |writer| &writer.run);
    Head {
        writer: None,
        dead,
        ..troubled(head, run, reason, at, nonce)
    }
}

/// One run more has failed since the last good one, and nothing else has changed. The attempts of
/// one run count once.
#[must_use]
pub fn troubled(head: &Head, run: &str, reason: Reason, at: jiff::Timestamp, nonce: Uuid) -> Head {
    Head {
        trouble: Some(one_more(head.trouble.as_ref(), run, reason, at)),
        nonce,
        ..head.clone()
    }
}

/// Taken over from a writer that never ended: what it wrote is no restore point, unless HEAD has it, and
/// the next run that does not fail announces a recovery.
#[must_use]
pub fn bereaved(head: &Head, dead: &Writer, nonce: Uuid) -> Head {
    if made_by(head.commit.as_ref(), dead) {
        return head.clone();
    }
    troubled(head, &dead.run, Reason::WorkerLost, dead.since, nonce)
}

/// Whether a restore point was made by this writer.
pub(super) fn made_by(commit: Option<&CommitRef>, writer: &Writer) -> bool {
    let end = format!("-{}.json", writer.id());
    commit.is_some_and(|commit| commit.key.ends_with(&end))
}

/// The runs that failed one after the other, with this one.
pub(super) fn one_more(
    before: Option<&Trouble>,
    run: &str,
    reason: Reason,
    at: jiff::Timestamp,
) -> Trouble {
    let (since, runs) = match before {
        Some(trouble) if trouble.last.as_deref() == Some(run) => (trouble.since, trouble.runs),
        Some(trouble) => (trouble.since, trouble.runs.saturating_add(1)),
        None => (at, 1),
    };
    Trouble {
        since,
        runs,
        reason,
        last: Some(run.to_owned()),
    }
}

/// The same, with its writer still set: it has something to tell before it goes.
#[must_use]
pub fn kept_open(next: Head, writer: &Writer) -> Head {
    Head {
        writer: Some(writer.clone()),
        ..next
    }
}

/// Whether deletions of the newest commit are still owed to the bucket.
#[must_use]
pub fn owes_publication(head: &Head) -> bool {
    head.commit
        .as_ref()
        .is_some_and(|commit| head.published < commit.sequence)
}

/// What to do about a writer that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Open: nobody writes, or the one that did gives no sign of life.
    Open,
    /// Wait until the writer has been silent long enough.
    WaitUntil(jiff::Timestamp),
}

/// Whether the repository may be opened at `now`, when its writer gave its `last_sign`. An
/// earlier attempt of the same run is never waited for: a Job starts a pod only after the one
/// before it has ended.
#[must_use]
pub fn access(head: &Head, run: &str, last_sign: jiff::Timestamp, now: jiff::Timestamp) -> Access {
    let Some(writer) = &head.writer else {
        return Access::Open;
    };
    let stale_at = last_sign
        .checked_add(jiff::SignedDuration::from_secs(LEASE_STALE_SECONDS))
        .unwrap_or(jiff::Timestamp::MAX);
    if writer.run == run || now >= stale_at {
        Access::Open
    } else {
        Access::WaitUntil(stale_at)
    }
}

fn remember(dead: &mut Vec<String>, id: String) {
    dead.retain(|other| *other != id);
    dead.push(id);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::catalog::Sha256;
    use crate::api::run::SourceIdentity;

    fn head() -> Head {
        let identity = SourceIdentity::Claim { uid: "u".into() };
        let repository = Repository {
            format: FORMAT_VERSION,
            uuid: Uuid::nil(),
            identity,
            created: jiff::Timestamp::UNIX_EPOCH,
        };
        initial(&repository, Uuid::nil())
    }

    fn writer(run: &str, epoch: u64) -> Writer {
        Writer {
            run: run.into(),
            epoch,
            since: jiff::Timestamp::UNIX_EPOCH,
            process: None,
        }
    }

    fn commit(sequence: u64) -> CommitRef {
        CommitRef {
            sequence,
            key: "k".into(),
            version: "v".into(),
            sha256: Sha256([0; 32]),
            time: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn second(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn opening_over_a_writer_makes_its_segments_the_journal() {
        let first = opened(&head(), writer("a", 1), Uuid::nil());
        let second = opened(&first, writer("b", 2), Uuid::nil());
        assert_eq!(second.epoch, 2);
        assert_eq!(second.dead, ["a.1"]);
    }

    #[test]
    fn a_commit_uses_the_journal_up_and_owes_its_deletions() {
        let open = opened(
            &opened(&head(), writer("a", 1), Uuid::nil()),
            writer("b", 2),
            Uuid::nil(),
        );
        assert!(!owes_publication(&committed(
            &open,
            commit(1),
            false,
            Uuid::nil()
        )));
        let done = committed(&open, commit(1), true, Uuid::nil());
        assert!(done.writer.is_none() && done.dead.is_empty());
        assert!(owes_publication(&done));
        assert!(!owes_publication(&published(&done, Uuid::nil())));
    }

    #[test]
    fn attempts_of_one_run_write_under_names_of_their_own() {
        let first = opened(&head(), writer("a", 1), Uuid::nil());
        let second = opened(&first, writer("a", 2), Uuid::nil());
        let at = jiff::Timestamp::UNIX_EPOCH;
        let second = released(&second, Reason::Interrupted, at, Uuid::nil());
        assert_eq!(second.dead, ["a.1", "a.2"]);
    }

    #[test]
    fn failures_are_counted_until_a_run_does_not_fail() {
        let fail = |head: &Head, at| {
            let run = format!("run-{at}");
            let open = opened(head, writer(&run, head.epoch + 1), Uuid::nil());
            released(&open, Reason::AccessDenied, second(at), Uuid::nil())
        };
        let failed = fail(&fail(&head(), 10), 20);
        let trouble = Trouble {
            since: second(10),
            runs: 2,
            reason: Reason::AccessDenied,
            last: Some("run-20".to_owned()),
        };
        assert_eq!(failed.trouble, Some(trouble.clone()));
        // Another attempt of the same run is not another run.
        assert_eq!(fail(&failed, 20).trouble, Some(trouble));
        assert_eq!(checked(&failed, second(30), Uuid::nil()).trouble, None);
    }

    #[test]
    fn a_living_writer_is_waited_for_and_a_silent_one_is_not() {
        let open = opened(&head(), writer("a", 1), Uuid::nil());
        assert_eq!(
            access(&open, "b", second(100), second(100)),
            Access::WaitUntil(second(400))
        );
        assert_eq!(access(&open, "b", second(100), second(400)), Access::Open);
        assert_eq!(access(&open, "a", second(100), second(100)), Access::Open);
    }
}
