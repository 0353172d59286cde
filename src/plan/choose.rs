//! The merge's decision: what becomes of one entry of the source.

use crate::api::catalog::{Flags, Identity, Kind, Nanoseconds};

/// What the parent commit, or the journal of a dead run, says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// What decides whether the entry changed.
    pub identity: Identity,
    /// Where its object belongs.
    pub layout: u64,
    /// How far it can be trusted.
    pub flags: Flags,
}

/// What a dead run's segment says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Journalled {
    /// The row.
    pub known: Known,
    /// Whether it pins the very version that the parent pins.
    pub is_parents_pin: bool,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// As it was: the parent's row is kept.
    Keep,
    /// No content of its own: a new row without an object.
    Describe,
    /// The same size at other times: read and hash it; equal content keeps the pin that is
    /// current, the journal's or else the parent's.
    Compare,
    /// A dead run has sent this very content: take its pin over, if it is still current.
    Adopt,
    /// Read it and send it.
    Send,
}

/// Decides about an entry of the source that belongs to `layout`.
///
/// The journal speaks before the parent: what a dead run sent has superseded the parent's pin,
/// which is then no longer current even where the file is as the parent has it. A dead run that
/// kept the parent's pin has superseded nothing.
#[must_use]
pub fn choose(
    now: &Identity,
    layout: u64,
    parent: Option<&Known>,
    journal: Option<&Journalled>,
) -> Decision {
    let matches =
        |known: &Known| known.identity == *now && known.layout == layout && known.flags.are_clear();
    let as_parent = parent.is_some_and(matches);
    if now.kind != Kind::File {
        return if as_parent {
            Decision::Keep
        } else {
            Decision::Describe
        };
    }
    let superseded = journal.is_some_and(|journal| !journal.is_parents_pin);
    if as_parent && !superseded {
        Decision::Keep
    } else if journal.is_some_and(|journal| matches(&journal.known)) {
        Decision::Adopt
    } else if journal
        .map(|journal| &journal.known)
        .or(parent)
        .is_some_and(|known| may_be_equal(known, now, layout))
    {
        Decision::Compare
    } else {
        Decision::Send
    }
}

/// From which change time on a file may be changed again without its times showing it: two
/// seconds before the run began, or before the newest time that the file system has stamped,
/// where its clock is another machine's and may be behind.
#[must_use]
pub fn racy_from(run_start: Nanoseconds, newest_foreign: Option<Nanoseconds>) -> Nanoseconds {
    const MARGIN_NANOSECONDS: i64 = 2_000_000_000;
    let clock = newest_foreign.map_or(run_start, |newest| newest.min(run_start));
    Nanoseconds(clock.0.saturating_sub(MARGIN_NANOSECONDS))
}

fn may_be_equal(known: &Known, now: &Identity, layout: u64) -> bool {
    known.identity.kind == Kind::File && known.identity.size == now.size && known.layout == layout
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: u64 = 7;

    fn file(size: u64, time: i64) -> Identity {
        Identity {
            kind: Kind::File,
            size,
            inode: 1,
            mtime: Nanoseconds(time),
            ctime: Nanoseconds(time),
        }
    }

    fn known(identity: Identity) -> Known {
        Known {
            identity,
            layout: LAYOUT,
            flags: Flags::default(),
        }
    }

    fn check(now: Identity, parent: Option<Known>, journal: Option<Journalled>, want: Decision) {
        assert_eq!(
            choose(&now, LAYOUT, parent.as_ref(), journal.as_ref()),
            want
        );
    }

    #[test]
    fn unchanged_file_is_kept() {
        check(file(1, 1), Some(known(file(1, 1))), None, Decision::Keep);
    }

    #[test]
    fn new_or_resized_file_is_sent() {
        check(file(1, 1), None, None, Decision::Send);
        check(file(2, 1), Some(known(file(1, 1))), None, Decision::Send);
    }

    #[test]
    fn same_size_at_another_time_is_compared_first() {
        check(file(1, 2), Some(known(file(1, 1))), None, Decision::Compare);
    }

    #[test]
    fn w14_a_row_that_is_not_trusted_is_read_again() {
        let racy = Known {
            flags: Flags {
                racy: true,
                ..Flags::default()
            },
            ..known(file(1, 1))
        };
        check(file(1, 1), Some(racy), None, Decision::Compare);
    }

    #[test]
    fn another_layout_is_sent() {
        let elsewhere = Known {
            layout: 8,
            ..known(file(1, 1))
        };
        check(file(1, 1), Some(elsewhere), None, Decision::Send);
    }

    #[test]
    fn c01_what_a_dead_run_sent_is_taken_over() {
        let sent = Journalled {
            known: known(file(2, 2)),
            is_parents_pin: false,
        };
        check(
            file(2, 2),
            Some(known(file(1, 1))),
            Some(sent),
            Decision::Adopt,
        );
    }

    #[test]
    fn c01_a_pin_that_a_dead_run_superseded_is_sent_again() {
        let sent = Journalled {
            known: known(file(2, 2)),
            is_parents_pin: false,
        };
        let parent = Some(known(file(1, 1)));
        check(file(1, 1), parent, Some(sent), Decision::Send);
        // Only its times changed since: it is compared with what the dead run sent.
        check(file(2, 3), parent, Some(sent), Decision::Compare);
        let kept = Journalled {
            known: known(file(1, 1)),
            is_parents_pin: true,
        };
        check(
            file(1, 1),
            Some(known(file(1, 1))),
            Some(kept),
            Decision::Keep,
        );
        // What it kept is still current, so that other times alone send nothing.
        check(
            file(1, 3),
            Some(known(file(1, 1))),
            Some(kept),
            Decision::Compare,
        );
    }

    #[test]
    fn what_has_no_content_is_described() {
        let directory = Identity {
            kind: Kind::Directory,
            ..file(0, 1)
        };
        check(directory, None, None, Decision::Describe);
        check(directory, Some(known(directory)), None, Decision::Keep);
    }

    #[test]
    fn a_foreign_clock_that_is_behind_decides_what_is_racy() {
        let start = Nanoseconds(100_000_000_000);
        assert_eq!(racy_from(start, None), Nanoseconds(98_000_000_000));
        assert_eq!(
            racy_from(start, Some(Nanoseconds(50_000_000_000))),
            Nanoseconds(48_000_000_000)
        );
        assert_eq!(
            racy_from(start, Some(Nanoseconds(500_000_000_000))),
            Nanoseconds(98_000_000_000)
        );
    }
}
