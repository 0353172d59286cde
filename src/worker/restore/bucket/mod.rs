//! Restore into a bucket: files become objects again.
//!
//! ```text
//! survey   the bucket's listing, joined with the rows: what stands in the way
//! write    objects, and folders where nothing else tells of them
//! ```
//!
//! # Consistency
//! No object stands under its key before all of its content was verified: it is written in one
//! request, or put together from its parts then. Unless it is to be overwritten, what has appeared
//! under a key meanwhile stays. Nothing is ever deleted. A restore that dies leaves whole objects,
//! and uploads that nobody puts together, which the bucket's rule for those takes; with `Skip` the
//! next one goes on where the first one ended.

mod object;
mod standing;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::standing::Standing;
use super::entry::ended_well;
use super::{Conflict, FILES_IN_FLIGHT, Order, find_point};
use crate::adapters::segment::Batch;
use crate::adapters::store::{Store, StoreError};
use crate::api::catalog::{Commit, Kind, Row, SegmentRef};
use crate::api::outcome::Reason;
use crate::api::restore::RestoreReport;
use crate::plan::destination::{Destination, Entry};
use crate::plan::key::order_key;
use crate::worker::failure::Failure;
use crate::worker::memory::Memory;
use crate::worker::rows::read_segment;

/// How long what is on its way may take to be given up.
const GIVE_UP_WITHIN: Duration = Duration::from_secs(15);

/// A bucket that is restored into.
#[derive(Debug)]
pub struct Bucket<S> {
    /// Its store.
    pub store: S,
    /// Which it is.
    pub destination: Destination,
}

/// Restores into a bucket, and answers with a report, whatever happens.
pub async fn into_bucket<S: Store>(order: Order, store: Arc<S>, to: Bucket<S>) -> RestoreReport {
    let (tally, storage) = (order.tally.clone(), order.storage.clone());
    let failed = |point, failure: Failure| tally.failed(point, &failure.of_store(&storage));
    let (point, commit) = match find_point(&order, &*store).await {
        Ok(point) => point,
        Err(failure) => return failed(None, failure),
    };
    let restore = Arc::new(Restore {
        order,
        store,
        to: Arc::new(to),
        memory: Memory::default(),
        over: CancellationToken::new(),
    });
    match restore.run(&commit).await {
        Ok(()) => tally.ended(point),
        Err(failure) => failed(Some(point), failure),
    }
}

/// One restore into a bucket, and everything it works with.
struct Restore<S> {
    order: Order,
    store: Arc<S>,
    to: Arc<Bucket<S>>,
    memory: Memory,
    /// Cancelled when the restore has failed: what is on its way is given up.
    over: CancellationToken,
}

/// The rows of one segment that are to be restored.
struct Segment {
    batch: Batch,
    selected: Vec<usize>,
    /// The order key of the row after the last one.
    next: Option<Vec<u8>>,
}

impl<S: Store> Restore<S> {
    async fn run(self: &Arc<Self>, commit: &Commit) -> Result<(), Failure> {
        let standing = Standing::begin(self.to.clone()).await;
        let standing = standing.map_err(|error| self.failure(error))?;
        let standing = match self.order.conflict {
            Conflict::Fail => {
                self.survey(commit, standing).await?;
                None
            }
            Conflict::Overwrite => None,
            Conflict::Skip => Some(standing),
        };
        self.write(commit, standing).await?;
        self.order.check_found()
    }

    /// Looks at every key that will be written. A folder is no conflict with itself.
    async fn survey(&self, commit: &Commit, mut standing: Standing<S>) -> Result<(), Failure> {
        let mut segments = commit.segments.iter().peekable();
        while let Some(reference) = segments.next() {
            let segment = self.segment(reference, segments.peek()).await?;
            for (index, entry) in segment.entries(&self.to.destination) {
                let (Entry::Object(key) | Entry::Folder(key)) = &entry else {
                    continue;
                };
                let standing = standing.at(key).await;
                let standing = standing.map_err(|error| self.failure(error))?;
                let is_file = matches!(entry, Entry::Object(_));
                if standing.is_some_and(|standing| is_file || standing.size > 0) {
                    self.order.tally.conflict(segment.batch.path(index));
                }
            }
        }
        let remedy = "choose another prefix, or --conflict overwrite or skip";
        self.order.tally.check_conflicts(remedy)
    }

