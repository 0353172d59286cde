//! HEAD, moved: the one compare-and-swap on which every promise rests.
//!
//! # Consistency
//! HEAD changes only under `If-Match` of what was read (P3). A reply that was lost is resolved by
//! reading back: one's own nonce means that it happened, the old ETag that it did not, anything
//! else that another writer was faster.

use bytes::Bytes;

use super::failure::Failure;
use super::repository::{Held, read_head};
use crate::adapters::store::{Attributes, Condition, Put, Store, StoreError, Written};
use crate::api::catalog::Head;
use crate::plan::location::Location;

/// How often one swap is sent before it is given up.
const SENDS_MAX: u32 = 5;

/// Moves HEAD from what is held to `next`, which must bear a fresh nonce.
///
/// # Errors
/// [`crate::api::outcome::Reason::Fenced`] where another writer moved it first. Where the store
/// cannot be reached, HEAD may or may not have moved.
pub async fn swap<S: Store>(
    store: &S,
    location: &Location,
    held: &Held,
    next: Head,
) -> Result<Held, Failure> {
    let condition = Condition::Matches(held.etag.clone());
    move_head(store, location, condition, next).await
}

/// Creates HEAD where there is none.
///
/// # Errors
/// As [`swap`].
pub async fn create<S: Store>(
    store: &S,
    location: &Location,
    first: Head,
) -> Result<Held, Failure> {
    move_head(store, location, Condition::Absent, first).await
}

/// Whether HEAD is still the one that is held: asked before anything that would hurt if it were
/// not (P4).
///
/// # Errors
/// [`crate::api::outcome::Reason::Fenced`] where it is not.
pub async fn require_held<S: Store>(
    store: &S,
    location: &Location,
    held: &Held,
) -> Result<(), Failure> {
    match read_head(store, location).await? {
        Some(current) if current.head.nonce == held.head.nonce => Ok(()),
        Some(_) | None => Err(Failure::fenced()),
    }
}

/// Writes an object of the catalog that must not exist yet. One that exists with the very same
/// bytes was written by a request of this writer whose reply was lost.
pub async fn write_once<S: Store>(
    store: &S,
    location: &Location,
    key: String,
    body: Bytes,
    attributes: Attributes,
) -> Result<Written, Failure> {
    let crc64 = crc64(&body);
    let size = body.len() as u64;
    let sha256 = attributes.sha256;
    let put = Put {
        bucket: location.bucket.clone(),
        key,
        body,
        crc64,
        condition: Condition::Absent,
        attributes,
    };
    for _ in 0..SENDS_MAX {
        let error = match store.put(put.clone()).await {
            Ok(written) => return Ok(written),
            Err(error) => error,
        };
        if !error.is_retryable() && !matches!(error, StoreError::ConditionFailed { .. }) {
            return Err(error.into());
        }
        match store.head(&put.bucket, &put.key, None).await {
            Ok(facts) if facts.size == size && facts.sha256 == sha256 && sha256.is_some() => {
                return Ok(Written {
                    version: facts.version,
                    etag: facts.etag,
                });
            }
            Ok(_) => return Err(Failure::integrity(format!("{} exists already", put.key))),
            Err(StoreError::NotFound { .. }) => {}
            Err(_) => return Err(error.into()),
        }
    }
    Err(gave_up(&put.key))
}

/// CRC64NVME of bytes, as the store verifies it.
#[must_use]
pub fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
}

async fn move_head<S: Store>(
    store: &S,
    location: &Location,
    condition: Condition,
    next: Head,
) -> Result<Held, Failure> {
    let body = serde_json::to_vec(&next).map_err(|error| Failure::integrity(error.to_string()))?;
    let put = Put {
        bucket: location.bucket.clone(),
        key: location.head(),
        crc64: crc64(&body),
        body: body.into(),
        condition,
        attributes: Attributes::default(),
    };
    for _ in 0..SENDS_MAX {
        let error = match store.put(put.clone()).await {
            Ok(written) => return Ok(held(store, next, written.etag)),
            Err(error) => error,
        };
        match error {
            StoreError::Conflict { .. } => {}
            StoreError::ConditionFailed { .. } | StoreError::Unavailable { .. } => {
                match read_head(store, location).await? {
                    Some(current) if current.head.nonce == next.nonce => return Ok(current),
                    Some(current) if put.condition == Condition::Matches(current.etag.clone()) => {}
                    None if put.condition == Condition::Absent => {}
                    Some(_) | None => return Err(Failure::fenced()),
                }
            }
            other => return Err(other.into()),
        }
    }
    Err(gave_up(&put.key))
}

fn held<S: Store>(store: &S, head: Head, etag: String) -> Held {
    let modified = store.last_answer().unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    Held {
        head,
        etag,
        modified,
    }
}

fn gave_up(key: &str) -> Failure {
    Failure::new(
        crate::api::outcome::Reason::StorageUnavailable,
        format!("{key} could not be written in {SENDS_MAX} tries"),
    )
}
