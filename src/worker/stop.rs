//! How a run is asked to end early, and why.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use crate::api::outcome::Reason;

/// A request to end early. Clones share it. The first cause stands.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    cause: Arc<OnceLock<Reason>>,
}

impl Stop {
    /// Asks the run to end: [`Reason::Interrupted`] or [`Reason::DeadlineExceeded`].
    pub fn request(&self, cause: Reason) {
        // A later cause changes nothing: the first one is what ended the run.
        let _ = self.cause.set(cause);
        self.token.cancel();
    }

    /// Whether the run shall go on.
    ///
    /// # Errors
    /// The failure that a run which was asked to end reports.
    pub fn check(&self) -> Result<(), Failure> {
        if self.token.is_cancelled() {
            Err(self.failure())
        } else {
            Ok(())
        }
    }

    /// Waits until the run is asked to end; answers with the failure it then reports.
    pub async fn requested(&self) -> Failure {
        self.token.cancelled().await;
        self.failure()
    }

    fn failure(&self) -> Failure {
        let cause = self.cause.get().copied().unwrap_or(Reason::Interrupted);
        let message = match cause {
            Reason::DeadlineExceeded => {
                "the run's deadline came: what was sent is kept, and the next run goes on from \
                 there; a longer worker.activeDeadlineSeconds gives it more time"
            }
            _ => {
                "the run was asked to stop: what was sent is kept, and the next run goes on from \
                  there"
            }
        };
        Failure::new(cause, message)
    }
}