    async fn write(
        self: &Arc<Self>,
        commit: &Commit,
        standing: Option<Standing<S>>,
    ) -> Result<(), Failure> {
        let mut writing = JoinSet::new();
        let written = self.write_rows(commit, standing, &mut writing).await;
        match written {
            Ok(()) => self.end(&mut writing).await,
            Err(failure) => {
                self.over.cancel();
                // Whoever is dropped cannot give its upload up, and none is waited for for ever.
                let ended = tokio::time::timeout(GIVE_UP_WITHIN, self.end(&mut writing)).await;
                tracing::debug!(in_time = ended.is_ok(), "what was on its way is given up");
                Err(failure)
            }
        }
    }

    /// Waits until everything on its way has come to its end; answers with the first failure.
    async fn end(&self, writing: &mut JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
        let mut first = Ok(());
        while let Some(ended) = writing.join_next().await {
            let ended = ended_well(ended);
            if first.is_ok() && ended.is_err() {
                self.over.cancel();
                first = ended;
            }
        }
        first
    }

    async fn write_rows(
        self: &Arc<Self>,
        commit: &Commit,
        mut standing: Option<Standing<S>>,
        writing: &mut JoinSet<Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let permits = Arc::new(Semaphore::new(FILES_IN_FLIGHT));
        let mut segments = commit.segments.iter().peekable();
        while let Some(reference) = segments.next() {
            let segment = self.segment(reference, segments.peek()).await?;
            for (index, entry) in segment.entries(&self.to.destination) {
                self.order.stop.check()?;
                while let Some(ended) = writing.try_join_next() {
                    ended_well(ended)?;
                }
                let row = segment.batch.row(index);
                let Some(key) = self.key(&row, entry) else {
                    continue;
                };
                if let Some(standing) = &mut standing
                    && self.stands(standing, &key).await?
                {
                    self.order.tally.count(|entries| entries.skipped += 1);
                    continue;
                }
                let permit = permits.clone().acquire_owned().await.ok();
                let restore = self.clone();
                writing.spawn(async move {
                    let _permit = permit;
                    restore.write_entry(&row, &key).await
                });
            }
        }
        Ok(())
    }

    /// The key that a row is written under. What is not written is counted.
    fn key(&self, row: &Row, entry: Entry) -> Option<String> {
        let tally = &self.order.tally;
        if row.flags.stale {
            tally.count(|entries| entries.stale += 1);
        }
        match entry {
            Entry::Object(key) | Entry::Folder(key) => return Some(key),
            Entry::Implied => {}
            Entry::LeftOut => tally.count(|entries| entries.left_out += 1),
            Entry::NoKey(why) => tally.fail(&row.path, why.to_string()),
        }
        None
    }

    async fn stands(&self, standing: &mut Standing<S>, key: &str) -> Result<bool, Failure> {
        let standing = standing.at(key).await;
        Ok(standing.map_err(|error| self.failure(error))?.is_some())
    }

    async fn segment(
        &self,
        reference: &SegmentRef,
        next: Option<&&SegmentRef>,
    ) -> Result<Segment, Failure> {
        self.order.stop.check()?;
        let batch = read_segment(&*self.store, &self.order.location, reference).await?;
        Ok(Segment {
            selected: self.order.select(&batch),
            batch,
            next: next.map(|next| next.first.clone()),
        })
    }

    /// A failure of the bucket that ends the restore.
    fn failure(&self, error: StoreError) -> Failure {
        let failure = match error {
            StoreError::NoSuchBucket { bucket } => Failure::new(
                Reason::RepositoryNotFound,
                format!("bucket does not exist: {bucket}: create it, or correct --to"),
            ),
            StoreError::Refused { .. } => Failure::new(
                Reason::PreflightRefused,
                format!("{error}: check --to-region and --to-endpoint"),
            ),
            error => error.into(),
        };
        failure.of_destination(&self.to.destination)
    }
}

impl Segment {
    /// What becomes of each row.
    fn entries<'a>(&'a self, to: &'a Destination) -> impl Iterator<Item = (usize, Entry)> + 'a {
        self.selected.iter().map(|index| {
            let (path, kind) = (self.batch.path(*index), self.batch.kind(*index));
            let is_empty = kind == Kind::Directory && self.is_empty(*index);
            (*index, to.entry(path, kind, is_empty))
        })
    }

    /// Whether nothing is in a directory: what is in it comes right after it.
    fn is_empty(&self, index: usize) -> bool {
        let own = order_key(self.batch.path(index), Kind::Directory);
        let after = index + 1;
        if after < self.batch.len() {
            let next = order_key(self.batch.path(after), self.batch.kind(after));
            return !next.starts_with(&own);
        }
        let next = self.next.as_ref();
        next.is_none_or(|next| !next.starts_with(&own))
    }
}
