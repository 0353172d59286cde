//! The merge: the walk, the parent's rows and the journal, three streams in the same order.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::Backup;
use super::capture::Candidate;
use super::feed::{Feed, Pending};
use super::journal::{Found, Journal};
use super::parent::{ParentRow, ParentRows};
use super::session::Session;
use crate::adapters::store::Store;
use crate::adapters::tree::Tree;
use crate::api::catalog::{Commit, Gone, Kind, Pin, Row};
use crate::api::outcome::Reason;
use crate::api::report::NotCaptured;
use crate::plan::choose::{self, Decision, Journalled, choose};
use crate::plan::key;
use crate::plan::named::Named;
use crate::plan::notice::NO_CATEGORY;
use crate::worker::failure::Failure;
use crate::worker::walk::{Entry, Unreadable, WalkError, Walked, Walking};

/// What a copy starts from.
pub(super) struct Known<'a> {
    pub(super) parent: Option<&'a Commit>,
    /// Whether what the parent says of files can be trusted.
    pub(super) trusts_parent: bool,
    /// The keys that the walk is about, where it is not about all: the parent's other rows stay.
    pub(super) named: Option<Arc<Named>>,
}

/// Joins the three streams and passes rows on in order.
pub(super) struct Merge<S: Store, T: Tree> {
    backup: Arc<Backup<S, T>>,
    session: Arc<Session>,
    trusts_parent: bool,
    named: Option<Arc<Named>>,
    parent: ParentRows,
    journal: Journal,
    feed: Feed,
    /// What is being captured. A task is let go as soon as it has ended: its row is small, and
    /// what it took to make the row is not.
    tasks: JoinSet<()>,
    last_key: Vec<u8>,
    /// Whether the row just taken was the last one of the parent's segment.
    is_at_boundary: bool,
    /// The prefixes of the keys beneath what could not be read, as long as such keys may come.
    /// There can be several: `b/` comes after `b!`.
    unreadable: Vec<Vec<u8>>,
    /// The include patterns that have taken nothing yet.
    unseen: Vec<String>,
}

impl<S: Store, T: Tree> Merge<S, T> {
    pub(super) async fn new(
        backup: Arc<Backup<S, T>>,
        session: Arc<Session>,
        known: Known<'_>,
        feed: Feed,
    ) -> Result<Self, Failure> {
        let include = &backup.spec.include;
        let unseen = include.iter().filter(|pattern| !pattern.starts_with('!'));
        let unseen = match &known.named {
            None => unseen.cloned().collect(),
            Some(_) => Vec::new(),
        };
        let journal = Journal::open(&*backup.store, &backup.location, &session.dead).await?;
        Ok(Self {
            backup,
            session,
            trusts_parent: known.trusts_parent,
            named: known.named,
            parent: ParentRows::new(known.parent),
            journal,
            feed,
            tasks: JoinSet::new(),
            last_key: Vec::new(),
            is_at_boundary: false,
            unreadable: Vec::new(),
            unseen,
        })
    }

    /// Joins until the walk has ended, or the run is to end early. In the latter case what has
    /// been taken so far is passed on first: it is the journal of the next run.
    pub(super) async fn run(mut self, mut walk: Walking) -> Result<(), Failure> {
        let joined = self.join(&mut walk).await;
        let is_cut_short = self.backup.stop.check().is_err() || self.session.check().is_err();
        if joined.is_ok() || is_cut_short {
            self.feed.cut().await;
            self.finish().await;
        }
        joined
    }

