//! The parent's rows, streamed: of each segment the columns that decide, and the rest only where
//! something of it has changed.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::Backup;
use crate::adapters::segment::{self, Batch, Deciding};
use crate::adapters::store::Store;
use crate::adapters::tree::Tree;
use crate::api::catalog::{Commit, Pin, SegmentRef};
use crate::plan::choose::Known;
use crate::plan::location::Location;
use crate::worker::failure::Failure;
use crate::worker::repository::{read_object, read_range};

/// One segment of the parent.
pub(super) struct ParentSegment {
    pub(super) reference: SegmentRef,
    pub(super) deciding: Deciding,
    full: OnceCell<Batch>,
}

/// One row of the parent.
#[derive(Clone)]
pub(super) struct ParentRow {
    pub(super) segment: Arc<ParentSegment>,
    pub(super) index: usize,
}

/// The parent's rows, in order.
pub(super) struct ParentRows {
    ahead: VecDeque<SegmentRef>,
    current: Option<ParentRow>,
}

impl ParentRows {
    pub(super) fn new(parent: Option<&Commit>) -> Self {
        let ahead = parent
            .map(|commit| commit.segments.clone().into())
            .unwrap_or_default();
        Self {
            ahead,
            current: None,
        }
    }

    /// The row that comes next, if there is one.
    pub(super) async fn peek<S: Store>(
        &mut self,
        store: &S,
        location: &Location,
    ) -> Result<Option<&ParentRow>, Failure> {
        while self.current.is_none() {
            let Some(reference) = self.ahead.pop_front() else {
                return Ok(None);
            };
            let segment = Arc::new(ParentSegment::open(store, location, reference).await?);
            if !segment.deciding.is_empty() {
                self.current = Some(ParentRow { segment, index: 0 });
            }
        }
        Ok(self.current.as_ref())
    }

    /// Whether all rows have been taken.
    pub(super) fn is_at_end(&self) -> bool {
        self.current.is_none() && self.ahead.is_empty()
    }

    /// Takes the row that [`ParentRows::peek`] showed. Answers with it, and whether it was the
    /// last one of its segment.
    pub(super) fn take(&mut self) -> Option<(ParentRow, bool)> {
        let row = self.current.take()?;
        let next = row.index + 1;
        let is_last = next == row.segment.deciding.len();
        if !is_last {
            self.current = Some(ParentRow {
                segment: row.segment.clone(),
                index: next,
            });
        }
        Some((row, is_last))
    }
}

impl ParentSegment {
    async fn open<S: Store>(
        store: &S,
        location: &Location,
        reference: SegmentRef,
    ) -> Result<Self, Failure> {
        let SegmentRef {
            object,
            deciding,
            footer,
            ..
        } = &reference;
        let footer_start = object.size.saturating_sub(footer.length);
        let decides = read_range(store, location, object, 0, deciding).await?;
        let footer = read_range(store, location, object, footer_start, footer).await?;
        let deciding = segment::decode_deciding(&reference, decides, footer)
            .map_err(|error| Failure::integrity(format!("{}: {error}", reference.object.key)))?;
        Ok(Self {
            reference,
            deciding,
            full: OnceCell::new(),
        })
    }
}

impl ParentRow {
    pub(super) fn order_key(&self) -> Cow<'_, [u8]> {
        self.segment.deciding.order_key(self.index)
    }

    pub(super) fn known(&self) -> Known {
        let deciding = &self.segment.deciding;
        Known {
            identity: deciding.identity(self.index),
            layout: deciding.layout(self.index),
            flags: deciding.flags(self.index),
        }
    }

    /// The object that the row pins.
    pub(super) async fn pin<S: Store, T: Tree>(
        &self,
        backup: &Backup<S, T>,
    ) -> Result<Option<Pin>, Failure> {
        Ok(self.segment.full(backup).await?.pin(self.index))
    }
}

impl ParentSegment {
    /// All of it, read once, when something of it is needed.
    pub(super) async fn full<S: Store, T: Tree>(
        &self,
        backup: &Backup<S, T>,
    ) -> Result<&Batch, Failure> {
        self.full
            .get_or_try_init(async || {
                let object = &self.reference.object;
                let bytes = read_object(&*backup.store, &backup.location, object).await?;
                segment::decode(&self.reference, bytes)
                    .map_err(|error| Failure::integrity(format!("{}: {error}", object.key)))
            })
            .await
    }
}
