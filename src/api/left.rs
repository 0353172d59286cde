//! What a run leaves to the next one by another way than HEAD, because it could not write that.

use serde::{Deserialize, Serialize};

use super::catalog::Outbox;
use super::report::Trouble;

/// The annotation by which a pod is given what runs before it have [`Left`], as JSON.
pub const LEFT_ANNOTATION: &str = "backstay.dev/left";

/// The file beside a pod's order in which it finds that; empty where there is none.
pub const LEFT_FILE: &str = "left.json";

/// The runs that failed one after the other without a word in HEAD, and what has been told of them.
/// The next run that can write HEAD takes this over.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// The runs; absent where the one that leaves this did not fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// The writer that HEAD still names, although it has ended and said how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
    /// What has been told of them, and what is owed; one notice at most.
    pub outbox: Outbox,
    /// Fresh at every run: what has been taken over is not taken over again.
    pub nonce: uuid::Uuid,
}
