//! The new segments, written in order: a segment stands only after every row in it is pinned (P1).

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Backup;
use super::capture::Captured;
use super::parent::{ParentRow, ParentSegment};
use super::session::Session;
use super::window::{Pending, Slot, Window};
use crate::adapters::segment::{self, Batch, GoneWriter, SegmentError};
use crate::adapters::store::{Attributes, Store};
use crate::adapters::tree::Tree;
use crate::api::catalog::{Flags, Gone, Pin, Row, SegmentRef, Totals};
use crate::api::outcome::Reason;
use crate::api::report::NotCaptured;
use crate::plan::key;
use crate::worker::failure::Failure;
use crate::worker::head::write_once;

/// Writes windows as segments, in order.
pub(super) struct Segments<S: Store, T: Tree> {
    backup: Arc<Backup<S, T>>,
    session: Arc<Session>,
    written: Written,
    batch: Batch,
    number: u32,
}

/// What has been written.
pub(super) struct Written {
    pub(super) segments: Vec<SegmentRef>,
    pub(super) gone: GoneWriter,
    pub(super) totals: Totals,
    /// Rows that are older copies of what could not be read.
    pub(super) stale_rows: u64,
    /// Whether anything differs from the parent.
    pub(super) is_changed: bool,
}

impl<S: Store, T: Tree> Segments<S, T> {
    pub(super) fn new(backup: Arc<Backup<S, T>>, session: Arc<Session>) -> Result<Self, Failure> {
        let written = Written {
            segments: Vec::new(),
            gone: GoneWriter::new().map_err(|error| broken(&error))?,
            totals: Totals::default(),
            stale_rows: 0,
            is_changed: false,
        };
        Ok(Self {
            backup,
            session,
            written,
            batch: Batch::new(),
            number: 0,
        })
    }

    /// Writes until there are no more windows. A row that failed ends it, after the rows before
    /// it have been written: they are the next run's journal.
    pub(super) async fn run(
        mut self,
        mut windows: mpsc::Receiver<Window>,
    ) -> Result<Written, Failure> {
        while let Some(window) = windows.recv().await {
            if let Err(failure) = self.write(window).await {
                self.session.fail(failure.clone());
                return Err(failure);
            }
        }
        Ok(self.written)
    }

    async fn write(&mut self, window: Window) -> Result<(), Failure> {
        if let Some(parent) = window.as_parent() {
            let deciding = &parent.deciding;
            let is_stale = |index: &usize| deciding.flags(*index).stale;
            self.written.stale_rows += (0..deciding.len()).filter(is_stale).count() as u64;
            self.add(parent.reference.clone());
            return Ok(());
        }
        if window.is_empty() {
            return Ok(());
        }
        let counterpart = window.counterpart().cloned();
        for gone in window.gone {
            self.drop(gone)?;
        }
        self.batch = Batch::with_capacity(window.slots.len());
        for slot in window.slots {
            if let Err(failure) = self.push(slot).await {
                self.put().await?;
                return Err(failure);
            }
        }
        if let Some(parent) = counterpart
            && self.is_equal(&parent).await?
        {
            self.batch.clear();
            self.add(parent.reference.clone());
            return Ok(());
        }
        self.written.is_changed = true;
        self.put().await
    }

    /// Whether the rows held are those of a segment of the parent. What is read again each time,
    /// because it may have changed unseen or cannot be read, makes no restore point by that.
    async fn is_equal(&self, parent: &ParentSegment) -> Result<bool, Failure> {
        let full = parent.full(&self.backup).await?;
        Ok(self.batch.len() == full.len()
            && (0..full.len()).all(|index| self.batch.row(index) == full.row(index)))
    }

    async fn push(&mut self, slot: Slot) -> Result<(), Failure> {
        match slot {
            Slot::Keep(row) => self.push_parent(&row).await,
            Slot::Stale(row) => self.push_stale(&row).await,
            Slot::Pending(pending) => self.push_pending(pending).await,
        }
    }

