//! `BackupPolicy`, as a user writes it. The doc comments are the text of `kubectl explain`.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the text of kubectl explain, where backticks and brackets are noise"
)]
#![expect(
    unreachable_pub,
    reason = "KubeSchema derives through a copy of each type inside a function"
)]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::settings::BucketSettings;
use super::source::Source;
use super::status::BackupPolicyStatus;

/// What to back up, where to, and when. The controller turns each source into a CronJob whose
/// pod copies what changed into S3 as plain objects and writes a catalog of every file.
/// Deleting a policy removes its CronJobs and never a backup.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[kube(
    group = "backstay.dev",
    version = "v1alpha1",
    kind = "BackupPolicy",
    doc = "What to back up, where to, and when. Deleting a policy never deletes a backup.",
    namespaced,
    status = "BackupPolicyStatus",
    shortname = "bp",
    shortname = "bkp",
    category = "backstay",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name must be at most 63 characters: it becomes a label value"),
    printcolumn = r#"{"name":"Schedule","type":"string","jsonPath":".spec.schedule"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Last outcome","type":"string","jsonPath":".status.lastOutcome"}"#,
    printcolumn = r#"{"name":"Last success","type":"date","jsonPath":".status.lastSuccessTime"}"#,
    printcolumn = r#"{"name":"Next run","type":"string","jsonPath":".status.nextRunTime"}"#,
    printcolumn = r#"{"name":"Buckets","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"BucketsConfigured\")].status"}"#,
    printcolumn = r#"{"name":"Events","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"EventsFollowed\")].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupPolicySpec {
    /// When to run: five cron fields (minute, hour, day of month, month, day of week), or
    /// @hourly, @daily, @weekly, @monthly, @yearly. `H` in a field stands for a value that is
    /// stable for this policy and source and differs between them, so that policies do not all
    /// start at once: "H 2 * * *" is some minute after two.
    #[schemars(length(min = 1, max = 100))]
    pub schedule: String,

    /// The IANA time zone of the schedule, such as Europe/Rome. Default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,

    /// No run is started while this is true; a run that is under way ends by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,

    /// How late a missed start is made up, in seconds. Default: half the shortest interval of
    /// the schedule, two hours at most. A longer time than half the interval is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 86400))]
    pub starting_deadline_seconds: Option<i64>,

    /// What to back up. Each source has a CronJob, a catalog and restore points of its own.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sources: Vec<Source>,

    /// Where files go: the first category that matches a file takes it. A category without
    /// `match` takes whatever the ones before it did not; there may be one, and it stands last.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(
        validation = Rule::new("self.filter(c, !has(c.match)).size() <= 1").message("only one category may have no `match`: it takes what the others did not"),
        validation = Rule::new("self.all(c, has(c.match)) || !has(self[self.size() - 1].match)").message("the category without `match` must stand last: those after it would never be used"),
        merge_strategy = ListMerge::Map(vec!["name".into()])
    )]
    pub categories: Vec<Category>,

    /// The object store.
    pub storage: Storage,

    /// What the buckets are to be like. Without it nobody touches their settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_settings: Option<BucketSettings>,

    /// What happens to the current copy of a file that is gone from the source.
    #[serde(default)]
    pub deletions: Deletions,

    /// Who is told about a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<Notifications>,

    /// How the worker's pod runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<Worker>,
}

/// One kind of files and the bucket that takes them.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Category {
    /// A name for this category, unique in the policy.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,

    /// Which files belong here. Without it: every file that no category before it took.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<CategoryMatch>,

    /// The bucket, with versioning enabled.
    #[schemars(
        length(min = 3, max = 63),
        regex(pattern = "^[a-z0-9][a-z0-9.-]*[a-z0-9]$")
    )]
    pub bucket: String,

    /// The S3 storage class of new objects, such as STANDARD_IA. Default: the bucket's STANDARD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<StorageClass>,

    /// Compresses files on their way. Without it they are stored byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
}

/// Which files of a category are stored compressed. A file that a sample shows not to shrink is
/// stored as it is. An object keeps its name and says in Content-Encoding how it is compressed;
/// a restore gives back the original, a plain download the compressed bytes.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Compression {
    /// Zstd is faster and smaller, Gzip is what every browser and tool unpacks.
    pub algorithm: CompressionAlgorithm,

    /// Which files, by extension without a dot, in any case, such as [csv, sql]. Default: every
    /// file of the category.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 32), regex(pattern = "^[^./]+$"))
    )]
    pub extensions: Vec<String>,

    /// The smallest file that is compressed, in bytes or with Ki, Mi or Gi, such as 1Mi.
    /// Default: 4Ki.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = "^[0-9]+([KMG]i)?$"))]
    pub minimum_size: Option<String>,
}

/// How content is compressed. Zstd is faster and smaller, Gzip is what every browser unpacks.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompressionAlgorithm {
    /// <https://www.rfc-editor.org/rfc/rfc8878>
    Zstd,
    /// <https://www.rfc-editor.org/rfc/rfc1952>
    Gzip,
}

impl CompressionAlgorithm {
    /// The word that HTTP's Content-Encoding uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// The algorithm that a word of Content-Encoding names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Zstd, Self::Gzip]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == word)
    }
}

