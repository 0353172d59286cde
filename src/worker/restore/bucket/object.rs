//! One object: fetched, verified and written, whole or part by part.

use bytes::Bytes;
use futures::stream::{FuturesOrdered, StreamExt};
use tokio_util::task::AbortOnDropHandle;

use super::Restore;
use crate::adapters::store::{
    Attributes, Complete, Condition, Part, Put, Store, StoreError, Written,
};
use crate::api::catalog::{Kind, Pin, Row};
use crate::api::outcome::Reason;
use crate::plan::destination::Origin;
use crate::plan::headers;
use crate::plan::parts::{PART_MIN_BYTES, part_size_bytes};
use crate::plan::words::size;
use crate::worker::failure::Failure;
use crate::worker::head::crc64;
use crate::worker::restore::original::{self, Original};
use crate::worker::restore::{Conflict, FETCHES_MAX};

/// How often one write is sent before it is given up.
const SENDS_MAX: u32 = 3;

/// How many parts of one object are on their way at once.
const PARTS_IN_FLIGHT: usize = 4;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// It stands under its key.
    Written,
    /// Something else does.
    Occupied,
}

/// Why an object was not written.
enum Fault {
    /// Its content does not come as it was.
    Original(original::Fault),
    /// The bucket does not take it.
    Bucket(StoreError),
}

impl<S: Store> Restore<S> {
    /// Writes one entry. A bucket that takes nothing any more ends the restore; every other entry
    /// is still worth having.
    pub(super) async fn write_entry(&self, row: &Row, key: &str) -> Result<(), Failure> {
        if row.identity.kind == Kind::Directory {
            let written = self.put(key, Bytes::new(), Attributes::default()).await;
            return self.judge(row, written.map_err(Fault::Bucket));
        }
        let Some(pin) = &row.pin else {
            let why = "the catalog has no object for it".to_owned();
            self.order.tally.fail(&row.path, why);
            return Ok(());
        };
        let Some(part_size_bytes) = part_size_bytes(row.identity.size) else {
            let why = format!(
                "{} are more than this version sends as one object",
                size(row.identity.size)
            );
            self.order.tally.fail(&row.path, why);
            return Ok(());
        };
        let mut fetches = 1;
        loop {
            match self.send(row, pin, key, part_size_bytes).await {
                Err(Fault::Original(fault)) if fault.may_pass() && fetches < FETCHES_MAX => {
                    fetches += 1;
                }
                sent => return self.judge(row, sent),
            }
        }
    }

    async fn send(
        &self,
        row: &Row,
        pin: &Pin,
        key: &str,
        part_size_bytes: u64,
    ) -> Result<Sent, Fault> {
        self.check_going()?;
        let size_bytes = row.identity.size;
        if size_bytes > PART_MIN_BYTES {
            return self.send_parts(row, pin, key, part_size_bytes).await;
        }
        let _share = self.memory.take(size_bytes).await;
        let mut original = Original::open(&*self.store, row, pin).await?;
        // One byte more is asked for than there is, so that the end is seen.
        let content = original.next(in_memory(size_bytes) + 1).await?;
        if !original.holds(pin) {
            return Err(original::Fault::Content.into());
        }
        let sent = self.put(key, content, attributes_of(row)).await;
        let sent = sent.map_err(Fault::Bucket)?;
        if sent == Sent::Written {
            self.order.tally.add_bytes(size_bytes);
        }
        Ok(sent)
    }

    async fn put(
        &self,
        key: &str,
        body: Bytes,
        attributes: Attributes,
    ) -> Result<Sent, StoreError> {
        let (size, crc64) = (body.len() as u64, crc64(&body));
        let bucket = &self.to.destination.bucket;
        self.settle(key, size, crc64, || {
            self.to.store.put(Put {
                bucket: bucket.clone(),
                key: key.to_owned(),
                body: body.clone(),
                crc64,
                condition: self.condition(),
                attributes: attributes.clone(),
            })
        })
        .await
    }

