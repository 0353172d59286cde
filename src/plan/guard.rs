//! The guard before a commit: a source that lost too much, or became another one, is not believed.

use super::words::entries;
use crate::api::catalog::Root;

/// What a run found, against what the newest restore point has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Rows of the newest restore point.
    pub parent_rows: u64,
    /// Rows of the new one that were read: stale copies do not count.
    pub captured_rows: u64,
    /// Entries that could not be read.
    pub unreadable: u64,
}

/// Why a run must not commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// More is gone than the policy lets a run believe.
    TooManyGone {
        /// Rows before.
        before: u64,
        /// Rows now.
        now: u64,
    },
    /// More than half could not be read.
    TooManyUnreadable {
        /// Entries that could not be read.
        unreadable: u64,
        /// Entries that were.
        captured: u64,
    },
    /// The root is another directory than it was.
    AnotherRoot,
    /// The source is another one than the repository was made for.
    AnotherSource,
}

/// Checks the sums. `max_percent` of the parent's rows may be gone.
///
/// # Errors
/// The first suspicion, unreadable entries before missing ones: the former are not deletions.
pub fn check(balance: Balance, max_percent: u8) -> Result<(), Suspicion> {
    let Balance {
        parent_rows,
        captured_rows,
        unreadable,
    } = balance;
    if unreadable > captured_rows {
        return Err(Suspicion::TooManyUnreadable {
            unreadable,
            captured: captured_rows,
        });
    }
    let now = captured_rows.saturating_add(unreadable);
    let gone = parent_rows.saturating_sub(now);
    if gone.saturating_mul(100) > parent_rows.saturating_mul(u64::from(max_percent)) {
        return Err(Suspicion::TooManyGone {
            before: parent_rows,
            now,
        });
    }
    Ok(())
}

/// Checks that the root is the directory it was. A file system without birth times is told by
/// the inode alone.
///
/// # Errors
/// [`Suspicion::AnotherRoot`].
pub fn check_root(before: &Root, now: &Root) -> Result<(), Suspicion> {
    let same_birth = match (before.birth, now.birth) {
        (Some(before), Some(now)) => before == now,
        (None, _) | (_, None) => true,
    };
    if before.inode == now.inode && same_birth {
        Ok(())
    } else {
        Err(Suspicion::AnotherRoot)
    }
}

impl Suspicion {
    /// What happened and what can be done, for a reader; `run` is the refused run's id.
    #[must_use]
    pub fn explain(self, run: &str) -> String {
        let what = match self {
            Self::TooManyGone { before, now } => {
                let now = entries(now);
                format!("the source has {now} where the last restore point has {before}")
            }
            Self::TooManyUnreadable {
                unreadable,
                captured,
            } => {
                let unreadable = entries(unreadable);
                return format!(
                    "{unreadable} could not be read and only {captured} could: check the \
                     permissions of the source and the user of the worker"
                );
            }
            Self::AnotherRoot => {
                "the root of the source is another directory than it was (another \
                                  volume, or a mount that is missing)"
                    .to_owned()
            }
            Self::AnotherSource => "the source is not the one that this repository was made for \
                                    (a claim that was made anew, or another host, directory, bucket or prefix)"
                .to_owned(),
        };
        format!(
            "{what}; nothing was deleted. If this is intended, approve run {run}: annotate the \
             policy with backstay.dev/approve-deletions={run}, or pass --approve {run}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::catalog::Nanoseconds;

    fn balance(parent_rows: u64, captured_rows: u64, unreadable: u64) -> Balance {
        Balance {
            parent_rows,
            captured_rows,
            unreadable,
        }
    }

    #[test]
    fn w02_a_source_that_lost_most_is_not_believed() {
        assert!(check(balance(1000, 499, 0), 50).is_err());
        assert_eq!(check(balance(1000, 500, 0), 50), Ok(()));
        assert!(check(balance(1, 0, 0), 50).is_err());
        assert_eq!(check(balance(1000, 0, 0), 100), Ok(()));
    }

    #[test]
    fn a_first_run_may_be_empty() {
        assert_eq!(check(balance(0, 0, 0), 50), Ok(()));
    }

    #[test]
    fn what_cannot_be_read_is_not_a_deletion() {
        assert_eq!(check(balance(1000, 501, 499), 50), Ok(()));
        let most = check(balance(1000, 400, 600), 50);
        assert!(matches!(most, Err(Suspicion::TooManyUnreadable { .. })));
    }

    #[test]
    fn another_root_is_noticed_by_inode_and_by_birth() {
        let root = Root {
            inode: 2,
            birth: Some(Nanoseconds(5)),
            ..Root::default()
        };
        assert!(
            check_root(
                &root,
                &Root {
                    inode: 3,
                    ..root.clone()
                }
            )
            .is_err()
        );
        assert!(
            check_root(
                &root,
                &Root {
                    birth: Some(Nanoseconds(6)),
                    ..root.clone()
                }
            )
            .is_err()
        );
        assert!(
            check_root(
                &root,
                &Root {
                    birth: None,
                    ..root.clone()
                }
            )
            .is_ok()
        );
    }
}
