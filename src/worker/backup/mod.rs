//! Backup: one run, from an open repository to a restore point.
//!
//! ```text
//! open     preflight; become the writer by compare-and-swap, which fences every older one
//! publish  what an earlier run committed and did not publish
//! copy     merge-join of the walk, the parent's rows and the journal of dead runs;
//!          what is new or changed is sent; the new segments are written in order
//! guard    a source that lost too much is not believed
//! commit   what is gone, the commit record, then HEAD: the only moment a run becomes real
//! publish  delete markers for what is gone
//! ```
//!
//! # Consistency
//! Before the commit nothing is visible: a crash leaves versions that no restore point pins, and
//! segments that are the next run's journal. After it the restore point stands, and whoever
//! opens next publishes what is owed. The accepted leak is storage: versions that no one pins
//! stay until lifecycle rules expire them.

mod approval;
mod capture;
mod commit;
mod copy;
mod counterpart;
mod end;
mod feed;
mod journal;
mod merge;
mod open;
mod parent;
mod publish;
mod put;
mod read;
mod segments;
mod session;
mod stored;
mod unopened;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sha2::Digest;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::failure::Failure;
use super::head::swap;
use super::lease::{Alive, Signs};
use super::memory::Memory;
use super::progress::Progress;
use super::report::Reporter;
use super::repository::Held;
use super::stop::Stop;
use crate::adapters::store::Store;
use crate::adapters::tree::{Stat, Tree};
use crate::api::catalog::{Commit, CommitRef, Nanoseconds, Repository, Root, Sha256, Writer};
use crate::api::cost::Prices;
use crate::api::left::Left;
use crate::api::outcome::Reason;
use crate::api::policy::Category;
use crate::api::report::{RestorePoint, RunReport};
use crate::api::run::RunSpec;
use crate::plan::category::Categories;
use crate::plan::cost::{self, Survey};
use crate::plan::filter::Filter;
use crate::plan::location::Location;
use crate::plan::named::Named;
use crate::plan::{compression, head, layout, place};
use copy::Copied;
pub use feed::Cuts;
use session::Session;
pub use unopened::{refused, refused_alone};

/// What a run is given.
#[derive(Clone, Debug)]
pub struct Order {
    /// What to do.
    pub spec: RunSpec,
    /// The run's id.
    pub run: String,
    /// When it started, by the host's clock.
    pub started: jiff::Timestamp,
    /// How it is asked to end early.
    pub stop: Stop,
    /// Where it counts.
    pub progress: Arc<Progress>,
    /// Where its segments are cut.
    pub cuts: Cuts,
    /// How long it waits for another run to end; without one, until it is asked to stop.
    pub patience: Option<Duration>,
    /// What the store costs, where that is known.
    pub prices: Option<Arc<Prices>>,
    /// The keys of a bucket that alone are to be looked at; without them, the whole source.
    pub named: Option<Arc<Named>>,
    /// What runs before this one could not leave in HEAD.
    pub left: Option<Left>,
}

/// Runs a backup up to the moment when only the notice is owed, and answers with its report,
/// whatever happens.
///
/// # Cancellation
/// Through [`Order::stop`]: what was sent is kept. Dropping the future is like a kill: the
/// repository stays whole, and the next run goes on from its segments.
pub async fn run<S: Store, T: Tree>(
    order: Order,
    store: Arc<S>,
    tree: Arc<T>,
    reporter: &Reporter,
) -> RunReport {
    let spec = order.spec.clone();
    match Backup::new(order, store.clone(), tree, reporter.post().is_some()) {
        Ok(backup) => Box::pin(Arc::new(backup).run(reporter)).await,
        Err(failure) => Box::pin(refused(&spec, &*store, reporter, &failure)).await,
    }
}

