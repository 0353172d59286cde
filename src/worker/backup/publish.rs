//! Publish: the deletions of a commit become delete markers, so that the bucket looks like the
//! source. No version is ever deleted (P6).
//!
//! # Consistency
//! Before each batch HEAD is read again (P4). Whoever dies here leaves HEAD saying so, and the
//! next opener puts the same markers; one that stands twice hides nothing more.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Backup;
use super::segments::broken;
use crate::adapters::segment::GoneReader;
use crate::adapters::store::{DELETE_KEYS_MAX, Marked, Store};
use crate::adapters::tree::Tree;
use crate::api::catalog::{Commit, Gone, Head, Writer};
use crate::plan::head;
use crate::worker::failure::Failure;
use crate::worker::head::{require_held, swap};
use crate::worker::repository::{Held, read_object};

impl<S: Store, T: Tree> Backup<S, T> {
    /// Publishes what this run has just committed. What cannot be published now is the next
    /// opener's: the restore point stands in either case.
    pub(super) async fn publish_own(&self, held: &mut Held, writer: &Writer, commit: &Commit) {
        if let Err(failure) = self.try_publish(held, writer, commit).await {
            self.progress.warn(format!(
                "deletions are not in the bucket yet, the next run puts them there: {failure}"
            ));
        }
    }

    async fn try_publish(
        &self,
        held: &mut Held,
        writer: &Writer,
        commit: &Commit,
    ) -> Result<(), Failure> {
        let (store, location) = (&*self.store, &self.location);
        if held.head.writer.is_none() {
            let next = head::opened(&held.head, writer.clone(), Uuid::new_v4());
            *held = swap(store, location, held, next).await?;
        }
        let hidden = self.hide(held, commit).await;
        let next = match hidden {
            Ok(()) => {
                let published = head::published(&held.head, Uuid::new_v4());
                Head {
                    writer: None,
                    ..published
                }
            }
            Err(_) => head::closed(&held.head, Uuid::new_v4()),
        };
        let next = self.while_telling(next, held);
        *held = swap(store, location, held, next).await?;
        hidden
    }

    /// Puts a delete marker on everything that a commit drops.
    pub(super) async fn hide(&self, held: &Held, commit: &Commit) -> Result<(), Failure> {
        let Some(object) = &commit.gone else {
            return Ok(());
        };
        let bytes = read_object(&*self.store, &self.location, object).await?;
        let mut reader = GoneReader::open(object.sha256, bytes).map_err(|error| broken(&error))?;
        loop {
            let batch = reader
                .next(DELETE_KEYS_MAX)
                .map_err(|error| broken(&error))?;
            if batch.is_empty() {
                return Ok(());
            }
            self.hide_batch(held, batch).await?;
        }
    }

    async fn hide_batch(&self, held: &Held, batch: Vec<Gone>) -> Result<(), Failure> {
        let mut by_bucket: BTreeMap<String, Vec<Marked>> = BTreeMap::new();
        for gone in batch {
            let marked = Marked {
                key: gone.key,
                etag: gone.etag,
            };
            by_bucket.entry(gone.bucket).or_default().push(marked);
        }
        for (bucket, keys) in by_bucket {
            require_held(&*self.store, &self.location, held).await?;
            let refused = self.store.delete(&bucket, keys).await?;
            if !refused.is_empty() {
                self.progress.warn(format!(
                    "{} objects of {bucket} are gone from the source but were written over by \
                     someone else, and stay as they are",
                    refused.len()
                ));
            }
        }
        Ok(())
    }
}
