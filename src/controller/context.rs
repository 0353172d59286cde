//! What every reconcile shares: the hands, the stores, and what was written last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::adapters::cluster::Cluster;
use crate::api::status::BackupPolicyStatus;

use super::metrics::ReconcileMetrics;
use super::run::WorkerOptions;
use super::stores::Stores;

/// How much may be remembered of objects that are gone before they are forgotten.
const FORGOTTEN_SLACK: usize = 64;

/// What every reconcile shares.
pub(super) struct Context {
    /// The API server.
    pub(super) cluster: Cluster,
    /// What is known of it.
    pub(super) stores: Stores,
    /// How workers are made.
    pub(super) worker: WorkerOptions,
    /// What was applied last, by the object's UID.
    pub(super) applied: LastWritten<AppliedObject>,
    /// What was published last, by the policy's UID: a watch may be behind what was written.
    pub(super) published: LastWritten<BackupPolicyStatus>,
    /// What was said last of policies that cannot be read, by UID.
    pub(super) unreadable: LastWritten<String>,
    /// Whether the controller is to stop.
    pub(super) shutdown: CancellationToken,
    /// Counts of reconciles.
    pub(super) metrics: Arc<ReconcileMetrics>,
}

/// An object as it was when it was what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AppliedObject {
    /// What was desired.
    pub(super) desired_hash: String,
    /// The generation that the API server answered with.
    pub(super) generation: Option<i64>,
}

/// What was written last, by UID. It is lost with the process, and then written once more.
#[derive(Debug)]
pub(super) struct LastWritten<T>(Mutex<HashMap<String, T>>);

impl<T> Default for LastWritten<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> LastWritten<T> {
    pub(super) fn get(&self, uid: &str) -> Option<T> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(uid)
            .cloned()
    }

    pub(super) fn set(&self, uid: &str, value: T) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(uid.to_owned(), value);
    }

    /// Forgets the objects that are gone, once they are more than those that are there.
    pub(super) fn forget_gone(&self, known: usize, is_known: impl Fn(&str) -> bool) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if written.len() > 2 * known + FORGOTTEN_SLACK {
            written.retain(|uid, _| is_known(uid));
        }
    }
}
