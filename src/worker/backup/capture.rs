//! Capturing one entry: reading it, sending it where that is needed, and the row it becomes.

use std::sync::Arc;
use std::time::Duration;

use super::Backup;
use super::put::Sent;
use super::read::{self, Attributes, Opened, Parts, Reading, blocking};
use super::session::Session;
use crate::adapters::store::{Store, StoreError};
use crate::adapters::tree::{Stat, Tree};
use crate::api::catalog::{Flags, Kind, Nanoseconds, Pin, Row, Sha256};
use crate::plan::choose::{Decision, racy_from};
use crate::plan::parts::PART_MIN_BYTES;
use crate::worker::failure::Failure;
use crate::worker::walk::Entry;

/// How often a file that changes while it is read is read again.
const READS_MAX: u32 = 3;

/// How long to wait before a file that has just changed is read again.
const READ_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// An entry that is not kept as it was.
pub(super) struct Candidate {
    pub(super) entry: Entry,
    /// The index of its category; `None` for what has no content.
    pub(super) category: Option<usize>,
    pub(super) decision: Decision,
    /// What the parent pins for this path.
    pub(super) parent: Option<Pin>,
    /// Whether the parent carries an older copy, which a dead run may have superseded since.
    pub(super) is_stale: bool,
    /// What a dead run's segment says of this path.
    pub(super) journal: Option<Row>,
}

/// What became of it.
pub(super) enum Captured {
    /// It is in the restore point.
    Row(Box<Row>),
    /// It is gone.
    Vanished,
    /// It could not be read, in words.
    Unreadable(String),
}

impl<S: Store, T: Tree> Backup<S, T> {
    /// Captures one entry.
    pub(super) async fn capture(
        self: Arc<Self>,
        session: Arc<Session>,
        candidate: Candidate,
    ) -> Result<Captured, Failure> {
        let Some(category) = candidate.category else {
            return self.describe(candidate.entry).await;
        };
        if candidate.decision == Decision::Adopt
            && let Some(row) = &candidate.journal
            && let Some(pin) = &row.pin
            && self.is_current(pin).await?
        {
            self.progress.count(|files, _| files.resumed += 1);
            return Ok(Captured::Row(Box::new(row.clone())));
        }
        if let Some(copied) = self.capture_stored(&session, &candidate, category).await? {
            return Ok(copied);
        }
        let _share = self
            .memory
            .take(candidate.entry.stat.identity.size.min(PART_MIN_BYTES))
            .await;
        for read in 1..=READS_MAX {
            let is_last = read == READS_MAX;
            if let Some(captured) = self
                .capture_once(&session, &candidate, category, is_last)
                .await?
            {
                return Ok(captured);
            }
            tokio::time::sleep(READ_AGAIN_AFTER).await;
        }
        Ok(Captured::Unreadable(
            "it kept changing while it was read".to_owned(),
        ))
    }

    /// Reads and sends a file once; `None` where it changed meanwhile and is to be read again.
    async fn capture_once(
        self: &Arc<Self>,
        session: &Session,
        candidate: &Candidate,
        category: usize,
        is_last: bool,
    ) -> Result<Option<Captured>, Failure> {
        let path = candidate.entry.path.clone();
        // Content that is only compared is read as it is.
        let rule = self.compressions[category]
            .clone()
            .filter(|_| !candidate.is_compared());
        match read::open(self.tree.clone(), path, rule).await? {
            Opened::Vanished => Ok(Some(Captured::Vanished)),
            Opened::Unreadable(reason) => Ok(Some(Captured::Unreadable(reason))),
            Opened::Shrunk => Ok(None),
            Opened::Whole(reading) => {
                self.progress
                    .count(|_, bytes| bytes.read += reading.body.len() as u64);
                if reading.moved && !is_last {
                    return Ok(None);
                }
                let row = self
                    .keep_whole(session, candidate, category, reading)
                    .await?;
                Ok(Some(Captured::Row(Box::new(row))))
            }
            Opened::Large(parts) => {
                self.keep_large(session, candidate, category, *parts, is_last)
                    .await
            }
        }
    }

    async fn keep_whole(
        &self,
        session: &Session,
        candidate: &Candidate,
        category: usize,
        mut reading: Reading,
    ) -> Result<Row, Failure> {
        let equal = self.equal_pin(session, candidate, reading.sha256).await?;
        let pin = if let Some(pin) = equal {
            pin
        } else {
            let current = candidate.current_pin();
            let path = &candidate.entry.path;
            let place = self.place(path, &reading.xattrs, category, current);
            let wanted = self.compressions[category].as_ref().and_then(|rule| {
                rule.algorithm_for(path, reading.stat.identity.size, &reading.xattrs)
            });
            let compressed = reading.pack(wanted).await?;
            let pin = self
                .send_whole(session, &place, &reading, compressed)
                .await?;
            self.progress.count(|files, _| files.uploaded += 1);
            pin
        };
        let Reading {
            stat,
            xattrs,
            moved,
            ..
        } = reading;
        Ok(self.file_row(candidate, category, stat, xattrs, moved, pin))
    }