    async fn send_parts(
        &self,
        row: &Row,
        pin: &Pin,
        key: &str,
        part_size_bytes: u64,
    ) -> Result<Sent, Fault> {
        let original = Original::open(&*self.store, row, pin).await?;
        let (store, bucket) = (&self.to.store, &self.to.destination.bucket);
        let upload = store
            .create_upload(bucket, key, attributes_of(row))
            .await
            .map_err(Fault::Bucket)?;
        let sent = self
            .upload(original, pin, key, part_size_bytes, &upload)
            .await;
        if !matches!(sent, Ok(Sent::Written))
            && let Err(error) = store.abort_upload(bucket, key, &upload).await
        {
            // The bucket's rule for incomplete uploads takes it.
            tracing::debug!(error = %error, "upload not aborted");
        }
        sent
    }

    /// Sends the parts, and puts them together if they are what was recorded.
    async fn upload(
        &self,
        mut original: Original,
        pin: &Pin,
        key: &str,
        part_size_bytes: u64,
        upload: &str,
    ) -> Result<Sent, Fault> {
        let mut whole = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        let mut size = 0;
        let (mut parts, mut flying) = (Vec::new(), FuturesOrdered::new());
        for number in 1.. {
            self.check_going()?;
            let share = self.memory.take(part_size_bytes).await;
            let body = original.next(in_memory(part_size_bytes)).await?;
            if body.is_empty() {
                break;
            }
            whole.update(&body);
            size += body.len() as u64;
            let part = Part {
                bucket: self.to.destination.bucket.clone(),
                key: key.to_owned(),
                upload: upload.to_owned(),
                number,
                crc64: crc64(&body),
                body,
            };
            flying.push_back(self.fly(part, share));
            if flying.len() == PARTS_IN_FLIGHT {
                parts.extend(next_sent(&mut flying).await?);
            }
        }
        while let Some(sent) = next_sent(&mut flying).await? {
            parts.push(sent);
        }
        if !original.holds(pin) {
            return Err(original::Fault::Content.into());
        }
        let crc64 = whole.finalize();
        let completed = self.settle(key, size, crc64, || {
            self.to.store.complete_upload(Complete {
                bucket: self.to.destination.bucket.clone(),
                key: key.to_owned(),
                upload: upload.to_owned(),
                parts: parts.clone(),
                size,
                crc64,
                condition: self.condition(),
            })
        });
        completed.await.map_err(Fault::Bucket)
    }

