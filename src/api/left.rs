//! What a run leaves to the next one by another way than HEAD, because it could not write that.

use serde::{Deserialize, Serialize};

use super::catalog::Outbox;
use super::report::Trouble;

/// The annotation by which a pod is given what runs before it have [`Left`], as JSON.
pub const LEFT_ANNOTATION: &str = "backstay.dev/left";

/// The runs that failed one after the other without reaching their repository, and what has been
/// told of them. The next run that reaches it takes this over into HEAD.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// The runs.
    pub trouble: Trouble,
    /// What has been told of them, and what is owed; one notice at most.
    pub outbox: Outbox,
    /// Fresh at every run: what has been taken over is not taken over again.
    pub nonce: uuid::Uuid,
}
