//! A window: the rows that will make one segment, in order, some of them still on their way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::task::AbortOnDropHandle;

use super::capture::Captured;
use super::parent::{ParentRow, ParentSegment};
use crate::api::catalog::Gone;
use crate::worker::failure::Failure;

/// Where segments are cut. The model test cuts small trees as a run cuts large ones.
#[derive(Clone, Copy, Debug)]
pub struct Cuts {
    /// How many rows a segment has when it is cut without a boundary of the parent.
    pub rows: usize,
    /// How many rows a segment has at most, where it keeps a boundary of the parent.
    pub rows_max: usize,
    /// Under how many rows a changed segment is joined with the next one.
    pub rows_min: usize,
    /// After what time a segment is cut in any case: what it has sent is then the journal of the
    /// next run, should this one die.
    pub age_max: Duration,
}

impl Default for Cuts {
    fn default() -> Self {
        Self {
            rows: 50_000,
            rows_max: 75_000,
            rows_min: 12_500,
            age_max: Duration::from_mins(5),
        }
    }
}

/// One row to be, in order.
pub(super) enum Slot {
    /// The parent's row, as it is.
    Keep(ParentRow),
    /// The parent's row, of an entry that cannot be read now.
    Stale(ParentRow),
    /// A row that is still being captured.
    Pending(Pending),
}

impl Slot {
    /// The parent's row of the same path.
    fn parent(&self) -> Option<&ParentRow> {
        match self {
            Self::Keep(row) | Self::Stale(row) => Some(row),
            Self::Pending(pending) => pending.parent.as_ref(),
        }
    }
}

/// A row that is still being captured.
pub(super) struct Pending {
    pub(super) captured: AbortOnDropHandle<Result<Captured, Failure>>,
    /// The parent's row of the same path.
    pub(super) parent: Option<ParentRow>,
    pub(super) path: Vec<u8>,
}

/// The rows that will make one segment.
pub(super) struct Window {
    pub(super) slots: Vec<Slot>,
    /// What is gone among the rows of this window.
    pub(super) gone: Vec<Gone>,
    /// Whether a row of the parent is left out, with or without an object.
    pub(super) drops_rows: bool,
    /// Whether any row differs from the parent's, or may.
    pub(super) is_touched: bool,
    started: Instant,
}

impl Window {
    pub(super) fn new(started: Instant) -> Self {
        Self {
            slots: Vec::new(),
            gone: Vec::new(),
            drops_rows: false,
            is_touched: false,
            started,
        }
    }

    /// Whether nothing has come and nothing has gone.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.gone.is_empty() && !self.drops_rows
    }

    /// The parent's segment, where the window is exactly that.
    pub(super) fn as_parent(&self) -> Option<&Arc<ParentSegment>> {
        let is_kept = |slot: &Slot| match slot {
            Slot::Keep(_) => true,
            Slot::Stale(_) | Slot::Pending(_) => false,
        };
        self.counterpart()
            .filter(|_| self.slots.iter().all(is_kept))
    }

    /// The segment of the parent that has the very paths of this window: its rows may turn out
    /// to be the same.
    pub(super) fn counterpart(&self) -> Option<&Arc<ParentSegment>> {
        let segment = &self.slots.first()?.parent()?.segment;
        let is_counterpart = |(index, slot): (usize, &Slot)| {
            slot.parent()
                .is_some_and(|row| row.index == index && Arc::ptr_eq(&row.segment, segment))
        };
        let is_whole = !self.drops_rows
            && self.gone.is_empty()
            && self.slots.len() == segment.deciding.len()
            && self.slots.iter().enumerate().all(is_counterpart);
        is_whole.then_some(segment)
    }

    /// Whether to cut here, in the middle of wherever the parent is.
    pub(super) fn is_full(&self, cuts: &Cuts, within_parent: bool, now: Instant) -> bool {
        let most = if within_parent {
            cuts.rows_max
        } else {
            cuts.rows
        };
        let is_old = self.is_touched && now.duration_since(self.started) >= cuts.age_max;
        self.slots.len() >= most || (is_old && !self.slots.is_empty())
    }

    /// Whether to cut at the end of a segment of the parent.
    pub(super) fn ends_with_parent(&self, cuts: &Cuts) -> bool {
        !self.is_touched || self.slots.len() >= cuts.rows_min
    }
}