    /// Sends a part on a task of its own, which holds its share of the memory until it is there: an
    /// object that waits for memory must not hold back the parts that would give it free.
    fn fly(&self, part: Part, share: impl Send + 'static) -> Flight {
        let (to, tally) = (self.to.clone(), self.order.tally.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            let _share = share;
            let (crc64, size) = (part.crc64, part.body.len() as u64);
            let etag = to.store.upload_part(part).await?;
            tally.add_bytes(size);
            Ok((etag, crc64))
        }))
    }

    /// Writes until it is certain what stands under the key. Where an answer was lost, what stands
    /// there is looked at: it may be this very content.
    async fn settle<F>(
        &self,
        key: &str,
        size: u64,
        crc64: u64,
        send: impl Fn() -> F,
    ) -> Result<Sent, StoreError>
    where
        F: Future<Output = Result<Written, StoreError>>,
    {
        let mut is_doubtful = false;
        let mut sends = 1;
        loop {
            let error = match send().await {
                // A bucket that is restored into need not keep versions.
                Ok(_) | Err(StoreError::VersionMissing { .. }) => return Ok(Sent::Written),
                Err(StoreError::ConditionFailed { .. }) if !is_doubtful => {
                    return Ok(Sent::Occupied);
                }
                Err(error) => error,
            };
            let is_refused = matches!(
                error,
                StoreError::Conflict { .. } | StoreError::ChecksumMismatch { .. }
            );
            is_doubtful |= matches!(error, StoreError::Unavailable { .. });
            if !is_refused && !is_doubtful {
                return Err(error);
            }
            if is_doubtful && self.stands_already(key, size, crc64).await {
                return Ok(Sent::Written);
            }
            match error {
                StoreError::ConditionFailed { .. } => return Ok(Sent::Occupied),
                // The upload is gone and did not become the object.
                StoreError::NotFound { .. } => return Err(error),
                error if sends == SENDS_MAX => return Err(error),
                _ => sends += 1,
            }
        }
    }

    async fn stands_already(&self, key: &str, size: u64, crc64: u64) -> bool {
        let bucket = &self.to.destination.bucket;
        let facts = self.to.store.head(bucket, key, None).await;
        facts.is_ok_and(|facts| facts.size == size && facts.crc64 == Some(crc64))
    }

    fn condition(&self) -> Condition {
        match self.order.conflict {
            Conflict::Fail | Conflict::Skip => Condition::Absent,
            Conflict::Overwrite => Condition::None,
        }
    }

    /// Whether the restore goes on.
    fn check_going(&self) -> Result<(), Fault> {
        let ended = self.order.stop.check().err().or_else(|| {
            let told = || Failure::new(Reason::Internal, "the restore has failed already");
            self.over.is_cancelled().then(told)
        });
        ended.map_or(
            Ok(()),
            |failure| Err(original::Fault::Ended(failure).into()),
        )
    }

    /// What became of an entry.
    fn judge(&self, row: &Row, sent: Result<Sent, Fault>) -> Result<(), Failure> {
        let tally = &self.order.tally;
        let is_folder = row.identity.kind == Kind::Directory;
        let fault = match sent {
            Ok(Sent::Written) => {
                let is_bare = self.to.destination.origin == Origin::Files;
                tally.count(|entries| {
                    entries.restored += 1;
                    entries.metadata_partial += u64::from(is_bare);
                });
                return Ok(());
            }
            Ok(Sent::Occupied) if is_folder || self.order.conflict == Conflict::Skip => {
                tally.count(|entries| entries.skipped += 1);
                return Ok(());
            }
            Ok(Sent::Occupied) => "something has appeared under its key meanwhile".to_owned(),
            Err(Fault::Original(fault)) => fault.told()?,
            Err(Fault::Bucket(error)) if is_for_all(&error) => return Err(self.failure(error)),
            Err(Fault::Bucket(error)) => error.to_string(),
        };
        tally.fail(&row.path, fault);
        Ok(())
    }
}

/// What the object says of its content, as the source's did.
fn attributes_of(row: &Row) -> Attributes {
    Attributes {
        headers: headers::of_file(&row.path, &row.xattrs),
        ..Attributes::default()
    }
}

impl From<original::Fault> for Fault {
    fn from(fault: original::Fault) -> Self {
        Self::Original(fault)
    }
}

/// Whether a bucket that answers so takes no other object either.
fn is_for_all(error: &StoreError) -> bool {
    match error {
        StoreError::NoSuchBucket { .. }
        | StoreError::AccessDenied { .. }
        | StoreError::CredentialsMissing { .. }
        | StoreError::ClockSkew
        | StoreError::Unavailable { .. } => true,
        StoreError::NotFound { .. }
        | StoreError::ConditionFailed { .. }
        | StoreError::Conflict { .. }
        | StoreError::ChecksumMismatch { .. }
        | StoreError::VersionMissing { .. }
        | StoreError::Refused { .. } => false,
    }
}

type Flight = AbortOnDropHandle<Result<(String, u64), StoreError>>;

async fn next_sent(flying: &mut FuturesOrdered<Flight>) -> Result<Option<(String, u64)>, Fault> {
    match flying.next().await {
        Some(Ok(sent)) => sent.map(Some).map_err(Fault::Bucket),
        Some(Err(error)) => {
            let told = format!("a sending task ended: {error}");
            let failure = Failure::new(Reason::Internal, told);
            Err(original::Fault::Ended(failure).into())
        }
        None => Ok(None),
    }
}

/// A size of what is held in memory, and so fits it.
fn in_memory(size_bytes: u64) -> usize {
    usize::try_from(size_bytes).unwrap_or(usize::MAX - 1)
}