    async fn push_pending(&mut self, pending: Pending) -> Result<(), Failure> {
        let Pending {
            captured,
            parent,
            path,
        } = pending;
        let captured = captured.await.map_err(|error| {
            Failure::new(Reason::Internal, format!("a capturing task ended: {error}"))
        })??;
        match captured {
            Captured::Row(row) => match self.batch.push(&row) {
                Ok(()) => {
                    self.drop_superseded(parent.as_ref(), row.pin.as_ref())
                        .await
                }
                // A path or attributes beyond what a catalog may have.
                Err(SegmentError::BadValue { detail, .. }) => {
                    self.push_unreadable(path, detail, parent).await
                }
                Err(error) => Err(broken(&error)),
            },
            Captured::Vanished => {
                if parent.is_some() {
                    self.backup.progress.count(|files, _| files.deleted += 1);
                }
                self.drop_superseded(parent.as_ref(), None).await
            }
            Captured::Unreadable(reason) => self.push_unreadable(path, reason, parent).await,
        }
    }

    /// What cannot be captured is named, and its older copy is carried.
    async fn push_unreadable(
        &mut self,
        path: Vec<u8>,
        reason: String,
        parent: Option<ParentRow>,
    ) -> Result<(), Failure> {
        self.backup.progress.not_captured(NotCaptured {
            path: key::display(&path),
            reason,
            stale: parent.is_some(),
        });
        match parent {
            Some(row) => self.push_stale(&row).await,
            None => Ok(()),
        }
    }

    async fn push_parent(&mut self, row: &ParentRow) -> Result<(), Failure> {
        let full = row.segment.full(&self.backup).await?;
        self.batch
            .push_from(full, row.index)
            .map_err(|error| broken(&error))?;
        self.written.stale_rows += u64::from(full.flags(row.index).stale);
        Ok(())
    }

    async fn push_stale(&mut self, row: &ParentRow) -> Result<(), Failure> {
        let mut row = row.segment.full(&self.backup).await?.row(row.index);
        row.flags = Flags {
            stale: true,
            ..row.flags
        };
        self.written.stale_rows += 1;
        self.push_row(&row)
    }

    fn push_row(&mut self, row: &Row) -> Result<(), Failure> {
        self.batch.push(row).map_err(|error| broken(&error))
    }

    /// The parent's object of a path, where the new row pins another key or none.
    async fn drop_superseded(
        &mut self,
        parent: Option<&ParentRow>,
        now: Option<&Pin>,
    ) -> Result<(), Failure> {
        let Some(parent) = parent else {
            return Ok(());
        };
        let full = parent.segment.full(&self.backup).await?;
        let path = full.path(parent.index).to_vec();
        let Some(before) = full.pin(parent.index) else {
            return Ok(());
        };
        if now.is_some_and(|now| now.bucket == before.bucket && now.key == before.key) {
            return Ok(());
        }
        self.drop(Gone {
            path,
            bucket: before.bucket,
            key: before.key,
            etag: before.etag,
        })
    }

    fn drop(&mut self, gone: Gone) -> Result<(), Failure> {
        self.written.gone.push(gone).map_err(|error| broken(&error))
    }

    /// Writes the rows held as a segment.
    async fn put(&mut self) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let encoded = segment::encode(&self.batch).map_err(|error| broken(&error))?;
        let key = self
            .backup
            .location
            .segment(&self.session.writer, self.number);
        self.number += 1;
        let attributes = Attributes {
            sha256: Some(encoded.sha256),
            ..Attributes::default()
        };
        let (store, location) = (&*self.backup.store, &self.backup.location);
        let body = encoded.bytes.clone();
        let written = write_once(store, location, key.clone(), body, attributes).await?;
        self.batch.clear();
        self.add(encoded.reference(key, written.version));
        Ok(())
    }

    fn add(&mut self, reference: SegmentRef) {
        let totals = &mut self.written.totals;
        totals.rows += reference.totals.rows;
        totals.files += reference.totals.files;
        totals.bytes += reference.totals.bytes;
        totals.newest_ctime = totals.newest_ctime.max(reference.totals.newest_ctime);
        self.written.segments.push(reference);
    }
}

pub(super) fn broken(error: &SegmentError) -> Failure {
    Failure::integrity(error.to_string())
}
