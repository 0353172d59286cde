//! Writing the entries, in the order of their keys: directories before what is in them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use super::survey::{describe, of_target};
use super::{Conflict, FILES_IN_FLIGHT, Restore, metadata_of};
use crate::adapters::segment::Batch;
use crate::adapters::store::Store;
use crate::adapters::target::{Found, TargetError, Unset};
use crate::api::catalog::{Commit, Kind, Row, Sha256};
use crate::api::outcome::Reason;
use crate::worker::failure::Failure;

/// The first name of a file that has several, and what it was restored as.
#[derive(Clone, Debug)]
pub(super) struct FirstName {
    pub(super) path: Vec<u8>,
    /// Of its content, where that is known.
    pub(super) sha256: Option<Sha256>,
    pub(super) inode: u64,
}

/// What the rows written so far leave for the ones to come.
#[derive(Default)]
pub(super) struct Links {
    /// The first name of each link group. It grows with the number of such groups.
    first: Mutex<HashMap<u64, FirstName>>,
    /// The groups that have a first name by now.
    seen: Mutex<std::collections::HashSet<u64>>,
    /// Further names, made when all files are there.
    further: Mutex<Vec<Row>>,
}

impl<S: Store> Restore<S> {
    pub(super) async fn write(self: &Arc<Self>, commit: &Commit) -> Result<(), Failure> {
        let links = Arc::new(Links::default());
        self.each_segment(commit, |batch, selected| {
            let (restore, links) = (self.clone(), links.clone());
            async move { restore.write_rows(batch, selected, links).await }
        })
        .await?;
        let further = std::mem::take(&mut *links.further.lock().await);
        for row in further {
            self.order.stop.check()?;
            self.write_further_name(row, &links).await?;
        }
        Ok(())
    }

    async fn write_rows(
        self: Arc<Self>,
        batch: Arc<Batch>,
        selected: Vec<usize>,
        links: Arc<Links>,
    ) -> Result<(), Failure> {
        let permits = Arc::new(Semaphore::new(FILES_IN_FLIGHT));
        let mut files = JoinSet::new();
        for index in selected {
            self.order.stop.check()?;
            while let Some(ended) = files.try_join_next() {
                ended_well(ended)?;
            }
            let row = batch.row(index);
            if row.flags.stale {
                self.order.tally.count(|entries| entries.stale += 1);
            }
            if row.identity.kind == Kind::File {
                let permit = permits.clone().acquire_owned().await.ok();
                let (restore, links) = (self.clone(), links.clone());
                files.spawn(async move {
                    let _permit = permit;
                    restore.write_file(row, &links).await
                });
            } else {
                self.clone().write_other(row).await?;
            }
        }
        while let Some(ended) = files.join_next().await {
            ended_well(ended)?;
        }
        Ok(())
    }

    async fn write_file(self: Arc<Self>, row: Row, links: &Links) -> Result<(), Failure> {
        let group = row.link_group;
        if group != 0 && !links.seen.lock().await.insert(group) {
            links.further.lock().await.push(row);
            return Ok(());
        }
        if let Some(first) = self.fetch(row).await?
            && group != 0
        {
            links.first.lock().await.insert(group, first);
        }
        Ok(())
    }

    /// A further name of a file: a link to the first one where that has the same content, and a
    /// file of its own where it has not.
    async fn write_further_name(self: &Arc<Self>, row: Row, links: &Links) -> Result<(), Failure> {
        let first = links.first.lock().await.get(&row.link_group).cloned();
        let Some(first) = first.filter(|first| {
            let pin = row.pin.as_ref();
            let sha256 = pin.and_then(|pin| pin.sha256);
            sha256.is_some() && sha256 == first.sha256
        }) else {
            self.fetch(row).await?;
            return Ok(());
        };
        let restore = self.clone();
        blocking(move || {
            let placement = restore.placement();
            let target = &restore.target;
            restore.make_way(&row.path)?;
            let made = target.make_hard_link(&row.path, &first.path, first.inode, placement);
            restore.judge(&row.path, made.map(|()| Vec::new()))
        })
        .await
    }

    /// Directories, links and pipes. Devices and sockets are counted and not made.
    async fn write_other(self: Arc<Self>, row: Row) -> Result<(), Failure> {
        blocking(move || {
            let (target, placement) = (&self.target, self.placement());
            let metadata = metadata_of(&row);
            self.make_way(&row.path)?;
            let made = match row.identity.kind {
                Kind::Directory => self.make_directory(&row.path).map(|()| Vec::new()),
                Kind::Symlink => {
                    target.make_symlink(&row.path, &row.link_target, &metadata, placement)
                }
                Kind::Fifo => target.make_fifo(&row.path, &metadata, placement),
                Kind::File | Kind::Socket | Kind::CharacterDevice | Kind::BlockDevice => {
                    self.order.tally.count(|entries| entries.special += 1);
                    return Ok(());
                }
            };
            self.judge(&row.path, made)
        })
        .await
    }

    fn make_directory(&self, path: &[u8]) -> Result<(), TargetError> {
        self.target.make_directory(path, self.placement())?;
        if self.found == Found::Occupied {
            self.target.remove_leftovers(path)?;
        }
        Ok(())
    }

    /// Makes the directories above an entry that have no row themselves, or none that is selected.
    pub(super) fn make_way(&self, path: &[u8]) -> Result<(), Failure> {
        let Some(end) = path.iter().rposition(|byte| *byte == b'/') else {
            return Ok(());
        };
        let made = || self.way.lock().unwrap_or_else(PoisonError::into_inner);
        if *made() == path[..end] {
            return Ok(());
        }
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let directory = self.target.make_directory(&path[..at], self.placement());
            match directory {
                Ok(_) => {}
                Err(error) if error.is_full() => return Err(of_target(&error)),
                // The entry itself will fail, and be told.
                Err(_) => return Ok(()),
            }
        }
        *made() = path[..end].to_vec();
        Ok(())
    }

    /// What became of an entry. Only a full disk ends the restore: every other entry is still
    /// worth having.
    pub(super) fn judge(
        &self,
        path: &[u8],
        made: Result<Vec<Unset>, TargetError>,
    ) -> Result<(), Failure> {
        match made {
            Ok(unset) => {
                self.order.tally.count(|entries| {
                    entries.restored += 1;
                    entries.metadata_partial += u64::from(!unset.is_empty());
                });
                Ok(())
            }
            Err(TargetError::Occupied { .. }) if self.order.conflict == Conflict::Skip => {
                self.order.tally.count(|entries| entries.skipped += 1);
                Ok(())
            }
            Err(error) if error.is_full() => Err(of_target(&error)),
            Err(error) => {
                self.order.tally.fail(path, describe(&error));
                Ok(())
            }
        }
    }
}

/// Runs what blocks on a thread of its own.
pub(super) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Failure> + Send + 'static,
) -> Result<R, Failure> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|error| {
        Failure::new(Reason::Internal, format!("a writing thread ended: {error}"))
    })?
}

pub(super) fn ended_well(
    ended: Result<Result<(), Failure>, tokio::task::JoinError>,
) -> Result<(), Failure> {
    ended.map_err(|error| Failure::new(Reason::Internal, format!("a task ended: {error}")))?
}