/// One run, and everything it works with.
struct Backup<S, T> {
    spec: RunSpec,
    run: String,
    /// The name under which it writes, once it is the writer.
    writer: OnceLock<String>,
    started: jiff::Timestamp,
    stop: Stop,
    progress: Arc<Progress>,
    store: Arc<S>,
    tree: Arc<T>,
    location: Location,
    filter: Arc<Filter>,
    categories: Categories,
    /// For each category, the layout of its files.
    layouts: Vec<u64>,
    /// For each category, how its files are compressed.
    compressions: Vec<Option<compression::Rule>>,
    /// The key prefix of this run: `{date}` is resolved.
    key_prefix: String,
    /// The root as it was when the run started.
    root: Root,
    memory: Memory,
    /// Set once the store has shown that it makes no copies that can be proved.
    makes_no_copies: OnceLock<()>,
    cuts: Cuts,
    patience: Option<Duration>,
    prices: Option<Arc<Prices>>,
    named: Option<Arc<Named>>,
    left: Option<Left>,
    /// What was found of the source, and sent of it.
    survey: std::sync::Mutex<Survey>,
    /// Whether a topic is to be told how the run ends.
    tells: bool,
    /// The newest change time seen, in nanoseconds since 1970.
    newest_ctime: AtomicI64,
}

impl<S: Store, T: Tree> Backup<S, T> {
    fn new(order: Order, store: Arc<S>, tree: Arc<T>, tells: bool) -> Result<Self, Failure> {
        let Order {
            spec,
            run,
            started,
            stop,
            progress,
            cuts,
            patience,
            prices,
            named,
            left,
        } = order;
        let invalid = |text: String| Failure::new(Reason::InvalidSpec, text);
        let filter =
            Filter::new(&spec.include, &spec.exclude).map_err(|e| invalid(e.to_string()))?;
        let categories = Categories::new(&spec.categories).map_err(|e| invalid(e.to_string()))?;
        let template = spec.storage.key_prefix.as_deref().unwrap_or_default();
        let key_prefix =
            place::resolve_date(template, started, &spec.time_zone).map_err(invalid)?;
        let layout_of = |category: &Category| layout::layout(&category.bucket, template);
        let layouts = spec.categories.iter().map(layout_of).collect();
        let compressions = spec
            .categories
            .iter()
            .map(|category| category.compression.as_ref().map(compression::Rule::new))
            .map(Option::transpose)
            .collect::<Result<_, _>>()
            .map_err(|problem| invalid(format!("compression.minimumSize {problem}")))?;
        let location = location_of(&spec);
        let survey = match &prices {
            Some(prices) => Survey::of(&spec, prices),
            None => Survey::of(&spec, &cost::prices()),
        };
        let root = tree
            .root()
            .map(|(_, stat)| root_of(&stat))
            .map_err(|error| {
                let message = format!("the source's root {} cannot be opened: {error}", spec.root);
                Failure::new(Reason::SourceSuspicious, message)
            })?;
        Ok(Self {
            run,
            writer: OnceLock::new(),
            started,
            stop,
            progress,
            store,
            tree,
            location,
            filter: Arc::new(filter),
            categories,
            layouts,
            compressions,
            key_prefix,
            root,
            memory: Memory::default(),
            makes_no_copies: OnceLock::new(),
            cuts,
            patience,
            prices,
            named,
            left,
            survey: std::sync::Mutex::new(survey),
            tells,
            newest_ctime: AtomicI64::new(i64::MIN),
            spec,
        })
    }

