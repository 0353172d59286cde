//! The desired state of the buckets, as a user writes it: `spec.bucketSettings`.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the text of kubectl explain, where backticks and brackets are noise"
)]
#![expect(
    unreachable_pub,
    reason = "KubeSchema derives through a copy of each type inside a function"
)]
#![expect(
    clippy::struct_excessive_bools,
    reason = "each setting is asked for or not, in the user's own words"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::Credentials;

/// What the buckets of the categories and of the catalog are to be like. In a cluster a setup Job
/// sees to it under credentials of its own, so that a worker never holds the power to weaken them; on
/// a plain host `backstay bucket apply` does. What is stricter already stays, rules and statements
/// of others stay, and what is left out here stays as it is. Without bucketSettings nobody touches
/// the buckets' settings.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketSettings {
    /// Make buckets that do not exist, in storage.region. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,

    /// Enable versioning, without which a run refuses the bucket. Default: true.
    #[serde(default = "yes")]
    pub versioning: bool,

    /// Block public access in all four ways that S3 has. Default: true. Stores that have no such
    /// thing need false.
    #[serde(default = "yes")]
    pub block_public_access: bool,

    /// Make storage.encryption the default encryption of the bucket, also for what others put
    /// there. Default: true. With encryption none nothing is set.
    #[serde(default = "yes")]
    pub default_encryption: bool,

    /// Deny, by two statements of the bucket's policy, requests without TLS and objects under keys
    /// that a client brings along (SSE-C). Default: true, but false where storage.endpoint is an
    /// http:// address, which would be locked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_transport: Option<bool>,

    /// Which storage classes files move to, and how long superseded versions live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,

    /// How long nobody may delete a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<ObjectLock>,

    /// Enable (true) or suspend (false) S3 Transfer Acceleration for whoever uses the buckets'
    /// accelerate endpoint. Left out: it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer_acceleration: Option<bool>,

    /// A copy of everything in another bucket, which S3 itself keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<Replication>,

    /// Who is told of each file that is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<BucketEvents>,

    /// Have the bucket of each source that has bucket.events tell its queue of what is stored and
    /// deleted, under the source's prefix. Nothing else of a source's bucket is touched. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub source_events: bool,

    /// Who sets this. It needs more rights than a worker, and is used by the setup Job alone.
    /// Required in a cluster; on a plain host it is what the AWS tools use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
}

/// Which storage classes files move to, and how long superseded versions live. Rules for classes
/// and expiry apply to data/ alone: the catalog stays where it can be read at once. Current files
/// never expire.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.preset) || has(self.transitions) || has(self.noncurrentTransitions) || has(self.noncurrentExpirationDays) || has(self.abortIncompleteMultipartUploadDays)").message("lifecycle needs a preset or at least one rule"))]
pub struct Lifecycle {
    /// A usual set of rules; fields given beside it take the place of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<LifecyclePreset>,

    /// When files move to another storage class, counted in days from their upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5))]
    pub transitions: Option<Vec<Transition>>,

    /// When superseded versions move, counted in days from when they were superseded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5))]
    pub noncurrent_transitions: Option<Vec<Transition>>,

    /// When superseded versions expire, in days: how far back a restore can go. Left out: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36500))]
    pub noncurrent_expiration_days: Option<u32>,

    /// When the parts of an upload that was never finished are removed, in days. Default: 7, and
    /// none where storage.endpoint is set: such stores see to it themselves, or refuse the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 365))]
    pub abort_incomplete_multipart_upload_days: Option<u32>,
}

/// InfrequentThenGlacier: files move to STANDARD_IA after 30 days and to GLACIER after 60.
/// LongTerm: to STANDARD_IA after 30 and to GLACIER after 180. NoncurrentArchive: superseded
/// versions move to GLACIER after 30 days and expire after 365. Restoring from GLACIER takes hours.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifecyclePreset {
    /// STANDARD_IA after 30 days, GLACIER after 60.
    InfrequentThenGlacier,
    /// STANDARD_IA after 30 days, GLACIER after 180.
    LongTerm,
    /// Superseded versions: GLACIER after 30 days, expiry after 365.
    NoncurrentArchive,
}

/// A move to another storage class.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Transition {
    /// After how many days; at least 30 for STANDARD_IA and ONEZONE_IA.
    #[schemars(range(min = 1, max = 36500))]
    pub days: u32,
    /// The class, by S3's name.
    pub storage_class: TransitionClass,
}

/// A storage class that a lifecycle rule can move objects to. GLACIER and DEEP_ARCHIVE take hours
/// to be read back. See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html>
#[derive(
    JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TransitionClass {
    /// Infrequent access.
    StandardIa,
    /// Moves objects between tiers by use.
    IntelligentTiering,
    /// Infrequent access in one availability zone.
    OnezoneIa,
    /// Archive with immediate retrieval.
    GlacierIr,
    /// Archive; retrieval takes minutes to hours.
    Glacier,
    /// Archive; retrieval takes hours to days.
    DeepArchive,
}

impl TransitionClass {
    /// The name that S3 uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StandardIa => "STANDARD_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }
}

/// The default lock of new versions, counted from their upload. A bucket that was made without object
/// lock gets it where the store allows that.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectLock {
    /// Governance: only who may bypass it can delete a version.
    pub mode: ObjectLockMode,
    /// For how many days.
    #[schemars(range(min = 1, max = 36500))]
    pub days: u32,
}

/// Governance: only an identity that may bypass it can delete a version. Compliance, which nobody
/// can undo and which may cost money for years after a mistake, is not offered.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectLockMode {
    /// Can be bypassed by who has the right to.
    Governance,
}

/// A copy of everything in another bucket, catalog and delete markers included, so that the copy is a
/// whole repository. The other bucket exists and has versioning enabled.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Replication {
    /// The other bucket's ARN. {bucket} stands for the name of the bucket that is copied, and is
    /// needed where the policy has several: arn:aws:s3:::{bucket}-replica.
    #[schemars(
        length(min = 15, max = 256),
        regex(pattern = "^arn:[a-z-]+:s3:::[a-z0-9.{}-]+$")
    )]
    pub bucket_arn: String,
    /// The role that S3 assumes to copy.
    #[schemars(
        length(min = 20, max = 512),
        regex(pattern = "^arn:[a-z-]+:iam::[0-9]{12}:role/.+$")
    )]
    pub role_arn: String,
    /// The storage class of the copies. Default: that of the original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<TransitionClass>,
    /// The KMS key of the copies, in the other bucket's region. Required where storage.encryption is
    /// kms: S3 copies such objects only under a key that is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 20, max = 512),
        regex(pattern = "^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:.+$")
    )]
    pub kms_key_arn: Option<String>,
}

/// A queue that S3 tells of each object that is stored under data/, or hidden there. The queue's own
/// policy lets S3 send to it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketEvents {
    /// The queue's ARN, in the region of the buckets.
    #[schemars(
        length(min = 20, max = 512),
        regex(pattern = "^arn:[a-z-]+:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$")
    )]
    pub queue_arn: String,
}

fn yes() -> bool {
    true
}
