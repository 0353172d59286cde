//! Restore: from a restore point to a directory, or to a bucket (see [`into_bucket`]).
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

mod bucket;
mod content;
mod entry;
mod finish;
mod original;
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
use crate::api::policy::Storage;
use crate::api::report::RestorePoint;
use crate::api::restore::RestoreReport;
use crate::plan::filter::{Filter, Verdict};
use crate::plan::headers::is_header;
use crate::plan::location::Location;
use crate::plan::words::size;
pub use bucket::{Bucket, into_bucket};
pub use tally::Tally;

/// How many files are fetched at once.
const FILES_IN_FLIGHT: usize = 8;

/// How often a file whose bytes are not what was recorded is fetched again.
const FETCHES_MAX: u32 = 3;

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
    /// The store that the repository is in.
    pub storage: Storage,
    /// Where it is there.
    pub location: Location,
    /// Which restore point.
    pub point: Point,
    /// Which entries.
    pub filter: Filter,
    /// Whether that is all of them.
    pub is_whole: bool,
    /// What happens where something stands in the way.
    pub conflict: Conflict,
    /// How it is asked to end early.
    pub stop: Stop,
    /// Where it counts.
    pub tally: Arc<Tally>,
}

/// Restores into a directory, and answers with a report, whatever happens. `found` is what the
/// target was when it was opened.
pub async fn into_directory<S: Store>(
    order: Order,
    store: Arc<S>,
    target: Target,
    found: Found,
) -> RestoreReport {
    let (tally, storage) = (order.tally.clone(), order.storage.clone());
    let failed = |point, failure: Failure| tally.failed(point, &failure.of_store(&storage));
    let (point, commit) = match find_point(&order, &*store).await {
        Ok(point) => point,
        Err(failure) => return failed(None, failure),
    };
    let restore = Arc::new(Restore {
        order,
        store,
        target,
        found,
        way: Mutex::default(),
    });
    match restore.run(&commit).await {
        Ok(()) => tally.ended(point),
        Err(failure) => failed(Some(point), failure),
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

impl Order {
    /// The rows that are to be restored. Of a directory that only leads to others, the row counts
    /// where something beneath it is selected: it is made when that is.
    fn select(&self, batch: &Batch) -> Vec<usize> {
        (0..batch.len())
            .filter(|index| {
                let is_directory = batch.kind(*index) == Kind::Directory;
                match self.filter.verdict(batch.path(*index), is_directory) {
                    Verdict::Take => true,
                    Verdict::Enter | Verdict::Leave => false,
                }
            })
            .collect()
    }

    /// Refuses to call it a success that what was asked for is not there.
    fn check_found(&self) -> Result<(), Failure> {
        let (entries, _) = self.tally.counts();
        let done = entries.restored + entries.skipped + entries.failed;
        if self.is_whole || done + entries.special + entries.left_out > 0 {
            return Ok(());
        }
        Err(Failure::new(
            Reason::TargetConflict,
            "nothing in this restore point is included: see what it holds with backstay ls",
        ))
    }
}

/// One restore into a directory, and everything it works with.
struct Restore<S> {
    order: Order,
    store: Arc<S>,
    target: Target,
    /// What the target was when it was opened.
    found: Found,
    /// The directory that the way was made to last: entries come directory by directory.
    way: Mutex<Vec<u8>>,
}

impl<S: Store> Restore<S> {
    async fn run(self: &Arc<Self>, commit: &Commit) -> Result<(), Failure> {
        self.check_room(commit)?;
        if self.found == Found::Occupied {
            self.survey(commit).await?;
        }
        self.write(commit).await?;
        self.order.check_found()?;
        self.finish(commit).await
    }

    /// Refuses before the first write what cannot end well.
    fn check_room(&self, commit: &Commit) -> Result<(), Failure> {
        let Ok(capacity) = self.target.capacity() else {
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
            let selected = self.order.select(&batch);
            take(Arc::new(batch), selected).await?;
        }
        Ok(())
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
    let xattrs = row.xattrs.iter().filter(|(name, _)| !is_header(name));
    Metadata {
        ownership: row.ownership,
        mtime: row.identity.mtime,
        xattrs: xattrs.cloned().collect(),
    }
}
