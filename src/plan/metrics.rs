//! What Prometheus is told of a policy: [`METRICS`] is the one table of names, and the functions
//! here say which values a source has. The controller serves them, a plain host writes them to a
//! file.

use jiff::Timestamp;

use super::due::Expectation;
use crate::api::outcome::Outcome;
use crate::api::status::{RunStatus, SourceStatus};

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// `gauge`, `counter` or `histogram`.
    pub kind: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
}

/// A value of a metric that a source has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The metric.
    pub metric: Metric,
    /// The value of its last label, where it has one besides those of the source.
    pub label: Option<&'static str>,
    /// The value.
    pub value: f64,
}

/// The labels of what is told of a source.
pub const OF_SOURCE: &[&str] = &["namespace", "policy", "source"];

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:literal, $labels:expr, $help:literal;)*) => {
        $(#[doc = $help]
        pub const $constant: Metric =
            Metric { name: $name, kind: $kind, help: $help, labels: $labels };)*

        /// Every metric, in the order in which they are listed.
        pub const METRICS: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    BUILD_INFO = "backstay_build_info", "gauge", &["version"],
        "1; the version of the controller. Absent when nobody watches.";
    SUCCESS_DUE = "backstay_success_due_timestamp_seconds", "gauge", OF_SOURCE,
        "When the next success is due at the latest, by what the CronJob runs. Absent while the policy is suspended.";
    LAST_SUCCESS = "backstay_last_success_timestamp_seconds", "gauge", OF_SOURCE,
        "When everything was captured last.";
    LAST_RESTORE_POINT = "backstay_last_restore_point_timestamp_seconds", "gauge", OF_SOURCE,
        "The time of the newest restore point, which a partial run also makes.";
    LAST_RUN = "backstay_last_run_timestamp_seconds", "gauge", OF_SOURCE,
        "When the last run ended.";
    LAST_RUN_OUTCOME = "backstay_last_run_outcome", "gauge",
        &["namespace", "policy", "source", "outcome"],
        "1 for how the last run ended: Succeeded, Partial, Failed or Unclear; 0 for the others.";
    LAST_RUN_DURATION = "backstay_last_run_duration_seconds", "gauge", OF_SOURCE,
        "How long the last run took.";
    LAST_RUN_FILES = "backstay_last_run_files", "gauge",
        &["namespace", "policy", "source", "state"],
        "Entries of the last run by what became of them.";
    LAST_RUN_BYTES = "backstay_last_run_bytes", "gauge",
        &["namespace", "policy", "source", "state"],
        "Bytes read and uploaded in the last run, and held in all.";
    LAST_RUN_REQUESTS = "backstay_last_run_requests", "gauge", OF_SOURCE,
        "Requests that the last run made to the store.";
    MONTHLY_COST = "backstay_estimated_monthly_cost_dollars", "gauge", OF_SOURCE,
        "What the files of the last run cost a month in the classes they were sent to, by the table of prices. Older versions come on top; what lifecycle rules save is not in it.";
    LAST_RUN_NOTICE_FAILED = "backstay_last_run_notice_failed", "gauge", OF_SOURCE,
        "1 if a notice that the last run owed could not be sent, else 0.";
    EXPECTED_INTERVAL = "backstay_expected_interval_seconds", "gauge", OF_SOURCE,
        "The shortest time between two runs of the schedule.";
    WAITING = "backstay_waiting", "gauge", &["namespace", "policy", "source", "reason"],
        "1 while a run that has started does not move, by why.";
    POLICY_READY = "backstay_policy_ready", "gauge", &["namespace", "policy"],
        "1 if the policy is valid and its CronJobs exist, else 0.";
    BUCKET_SETTINGS_DIFFERING = "backstay_bucket_settings_differing", "gauge",
        &["namespace", "policy"],
        "Settings of buckets that were not as the policy wants them when they were looked at last.";
    BUCKETS_CONFIGURED = "backstay_buckets_configured", "gauge", &["namespace", "policy"],
        "1 if the buckets are as the policy wants them, 0 if they are not, or could not be looked at. Absent without bucketSettings.";
    EVENTS_FOLLOWED = "backstay_events_followed", "gauge", &["namespace", "policy"],
        "1 if the queues that tell of the policy's buckets are followed, else 0. Absent while the policy is suspended.";
    RECONCILE_DURATION = "backstay_reconcile_duration_seconds", "histogram", &[],
        "How long the controller looked at a policy.";
    RECONCILE_ERRORS = "backstay_reconcile_errors_total", "counter", &["error"],
        "Looks at a policy that did not come to their end, by why.";
}

