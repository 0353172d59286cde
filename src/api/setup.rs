//! The order of a setup Job, and its answer.

use serde::{Deserialize, Serialize};

use super::outcome::Reason;
use super::policy::Storage;
use super::settings::BucketSettings;

/// The version of [`SetupSpec`] that this build writes and reads.
pub const SETUP_SPEC_VERSION: u32 = 1;

/// Everything that is to be known about a policy's buckets, with no default left open but those
/// of [`BucketSettings`] itself.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SetupSpec {
    /// [`SETUP_SPEC_VERSION`]. A worker refuses a version that it does not know.
    pub version: u32,
    /// The policy's namespace; `default` on a plain host.
    pub namespace: String,
    /// The policy's name.
    pub policy: String,
    /// The store. `catalogBucket` is always set here.
    pub storage: Storage,
    /// The categories' buckets, each once.
    pub data_buckets: Vec<String>,
    /// What the buckets of sources are to tell, where that is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_events: Vec<SourceEvents>,
    /// What they are to be like.
    pub settings: BucketSettings,
}

/// What the bucket of a source is to tell.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SourceEvents {
    /// The source's name.
    pub source: String,
    /// Its bucket.
    pub bucket: String,
    /// What its objects' keys begin with; empty for all of them.
    pub prefix: String,
    /// The bucket's region.
    pub region: String,
    /// The bucket's store; AWS where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The queue that is told.
    pub queue_arn: String,
}

/// The version of [`SetupReport`] that this build writes.
pub const SETUP_REPORT_VERSION: u32 = 1;

/// What a setup Job says at its end, in its termination message.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SetupReport {
    /// [`SETUP_REPORT_VERSION`].
    pub version: u32,
    /// Settings that it has set.
    pub written: u32,
    /// Settings that are not as the policy wants them.
    pub differing: u32,
    /// Why it did not come to its end, where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Reason>,
    /// What it found, for a reader.
    pub message: String,
}
