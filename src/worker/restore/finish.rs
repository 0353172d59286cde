//! The end of a restore: the directories' own metadata, and the disk.
//!
//! A directory's times change with everything that is put into it, and its mode may forbid just
//! that: so each is set when everything beneath it is there, from the inside out.

use std::sync::Arc;

use super::entry::blocking;
use super::survey::of_target;
use super::{Conflict, Restore, metadata_of};
use crate::adapters::segment::Batch;
use crate::adapters::store::Store;
use crate::adapters::target::{Found, Metadata};
use crate::api::catalog::{Commit, Kind, Ownership, Root};
use crate::worker::failure::Failure;

/// The directories on the way to where the rows are, outermost first.
type Open = Vec<(Vec<u8>, Metadata)>;

impl<S: Store> Restore<S> {
    pub(super) async fn finish(self: &Arc<Self>, commit: &Commit) -> Result<(), Failure> {
        let open = Arc::new(tokio::sync::Mutex::new(Open::new()));
        self.each_segment(commit, |batch, selected| {
            let (restore, open) = (self.clone(), open.clone());
            async move {
                let mut open = open.lock_owned().await;
                blocking(move || {
                    restore.close_directories(&batch, &selected, &mut open);
                    Ok(())
                })
                .await
            }
        })
        .await?;
        let mut open = std::mem::take(&mut *open.lock().await);
        let (restore, root) = (self.clone(), commit.root.clone());
        blocking(move || {
            while let Some((path, metadata)) = open.pop() {
                restore.close(&path, &metadata);
            }
            restore.close_root(&root);
            restore.target.sync().map_err(|error| of_target(&error))
        })
        .await
    }

    fn close_directories(&self, batch: &Batch, selected: &[usize], open: &mut Open) {
        for index in selected {
            if batch.kind(*index) != Kind::Directory {
                continue;
            }
            let row = batch.row(*index);
            while open
                .last()
                .is_some_and(|(above, _)| !is_beneath(&row.path, above))
            {
                if let Some((path, metadata)) = open.pop() {
                    self.close(&path, &metadata);
                }
            }
            let metadata = metadata_of(&row);
            open.push((row.path, metadata));
        }
    }

    fn close(&self, path: &[u8], metadata: &Metadata) {
        match self.target.set_directory_metadata(path, metadata) {
            Ok(unset) if unset.is_empty() => {}
            Ok(_) => self
                .order
                .tally
                .count(|entries| entries.metadata_partial += 1),
            Err(error) => {
                self.order.tally.fail(path, super::survey::describe(&error));
            }
        }
    }

    /// The root was not made by the restore where something was in it: then it stays as it is.
    fn close_root(&self, root: &Root) {
        let is_ours = match self.found {
            Found::Absent | Found::Empty => true,
            Found::Occupied => self.order.conflict == Conflict::Overwrite,
        };
        if is_ours && self.order.is_whole {
            let ownership = Ownership {
                mode: root.mode,
                uid: root.uid,
                gid: root.gid,
            };
            let metadata = Metadata {
                ownership,
                mtime: root.mtime,
                xattrs: Vec::new(),
            };
            self.close(b"", &metadata);
        }
    }
}

fn is_beneath(path: &[u8], above: &[u8]) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.first() == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_only_begins_alike_is_not_beneath() {
        assert!(is_beneath(b"a/b", b"a"));
        assert!(!is_beneath(b"ab", b"a"));
        assert!(!is_beneath(b"a", b"a"));
    }
}