/// The metrics as a table in Markdown, for the README.
#[must_use]
pub fn markdown_table() -> String {
    let rows = METRICS.iter().map(
        |Metric {
             name,
             kind,
             help,
             labels,
         }| { format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", ")) },
    );
    let head = "| metric | type | labels | what it says |\n|---|---|---|---|\n".to_owned();
    std::iter::once(head).chain(rows).collect()
}

/// What is known of a source's runs.
#[must_use]
pub fn of_source(source: &SourceStatus) -> Vec<Sample> {
    let mut samples = Samples::default();
    samples.time(LAST_SUCCESS, source.last_success_time);
    samples.time(LAST_RESTORE_POINT, source.last_restore_point_time);
    if let Some(run) = source.recent_runs.first() {
        samples.run(run);
    }
    // A run that failed did not see everything; the one before it did.
    let mut months = source.recent_runs.iter().map(|run| run.month_microdollars);
    if let Some(month) = months.find_map(|month| month) {
        samples.one(MONTHLY_COST, count(month) / 1e6);
    }
    samples.0
}

/// What is expected of a source.
#[must_use]
pub fn of_expectation(expected: Expectation) -> Vec<Sample> {
    let mut samples = Samples::default();
    samples.one(EXPECTED_INTERVAL, expected.interval.as_secs_f64());
    samples.time(SUCCESS_DUE, expected.success_due);
    samples.0
}

#[derive(Default)]
struct Samples(Vec<Sample>);

impl Samples {
    fn run(&mut self, run: &RunStatus) {
        self.time(LAST_RUN, run.completion_time.or(Some(run.start_time)));
        for outcome in [
            Outcome::Succeeded,
            Outcome::Partial,
            Outcome::Failed,
            Outcome::Unclear,
        ] {
            let is_it = f64::from(u8::from(outcome == run.outcome));
            self.labelled(LAST_RUN_OUTCOME, outcome.as_str(), is_it);
        }
        if let Some(end) = run.completion_time {
            let elapsed = end.duration_since(run.start_time).as_secs_f64();
            self.one(LAST_RUN_DURATION, elapsed);
        }
        self.one(LAST_RUN_REQUESTS, count(run.requests));
        let is_untold = f64::from(u8::from(run.notice_error.is_some()));
        self.one(LAST_RUN_NOTICE_FAILED, is_untold);
        self.counts(run);
    }

    fn counts(&mut self, run: &RunStatus) {
        let files = &run.files;
        for (state, value) in [
            ("uploaded", files.uploaded),
            ("unchanged", files.unchanged),
            ("metadata_only", files.metadata_only),
            ("deleted", files.deleted),
            ("not_captured", files.not_captured),
            ("fuzzy", files.fuzzy),
            ("foreign", files.foreign),
            ("resumed", files.resumed),
            ("special", files.special),
            ("total", files.total),
        ] {
            self.labelled(LAST_RUN_FILES, state, count(value));
        }
        let bytes = &run.bytes;
        for (state, value) in [
            ("read", bytes.read),
            ("uploaded", bytes.uploaded),
            ("total", bytes.total),
        ] {
            self.labelled(LAST_RUN_BYTES, state, count(value));
        }
    }

    fn one(&mut self, metric: Metric, value: f64) {
        self.0.push(Sample {
            metric,
            label: None,
            value,
        });
    }

    fn labelled(&mut self, metric: Metric, label: &'static str, value: f64) {
        self.0.push(Sample {
            metric,
            label: Some(label),
            value,
        });
    }

    fn time(&mut self, metric: Metric, time: Option<Timestamp>) {
        if let Some(time) = time {
            #[expect(
                clippy::cast_precision_loss,
                reason = "seconds since 1970 have 53 bits"
            )]
            self.one(metric, time.as_second() as f64);
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus knows floating point numbers only"
)]
fn count(value: u64) -> f64 {
    value as f64
}
