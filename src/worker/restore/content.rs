//! A file's content: fetched by version, hashed while it is written, and put in its place only
//! when it is what was recorded.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use sha2::{Digest, Sha256};

use super::entry::{FirstName, blocking};
use super::survey::of_target;
use super::{Conflict, Restore, metadata_of};
use crate::adapters::codec::Decoder;
use crate::adapters::store::{Body, Get, Store, StoreError};
use crate::adapters::target::{FileDraft, Found, TargetError};
use crate::api::catalog::{Pin, Row};
use crate::worker::failure::Failure;

/// How often a file whose bytes are not what was recorded is fetched again.
const FETCHES_MAX: u32 = 3;

/// How many bytes are handed to the thread that writes at once.
const WRITE_BYTES: usize = 1 << 20;

/// Why a file was not fetched.
enum Fault {
    /// The store does not give it.
    Store(StoreError),
    /// The target does not take it.
    Target(TargetError),
    /// The bytes are not what was recorded.
    Content,
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
            && self.order.found == Found::Occupied
            && self.stands(&row).await?
        {
            self.order.tally.count(|entries| entries.skipped += 1);
            return Ok(None);
        }
        let mut fault = None;
        for _ in 0..FETCHES_MAX {
            match self.fetch_once(&row, &pin).await? {
                Ok(first) => return Ok(first),
                Err(Fault::Target(error)) if error.is_full() => return Err(of_target(&error)),
                Err(Fault::Target(error)) => {
                    self.judge(&row.path, Err(error))?;
                    return Ok(None);
                }
                Err(Fault::Store(error)) if !error.is_retryable() => {
                    fault = Some(error.to_string());
                    break;
                }
                Err(Fault::Store(error)) => fault = Some(error.to_string()),
                Err(Fault::Content) => {
                    fault = Some("the stored bytes are not what was recorded".to_owned());
                }
            }
        }
        self.order.tally.fail(&row.path, fault.unwrap_or_default());
        Ok(None)
    }

    async fn stands(self: &Arc<Self>, row: &Row) -> Result<bool, Failure> {
        let (restore, path) = (self.clone(), row.path.clone());
        blocking(move || {
            let standing = restore
                .order
                .target
                .stat(&path)
                .map_err(|error| of_target(&error))?;
            Ok(standing.is_some())
        })
        .await
    }

    async fn fetch_once(
        self: &Arc<Self>,
        row: &Row,
        pin: &Pin,
    ) -> Result<Result<Option<FirstName>, Fault>, Failure> {
        let request = Get {
            bucket: pin.bucket.clone(),
            key: pin.key.clone(),
            version: Some(pin.version.clone()),
            range: None,
        };
        let body = match self.store.read(request).await {
            Ok(body) => body,
            Err(error) => return Ok(Err(Fault::Store(error))),
        };
        let (restore, path) = (self.clone(), row.path.clone());
        let draft = blocking(move || {
            restore.make_way(&path)?;
            Ok(restore.order.target.create_file(&path))
        })
        .await?;
        let draft = match draft {
            Ok(draft) => draft,
            Err(error) => return Ok(Err(Fault::Target(error))),
        };
        match self.write_body(row, pin, draft, body).await? {
            Ok((draft, sha256)) if sha256 == pin.sha256.0 => self.place(row, pin, draft).await,
            Ok(_) => Ok(Err(Fault::Content)),
            Err(fault) => Ok(Err(fault)),
        }
    }

    /// Unpacks and writes what arrives, and hashes it in the same pass.
    async fn write_body(
        &self,
        row: &Row,
        pin: &Pin,
        draft: FileDraft,
        mut body: Body,
    ) -> Result<Result<(FileDraft, [u8; 32]), Fault>, Failure> {
        let algorithm = pin.compressed.map(|packed| packed.algorithm);
        let content = Content {
            draft,
            hash: Sha256::new(),
            left: row.identity.size,
            written: 0,
            fault: None,
        };
        let Ok(mut decoder) = Decoder::new(algorithm, content) else {
            return Ok(Err(Fault::Content));
        };
        loop {
            let (pieces, is_end) = match gather(&mut body).await {
                Ok(gathered) => gathered,
                Err(error) => return Ok(Err(Fault::Store(error))),
            };
            let unpacked = blocking(move || {
                let mut is_whole = pieces.iter().all(|piece| decoder.write(piece).is_ok());
                is_whole = is_whole && (!is_end || decoder.end().is_ok());
                Ok((decoder, is_whole))
            });
            let is_whole;
            (decoder, is_whole) = unpacked.await?;
            let content = decoder.out();
            self.order
                .tally
                .add_bytes(std::mem::take(&mut content.written));
            if !is_whole {
                let fault = content.fault.take();
                return Ok(Err(fault.map_or(Fault::Content, Fault::Target)));
            }
            if is_end {
                let ended = decoder.into_inner();
                return Ok(ended
                    .map(|content| (content.draft, content.hash.finalize().into()))
                    .map_err(|_| Fault::Content));
            }
        }
    }

    async fn place(
        self: &Arc<Self>,
        row: &Row,
        pin: &Pin,
        draft: FileDraft,
    ) -> Result<Result<Option<FirstName>, Fault>, Failure> {
        let (restore, row, sha256) = (self.clone(), row.clone(), pin.sha256);
        blocking(move || {
            let unset = draft.set_metadata(&metadata_of(&row));
            let placed = match draft.place(restore.placement()) {
                Ok(placed) => placed,
                Err(error) => return Ok(Err(Fault::Target(error))),
            };
            for missing in &unset {
                tracing::debug!(what = ?missing.what, detail = missing.detail, "metadata not set");
            }
            restore.judge(&row.path, Ok(unset))?;
            let inode = placed.identity.inode;
            Ok(Ok(Some(FirstName {
                path: row.path,
                sha256,
                inode,
            })))
        })
        .await
    }
}

/// Content on its way into a file: never more of it than was recorded, however much a few forged
/// bytes may unpack into.
struct Content {
    draft: FileDraft,
    hash: Sha256,
    /// How many bytes may still come.
    left: u64,
    /// How many came since this was last looked at.
    written: u64,
    /// Why the target did not take them.
    fault: Option<TargetError>,
}

impl Write for Content {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let size = piece.len() as u64;
        let Some(left) = self.left.checked_sub(size) else {
            return Err(io::Error::other("more content than was recorded"));
        };
        if let Err(error) = self.draft.write(piece) {
            self.fault = Some(error);
            return Err(io::Error::other("the target does not take it"));
        }
        self.hash.update(piece);
        self.left = left;
        self.written += size;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The next pieces of a body, about [`WRITE_BYTES`] of them, and whether they are the last.
async fn gather(body: &mut Body) -> Result<(Vec<Bytes>, bool), StoreError> {
    let (mut pieces, mut size) = (Vec::new(), 0);
    while size < WRITE_BYTES {
        match body.next().await {
            Some(piece) => {
                let piece = piece?;
                size += piece.len();
                pieces.push(piece);
            }
            None => return Ok((pieces, true)),
        }
    }
    Ok((pieces, false))
}