    async fn keep_large(
        self: &Arc<Self>,
        session: &Session,
        candidate: &Candidate,
        category: usize,
        mut parts: Parts<T>,
        is_last: bool,
    ) -> Result<Option<Captured>, Failure> {
        let stat = parts.stat;
        if candidate.is_compared() {
            while let Some(piece) = parts.next().await? {
                self.progress.count(|_, bytes| bytes.read += piece.read);
                self.stop.check()?;
            }
            if let Some(end) = parts.end().await
                && end.is_whole
                && let Some(pin) = self.equal_pin(session, candidate, end.sha256).await?
            {
                let row = self.file_row(candidate, category, stat, parts.xattrs, end.moved, pin);
                return Ok(Some(Captured::Row(Box::new(row))));
            }
            // It is another content: it is opened again, and sent from its start.
            let rule = self.compressions[category].clone();
            match read::open(self.tree.clone(), candidate.entry.path.clone(), rule).await? {
                Opened::Large(reopened) => parts = *reopened,
                Opened::Vanished => return Ok(Some(Captured::Vanished)),
                Opened::Unreadable(reason) => return Ok(Some(Captured::Unreadable(reason))),
                Opened::Whole(_) | Opened::Shrunk => return Ok(None),
            }
        }
        let path = &candidate.entry.path;
        let place = self.place(path, &parts.xattrs, category, candidate.current_pin());
        let sent = self
            .send_parts(session, &place, &mut parts, is_last)
            .await?;
        if let Some(fault) = parts.fault {
            return Ok(Some(Captured::Unreadable(fault)));
        }
        let Sent::Pinned(pin, moved) = sent else {
            return Ok(None);
        };
        self.progress.count(|files, _| files.uploaded += 1);
        let row = self.file_row(candidate, category, parts.stat, parts.xattrs, moved, pin);
        Ok(Some(Captured::Row(Box::new(row))))
    }

    /// The pin that is taken for current, where it is of this very content and is so. Only a dead
    /// run can have superseded it, one of this journal or one before an older copy was carried,
    /// so only then is the store asked.
    async fn equal_pin(
        &self,
        session: &Session,
        candidate: &Candidate,
        sha256: Sha256,
    ) -> Result<Option<Pin>, Failure> {
        let Some(pin) = candidate.current_pin().filter(|_| candidate.is_compared()) else {
            return Ok(None);
        };
        let may_be_superseded = candidate.is_stale || !session.dead.is_empty();
        if pin.sha256 != Some(sha256) || (may_be_superseded && !self.is_current(pin).await?) {
            return Ok(None);
        }
        self.progress.count(|files, _| files.metadata_only += 1);
        Ok(Some(pin.clone()))
    }

    async fn is_current(&self, pin: &Pin) -> Result<bool, Failure> {
        match self.store.head(&pin.bucket, &pin.key, None).await {
            Ok(facts) => Ok(facts.version == pin.version),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn file_row(
        &self,
        candidate: &Candidate,
        category: usize,
        stat: Stat,
        xattrs: Attributes,
        moved: bool,
        pin: Pin,
    ) -> Row {
        let mut row = self.row(candidate.entry.path.clone(), stat, Vec::new(), xattrs);
        row.flags.fuzzy = moved;
        row.layout = self.layouts[category];
        row.category
            .clone_from(&self.spec.categories[category].name);
        row.pin = Some(pin);
        if moved {
            self.progress.count(|files, _| files.fuzzy += 1);
        }
        row
    }

    /// The row of an entry without content of its own.
    async fn describe(&self, entry: Entry) -> Result<Captured, Failure> {
        let Entry {
            path,
            stat,
            link_target,
        } = entry;
        let mut is_whole = true;
        let xattrs = if stat.identity.kind == Kind::Directory {
            let (tree, path) = (self.tree.clone(), path.clone());
            let seen = blocking(move || {
                let (directory, _) = tree.open_directory_path(&path)?;
                tree.directory_xattrs(&directory)
            });
            // A directory whose attributes cannot be read is told by the walk, as unreadable;
            // once it can be, nothing in its facts shows that they are missing.
            let seen = seen.await?;
            is_whole = seen.is_ok();
            seen.unwrap_or_default()
        } else {
            Vec::new()
        };
        self.progress.count(|files, _| {
            files.metadata_only += 1;
            files.special += u64::from(stat.identity.kind.is_special());
        });
        let mut row = self.row(path, stat, link_target, xattrs);
        row.flags.fuzzy = !is_whole;
        Ok(Captured::Row(Box::new(row)))
    }

    fn row(&self, path: Vec<u8>, stat: Stat, link_target: Vec<u8>, xattrs: Attributes) -> Row {
        Row {
            path,
            identity: stat.identity,
            layout: 0,
            flags: Flags {
                racy: self.is_racy(stat.identity.ctime),
                ..Flags::default()
            },
            ownership: stat.ownership,
            category: String::new(),
            pin: None,
            link_target,
            link_group: if stat.links > 1 && stat.identity.kind == Kind::File {
                stat.identity.inode
            } else {
                0
            },
            device: stat.device,
            xattrs,
        }
    }

    fn is_racy(&self, ctime: Nanoseconds) -> bool {
        let start = Nanoseconds(i64::try_from(self.started.as_nanosecond()).unwrap_or(i64::MAX));
        !self.tree.tells_every_change() && ctime >= racy_from(start, self.newest_foreign_ctime())
    }
}

impl Candidate {
    /// The pin that is current by what is known: the journal's, or else the parent's.
    pub(super) fn current_pin(&self) -> Option<&Pin> {
        let journalled = self.journal.as_ref().and_then(|row| row.pin.as_ref());
        journalled.or(self.parent.as_ref())
    }

    /// Whether it may be the content that is pinned. Without a SHA-256 nothing could prove that.
    fn is_compared(&self) -> bool {
        let sha256 = self.current_pin().and_then(|pin| pin.sha256);
        self.decision == Decision::Compare && sha256.is_some()
    }
}
