//! The new segments, written in order: a segment stands only after every row in it is pinned (P1).

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Backup;
use super::capture::Captured;
use super::counterpart::Counterpart;
use super::feed::{Kept, Pending, Step};
use super::parent::{ParentRow, ParentSegment};
use super::session::Session;
use crate::adapters::segment::{self, Batch, Deciding, GoneWriter, SegmentError};
use crate::adapters::store::{Attributes, Store};
use crate::adapters::tree::Tree;
use crate::api::catalog::{Flags, Gone, Pin, Row, SegmentRef, Totals};
use crate::api::outcome::Reason;
use crate::api::report::NotCaptured;
use crate::plan::key;
use crate::worker::failure::Failure;
use crate::worker::head::write_once;

/// Writes rows as segments, in order.
pub(super) struct Segments<S: Store, T: Tree> {
    backup: Arc<Backup<S, T>>,
    session: Arc<Session>,
    written: Written,
    /// Unchanged rows since the last cut, as long as nothing else came.
    kept: Vec<Kept>,
    counterpart: Counterpart,
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
            kept: Vec::new(),
            counterpart: Counterpart::default(),
            batch: Batch::new(),
            number: 0,
        })
    }

    /// Writes until there are no more steps. A row that failed ends it, after the rows before it
    /// have been written: they are the next run's journal.
    pub(super) async fn run(mut self, mut steps: mpsc::Receiver<Step>) -> Result<Written, Failure> {
        while let Some(step) = steps.recv().await {
            if let Err(failure) = self.take(step).await {
                self.session.fail(failure.clone());
                return Err(failure);
            }
        }
        Ok(self.written)
    }

    async fn take(&mut self, step: Step) -> Result<(), Failure> {
        let taken = match step {
            Step::Cut(_permit) => return self.cut().await,
            Step::Keep(kept) => self.keep(kept).await,
            Step::Stale(row) => self.push_stale(&row).await,
            Step::Pending(pending) => self.push_pending(pending).await,
            Step::Dropped(gone) => self.drop_row(gone.map(|gone| *gone)),
        };
        if taken.is_err() {
            self.put().await?;
        }
        taken
    }

    /// Ends a segment. Where its rows are those of a segment of the parent, that is reused: what
    /// is read again each time, because it may have changed unseen or cannot be read, makes no
    /// restore point by that.
    async fn cut(&mut self) -> Result<(), Failure> {
        if let Some(parent) = self.counterpart.take()
            && (self.batch.is_empty() || self.is_equal(&parent).await?)
        {
            self.reuse(&parent);
            return Ok(());
        }
        self.unfold().await?;
        self.put().await
    }

    fn reuse(&mut self, parent: &ParentSegment) {
        self.batch = Batch::new();
        self.kept.clear();
        self.add(&parent.deciding, parent.reference.clone());
    }

    async fn is_equal(&self, parent: &ParentSegment) -> Result<bool, Failure> {
        let full = parent.full(&self.backup).await?;
        Ok(self.batch.len() == full.len()
            && (0..full.len()).all(|index| self.batch.row(index) == full.row(index)))
    }

    async fn keep(&mut self, kept: Kept) -> Result<(), Failure> {
        self.counterpart.follow(&kept.segment, kept.rows.clone());
        if self.batch.is_empty() {
            self.kept.push(kept);
            return Ok(());
        }
        self.push_kept(&kept).await
    }

    /// Takes the rows kept so far into the segment that is being made.
    async fn unfold(&mut self) -> Result<(), Failure> {
        for kept in std::mem::take(&mut self.kept) {
            self.push_kept(&kept).await?;
        }
        Ok(())
    }

    async fn push_kept(&mut self, kept: &Kept) -> Result<(), Failure> {
        let full = kept.segment.full(&self.backup).await?;
        for index in kept.rows.clone() {
            self.append(|batch| batch.push_from(full, index))
                .await?
                .map_err(|error| broken(&error))?;
        }
        Ok(())
    }

    /// Takes in a row, and follows whether the parent has its path.
    async fn push(
        &mut self,
        row: &Row,
        parent: Option<&ParentRow>,
    ) -> Result<Result<(), SegmentError>, Failure> {
        self.unfold().await?;
        let pushed = self.append(|batch| batch.push(row)).await?;
        match parent {
            Some(row) if pushed.is_ok() => {
                self.counterpart
                    .follow(&row.segment, row.index..row.index + 1);
            }
            Some(_) => {}
            None => self.counterpart.part(),
        }
        Ok(pushed)
    }

    /// Appends a row. Where the segment is full before it was to be cut, it is written first.
    async fn append(
        &mut self,
        push: impl Fn(&mut Batch) -> Result<(), SegmentError>,
    ) -> Result<Result<(), SegmentError>, Failure> {
        if self.batch.is_empty() {
            self.batch = Batch::with_capacity(self.backup.cuts.rows);
        }
        let pushed = push(&mut self.batch);
        let is_full = matches!(pushed, Err(SegmentError::TooLarge { .. }));
        if !is_full || self.batch.is_empty() {
            return Ok(pushed);
        }
        self.counterpart.part();
        self.put().await?;
        Ok(push(&mut self.batch))
    }

    async fn push_pending(&mut self, pending: Pending) -> Result<(), Failure> {
        let Pending {
            captured,
            parent,
            path,
        } = pending;
        let captured = captured.await.map_err(|_| {
            Failure::new(Reason::Internal, "a capturing task ended without a word")
        })??;
        match captured {
            Captured::Row(row) => match self.push(&row, parent.as_ref()).await? {
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
                    self.written.is_changed = true;
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

    async fn push_stale(&mut self, parent: &ParentRow) -> Result<(), Failure> {
        let mut row = parent.segment.full(&self.backup).await?.row(parent.index);
        row.flags = Flags {
            stale: true,
            ..row.flags
        };
        let pushed = self.push(&row, Some(parent)).await?;
        pushed.map_err(|error| broken(&error))
    }

    fn drop_row(&mut self, gone: Option<Gone>) -> Result<(), Failure> {
        self.written.is_changed = true;
        let Some(gone) = gone else {
            return Ok(());
        };
        self.written.gone.push(gone).map_err(|error| broken(&error))
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
        self.drop_row(Some(Gone {
            path,
            bucket: before.bucket,
            key: before.key,
            etag: before.etag,
        }))
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
        self.written.is_changed = true;
        let batch = std::mem::take(&mut self.batch);
        self.add(batch.deciding(), encoded.reference(key, written.version));
        Ok(())
    }

    fn add(&mut self, rows: &Deciding, reference: SegmentRef) {
        let stale = (0..rows.len()).filter(|index| rows.flags(*index).stale);
        self.written.stale_rows += stale.count() as u64;
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
