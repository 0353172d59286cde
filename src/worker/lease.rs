//! The sign of life of a run that lasts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::failure::Failure;
use super::head::crc64;
use crate::adapters::clock;
use crate::adapters::store::{Attributes, Condition, Get, Put, Store, StoreError};
use crate::api::catalog::Lease;
use crate::plan::head::{LEASE_INTERVAL_SECONDS, LEASE_SURE_SECONDS};
use crate::plan::location::Location;

/// Gives signs of life until it is dropped.
#[derive(Debug)]
pub struct Alive {
    task: JoinHandle<()>,
    signs: Arc<Signs>,
}

/// The signs that a writer gave, by its own clock.
///
/// A process that was stopped for long, or cut off, comes back to a repository that may have been
/// opened over it. Its first sign of life after such a gap proves nothing; only HEAD does.
#[derive(Debug)]
pub struct Signs(Mutex<Sign>);

#[derive(Debug)]
struct Sign {
    last: Instant,
    is_doubted: bool,
}

impl Alive {
    /// Starts, for a run that has just opened the repository. A sign that cannot be given is not
    /// an error: the run then looks at HEAD more often.
    #[must_use]
    pub fn start<S: Store>(store: Arc<S>, location: Location, run: String) -> Self {
        let signs = Arc::new(Signs(Mutex::new(Sign {
            last: clock::monotonic(),
            is_doubted: false,
        })));
        let given = signs.clone();
        let task = tokio::spawn(async move {
            let interval = Duration::from_secs(LEASE_INTERVAL_SECONDS);
            loop {
                tokio::time::sleep(interval).await;
                let asked = clock::monotonic();
                match sign(&*store, &location, &run).await {
                    Ok(()) => given.give(asked),
                    Err(error) => tracing::warn!(error = %error, "lease not written"),
                }
            }
        });
        Self { task, signs }
    }

    /// The signs that it gives.
    #[must_use]
    pub fn signs(&self) -> Arc<Signs> {
        self.signs.clone()
    }
}

impl Signs {
    /// Whether nobody can have taken the writer for dead.
    #[must_use]
    pub fn are_fresh(&self) -> bool {
        let mut sign = self.sign();
        sign.grow_old(clock::monotonic());
        !sign.is_doubted
    }

    /// HEAD was read after all that was doubted, and names this writer.
    pub fn confirm(&self) {
        self.sign().is_doubted = false;
    }

    fn give(&self, asked: Instant) {
        let mut sign = self.sign();
        sign.grow_old(asked);
        sign.last = asked;
    }

    fn sign(&self) -> MutexGuard<'_, Sign> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sign {
    fn grow_old(&mut self, now: Instant) {
        let sure = Duration::from_secs(LEASE_SURE_SECONDS);
        self.is_doubted |= now.saturating_duration_since(self.last) >= sure;
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// When a run gave its last sign of life, by the store's clock; `None` where it gave none.
pub async fn last_sign<S: Store>(
    store: &S,
    location: &Location,
    run: &str,
) -> Result<Option<jiff::Timestamp>, Failure> {
    let request = Get {
        bucket: location.bucket.clone(),
        key: location.lease(),
        ..Get::default()
    };
    match store.get(request).await {
        Ok(object) => {
            let lease: Option<Lease> = serde_json::from_slice(&object.body).ok();
            Ok(lease
                .filter(|lease| lease.run == run)
                .map(|_| object.facts.modified))
        }
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn sign<S: Store>(store: &S, location: &Location, run: &str) -> Result<(), Failure> {
    let body = serde_json::to_vec(&Lease {
        run: run.to_owned(),
    })
    .map_err(|error| Failure::integrity(error.to_string()))?;
    let put = Put {
        bucket: location.bucket.clone(),
        key: location.lease(),
        crc64: crc64(&body),
        body: body.into(),
        condition: Condition::None,
        attributes: Attributes::default(),
    };
    store.put(put).await?;
    Ok(())
}
