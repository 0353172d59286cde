//! A policy's sources, as a user writes them. The doc comments are the text of `kubectl explain`.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the text of kubectl explain, where backticks and brackets are noise"
)]
#![expect(
    unreachable_pub,
    reason = "KubeSchema derives through a copy of each type inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::LocalReference;

/// One tree of files, or one bucket, to back up.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("[has(self.persistentVolumeClaim), has(self.bucket), has(self.path)].filter(x, x).size() == 1").message("a source has exactly one of persistentVolumeClaim, bucket and path"))]
pub struct Source {
    /// A name for this source, unique in the policy: lower case letters, digits and hyphens.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,

    /// A claim in the policy's namespace. It is mounted read-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<ClaimSource>,

    /// A bucket, or what lies under a prefix of it. Its objects are copied like files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketSource>,

    /// A directory of the host, for the command line alone: a cluster refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathSource>,

    /// Which files to take, as gitignore-style patterns relative to the source's root
    /// (`*.pdf`, `contracts/`, `photos/**`). Empty: every file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    pub include: Vec<String>,

    /// Which files and directories to leave out, as gitignore-style patterns. An excluded
    /// directory is not entered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    pub exclude: Vec<String>,
}

/// A PersistentVolumeClaim in the policy's namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimSource {
    /// The claim's name.
    #[schemars(length(min = 1, max = 253))]
    pub claim_name: String,
}

/// A bucket to be backed up: the current version of each object, under the key that follows the
/// prefix.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketSource {
    /// The bucket's name.
    #[schemars(
        length(min = 3, max = 63),
        regex(pattern = "^[a-z0-9][a-z0-9.-]*[a-z0-9]$")
    )]
    pub name: String,

    /// Only objects whose key begins so, such as incoming/. Default: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub prefix: Option<String>,

    /// The bucket's region. Default: storage.region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z0-9-]+$"))]
    pub region: Option<String>,

    /// The URL of the bucket's store. Default: storage.endpoint; with a region of its own, AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 256), regex(pattern = "^https?://"))]
    pub endpoint: Option<String>,

    /// Who the worker is to the bucket's store: keys of its own, such as those of another
    /// account. Default: storage.credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SourceCredentials>,

    /// Where the bucket's notifications come. Each upload is then copied within seconds, by a worker
    /// that stays; the schedule makes up for what was not told. Default: the schedule alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<BucketEvents>,
}

/// The queue to which a bucket's notifications come, directly or by way of SNS or EventBridge.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketEvents {
    /// The URL of the SQS queue, such as https://sqs.eu-south-1.amazonaws.com/123456789012/uploads.
    #[schemars(
        length(min = 12, max = 512),
        regex(pattern = "^https?://[^/]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}([.]fifo)?$")
    )]
    pub queue_url: String,
}

/// Who the worker is to a source's store.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceCredentials {
    /// In a cluster: a Secret in the policy's namespace with the keys AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<LocalReference>,

    /// On a plain host: a profile of the AWS tools' configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub profile: Option<String>,
}

/// A directory of the host on which the command runs.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathSource {
    /// The directory, absolute.
    #[schemars(length(min = 1, max = 4096), regex(pattern = "^/"))]
    pub directory: String,
}
