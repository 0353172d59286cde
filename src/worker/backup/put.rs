//! Sending content: under a condition, and never twice where the first time was enough.
//!
//! # Consistency
//! A write that was refused by its condition, or whose reply was lost, is looked at before
//! anything else: what stands there may be this very content, sent by this run or by a dead one,
//! and is then pinned. Anything else is written over only after HEAD has been read again (P4). A run that
//! was silent for long reads HEAD before it writes anything.

use std::sync::Arc;

use futures::stream::{FuturesOrdered, StreamExt};
use tokio_util::task::AbortOnDropHandle;

use super::Backup;
use super::read::{Parts, Piece, Reading};
use super::session::Session;
use crate::adapters::store::{
    Attributes, Complete, Condition, Facts, Headers, Part, Put, Store, StoreError, Written,
};
use crate::adapters::tree::Tree;
use crate::api::catalog::{Compressed, Pin, Sha256};
use crate::api::outcome::Reason;
use crate::api::policy::{CompressionAlgorithm, StorageClass};
use crate::plan::headers;
use crate::plan::key::data_key;
use crate::worker::failure::Failure;

/// How often one write is sent before it is given up.
const SENDS_MAX: u32 = 6;

/// How many parts of one file are on their way at once.
const PARTS_IN_FLIGHT: usize = 4;

/// Where a file goes, and what stands there by what is known.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) bucket: String,
    pub(super) key: String,
    /// The position of the file's category.
    category: usize,
    condition: Condition,
    storage_class: Option<&'static str>,
    /// What the object is to say of its content.
    headers: Headers,
}

/// An upload in parts.
pub(super) struct Upload {
    pub(super) id: String,
    /// What tells it from every other one.
    token: String,
}

/// All parts of an upload.
pub(super) struct Whole {
    /// Their ETags and CRC64NVMEs, in order.
    pub(super) parts: Vec<(String, u64)>,
    /// How many bytes they have.
    pub(super) size: u64,
    /// Of all those.
    pub(super) crc64: u64,
}

/// Whether a file that was sent in parts stayed as it was.
pub(super) enum Sent {
    /// The content is pinned; and whether it changed while it was read.
    Pinned(Pin, bool),
    /// It moved while it was read, and nothing was put together.
    Moved,
}

impl<S: Store, T: Tree> Backup<S, T> {
    /// The place of a path with these attributes, where the parent, or the journal, pins `current`.
    pub(super) fn place(
        &self,
        path: &[u8],
        xattrs: &[(Vec<u8>, Vec<u8>)],
        category: usize,
        current: Option<&Pin>,
    ) -> Place {
        let index = category;
        let category = &self.spec.categories[index];
        let key = data_key(&self.key_prefix, path);
        let condition = match current {
            Some(pin) if pin.bucket == category.bucket && pin.key == key => {
                Condition::Matches(pin.etag.clone())
            }
            Some(_) | None => Condition::Absent,
        };
        let storage_class = category.storage_class.map(StorageClass::as_str);
        Place {
            bucket: category.bucket.clone(),
            key,
            category: index,
            condition,
            storage_class,
            headers: match &self.spec.bucket {
                Some(_) => headers::of_attributes(xattrs),
                None => headers::of_file(path, xattrs),
            },
        }
    }

    /// Sends a file that was read whole.
    pub(super) async fn send_whole(
        &self,
        session: &Session,
        place: &Place,
        reading: &Reading,
        compressed: Option<Compressed>,
    ) -> Result<Pin, Failure> {
        self.begin_superseding(session).await?;
        let (sha256, crc64) = (reading.sha256, reading.crc64);
        let size = reading.body.len() as u64;
        let is_mine = |facts: &Facts| {
            facts.sha256 == Some(sha256)
                && facts.size == size
                && facts.crc64.is_none_or(|stored| stored == crc64)
        };
        let put = |condition: Condition| Put {
            bucket: place.bucket.clone(),
            key: place.key.clone(),
            body: reading.body.clone(),
            crc64,
            condition,
            attributes: Attributes {
                sha256: Some(sha256),
                token: None,
                storage_class: place.storage_class,
                content_encoding: encoding(compressed.map(|packed| packed.algorithm)),
                headers: place.headers.clone(),
            },
        };
        let send = |condition: Condition| self.store.put(put(condition));
        let written = self.write_data(session, place, is_mine, send).await?;
        self.progress.count(|_, bytes| bytes.uploaded += size);
        self.survey().add_sent(place.category, 1);
        Ok(pin(place, written, crc64, Some(sha256), compressed))
    }

