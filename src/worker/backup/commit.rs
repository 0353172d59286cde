//! Commit: what is gone, the commit record, then HEAD by compare-and-swap. That swap is the only
//! moment a run becomes real.

use uuid::Uuid;

use super::Backup;
use super::copy::Copied;
use super::segments::broken;
use crate::adapters::segment::GoneWriter;
use crate::adapters::store::{Attributes, Store};
use crate::adapters::tree::Tree;
use crate::api::catalog::{Commit, CommitRef, FORMAT_VERSION, ObjectRef, Writer};
use crate::api::outcome::Outcome;
use crate::api::policy::DeletionPolicy;
use crate::plan::{ancestry, head};
use crate::worker::failure::Failure;
use crate::worker::head::{require_held, swap, write_once};
use crate::worker::repository::Held;

impl<S: Store, T: Tree> Backup<S, T> {
    /// Makes the restore point.
    pub(super) async fn commit(
        &self,
        held: &mut Held,
        writer: &Writer,
        parent: Option<&(CommitRef, Commit)>,
        copied: Copied,
    ) -> Result<(CommitRef, Commit), Failure> {
        let Copied {
            segments,
            gone,
            totals,
            ..
        } = copied;
        let gone = self.write_gone(writer, gone).await?;
        // Its answer's date is after the last byte of the source was read.
        require_held(&*self.store, &self.location, held).await?;
        let tally = self.progress.tally();
        let commit = Commit {
            format: FORMAT_VERSION,
            repository: held.head.repository,
            run: self.run.clone(),
            sequence: parent.map_or(1, |(reference, _)| reference.sequence + 1),
            time: ancestry::commit_time(
                self.store.last_answer().unwrap_or(self.started),
                parent.map(|(reference, _)| reference.time),
            ),
            ancestors: parent
                .map(|(reference, commit)| ancestry::ancestors(reference, &commit.ancestors))
                .unwrap_or_default(),
            outcome: if tally.files.not_captured > 0 {
                Outcome::Partial
            } else {
                Outcome::Succeeded
            },
            segments,
            gone,
            buckets: self.data_buckets().into_iter().collect(),
            root: self.root.clone(),
            totals,
            not_captured: tally.not_captured,
        };
        let reference = self.write_commit(writer, &commit).await?;
        let drops = commit.gone.is_some();
        let next = head::committed(&held.head, reference.clone(), drops, Uuid::new_v4());
        let next = self.while_telling(next, held);
        *held = swap(&*self.store, &self.location, held, next).await?;
        self.count_totals(&commit);
        Ok((reference, commit))
    }

    /// Writes what the commit drops; nothing where it drops nothing, or where the policy keeps
    /// what is gone.
    async fn write_gone(
        &self,
        writer: &Writer,
        gone: GoneWriter,
    ) -> Result<Option<ObjectRef>, Failure> {
        if gone.rows() == 0 || self.spec.deletions.policy == DeletionPolicy::Keep {
            return Ok(None);
        }
        let body = gone.finish().map_err(|error| broken(&error))?;
        let key = self.location.gone(&writer.id());
        self.write_object(key, body).await.map(Some)
    }

    async fn write_commit(&self, writer: &Writer, commit: &Commit) -> Result<CommitRef, Failure> {
        let body = serde_json::to_vec(commit)
            .map_err(|error| Failure::integrity(format!("commit record: {error}")))?;
        let key = self.location.commit(commit.sequence, &writer.id());
        let object = self.write_object(key, body.into()).await?;
        Ok(CommitRef {
            sequence: commit.sequence,
            key: object.key,
            version: object.version,
            sha256: object.sha256,
            time: commit.time,
        })
    }

    async fn write_object(&self, key: String, body: bytes::Bytes) -> Result<ObjectRef, Failure> {
        let sha256 = super::hash(&body);
        let size = body.len() as u64;
        let attributes = Attributes {
            sha256: Some(sha256),
            ..Attributes::default()
        };
        let (store, location) = (&*self.store, &self.location);
        let written = write_once(store, location, key.clone(), body, attributes).await?;
        Ok(ObjectRef {
            key,
            version: written.version,
            size,
            sha256,
        })
    }
}