/// Which files belong to a category: those with one of the extensions, or under one of the paths.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.preset) || has(self.extensions) || has(self.paths)").message("match needs preset, extensions or paths; leave match out for the category that takes the rest"))]
pub struct CategoryMatch {
    /// A ready list of extensions, besides those below: Documents (office files, PDF, text),
    /// Photos (pictures, also raw ones) or Database (dumps and exports).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,

    /// Extensions without a dot, in any case: jpg takes photo.JPG too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 32), regex(pattern = "^[^./]+$"))
    )]
    pub extensions: Vec<String>,

    /// Gitignore-style patterns relative to the source's root, such as `photos/**`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    pub paths: Vec<String>,
}

/// A ready list of extensions: Documents, Photos or Database.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Office files, PDF, text, mail.
    Documents,
    /// Pictures, also raw ones of cameras.
    Photos,
    /// Dumps, exports and tables.
    Database,
}

impl Preset {
    /// The extensions, in lower case.
    #[must_use]
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Documents => &[
                "doc", "docm", "docx", "dot", "dotx", "eml", "epub", "key", "md", "msg", "numbers",
                "odg", "odp", "ods", "odt", "pages", "pdf", "pps", "ppsx", "ppt", "pptm", "pptx",
                "ps", "rtf", "tex", "txt", "vsd", "vsdx", "xls", "xlsb", "xlsm", "xlsx", "xps",
            ],
            Self::Photos => &[
                "arw", "avif", "bmp", "cr2", "cr3", "dng", "gif", "heic", "heif", "jpeg", "jpg",
                "jxl", "nef", "orf", "png", "psd", "raf", "raw", "rw2", "svg", "tif", "tiff",
                "webp",
            ],
            Self::Database => &[
                "accdb", "bak", "bson", "csv", "db", "dbf", "dmp", "dump", "mdb", "parquet", "rdb",
                "sql", "sqlite", "sqlite3", "trn", "tsv", "xml",
            ],
        }
    }
}

/// The S3 storage class of new objects. Default: the bucket's STANDARD. The two archive classes are
/// left to lifecycle rules: a run must be able to read back what it has just written. See
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html>
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StorageClass {
    /// The default.
    Standard,
    /// Infrequent access; billed for at least 30 days and 128 KiB.
    StandardIa,
    /// Infrequent access in one availability zone.
    OnezoneIa,
    /// Moves objects between tiers by use.
    IntelligentTiering,
    /// Archive with immediate retrieval; billed for at least 90 days.
    GlacierIr,
    /// Reduced redundancy, for stores that know nothing else besides STANDARD.
    ReducedRedundancy,
}

impl StorageClass {
    /// The name that S3 uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::StandardIa => "STANDARD_IA",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::GlacierIr => "GLACIER_IR",
            Self::ReducedRedundancy => "REDUCED_REDUNDANCY",
        }
    }
}

/// The object store and the identity that writes to it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Storage {
    /// The region of the buckets, such as eu-south-1.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z0-9-]+$"))]
    pub region: String,

    /// The URL of an S3-compatible store, such as https://minio.example:9000. Default: AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 256), regex(pattern = "^https?://"))]
    pub endpoint: Option<String>,

    /// Where under `data/` a file's key starts. `{namespace}`, `{policy}`, `{source}` and
    /// `{date}` (the day of the run, as 2026-11-01, in the policy's time zone) are replaced.
    /// With `{date}` a folder holds what changed that day. Default: {namespace}/{policy}/{source}.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub key_prefix: Option<String>,

    /// The bucket of the catalog, with versioning enabled. Default: the last category's bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 3, max = 63),
        regex(pattern = "^[a-z0-9][a-z0-9.-]*[a-z0-9]$")
    )]
    pub catalog_bucket: Option<String>,

    /// Who the worker is to the store. Required in a cluster; on a plain host the default is
    /// what the AWS tools use: environment, profile, web identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,

    /// How the store encrypts objects at rest. Default: s3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,

    /// Send through the buckets' accelerate endpoints, from far away and for a price on each byte. The
    /// buckets must have it enabled: bucketSettings.transferAcceleration does that. AWS only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub transfer_acceleration: bool,
}

/// Exactly one kind of identity.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.secret) != has(self.serviceAccount)").message("credentials has exactly one of secret and serviceAccount"))]
pub struct Credentials {
    /// A Secret in the policy's namespace with the keys AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN where there is one. It is mounted as files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<LocalReference>,

    /// A ServiceAccount in the policy's namespace that carries a cloud identity (IRSA or EKS
    /// Pod Identity). The worker gets no token for the Kubernetes API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<LocalReference>,
}

/// An object in the policy's own namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalReference {
    /// The object's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Exactly one kind of encryption at rest.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("[has(self.s3), has(self.kms), has(self.none)].filter(x, x).size() == 1").message("encryption has exactly one of s3, kms and none"))]
pub struct Encryption {
    /// Keys that S3 manages (SSE-S3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<Empty>,
    /// A key in AWS KMS (SSE-KMS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms: Option<Kms>,
    /// No header is sent: the bucket's default applies. For stores without key management.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<Empty>,
}

