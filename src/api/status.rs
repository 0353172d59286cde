//! What the controller has seen of a `BackupPolicy`: its `status`.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the text of kubectl explain, where backticks and brackets are noise"
)]
#![expect(
    unreachable_pub,
    reason = "KubeSchema derives through a copy of each type inside a function"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::outcome::{Outcome, Reason};
use super::report::{ByteCounts, FileCounts};

/// What the controller has seen.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BackupPolicyStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Ready: the policy is valid and its CronJobs exist. Healthy: the last run of every source
    /// succeeded. BucketsConfigured, where there are bucketSettings: the buckets are like that.
    /// EventsFollowed, where a source has bucket.events: its queue is followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The worst of the sources' last outcomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_outcome: Option<Outcome>,

    /// The oldest of the sources' last successes: the policy as a whole is as safe as that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub last_success_time: Option<jiff::Timestamp>,

    /// The next run of any source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub next_run_time: Option<jiff::Timestamp>,

    /// What the last look at the buckets' settings found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_settings: Option<SetupStatus>,

    /// One entry for each source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sources: Vec<SourceStatus>,
}

/// What the last look at the buckets' settings found.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SetupStatus {
    /// The Job that looked.
    pub job: String,
    /// Settings that it has set.
    pub written: u32,
    /// Settings that are not as the policy wants them.
    pub differing: u32,
}

/// What the controller has seen of one source.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// The source's name.
    pub name: String,
    /// The CronJob that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron_job: Option<String>,
    /// The schedule as the CronJob has it, with `H` resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// When it runs next; absent while it is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub next_run_time: Option<jiff::Timestamp>,
    /// The last time everything was captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub last_success_time: Option<jiff::Timestamp>,
    /// The time of the newest restore point, which a partial run also makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub last_restore_point_time: Option<jiff::Timestamp>,
    /// How the last run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_outcome: Option<Outcome>,
    /// Why a run that has started does not move, such as ClaimInUse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// The last runs, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub recent_runs: Vec<RunStatus>,
}

/// Why a run that has started does not move.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// The run that waits.
    pub run: String,
    /// One word, such as ClaimInUse or ClaimNotBound.
    pub reason: String,
    /// What it waits for and what can be done.
    pub message: String,
}

/// How one run ended.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// The run's id: the UID of its Job.
    pub id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// What happened, for a reader.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it started.
    #[schemars(schema_with = "time_schema")]
    pub start_time: jiff::Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub completion_time: Option<jiff::Timestamp>,
    /// The restore point it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// Files by what became of them.
    #[serde(default)]
    pub files: FileCounts,
    /// Bytes read, sent and held.
    #[serde(default)]
    pub bytes: ByteCounts,
    /// Requests made to the store.
    #[serde(default)]
    pub requests: u64,
    /// What the files of the restore point cost a month, in millionths of a US dollar, by the
    /// table of prices that comes with this release. Older versions come on top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month_microdollars: Option<u64>,
    /// Why a notice that the run owed was not sent; absent where nothing is owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_error: Option<String>,
}

fn time_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}
