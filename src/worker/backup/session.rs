//! What all sends of one run share: HEAD as it is held, and the first failure.

use std::sync::{Arc, OnceLock};

use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

use super::Backup;
use crate::adapters::clock;
use crate::adapters::store::Store;
use crate::adapters::tree::Tree;
use crate::api::catalog::Head;
use crate::api::policy::DeletionPolicy;
use crate::worker::failure::Failure;
use crate::worker::head::{require_held, swap};
use crate::worker::lease::Signs;
use crate::worker::repository::Held;

/// What all sends of one run share.
pub(super) struct Session {
    held: Arc<Mutex<Held>>,
    signs: Arc<Signs>,
    /// The name under which this run writes.
    pub(super) writer: String,
    /// The runs whose segments are the journal, oldest first.
    pub(super) dead: Vec<String>,
    supersedes: bool,
    begun: OnceCell<()>,
    failed: OnceLock<Failure>,
}

impl Session {
    pub(super) async fn new(
        held: Arc<Mutex<Held>>,
        signs: Arc<Signs>,
        writer: String,
        supersedes: bool,
    ) -> Self {
        let dead = held.lock().await.head.dead.clone();
        Self {
            held,
            signs,
            writer,
            dead,
            supersedes,
            begun: OnceCell::new(),
            failed: OnceLock::new(),
        }
    }

    /// Keeps the first failure of a send, so that the walk stops at once.
    pub(super) fn fail(&self, failure: Failure) {
        // A later failure is a consequence, or no news.
        let _ = self.failed.set(failure);
    }

    /// The first failure of a send, if there was one.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.failed
            .get()
            .map_or(Ok(()), |failure| Err(failure.clone()))
    }
}

impl<S: Store, T: Tree> Backup<S, T> {
    /// Notes, before the first data write of a run, since when versions that the newest commit
    /// pins may be superseded: from then on their expiry is counted.
    pub(super) async fn begin_superseding(&self, session: &Session) -> Result<(), Failure> {
        session
            .begun
            .get_or_try_init(async || {
                let mut held = session.held.lock().await;
                if !session.supersedes || held.head.superseding_since.is_some() {
                    return Ok(());
                }
                let now = self.store.last_answer().unwrap_or_else(clock::now);
                let next = Head {
                    superseding_since: Some(now),
                    nonce: Uuid::new_v4(),
                    ..held.head.clone()
                };
                *held = swap(&*self.store, &self.location, &held, next).await?;
                Ok(())
            })
            .await
            .copied()
    }

    /// Makes sure before every data write that nobody has opened the repository over this run,
    /// which may have been stopped for hours: what it wrote then would supersede a version that
    /// a newer restore point pins. HEAD is read only where the signs of life leave room for it.
    pub(super) async fn before_writing(&self, session: &Session) -> Result<(), Failure> {
        if session.signs.are_fresh() {
            return Ok(());
        }
        let held = session.held.lock().await;
        require_held(&*self.store, &self.location, &held).await?;
        session.signs.confirm();
        Ok(())
    }

    /// Makes sure that this run is still the writer, before it writes over a version that it did
    /// not expect (P4). What a dead run of ours has left there, or a policy that keeps what is
    /// gone, is not foreign.
    pub(super) async fn before_overwriting(&self, session: &Session) -> Result<(), Failure> {
        let held = session.held.lock().await;
        require_held(&*self.store, &self.location, &held).await?;
        if session.dead.is_empty() && self.spec.deletions.policy == DeletionPolicy::Mirror {
            self.progress.count(|files, _| files.foreign += 1);
        }
        Ok(())
    }
}