/// No options.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
#[schemars(transform = allow_pruning)]
pub struct Empty {}

/// A key in AWS KMS.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kms {
    /// Key id, key ARN, or alias such as alias/backup.
    #[schemars(length(min = 1, max = 2048))]
    pub key_id: String,
}

/// What happens to the current copy of a file that is gone from the source. Older versions and
/// restore points stay in either case.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deletions {
    /// Mirror puts a delete marker, so that the bucket looks like the source. Keep leaves the
    /// last copy in sight. Default: Mirror.
    #[serde(default)]
    pub policy: DeletionPolicy,

    /// A run that would drop more than this part of the files, in percent, stops and asks.
    /// Default: 50.
    #[serde(default = "Deletions::default_max_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub max_percent: u8,
}

impl Deletions {
    fn default_max_percent() -> u8 {
        50
    }
}

impl Default for Deletions {
    fn default() -> Self {
        Self {
            policy: DeletionPolicy::Mirror,
            max_percent: Self::default_max_percent(),
        }
    }
}

/// What a deletion at the source does to the bucket.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// A delete marker hides the last version.
    #[default]
    Mirror,
    /// The last version stays current.
    Keep,
}

/// Who is told about a run.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notifications {
    /// An Amazon SNS topic.
    pub sns: SnsTopic,
}

/// An Amazon SNS topic, reached with the storage credentials.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnsTopic {
    /// The ARN of a standard topic; its region is taken from it. A FIFO topic is refused: it sends
    /// no mail.
    #[schemars(
        length(min = 20, max = 512),
        regex(pattern = "^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$")
    )]
    pub topic_arn: String,

    /// The URL of an SNS-compatible service. Default: AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 256), regex(pattern = "^https?://"))]
    pub endpoint: Option<String>,

    /// Which notices are sent: Succeeded (everything was captured), Partial (files are missing from
    /// the restore point), Failed (there is none), Refused (there is none, because the source lost so
    /// much that it was not believed; Failed includes it) and Recovered (a success after a run that
    /// was not one). An empty list, the default, means all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub notices: Vec<Notice>,
}

/// What a notification is about.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Everything was captured.
    Succeeded,
    /// A restore point was made, with files missing from it.
    Partial,
    /// No restore point was made.
    Failed,
    /// The source lost more than the policy allows, or is another one: it waits for a person.
    Refused,
    /// A success after a run that was not one.
    Recovered,
}

/// How the worker's pod runs. The rest of the pod is not open to change.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Worker {
    /// CPU and memory of the worker. Default: requests of 100m and 128Mi, a limit of 512Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Labels that the node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "node_selector_schema")]
    pub node_selector: BTreeMap<String, String>,

    /// Taints that the worker bears.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub tolerations: Vec<Toleration>,

    /// Who the worker is to the volume's files. Default: user and group 65532.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,

    /// How many files are sent at once. Default: 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: Option<u16>,

    /// How long one attempt may take, in seconds. A worker ends itself a minute earlier and
    /// says so. Default: 21600 (six hours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 120, max = 604_800))]
    pub active_deadline_seconds: Option<i64>,
}

/// CPU and memory.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// What the scheduler sets aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<ComputeQuantities>,
    /// What the worker may use at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ComputeQuantities>,
}

/// Quantities as Kubernetes writes them.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComputeQuantities {
    /// Processors, such as 500m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = "^[0-9]+([.][0-9]+)?m?$"))]
    pub cpu: Option<String>,
    /// Memory, such as 256Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 16),
        regex(pattern = "^[0-9]+([.][0-9]+)?(k|[MGT]|[KMGT]i)?$")
    )]
    pub memory: Option<String>,
}

/// A taint that the worker bears.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Toleration {
    /// The taint's key. Without one, with operator Exists: every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 316))]
    pub key: Option<String>,
    /// Exists or Equal. Default: Equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,
    /// The taint's value, for Equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
    /// The taint's effect. Without one: all effects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
}

/// How the taint is met: by its key alone (Exists), or by key and value (Equal). Default: Equal.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TolerationOperator {
    /// Any value.
    Exists,
    /// The same value.
    Equal,
}

/// The taint's effect. Default: all effects.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaintEffect {
    /// No new pods.
    NoSchedule,
    /// New pods only where nothing else is left.
    PreferNoSchedule,
    /// Running pods are evicted too.
    NoExecute,
}

/// Who the worker is to the volume's files. Root is refused.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecurityContext {
    /// The user id. Default: 65532.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_294_i64))]
    pub run_as_user: Option<i64>,
    /// The group id. Default: 65532.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_294_i64))]
    pub run_as_group: Option<i64>,
    /// Further groups whose files the worker may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(range(min = 1, max = 4_294_967_294_i64)))]
    pub supplemental_groups: Vec<i64>,
}

fn node_selector_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 63},
    })
}

/// The API server refuses `additionalProperties: false`; it refuses or prunes unknown fields anyway.
fn allow_pruning(schema: &mut Schema) {
    schema.remove("additionalProperties");
}
