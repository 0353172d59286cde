//! The sign of life of a run that lasts.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::failure::Failure;
use super::head::crc64;
use crate::adapters::store::{Attributes, Condition, Get, Put, Store, StoreError};
use crate::api::catalog::Lease;
use crate::plan::head::LEASE_INTERVAL_SECONDS;
use crate::plan::location::Location;

/// Gives signs of life until it is dropped.
#[derive(Debug)]
pub struct Alive(JoinHandle<()>);

impl Alive {
    /// Starts. A sign that cannot be given is not an error: no safety rests on it.
    #[must_use]
    pub fn start<S: Store>(store: Arc<S>, location: Location, run: String) -> Self {
        Self(tokio::spawn(async move {
            let interval = Duration::from_secs(LEASE_INTERVAL_SECONDS);
            loop {
                tokio::time::sleep(interval).await;
                if let Err(error) = sign(&*store, &location, &run).await {
                    tracing::warn!(error = %error, "lease not written");
                }
            }
        }))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.abort();
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