    /// Sends a file part by part. `keeps_moved` says whether content that changed while it was
    /// read is put together all the same.
    pub(super) async fn send_parts(
        self: &Arc<Self>,
        session: &Session,
        place: &Place,
        parts: &mut Parts<T>,
        keeps_moved: bool,
    ) -> Result<Sent, Failure> {
        self.begin_superseding(session).await?;
        let upload = self.begin_upload(place, parts.algorithm).await?;
        let sent = self
            .upload(session, place, parts, keeps_moved, &upload)
            .await;
        if !matches!(sent, Ok(Sent::Pinned(..))) {
            self.give_up(place, &upload).await;
        }
        sent
    }

    pub(super) async fn begin_upload(
        &self,
        place: &Place,
        algorithm: Option<CompressionAlgorithm>,
    ) -> Result<Upload, Failure> {
        let token = uuid::Uuid::new_v4().to_string();
        let attributes = Attributes {
            sha256: None,
            token: Some(token.clone()),
            storage_class: place.storage_class,
            content_encoding: encoding(algorithm),
            headers: place.headers.clone(),
        };
        let id = self
            .store
            .create_upload(&place.bucket, &place.key, attributes)
            .await?;
        Ok(Upload { id, token })
    }

    pub(super) async fn give_up(&self, place: &Place, upload: &Upload) {
        let aborted = self
            .store
            .abort_upload(&place.bucket, &place.key, &upload.id)
            .await;
        if let Err(error) = aborted {
            // The bucket's rule for incomplete uploads takes it.
            tracing::debug!(error = %error, "upload not aborted");
        }
    }

    /// Puts an upload together, and counts what it took: a beginning, its parts, and an end.
    pub(super) async fn end_upload(
        &self,
        session: &Session,
        place: &Place,
        upload: &Upload,
        whole: Whole,
    ) -> Result<Written, Failure> {
        let is_mine = |facts: &Facts| facts.token.as_deref() == Some(&upload.token);
        let complete = |condition: Condition| {
            self.store.complete_upload(Complete {
                bucket: place.bucket.clone(),
                key: place.key.clone(),
                upload: upload.id.clone(),
                parts: whole.parts.clone(),
                size: whole.size,
                crc64: whole.crc64,
                condition,
            })
        };
        let written = self.write_data(session, place, is_mine, complete).await?;
        self.progress.count(|_, bytes| bytes.uploaded += whole.size);
        self.survey()
            .add_sent(place.category, whole.parts.len() as u64 + 2);
        Ok(written)
    }

    async fn upload(
        self: &Arc<Self>,
        session: &Session,
        place: &Place,
        parts: &mut Parts<T>,
        keeps_moved: bool,
        upload: &Upload,
    ) -> Result<Sent, Failure> {
        let done = self.send_all_parts(place, parts, &upload.id).await?;
        let end = parts.end().await;
        let Some(end) = end.filter(|end| end.is_whole && (keeps_moved || !end.moved)) else {
            return Ok(Sent::Moved);
        };
        let whole = Whole {
            parts: done,
            size: end.stored,
            crc64: end.crc64,
        };
        let written = self.end_upload(session, place, upload, whole).await?;
        let compressed = parts.algorithm.map(|algorithm| Compressed {
            algorithm,
            size: end.stored,
        });
        Ok(Sent::Pinned(
            pin(place, written, end.crc64, Some(end.sha256), compressed),
            end.moved,
        ))
    }

