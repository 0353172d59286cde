//! Restore: from a restore point to a directory.
//!
//! ```text
//! find     the restore point, by time or by run
//! survey   what stands in the way, before the first write
//! write    directories, files (each stream's SHA-256 verified), links, pipes
//! finish   the directories' own metadata, from the inside out; then the disk
//! ```
//!
//! # Consistency
//! No file stands under its final name before all of it was verified. A restore that dies leaves
//! whole files and temporaries; the next one into the same directory removes the latter, and
//! with `Skip` goes on where the first one ended.

mod content;
mod entry;
mod finish;
mod survey;
mod tally;

use std::sync::{Arc, Mutex};

use super::failure::Failure;
use super::repository::{Point, find, require_head};
use super::rows::read_segment;
use super::stop::Stop;
use crate::adapters::segment::Batch;
use crate::adapters::store::Store;
use crate::adapters::target::{Found, Metadata, Placement, Target};
use crate::api::catalog::{Commit, Kind, Row};
use crate::api::outcome::Reason;
use crate::api::report::RestorePoint;
use crate::api::restore::RestoreReport;
use crate::plan::filter::{Filter, Verdict};
use crate::plan::location::Location;
use crate::plan::words::size;
pub use tally::Tally;

/// How many files are fetched at once.
const FILES_IN_FLIGHT: usize = 8;

/// What happens where something stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Nothing is written at all.
    Fail,
    /// It is replaced. A directory is never replaced by something else.
    Overwrite,
    /// It is left alone.
    Skip,
}

/// What a restore is given.
#[derive(Debug)]
pub struct Order {
    /// Where the repository is.
    pub location: Location,
    /// Which restore point.
    pub point: Point,
    /// Which entries.
    pub filter: Filter,
    /// Whether that is all of them.
    pub is_whole: bool,
    /// Where to.
    pub target: Target,
    /// What the target was when it was opened.
    pub found: Found,
    /// What happens where something stands in the way.
    pub conflict: Conflict,
    /// How it is asked to end early.
    pub stop: Stop,
    /// Where it counts.
    pub tally: Arc<Tally>,
}

/// Restores, and answers with a report, whatever happens.
pub async fn run<S: Store>(order: Order, store: Arc<S>) -> RestoreReport {
    let tally = order.tally.clone();
    let found = find_point(&order, &*store).await;
    let (point, commit) = match found {
        Ok(found) => found,
        Err(failure) => return tally.failed(None, &failure),
    };
    let way = Mutex::default();
    let restore = Arc::new(Restore { order, store, way });
    match restore.run(&commit).await {
        Ok(()) => tally.ended(point),
        Err(failure) => tally.failed(Some(point), &failure),
    }
}

async fn find_point<S: Store>(order: &Order, store: &S) -> Result<(RestorePoint, Commit), Failure> {
    let held = require_head(store, &order.location).await?;
    let (reference, commit) = find(store, &order.location, &held.head, &order.point).await?;
    let point = RestorePoint {
        sequence: reference.sequence,
        time: reference.time,
        outcome: commit.outcome,
    };
    Ok((point, commit))
}

/// One restore, and everything it works with.
struct Restore<S> {
    order: Order,
    store: Arc<S>,
    /// The directory that the way was made to last: entries come directory by directory.
    way: Mutex<Vec<u8>>,
}

impl<S: Store> Restore<S> {
    async fn run(self: &Arc<Self>, commit: &Commit) -> Result<(), Failure> {
        self.check_room(commit)?;
        if self.order.found == Found::Occupied {
            self.survey(commit).await?;
        }
        self.write(commit).await?;
        self.check_found()?;
        self.finish(commit).await
    }

    /// Refuses to call it a success that what was asked for is not there.
    fn check_found(&self) -> Result<(), Failure> {
        let (entries, _) = self.order.tally.counts();
        let found = entries.restored + entries.skipped + entries.failed + entries.special;
        if self.order.is_whole || found > 0 {
            return Ok(());
        }
        Err(Failure::new(
            Reason::TargetConflict,
            "nothing in this restore point is included: see what it holds with backstay ls",
        ))
    }

    /// Refuses before the first write what cannot end well.
    fn check_room(&self, commit: &Commit) -> Result<(), Failure> {
        let Ok(capacity) = self.order.target.capacity() else {
            return Ok(());
        };
        if !self.order.is_whole || capacity.free_bytes >= commit.totals.bytes {
            return Ok(());
        }
        Err(Failure::new(
            Reason::LocalDiskFull,
            format!(
                "the restore point holds {} and the target has room for {}",
                size(commit.totals.bytes),
                size(capacity.free_bytes)
            ),
        ))
    }

    /// Reads the segments in order, and hands the selected rows of each to `take`.
    async fn each_segment<F>(
        &self,
        commit: &Commit,
        mut take: impl FnMut(Arc<Batch>, Vec<usize>) -> F,
    ) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        for reference in &commit.segments {
            self.order.stop.check()?;
            let batch = read_segment(&*self.store, &self.order.location, reference).await?;
            let selected = self.select(&batch);
            take(Arc::new(batch), selected).await?;
        }
        Ok(())
    }

    /// The rows that are to be restored. Of a directory that only leads to others, the row counts
    /// where something beneath it is selected: it is made when that is.
    fn select(&self, batch: &Batch) -> Vec<usize> {
        (0..batch.len())
            .filter(|index| {
                let is_directory = batch.kind(*index) == Kind::Directory;
                match self.order.filter.verdict(batch.path(*index), is_directory) {
                    Verdict::Take => true,
                    Verdict::Enter | Verdict::Leave => false,
                }
            })
            .collect()
    }

    fn placement(&self) -> Placement {
        match self.order.conflict {
            Conflict::Fail | Conflict::Skip => Placement::New,
            Conflict::Overwrite => Placement::Replace,
        }
    }
}

/// The metadata that a row says an entry had.
fn metadata_of(row: &Row) -> Metadata {
    Metadata {
        ownership: row.ownership,
        mtime: row.identity.mtime,
        xattrs: row.xattrs.clone(),
    }
}
