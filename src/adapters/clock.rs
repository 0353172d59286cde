//! The only place that asks the time.

use tokio::time::Instant;

/// The host's clock, for what is compared with the host's own file times and shown to people.
/// What orders restore points is the store's clock.
#[must_use]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// A clock that never jumps, for durations: the runtime's, which the model can move on.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}