    /// Reads one part after the other and sends them side by side. Each part holds its share of
    /// the memory until it is sent, on a task of its own: a file that waits for memory must not
    /// hold back the parts that would give it free.
    async fn send_all_parts(
        self: &Arc<Self>,
        place: &Place,
        parts: &mut Parts<T>,
        upload: &str,
    ) -> Result<Vec<(String, u64)>, Failure> {
        let mut done = Vec::new();
        let mut flying = FuturesOrdered::new();
        let mut number = 0;
        loop {
            let share = self.memory.take(parts.part_size_bytes).await;
            let Some(Piece { body, crc64, read }) = parts.next().await? else {
                break;
            };
            self.progress.count(|_, bytes| bytes.read += read);
            number += 1;
            let part = Part {
                bucket: place.bucket.clone(),
                key: place.key.clone(),
                upload: upload.to_owned(),
                number,
                body,
                crc64,
            };
            let store = self.store.clone();
            let send = tokio::spawn(async move {
                let _share = share;
                store.upload_part(part).await.map(|etag| (etag, crc64))
            });
            flying.push_back(AbortOnDropHandle::new(send));
            if flying.len() == PARTS_IN_FLIGHT {
                done.extend(next_sent(&mut flying).await?);
            }
            self.stop.check()?;
        }
        while let Some(sent) = next_sent(&mut flying).await? {
            done.push(sent);
        }
        Ok(done)
    }

    /// Writes under the place's condition until it is certain what stands there.
    async fn write_data<F>(
        &self,
        session: &Session,
        place: &Place,
        is_mine: impl Fn(&Facts) -> bool,
        send: impl Fn(Condition) -> F,
    ) -> Result<Written, Failure>
    where
        F: Future<Output = Result<Written, StoreError>>,
    {
        let mut condition = place.condition.clone();
        for _ in 0..SENDS_MAX {
            self.before_writing(session).await?;
            let error = match send(condition.clone()).await {
                Ok(written) => return Ok(written),
                Err(error) => error,
            };
            if matches!(
                error,
                StoreError::Conflict { .. } | StoreError::ChecksumMismatch { .. }
            ) {
                continue;
            }
            if !is_doubtful(&error) {
                return Err(error.into());
            }
            let standing = self.store.head(&place.bucket, &place.key, None).await;
            let next = match standing {
                Ok(facts) if is_mine(&facts) => {
                    return Ok(Written {
                        version: facts.version,
                        etag: facts.etag,
                    });
                }
                Ok(facts) => Condition::Matches(facts.etag),
                Err(StoreError::NotFound { .. }) => Condition::Absent,
                Err(_) => return Err(error.into()),
            };
            if matches!(error, StoreError::NotFound { .. }) {
                // The upload is gone and did not become the object.
                return Err(error.into());
            }
            if next != condition {
                self.before_overwriting(session).await?;
                condition = next;
            }
        }
        let message = format!(
            "{}/{} could not be written in {SENDS_MAX} tries",
            place.bucket, place.key
        );
        Err(Failure::new(Reason::StorageUnavailable, message))
    }
}

type Flying = FuturesOrdered<AbortOnDropHandle<Result<(String, u64), StoreError>>>;

async fn next_sent(flying: &mut Flying) -> Result<Option<(String, u64)>, Failure> {
    match flying.next().await {
        Some(Ok(sent)) => Ok(Some(sent?)),
        Some(Err(error)) => Err(Failure::new(
            Reason::Internal,
            format!("a sending task ended: {error}"),
        )),
        None => Ok(None),
    }
}

/// Whether a write may have happened, or something unexpected stands in its place.
fn is_doubtful(error: &StoreError) -> bool {
    error.is_retryable()
        || matches!(
            error,
            StoreError::ConditionFailed { .. } | StoreError::NotFound { .. }
        )
}

fn encoding(algorithm: Option<CompressionAlgorithm>) -> Option<&'static str> {
    algorithm.map(CompressionAlgorithm::as_str)
}

pub(super) fn pin(
    place: &Place,
    written: Written,
    crc64: u64,
    sha256: Option<Sha256>,
    compressed: Option<Compressed>,
) -> Pin {
    Pin {
        bucket: place.bucket.clone(),
        key: place.key.clone(),
        version: written.version,
        etag: written.etag,
        crc64,
        sha256,
        compressed,
    }
}
