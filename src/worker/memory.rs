//! The memory that content may take while it is on its way.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::plan::parts::PART_MAX_BYTES;

/// What all content in memory may take together: one part of the largest size, and room beside it.
const BUDGET_BYTES: u64 = PART_MAX_BYTES + (32 << 20);

/// Shares are counted in steps of this size.
const STEP_BYTES: u64 = 4096;

/// The memory that content may take while it is on its way.
#[derive(Clone, Debug)]
pub(super) struct Memory(Arc<Semaphore>);

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(
            usize::try_from(BUDGET_BYTES / STEP_BYTES).unwrap_or(1),
        )))
    }
}

impl Memory {
    /// Waits for a share. It is given back when the permit is dropped.
    pub(super) async fn take(&self, size_bytes: u64) -> Option<OwnedSemaphorePermit> {
        let steps = size_bytes.min(BUDGET_BYTES).div_ceil(STEP_BYTES);
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        // The semaphore is never closed, so there is always a share in the end.
        self.0.clone().acquire_many_owned(steps).await.ok()
    }
}
