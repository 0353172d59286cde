//! Copy: the walk is joined with what is known, what is new is sent, and the segments stand.

use std::sync::Arc;

use super::Backup;
use super::feed::Feed;
use super::merge::Merge;
use super::segments::{Segments, Written};
use super::session::Session;
use crate::adapters::store::Store;
use crate::adapters::tree::Tree;
use crate::api::catalog::{Commit, CommitRef};
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
        let (backup, shared) = (self.clone(), session.clone());
        let merge = Merge::new(backup, shared, parent, trusts_parent, feed).await?;
        let segments = Segments::new(self.clone(), session.clone())?;
        let walk = walk::spawn(self.tree.clone(), self.filter.clone());
        let (merged, written) = tokio::join!(merge.run(walk), segments.run(steps));
        merged?;
        written
    }
}