    async fn run(self: &Arc<Self>, reporter: &Reporter) -> RunReport {
        let opened = match self.open().await {
            Ok((repository, held)) => match held.head.writer.clone() {
                Some(writer) => Ok((repository, held, writer)),
                None => Err(Failure::fenced()),
            },
            Err(failure) => Err(failure),
        };
        let (repository, held, writer) = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                let failure = failure.of_store(&self.spec.storage);
                self.price(reporter, false);
                let report = reporter.failed(&failure, self.requests());
                self.write_report(&report).await;
                // It was not to wait: how it goes with the source is the other run's to tell.
                if self.patience.is_some() && report.reason == Some(Reason::Locked) {
                    return report;
                }
                return unopened::tell(&self.spec, &*self.store, reporter, report).await;
            }
        };
        // It is set here and nowhere else.
        let _ = self.writer.set(writer.id());
        reporter.opened(writer.epoch, held.head.trouble.clone());
        let alive = Alive::start(self.store.clone(), self.location.clone(), self.run.clone());
        let held = Arc::new(Mutex::new(held));
        let ended = self
            .write(reporter, &repository, &held, alive.signs(), &writer)
            .await;
        let report = self.end(reporter, &*held.lock().await, ended).await;
        drop(alive);
        report
    }

    /// Everything that happens while this run is the writer.
    async fn write(
        self: &Arc<Self>,
        reporter: &Reporter,
        repository: &Repository,
        held: &Arc<Mutex<Held>>,
        signs: Arc<Signs>,
        writer: &Writer,
    ) -> Result<RestorePoint, Failure> {
        let parent = self.parent(&held.lock().await.head).await?;
        let parent = parent.as_ref();
        reporter.found(parent.map(|(reference, commit)| point(reference, commit)));
        if let Some((reference, commit)) = parent {
            if commit.run == self.run {
                return Ok(self.end_earlier(held, reference, commit).await);
            }
            self.settle_debts(held, commit).await?;
        }
        let trusts_parent = self.prepare(repository, held, parent).await?;
        let session = Session::new(held.clone(), signs, writer.id(), parent.is_some()).await;
        let copied = self.copy(&Arc::new(session), parent, trusts_parent).await?;
        if copied.totals.rows == 0 {
            self.progress
                .warn("the source is empty, or nothing in it is included".to_owned());
        }
        let mut held = held.lock().await;
        if let Some((reference, commit)) = parent
            && !self.is_news(&copied, commit)
        {
            return self.close_held(&mut held, reference, commit).await;
        }
        self.check_balance(&held.head, parent, &copied).await?;
        reporter.committing();
        let (reference, commit) = self.commit(&mut held, writer, parent, copied).await?;
        let restore_point = point(&reference, &commit);
        reporter.committed(&restore_point);
        if commit.gone.is_some() {
            self.publish_own(&mut held, writer, &commit).await;
        }
        Ok(restore_point)
    }

    /// Ends for an earlier attempt of this very run, which committed and died before it could say
    /// so. The restore point stands, so what cannot be done now is the next opener's.
    async fn end_earlier(
        &self,
        held: &Mutex<Held>,
        reference: &CommitRef,
        commit: &Commit,
    ) -> RestorePoint {
        self.count_totals(commit);
        for entry in &commit.not_captured {
            self.progress.not_captured(entry.clone());
        }
        let ended = match self.settle_debts(held, commit).await {
            Ok(()) => self
                .close_held(&mut *held.lock().await, reference, commit)
                .await
                .map(drop),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = ended {
            self.progress.warn(format!(
                "an earlier attempt made the restore point; what it owes is left to the next run: \
                 {failure}"
            ));
        }
        point(reference, commit)
    }

    /// Publishes what the newest restore point still owes.
    async fn settle_debts(&self, held: &Mutex<Held>, commit: &Commit) -> Result<(), Failure> {
        let mut held = held.lock().await;
        if head::owes_publication(&held.head) {
            self.hide(&held, commit).await?;
            let next = head::published(&held.head, Uuid::new_v4());
            *held = swap(&*self.store, &self.location, &held, next).await?;
        }
        Ok(())
    }

    /// Refuses another source than the repository's, and claims what this run writes to. Answers
    /// whether what the parent says of files can be trusted: of a source that a person has
    /// accepted in place of another one, every file is read once.
    async fn prepare(
        &self,
        repository: &Repository,
        held: &Mutex<Held>,
        parent: Option<&(CommitRef, Commit)>,
    ) -> Result<bool, Failure> {
        let mut held = held.lock().await;
        let known = held.head.adopted.as_ref().unwrap_or(&repository.identity);
        let same_source = *known == self.spec.identity;
        if !same_source {
            self.check_identity(&held.head).await?;
        }
        if let Some((_, commit)) = parent {
            self.check_root(&held.head, commit).await?;
            self.progress.expect(commit.totals.rows);
            self.note_ctime(commit.totals.newest_ctime);
        }
        *held = self.claim_and_probe(repository, held.clone()).await?;
        Ok(same_source)
    }

    /// Whether there is anything to commit.
    fn is_news(&self, copied: &Copied, parent: &Commit) -> bool {
        let same_root = Root {
            mtime: Nanoseconds::default(),
            ..self.root.clone()
        } == Root {
            mtime: Nanoseconds::default(),
            ..parent.root.clone()
        };
        copied.is_changed || !same_root || self.progress.tally().not_captured != parent.not_captured
    }

    /// Ends a run that makes no restore point of its own.
    async fn close_held(
        &self,
        held: &mut Held,
        reference: &CommitRef,
        commit: &Commit,
    ) -> Result<RestorePoint, Failure> {
        let now = self.store.last_answer().unwrap_or(reference.time);
        let mut next = head::checked(&held.head, now, Uuid::new_v4());
        if self.named.is_some() {
            // Nobody has looked at the rest.
            next.last_check = held.head.last_check;
        }
        let next = self.while_telling(next, held);
        *held = swap(&*self.store, &self.location, held, next).await?;
        self.count_totals(commit);
        Ok(point(reference, commit))
    }

    fn survey(&self) -> std::sync::MutexGuard<'_, Survey> {
        // Counts are whole after every step, so a panic elsewhere does not spoil them.
        self.survey
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn count_totals(&self, commit: &Commit) {
        self.progress.count(|files, bytes| {
            files.total = commit.totals.rows;
            bytes.total = commit.totals.bytes;
        });
    }

    /// Notes a change time that the source's file system has stamped.
    fn note_ctime(&self, ctime: Nanoseconds) {
        self.newest_ctime.fetch_max(ctime.0, Ordering::Relaxed);
    }

    /// The newest change time seen, where it tells what another machine's clock says.
    fn newest_foreign_ctime(&self) -> Option<Nanoseconds> {
        let newest = Nanoseconds(self.newest_ctime.load(Ordering::Relaxed));
        self.tree.has_foreign_clock().then_some(newest)
    }

    /// The buckets that files go to, each once.
    fn data_buckets(&self) -> BTreeSet<String> {
        self.spec
            .categories
            .iter()
            .map(|category| category.bucket.clone())
            .collect()
    }

    /// The bucket of the catalog besides.
    fn all_buckets(&self) -> BTreeSet<String> {
        let mut buckets = self.data_buckets();
        buckets.insert(self.location.bucket.clone());
        buckets
    }
}

/// The place of a run's repository.
#[must_use]
pub fn location_of(spec: &RunSpec) -> Location {
    let bucket = spec.storage.catalog_bucket.as_deref().unwrap_or_default();
    Location::new(
        bucket,
        &spec.cluster,
        &spec.namespace,
        &spec.policy,
        &spec.source,
    )
}

fn point(reference: &CommitRef, commit: &Commit) -> RestorePoint {
    RestorePoint {
        sequence: reference.sequence,
        time: reference.time,
        outcome: commit.outcome,
    }
}

fn root_of(stat: &Stat) -> Root {
    Root {
        inode: stat.identity.inode,
        birth: stat.birth,
        mode: stat.ownership.mode,
        uid: stat.ownership.uid,
        gid: stat.ownership.gid,
        mtime: stat.identity.mtime,
    }
}

fn hash(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}
