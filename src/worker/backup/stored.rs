//! Files that are objects already: copied inside of the store, without their bytes passing
//! through here.
//!
//! # Consistency
//! The store says what it has copied: CRC64NVME of each part. Together they must be what the
//! original's own store says of it, before the upload is put together under the condition of any
//! other one. A copy that cannot be compared so is not made: such an object is read and sent.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};

use super::Backup;
use super::capture::{Candidate, Captured};
use super::put::{Place, Upload, Whole, pin};
use super::read::blocking;
use super::session::Session;
use crate::adapters::store::{ARCHIVED, CopiedPart, CopyPart, Store, StoreError};
use crate::adapters::tree::{Stored, Tree};
use crate::api::catalog::Pin;
use crate::plan::parts::{PART_MIN_BYTES, copy_ranges};
use crate::worker::failure::Failure;

/// How many parts of one object are copied at once. They take no memory here.
const COPIES_IN_FLIGHT: usize = 8;

/// What became of a copy.
enum Copied {
    Pinned(Pin),
    /// Not this object, or not now: reading it says why.
    Not,
    /// The store makes no copies that can be proved.
    Never(String),
    /// The identity may not copy.
    Forbidden(StoreError),
}

impl<S: Store, T: Tree> Backup<S, T> {
    /// Has the store copy a file that is a large object; `None` where it is to be read and sent.
    pub(super) async fn capture_stored(
        &self,
        session: &Session,
        candidate: &Candidate,
        category: usize,
    ) -> Result<Option<Captured>, Failure> {
        let (path, size) = (&candidate.entry.path, candidate.entry.stat.identity.size);
        let rule = self.compressions[category].as_ref();
        let is_packed = rule.is_some_and(|rule| rule.algorithm(path, size).is_some());
        if size <= PART_MIN_BYTES || is_packed || self.makes_no_copies.get().is_some() {
            return Ok(None);
        }
        let (tree, of) = (self.tree.clone(), path.clone());
        let Some(stored) = blocking(move || tree.stored(&of)).await? else {
            return Ok(None);
        };
        let place = self.place(path, &stored.xattrs, category, candidate.current_pin());
        match self.copy_stored(session, &place, &stored).await? {
            Copied::Pinned(pin) => {
                self.progress.count(|files, _| files.uploaded += 1);
                let Stored { stat, xattrs, .. } = stored;
                let row = self.file_row(candidate, category, stat, xattrs, false, pin);
                Ok(Some(Captured::Row(Box::new(row))))
            }
            Copied::Not => Ok(None),
            Copied::Never(why) => {
                if self.makes_no_copies.set(()).is_ok() {
                    tracing::warn!(
                        why,
                        "large objects are read and sent, not copied by the store"
                    );
                }
                Ok(None)
            }
            Copied::Forbidden(error) => {
                if self.makes_no_copies.set(()).is_ok() {
                    self.progress.warn(format!(
                        "large objects were read and sent instead of copied by the store: {error}"
                    ));
                }
                Ok(None)
            }
        }
    }

    async fn copy_stored(
        &self,
        session: &Session,
        place: &Place,
        stored: &Stored,
    ) -> Result<Copied, Failure> {
        let size = stored.stat.identity.size;
        let Some(ranges) = copy_ranges(size).filter(|_| size > PART_MIN_BYTES) else {
            return Ok(Copied::Not);
        };
        self.begin_superseding(session).await?;
        let upload = self.begin_upload(place, None).await?;
        let parts = (1..).zip(ranges).map(|(number, range)| CopyPart {
            bucket: place.bucket.clone(),
            key: place.key.clone(),
            upload: upload.id.clone(),
            number,
            original: stored.original.clone(),
            range,
        });
        let copied = self
            .copy_parts(session, place, stored, &upload, parts.collect())
            .await;
        if !matches!(copied, Ok(Copied::Pinned(_))) {
            self.give_up(place, &upload).await;
        }
        copied
    }

    async fn copy_parts(
        &self,
        session: &Session,
        place: &Place,
        stored: &Stored,
        upload: &Upload,
        parts: Vec<CopyPart>,
    ) -> Result<Copied, Failure> {
        let sizes: Vec<u64> = parts
            .iter()
            .map(|part| part.range.end - part.range.start)
            .collect();
        let mut flying = Box::pin(copying(self.store.clone(), parts));
        let mut whole = Whole {
            parts: Vec::with_capacity(sizes.len()),
            size: 0,
            crc64: 0,
        };
        for size in sizes {
            let copied = tokio::select! {
                copied = flying.next() => copied,
                stopped = self.stop.requested() => return Err(stopped),
            };
            let Some(copied) = copied else { break };
            let (etag, crc64) = match copied {
                Ok(CopiedPart { etag, crc64 }) => (etag, crc64),
                Err(error) => return not_copied(error),
            };
            let Some(crc64) = crc64 else {
                let why = "the store does not say what it copies: its answer lacks CRC64NVME";
                return Ok(Copied::Never(why.to_owned()));
            };
            whole.add(etag, crc64, size);
        }
        if whole.crc64 != stored.crc64 {
            let original = &stored.original;
            let why = format!(
                "the copy of {}/{} has another CRC64NVME than the original",
                original.bucket, original.key
            );
            return Ok(Copied::Never(why));
        }
        let crc64 = whole.crc64;
        let written = self.end_upload(session, place, upload, whole).await?;
        Ok(Copied::Pinned(pin(place, written, crc64, None, None)))
    }
}

impl Whole {
    fn add(&mut self, etag: String, crc64: u64, size_bytes: u64) {
        self.crc64 = if self.parts.is_empty() {
            crc64
        } else {
            let algorithm = crc_fast::CrcAlgorithm::Crc64Nvme;
            crc_fast::checksum_combine(algorithm, self.crc64, crc64, size_bytes)
        };
        self.parts.push((etag, crc64));
        self.size += size_bytes;
    }
}

/// The parts in order, as the store has copied them.
fn copying<S: Store>(
    store: Arc<S>,
    parts: Vec<CopyPart>,
) -> impl Stream<Item = Result<CopiedPart, StoreError>> + Send {
    let copy = move |part| {
        let store = store.clone();
        async move { store.copy_part(part).await }
    };
    stream::iter(parts).map(copy).buffered(COPIES_IN_FLIGHT)
}

/// What an object that was not copied says of the others.
fn not_copied(error: StoreError) -> Result<Copied, Failure> {
    match error {
        // It is another one by now, or gone, or the store is busy.
        StoreError::ConditionFailed { .. }
        | StoreError::NotFound { .. }
        | StoreError::NoSuchBucket { .. }
        | StoreError::Conflict { .. }
        | StoreError::Unavailable { .. } => Ok(Copied::Not),
        StoreError::Refused { ref code, .. } if code == ARCHIVED => Ok(Copied::Not),
        StoreError::AccessDenied { .. } => Ok(Copied::Forbidden(error)),
        StoreError::ChecksumMismatch { .. } | StoreError::Refused { .. } => {
            Ok(Copied::Never(error.to_string()))
        }
        StoreError::CredentialsMissing { .. }
        | StoreError::VersionMissing { .. }
        | StoreError::ClockSkew => Err(error.into()),
    }
}
