//! What the merge passes on to the writer of segments: rows in order, some still on their way, and
//! where a segment ends.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::capture::Captured;
use super::parent::{ParentRow, ParentSegment};
use crate::adapters::clock;
use crate::api::catalog::Gone;
use crate::worker::failure::Failure;

/// How many steps may wait behind a row that is still on its way. Each is a row of a few hundred
/// bytes, a run of unchanged rows, or less.
const STEPS_MAX: usize = 8192;

/// How many segments may be cut and not yet written. One, and the one that is being filled: each
/// keeps a segment of the parent in memory.
const CUTS_MAX: usize = 1;

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
            rows: 25_000,
            rows_max: 37_500,
            rows_min: 6_250,
            age_max: Duration::from_mins(5),
        }
    }
}

/// One step of the merge, in the order of the rows.
pub(super) enum Step {
    /// Rows of the parent, as they are.
    Keep(Kept),
    /// The parent's row of an entry that cannot be read now.
    Stale(ParentRow),
    /// A row that is still being captured.
    Pending(Pending),
    /// A row is not there any more; with the object that it pinned, where it pinned one.
    Dropped(Option<Box<Gone>>),
    /// The rows since the last cut make a segment. What it holds is given back when that has
    /// been written.
    Cut(OwnedSemaphorePermit),
}

/// A run of rows of one segment of the parent.
pub(super) struct Kept {
    pub(super) segment: Arc<ParentSegment>,
    pub(super) rows: Range<usize>,
}

/// A row that is still being captured. Only the row waits here: what captured it is gone by then.
pub(super) struct Pending {
    pub(super) captured: oneshot::Receiver<Result<Captured, Failure>>,
    /// The parent's row of the same path.
    pub(super) parent: Option<ParentRow>,
    pub(super) path: Vec<u8>,
}

impl Kept {
    /// Whether a row comes right after these, and now belongs to them.
    fn takes(&mut self, row: &ParentRow) -> bool {
        let is_next = Arc::ptr_eq(&self.segment, &row.segment) && self.rows.end == row.index;
        self.rows.end += usize::from(is_next);
        is_next
    }
}

impl From<ParentRow> for Kept {
    fn from(ParentRow { segment, index }: ParentRow) -> Self {
        Self {
            segment,
            rows: index..index + 1,
        }
    }
}

/// The merge's end of the line to the writer of segments.
pub(super) struct Feed {
    steps: mpsc::Sender<Step>,
    cuts: Cuts,
    unwritten: Arc<Semaphore>,
    /// Unchanged rows that have not been passed on yet, because more may follow.
    kept: Option<Kept>,
    /// The rows since the last cut.
    rows: usize,
    /// Whether any of them differs from the parent's, or may.
    is_touched: bool,
    started: Instant,
}

impl Feed {
    /// A line, and the writer's end of it.
    pub(super) fn new(cuts: Cuts) -> (Self, mpsc::Receiver<Step>) {
        let (steps, received) = mpsc::channel(STEPS_MAX);
        let feed = Self {
            steps,
            cuts,
            unwritten: Arc::new(Semaphore::new(CUTS_MAX)),
            kept: None,
            rows: 0,
            is_touched: false,
            started: clock::monotonic(),
        };
        (feed, received)
    }

    /// Passes on a row of the parent as it is.
    pub(super) async fn keep(&mut self, row: ParentRow) {
        self.rows += 1;
        if self.kept.as_mut().is_some_and(|kept| kept.takes(&row)) {
            return;
        }
        self.flush().await;
        self.kept = Some(row.into());
    }

    /// Passes on the parent's row of what cannot be read now.
    pub(super) async fn carry(&mut self, row: ParentRow) {
        self.rows += 1;
        self.touch(Step::Stale(row)).await;
    }

    /// Passes on a row that is on its way.
    pub(super) async fn capture(&mut self, pending: Pending) {
        self.rows += 1;
        self.touch(Step::Pending(pending)).await;
    }

    /// Tells that a row is not there any more, and what it pinned.
    pub(super) async fn drop_row(&mut self, gone: Option<Gone>) {
        self.touch(Step::Dropped(gone.map(Box::new))).await;
    }

    /// Cuts where the rows since the last cut make a segment. `boundary` says whether the last
    /// one ended a segment of the parent after which there are more; `within_parent`, whether
    /// there are more rows of the parent.
    pub(super) async fn cut_if_due(&mut self, boundary: bool, within_parent: bool) {
        let most = if within_parent {
            self.cuts.rows_max
        } else {
            self.cuts.rows
        };
        let ends_with_parent = boundary && (!self.is_touched || self.rows >= self.cuts.rows_min);
        if ends_with_parent || self.rows >= most || self.is_old() {
            self.cut().await;
        }
    }

    /// Ends the segment here, when the one before it has been written.
    pub(super) async fn cut(&mut self) {
        self.flush().await;
        let permit = self.unwritten.clone().acquire_owned().await;
        self.send(Step::Cut(permit.expect("nobody closes the semaphore")))
            .await;
        self.rows = 0;
        self.is_touched = false;
        self.started = clock::monotonic();
    }

    /// Ends when nobody takes steps any more.
    pub(super) async fn closed(&self) {
        self.steps.closed().await;
    }

    fn is_old(&self) -> bool {
        let age = || clock::monotonic().duration_since(self.started);
        self.is_touched && self.rows > 0 && age() >= self.cuts.age_max
    }

    async fn touch(&mut self, step: Step) {
        self.is_touched = true;
        self.flush().await;
        self.send(step).await;
    }

    async fn flush(&mut self) {
        if let Some(kept) = self.kept.take() {
            self.send(Step::Keep(kept)).await;
        }
    }

    async fn send(&self, step: Step) {
        // A writer that is gone has failed, and said so to the session.
        let _ = self.steps.send(step).await;
    }
}
