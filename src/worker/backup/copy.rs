//! Copy: the walk is joined with what is known, what is new is sent, and the segments stand.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Backup;
use super::feed::Feed;
use super::merge::{Known, Merge};
use super::segments::{Segments, Written};
use super::session::Session;
use crate::adapters::store::Store;
use crate::adapters::tree::Tree;
use crate::api::catalog::{Commit, CommitRef};
use crate::plan::key;
use crate::plan::named::Named;
use crate::worker::failure::Failure;
use crate::worker::walk;

/// What a copy has made.
pub(super) type Copied = Written;

impl<S: Store, T: Tree> Backup<S, T> {
    /// Copies the source. On a failure everything that was sent before it is in segments.
    pub(super) async fn copy(
        self: &Arc<Self>,
        session: &Arc<Session>,
        parent: Option<&(CommitRef, Commit)>,
        trusts_parent: bool,
    ) -> Result<Copied, Failure> {
        let (feed, steps) = Feed::new(self.cuts);
        let parent = parent.map(|(_, commit)| commit);
        let named = self.scope(session, parent, trusts_parent);
        let (backup, shared) = (self.clone(), session.clone());
        let known = Known {
            parent,
            trusts_parent,
            named: named.clone(),
        };
        let merge = Merge::new(backup, shared, known, feed).await?;
        let segments = Segments::new(self.clone(), session.clone())?;
        let walk = walk::spawn(self.tree.clone(), self.filter.clone(), named);
        let (merged, written) = tokio::join!(merge.run(walk), segments.run(steps));
        merged?;
        written
    }
    /// The keys that the copy is about; nothing where it is about the whole source: also where keys
    /// are named, if there is nothing to fill the rest from, or a dead run has sent of it.
    fn scope(
        &self,
        session: &Session,
        parent: Option<&Commit>,
        trusts_parent: bool,
    ) -> Option<Arc<Named>> {
        let named = self.named.clone()?;
        let parent = parent.filter(|_| trusts_parent && session.dead.is_empty())?;
        let looked_at: BTreeSet<String> = named
            .keys()
            .map(|key| key::display(key.as_bytes()))
            .collect();
        let others = parent.not_captured.iter();
        for entry in others.filter(|entry| !looked_at.contains(&entry.path)) {
            self.progress.not_captured(entry.clone());
        }
        Some(named)
    }
}
