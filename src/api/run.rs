//! A run's order: what a worker is told. It is resolved once, and frozen with the Job.

use serde::{Deserialize, Serialize};

use super::policy::{Category, Deletions, SnsTopic, Storage};
use super::source::SourceCredentials;

/// The version of [`RunSpec`] that this build writes and reads.
pub const RUN_SPEC_VERSION: u32 = 1;

/// The annotation of the pod template that carries the [`RunSpec`], as JSON.
pub const RUN_SPEC_ANNOTATION: &str = "backstay.dev/run-spec";

/// Where a pod finds the keys of the Secret that its storage names.
pub const CREDENTIALS_DIRECTORY: &str = "/backstay/credentials";

/// Where a pod finds the keys of the Secret that its source's bucket names.
pub const SOURCE_CREDENTIALS_DIRECTORY: &str = "/backstay/source-credentials";

/// The longest [`RunSpec`] that is accepted, in bytes of JSON. A larger policy is refused.
pub const RUN_SPEC_MAX_BYTES: usize = 64 * 1024;

/// Everything a worker needs to know about one source, with no default left open.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RunSpec {
    /// [`RUN_SPEC_VERSION`]. A worker refuses a version that it does not know.
    pub version: u32,
    /// The cluster's name, or the host's.
    pub cluster: String,
    /// The policy's namespace; `default` on a plain host.
    pub namespace: String,
    /// The policy's name.
    pub policy: String,
    /// The source's name.
    pub source: String,
    /// What the source is, so that another one under the same name is noticed.
    pub identity: SourceIdentity,
    /// The directory where the source is mounted; of a bucket, its URL.
    pub root: String,
    /// The bucket, where the source is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketOrder>,
    /// Gitignore-style patterns; empty means every file.
    pub include: Vec<String>,
    /// Gitignore-style patterns.
    pub exclude: Vec<String>,
    /// First match wins.
    pub categories: Vec<Category>,
    /// The store. `keyPrefix` and `catalogBucket` are always set here.
    pub storage: Storage,
    /// What a deletion does, and how many are believed.
    pub deletions: Deletions,
    /// The topic, where one is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sns: Option<SnsTopic>,
    /// How many files are sent at once.
    pub concurrency: u16,
    /// How long one attempt may take, in seconds.
    pub active_deadline_seconds: i64,
    /// The time zone of `{date}`.
    pub time_zone: String,
    /// The refused run whose deletions a person has looked at and approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_run: Option<String>,
}

/// A bucket to be backed up, with no default left open.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BucketOrder {
    /// Its name.
    pub name: String,
    /// What its objects' keys begin with; empty for all of them.
    pub prefix: String,
    /// Its region.
    pub region: String,
    /// Its store; AWS where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Who the worker is to it; as to the storage where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SourceCredentials>,
    /// The queue that tells of it, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueOrder>,
}

/// A queue to be followed, with no default left open.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct QueueOrder {
    /// Its URL.
    pub url: String,
    /// Its region.
    pub region: String,
    /// Where it is asked; AWS where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

impl BucketOrder {
    /// Its URL, as the AWS tools write it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("s3://{}/{}", self.name, self.prefix)
    }

    /// Whether the identity that writes to a storage reads it too, and at the same endpoint: then
    /// one request can name both. Other regions of AWS are no obstacle.
    #[must_use]
    pub fn is_within_reach_of(&self, storage: &Storage) -> bool {
        self.credentials.is_none() && self.endpoint == storage.endpoint
    }

    /// What it is, to a repository.
    #[must_use]
    pub fn identity(&self) -> SourceIdentity {
        SourceIdentity::Bucket {
            name: self.name.clone(),
            prefix: self.prefix.clone(),
        }
    }
}

/// What a source is, in a way that survives neither re-creation nor replacement.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum SourceIdentity {
    /// A PersistentVolumeClaim.
    Claim {
        /// The claim's UID.
        uid: String,
    },
    /// A bucket, or what lies under a prefix of it.
    Bucket {
        /// Its name.
        name: String,
        /// The prefix.
        prefix: String,
    },
    /// A directory of a host.
    #[serde(rename_all = "camelCase")]
    Directory {
        /// The host's machine id.
        machine_id: String,
        /// The directory.
        path: String,
    },
}