    /// Waits for what is on its way, as long as there is someone to write it down.
    async fn finish(&mut self) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        tokio::select! {
            () = all => {}
            () = self.feed.closed() => {}
        }
    }

    async fn join(&mut self, walk: &mut Walking) -> Result<(), Failure> {
        while let Some(batch) = walk.next().await.map_err(|error| self.broke_off(&error))? {
            for walked in batch {
                self.backup.stop.check()?;
                self.session.check()?;
                self.take(walked).await?;
            }
        }
        self.advance(None).await?;
        let rest = self.find_in_journal(None).await?;
        self.drop_orphans(rest.skipped).await;
        self.tell_unseen();
        Ok(())
    }

    fn broke_off(&self, error: &WalkError) -> Failure {
        if let WalkError::List(error) = error {
            let failure = Failure::not_listed(error.clone());
            return match &self.backup.spec.bucket {
                Some(bucket) => failure.of_source(bucket),
                None => failure,
            };
        }
        let mut message = format!("the source at {}: {error}", self.backup.spec.root);
        if let Some(cause) = std::error::Error::source(error) {
            message = format!("{message}: {cause}");
        }
        Failure::new(Reason::SourceSuspicious, message)
    }

    async fn take(&mut self, walked: Walked) -> Result<(), Failure> {
        match walked {
            Walked::Entry(entry) => self.take_entry(entry).await,
            Walked::Unreadable(unreadable) => self.take_unreadable(unreadable).await,
            Walked::Nameless { name, reason } => {
                self.backup.progress.not_captured(NotCaptured {
                    path: key::legible(&name),
                    reason: reason.to_owned(),
                    stale: false,
                });
                Ok(())
            }
            Walked::Crossing { path } => {
                self.backup.progress.warn(format!(
                    "{} is the mount point of another file system, which is not part of the source",
                    key::display(&path)
                ));
                Ok(())
            }
        }
    }

    async fn take_entry(&mut self, entry: Entry) -> Result<(), Failure> {
        let identity = entry.stat.identity;
        let order_key = key::order_key(&entry.path, identity.kind).into_owned();
        self.check_order(&order_key)?;
        self.see(&entry.path, identity.kind);
        self.advance(Some(&order_key)).await?;
        let parent = self.take_parent(&order_key).await?;
        let Found {
            row: journal,
            skipped,
        } = self.find_in_journal(Some(&order_key)).await?;
        self.drop_orphans(skipped).await;
        // Only now: what was skipped above may lie beneath one of them.
        self.unreadable
            .retain(|beneath| order_key < *beneath || order_key.starts_with(beneath));
        self.backup.note_ctime(identity.ctime);
        let category = match identity.kind {
            Kind::File => {
                let category = self.backup.categories.first_match(&entry.path);
                self.backup.survey().add_file(category, identity.size);
                if category.is_none() {
                    return self.leave_out(&entry.path, parent).await;
                }
                category
            }
            Kind::Directory
            | Kind::Symlink
            | Kind::Fifo
            | Kind::Socket
            | Kind::CharacterDevice
            | Kind::BlockDevice => {
                self.backup.survey().add_other();
                None
            }
        };
        let layout = category.map_or(0, |category| self.backup.layouts[category]);
        let known = parent.as_ref().map(|row| self.trusted(row.known()));
        let journalled = match (&journal, &parent) {
            (Some(row), parent) => Some(self.journalled(row, parent.as_ref()).await?),
            (None, _) => None,
        };
        let decision = choose(&identity, layout, known.as_ref(), journalled.as_ref());
        match (decision, parent) {
            (Decision::Keep, Some(parent)) => self.keep(parent).await,
            (_, parent) => {
                self.capture(entry, category, decision, parent, journal)
                    .await?;
            }
        }
        self.cut_if_due().await;
        Ok(())
    }

    /// Notes which include pattern has taken something.
    fn see(&mut self, path: &[u8], kind: Kind) {
        if self.unseen.is_empty() {
            return;
        }
        let filter = &self.backup.filter;
        if let Some(pattern) = filter.included_by(path, kind == Kind::Directory) {
            self.unseen.retain(|unseen| *unseen != pattern);
        }
    }

    /// Tells of include patterns that have taken nothing: a folder may be spelled wrongly.
    fn tell_unseen(&self) {
        for pattern in &self.unseen {
            self.backup.progress.warn(format!(
                "include {pattern:?} matches nothing: it is relative to the source's root"
            ));
        }
    }

    /// An entry that cannot be seen: what the parent has of it, and of everything beneath it, is
    /// carried, and nothing of it counts as deleted.
    async fn take_unreadable(&mut self, unreadable: Unreadable) -> Result<(), Failure> {
        let Unreadable {
            path,
            is_directory,
            cause,
        } = unreadable;
        let file_key = key::order_key(&path, Kind::File).into_owned();
        let beneath = key::order_key(&path, Kind::Directory).into_owned();
        // Its entry came just before, so that what comes next in the parent is what is beneath it.
        let is_told = self.last_key == beneath;
        if !is_told {
            self.advance(Some(&file_key)).await?;
            // What a dead run has sent of it is neither taken over unseen nor hidden.
            let found = self.find_in_journal(Some(&file_key)).await?;
            self.drop_orphans(found.skipped).await;
        }
        let row = self.take_parent(&file_key).await?;
        let is_carried = row.is_some();
        if let Some(row) = row {
            self.carry(row).await;
        }
        if is_directory || !is_carried {
            self.unreadable.push(beneath.clone());
        }
        let has_older = if is_told {
            self.parent_has_beneath(&beneath).await?
        } else {
            is_directory
        };
        self.backup.progress.not_captured(NotCaptured {
            path: key::display(&path),
            reason: cause.to_string(),
            stale: is_carried || has_older,
        });
        self.cut_if_due().await;
        Ok(())
    }

    /// Passes over the parent's rows before a key: they are gone, beneath something that cannot be
    /// read, or none of what the walk is about.
    async fn advance(&mut self, key: Option<&[u8]>) -> Result<(), Failure> {
        loop {
            let (store, location) = (&*self.backup.store, &self.backup.location);
            let Some(row) = self.parent.peek(store, location).await? else {
                return Ok(());
            };
            let row_key = row.order_key();
            if key.is_some_and(|key| row_key.as_ref() >= key) {
                return Ok(());
            }
            let is_hidden = is_beneath(&self.unreadable, &row_key);
            let is_asked = self
                .named
                .as_ref()
                .is_none_or(|named| named.contains(&row_key));
            let Some((row, is_last)) = self.parent.take() else {
                return Ok(());
            };
            self.is_at_boundary = is_last;
            if is_hidden {
                self.carry_beneath(row).await;
            } else if is_asked {
                self.drop_row(&row).await?;
            } else {
                self.keep(row).await;
            }
            self.cut_if_due().await;
        }
    }

    /// Takes the parent's row at a key, where there is one.
    async fn take_parent(&mut self, key: &[u8]) -> Result<Option<ParentRow>, Failure> {
        let (store, location) = (&*self.backup.store, &self.backup.location);
        let next = self.parent.peek(store, location).await?;
        if next.is_none_or(|row| row.order_key().as_ref() != key) {
            return Ok(None);
        }
        Ok(self.parent.take().map(|(row, is_last)| {
            self.is_at_boundary = is_last;
            row
        }))
    }

    /// Whether the parent's next row lies beneath a directory.
    async fn parent_has_beneath(&mut self, beneath: &[u8]) -> Result<bool, Failure> {
        let (store, location) = (&*self.backup.store, &self.backup.location);
        let next = self.parent.peek(store, location).await?;
        Ok(next.is_some_and(|row| row.order_key().starts_with(beneath)))
    }

    async fn find_in_journal(&mut self, key: Option<&[u8]>) -> Result<Found, Failure> {
        if self.journal.is_empty() {
            return Ok(Found::default());
        }
        self.journal
            .find(&*self.backup.store, &self.backup.location, key)
            .await
    }

    async fn journalled(
        &self,
        row: &Row,
        parent: Option<&ParentRow>,
    ) -> Result<Journalled, Failure> {
        let pinned = match parent {
            Some(parent) => parent.pin(&self.backup).await?,
            None => None,
        };
        Ok(Journalled {
            known: choose::Known {
                identity: row.identity,
                layout: row.layout,
                flags: row.flags,
            },
            is_parents_pin: row.pin == pinned,
        })
    }

    /// What the parent says, as far as it is trusted.
    fn trusted(&self, mut known: choose::Known) -> choose::Known {
        known.flags.stale |= !self.trusts_parent;
        known
    }

    async fn keep(&mut self, row: ParentRow) {
        self.backup.progress.count(|files, _| files.unchanged += 1);
        self.feed.keep(row).await;
    }

    /// Carries the parent's row of what lies beneath a directory that cannot be read. The
    /// directory itself has been counted.
    async fn carry_beneath(&mut self, row: ParentRow) {
        let is_told = self
            .unreadable
            .iter()
            .any(|told| **told == *row.order_key());
        if !is_told {
            self.backup
                .progress
                .count(|files, _| files.not_captured += 1);
        }
        self.carry(row).await;
    }

    /// Carries the parent's row of what cannot be read. A row that was carried before is as it
    /// was, so that an entry which stays unreadable does not make a new restore point each time.
    async fn carry(&mut self, row: ParentRow) {
        if row.known().flags.stale {
            self.feed.keep(row).await;
        } else {
            self.feed.carry(row).await;
        }
    }

    async fn capture(
        &mut self,
        entry: Entry,
        category: Option<usize>,
        decision: Decision,
        parent: Option<ParentRow>,
        journal: Option<Row>,
    ) -> Result<(), Failure> {
        let pin = match &parent {
            Some(parent) => parent.pin(&self.backup).await?,
            None => None,
        };
        let path = entry.path.clone();
        let candidate = Candidate {
            entry,
            category,
            decision,
            parent: pin,
            is_stale: parent.as_ref().is_some_and(|row| row.known().flags.stale),
            journal,
        };
        self.wait_for_a_place().await?;
        let (sender, captured) = oneshot::channel();
        let (backup, session) = (self.backup.clone(), self.session.clone());
        self.tasks.spawn(async move {
            let captured = backup.capture(session.clone(), candidate).await;
            if let Err(failure) = &captured {
                session.fail(failure.clone());
            }
            // A writer that is gone has failed, and said so to the session.
            let _ = sender.send(captured);
        });
        let pending = Pending {
            captured,
            parent,
            path,
        };
        self.feed.capture(pending).await;
        Ok(())
    }

    /// Waits until fewer entries are on their way than may be at once.
    async fn wait_for_a_place(&mut self) -> Result<(), Failure> {
        let most = usize::from(self.backup.spec.concurrency.max(1));
        while self.tasks.len() >= most {
            tokio::select! {
                _ = self.tasks.join_next() => {}
                stopped = self.backup.stop.requested() => return Err(stopped),
            }
        }
        Ok(())
    }

    /// A file that no category takes is not captured, and said so.
    async fn leave_out(&mut self, path: &[u8], parent: Option<ParentRow>) -> Result<(), Failure> {
        self.backup.progress.not_captured(NotCaptured {
            path: key::display(path),
            reason: NO_CATEGORY.to_owned(),
            stale: false,
        });
        match parent {
            Some(row) => self.drop_row(&row).await,
            None => Ok(()),
        }
    }

    async fn drop_row(&mut self, row: &ParentRow) -> Result<(), Failure> {
        self.backup.progress.count(|files, _| files.deleted += 1);
        let pin = row.pin(&self.backup).await?;
        let path = || row.segment.deciding.path(row.index).to_vec();
        self.feed.drop_row(pin.map(|pin| gone(path(), pin))).await;
        Ok(())
    }

    /// What a dead run has sent and nobody has any more is hidden like what is gone. Beneath what
    /// cannot be read nothing is known to be gone.
    async fn drop_orphans(&mut self, skipped: Vec<Row>) {
        for row in skipped {
            let order_key = key::order_key(&row.path, row.identity.kind);
            let is_hidden = is_beneath(&self.unreadable, &order_key);
            if let Some(pin) = row.pin
                && !is_hidden
            {
                self.feed.drop_row(Some(gone(row.path, pin))).await;
            }
        }
    }

    async fn cut_if_due(&mut self) {
        let is_at_boundary = std::mem::take(&mut self.is_at_boundary);
        // After the parent's last segment new rows join it, or a source that grows at its end
        // would leave a small segment behind each time.
        let within_parent = !self.parent.is_at_end();
        let is_boundary = is_at_boundary && within_parent;
        self.feed.cut_if_due(is_boundary, within_parent).await;
    }

    /// Keys must strictly increase: a violation read as a deletion would hide files.
    fn check_order(&mut self, key: &[u8]) -> Result<(), Failure> {
        if *key <= *self.last_key && !self.last_key.is_empty() {
            return Err(Failure::integrity(format!(
                "the source was walked out of order: {} came after {}",
                String::from_utf8_lossy(key),
                String::from_utf8_lossy(&self.last_key)
            )));
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        Ok(())
    }
}

fn gone(path: Vec<u8>, pin: Pin) -> Gone {
    Gone {
        path,
        bucket: pin.bucket,
        key: pin.key,
        etag: pin.etag,
    }
}

/// Whether a key lies beneath something that could not be read, or is that itself.
fn is_beneath(unreadable: &[Vec<u8>], key: &[u8]) -> bool {
    unreadable.iter().any(|beneath| key.starts_with(beneath))
}
