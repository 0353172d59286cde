//! A file's content: fetched by version, verified while it is written, and put in its place only
//! when it is what was recorded.

use std::sync::Arc;

use super::entry::{FirstName, blocking};
use super::original::{self, Original};
use super::survey::of_target;
use super::{Conflict, FETCHES_MAX, Restore, metadata_of};
use crate::adapters::store::Store;
use crate::adapters::target::{FileDraft, Found, TargetError};
use crate::api::catalog::{Pin, Row};
use crate::worker::failure::Failure;

/// How many bytes are handed to the thread that writes at once.
const WRITE_BYTES: usize = 1 << 20;

/// Why a file was not restored.
enum Fault {
    /// Its content does not come as it was.
    Original(original::Fault),
    /// The target does not take it.
    Target(TargetError),
}

impl<S: Store> Restore<S> {
    /// Restores one file; answers with what it became, where it did.
    pub(super) async fn fetch(self: &Arc<Self>, row: Row) -> Result<Option<FirstName>, Failure> {
        let Some(pin) = row.pin.clone() else {
            self.order
                .tally
                .fail(&row.path, "the catalog has no object for it".to_owned());
            return Ok(None);
        };
        if self.order.conflict == Conflict::Skip
            && self.found == Found::Occupied
            && self.stands(&row).await?
        {
            self.order.tally.count(|entries| entries.skipped += 1);
            return Ok(None);
        }
        let mut fetches = 1;
        loop {
            match self.fetch_once(&row, &pin).await {
                Ok(first) => return Ok(Some(first)),
                Err(Fault::Target(error)) => {
                    self.judge(&row.path, Err(error))?;
                    return Ok(None);
                }
                Err(Fault::Original(fault)) if fault.may_pass() && fetches < FETCHES_MAX => {
                    fetches += 1;
                }
                Err(Fault::Original(fault)) => {
                    self.order.tally.fail(&row.path, fault.told()?);
                    return Ok(None);
                }
            }
        }
    }

    async fn stands(self: &Arc<Self>, row: &Row) -> Result<bool, Failure> {
        let (restore, path) = (self.clone(), row.path.clone());
        blocking(move || {
            let standing = restore.target.stat(&path);
            Ok(standing.map_err(|error| of_target(&error))?.is_some())
        })
        .await
    }

    async fn fetch_once(self: &Arc<Self>, row: &Row, pin: &Pin) -> Result<FirstName, Fault> {
        let original = Original::open(&*self.store, row, pin).await?;
        let (restore, path) = (self.clone(), row.path.clone());
        let draft = blocking(move || {
            restore.make_way(&path)?;
            Ok(restore.target.create_file(&path))
        });
        let draft = draft.await?.map_err(Fault::Target)?;
        let draft = self.write_content(original, pin, draft).await?;
        self.place(row, pin, draft).await
    }

    /// Writes the content as it comes, and verifies all of it.
    async fn write_content(
        &self,
        mut original: Original,
        pin: &Pin,
        mut draft: FileDraft,
    ) -> Result<FileDraft, Fault> {
        loop {
            let piece = original.next(WRITE_BYTES).await?;
            if piece.is_empty() {
                break;
            }
            let size_bytes = piece.len() as u64;
            let write = blocking(move || Ok(draft.write(&piece).map(|()| draft)));
            draft = write.await?.map_err(Fault::Target)?;
            self.order.tally.add_bytes(size_bytes);
        }
        if original.holds(pin) {
            Ok(draft)
        } else {
            Err(original::Fault::Content.into())
        }
    }

    async fn place(
        self: &Arc<Self>,
        row: &Row,
        pin: &Pin,
        draft: FileDraft,
    ) -> Result<FirstName, Fault> {
        let (restore, row, sha256) = (self.clone(), row.clone(), pin.sha256);
        let placed = blocking(move || {
            let unset = draft.set_metadata(&metadata_of(&row));
            let placed = match draft.place(restore.placement()) {
                Ok(placed) => placed,
                Err(error) => return Ok(Err(error)),
            };
            for missing in &unset {
                tracing::debug!(what = ?missing.what, detail = missing.detail, "metadata not set");
            }
            restore.judge(&row.path, Ok(unset))?;
            Ok(Ok(FirstName {
                path: row.path,
                sha256,
                inode: placed.identity.inode,
            }))
        });
        placed.await?.map_err(Fault::Target)
    }
}

impl From<original::Fault> for Fault {
    fn from(fault: original::Fault) -> Self {
        Self::Original(fault)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Original(original::Fault::Ended(failure))
    }
}
