//! Signals and deadlines, as a request to stop.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::order::internal;
use crate::api::outcome::Reason;
use crate::worker::failure::Failure;
use crate::worker::stop::Stop;

/// How long before its deadline a run ends itself, so that it can still say so.
const BEFORE_DEADLINE: Duration = Duration::from_mins(1);

/// How long a run that was asked to stop may take to write down what it has.
pub(super) const GRACE: Duration = Duration::from_secs(20);

/// Asks for a stop on SIGTERM, on SIGINT and before the deadline, until it is dropped.
pub(super) struct Watch(JoinHandle<()>);

impl Watch {
    pub(super) fn start(stop: Stop, deadline: Duration) -> Result<Self, Failure> {
        let asked = asked()?;
        let deadline = deadline.saturating_sub(BEFORE_DEADLINE);
        Ok(Self(tokio::spawn(async move {
            let cause = tokio::select! {
                () = asked => Reason::Interrupted,
                () = tokio::time::sleep(deadline) => Reason::DeadlineExceeded,
            };
            tracing::warn!(cause = cause.as_str(), "asked to stop");
            stop.request(cause);
        })))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens from now on; the answer waits for SIGTERM or SIGINT.
pub(super) fn asked() -> Result<impl Future<Output = ()> + Send, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| internal(format!("listen for signals: {error}")));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
