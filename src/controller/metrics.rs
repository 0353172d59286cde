//! What Prometheus is told: computed from the stores at each scrape, so that series survive a
//! restart and vanish with their object. The names are those of [`crate::plan::metrics`].

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::api::batch::v1::CronJob;
use kube::ResourceExt;
use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
};

use crate::api::policy::BackupPolicy;
use crate::api::status::SourceStatus;
use crate::http;
use crate::plan::due;
use crate::plan::metrics::{
    self, BUCKET_SETTINGS_DIFFERING, BUCKETS_CONFIGURED, BUILD_INFO, EVENTS_FOLLOWED, METRICS,
    Metric, POLICY_READY, RECONCILE_DURATION, RECONCILE_ERRORS, Sample, WAITING,
};
use crate::plan::schedule::Owner;

use super::earlier::order_of;
use super::labels;
use super::observe::is_controlled_by;
use super::publish::{self, READY};
use super::stores::Stores;

/// Counts of what the controller itself does.
pub(super) struct ReconcileMetrics {
    registry: Registry,
    duration: HistogramVec,
    errors: IntCounterVec,
}

impl Default for ReconcileMetrics {
    fn default() -> Self {
        let duration = HistogramOpts::new(RECONCILE_DURATION.name, RECONCILE_DURATION.help)
            .buckets(vec![0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0]);
        let errors = Opts::new(RECONCILE_ERRORS.name, RECONCILE_ERRORS.help);
        let duration = HistogramVec::new(duration, RECONCILE_DURATION.labels);
        let errors = IntCounterVec::new(errors, RECONCILE_ERRORS.labels);
        let (duration, errors) = duration
            .ok()
            .zip(errors.ok())
            .expect("names and labels of the table are valid");
        let registry = Registry::new();
        for collector in [
            registry.register(Box::new(duration.clone())),
            registry.register(Box::new(errors.clone())),
        ] {
            collector.expect("a name stands in the table once");
        }
        Self {
            registry,
            duration,
            errors,
        }
    }
}

impl ReconcileMetrics {
    /// Notes one look at a policy.
    pub(super) fn note(&self, elapsed: Duration, error: Option<&'static str>) {
        self.duration
            .with_label_values::<&str>(&[])
            .observe(elapsed.as_secs_f64());
        if let Some(error) = error {
            self.errors.with_label_values(&[error]).inc();
        }
    }
}

/// What the controller serves.
pub(super) struct Pages {
    pub(super) stores: Vec<Stores>,
    pub(super) metrics: Arc<ReconcileMetrics>,
}

impl http::Pages for Pages {
    fn metrics(&self) -> String {
        let families = Families::new();
        for stores in &self.stores {
            for guard in stores.policies.state() {
                if let Ok(policy) = &guard.0 {
                    families.add_policy(policy, &stores.cron_jobs.state());
                }
            }
        }
        let mut text = self.metrics.registry.gather();
        text.extend(families.registry.gather());
        render(&text)
    }

    fn is_ready(&self) -> bool {
        self.stores.iter().all(|stores| {
            stores
                .wait_until_ready()
                .now_or_never()
                .is_some_and(|ready| ready.is_ok())
        })
    }
}

fn render(families: &[prometheus::proto::MetricFamily]) -> String {
    let mut text = Vec::new();
    TextEncoder::new()
        .encode(families, &mut text)
        .expect("writing to memory does not fail");
    String::from_utf8(text).expect("the text format is UTF-8")
}

/// The gauges of one scrape.
struct Families {
    registry: Registry,
    gauges: Vec<(&'static str, GaugeVec)>,
}

impl Families {
    fn new() -> Self {
        let registry = Registry::new();
        let gauges = METRICS
            .iter()
            .filter(|metric| metric.kind == "gauge")
            .map(|metric| {
                let gauge = GaugeVec::new(Opts::new(metric.name, metric.help), metric.labels)
                    .expect("names and labels of the table are valid");
                registry
                    .register(Box::new(gauge.clone()))
                    .expect("a name stands in the table once");
                (metric.name, gauge)
            })
            .collect();
        let families = Self { registry, gauges };
        families.set(BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
        families
    }

    fn set(&self, metric: Metric, labels: &[&str], value: f64) {
        let gauge = self.gauges.iter().find(|(name, _)| *name == metric.name);
        if let Some((_, gauge)) = gauge {
            gauge.with_label_values(labels).set(value);
        }
    }

    fn add_policy(&self, policy: &BackupPolicy, cron_jobs: &[Arc<CronJob>]) {
        let (namespace, name) = (policy.namespace().unwrap_or_default(), policy.name_any());
        let status = policy.status.clone().unwrap_or_default();
        let conditions = status.conditions.iter();
        let is_ready = conditions
            .clone()
            .any(|condition| condition.type_ == READY && condition.status == "True");
        self.set(
            POLICY_READY,
            &[&namespace, &name],
            f64::from(u8::from(is_ready)),
        );
        if let Some(settings) = &status.bucket_settings {
            let labels = [namespace.as_str(), name.as_str()];
            let differing = f64::from(settings.differing);
            self.set(BUCKET_SETTINGS_DIFFERING, &labels, differing);
        }
        let find = |kind| conditions.clone().find(|condition| condition.type_ == kind);
        if let Some(configured) = find(publish::BUCKETS_CONFIGURED)
            && configured.status != "Unknown"
        {
            let is_configured = f64::from(u8::from(configured.status == "True"));
            self.set(BUCKETS_CONFIGURED, &[&namespace, &name], is_configured);
        }
        let followed = find(publish::EVENTS_FOLLOWED);
        if let Some(followed) = followed.filter(|_| !policy.spec.suspend) {
            let is_followed = f64::from(u8::from(followed.status == "True"));
            self.set(EVENTS_FOLLOWED, &[&namespace, &name], is_followed);
        }
        for source in &policy.spec.sources {
            let of_source = [namespace.as_str(), name.as_str(), source.name.as_str()];
            let known = status
                .sources
                .iter()
                .find(|known| known.name == source.name);
            let cron_job = cron_jobs.iter().find(|cron_job| {
                is_controlled_by(
                    cron_job.owner_references(),
                    policy.metadata.uid.as_deref().unwrap_or_default(),
                ) && cron_job.labels().get(labels::SOURCE) == Some(&source.name)
            });
            self.add_expectation(policy, cron_job.map(AsRef::as_ref), of_source, known);
            if let Some(known) = known {
                self.add_source(of_source, known);
            }
        }
    }

    /// What runs is what the CronJob says. It may differ from the policy while that is not valid.
    fn add_expectation(
        &self,
        policy: &BackupPolicy,
        cron_job: Option<&CronJob>,
        labels: [&str; 3],
        known: Option<&SourceStatus>,
    ) {
        let [namespace, name, source] = labels;
        let owner = Owner {
            namespace,
            policy: name,
            source,
        };
        let created = policy.creation_timestamp().map(|time| time.0);
        let since = known.and_then(|known| known.last_success_time).or(created);
        let order = cron_job.map_or_else(|| (&policy.spec).into(), order_of);
        let expected = due::expectation(order, owner, since.unwrap_or_default());
        if let Some(expected) = expected {
            self.add(labels, &metrics::of_expectation(expected));
        }
    }

    fn add_source(&self, labels: [&str; 3], source: &SourceStatus) {
        let [namespace, policy, name] = labels;
        if let Some(waiting) = &source.waiting {
            self.set(WAITING, &[namespace, policy, name, &waiting.reason], 1.0);
        }
        self.add(labels, &metrics::of_source(source));
    }

    fn add(&self, labels: [&str; 3], samples: &[Sample]) {
        for sample in samples {
            let labels: Vec<&str> = labels.into_iter().chain(sample.label).collect();
            self.set(sample.metric, &labels, sample.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const POLICY: &str = "
apiVersion: backstay.dev/v1alpha1
kind: BackupPolicy
metadata: {name: office, namespace: acme, uid: uid-of-policy, creationTimestamp: '2026-11-01T00:00:00Z'}
spec:
  schedule: 0 2 * * *
  sources: [{name: files, persistentVolumeClaim: {claimName: data}}]
  categories: [{name: all, bucket: acme-backup}]
  storage: {region: eu-south-1}
status:
  conditions:
    - {type: Ready, status: 'True', reason: Valid, message: '', lastTransitionTime: '2026-11-01T00:00:00Z'}
    - {type: EventsFollowed, status: 'True', reason: Following, message: '', lastTransitionTime: '2026-11-01T00:00:00Z'}
    - {type: BucketsConfigured, status: 'False', reason: Differing, message: '', lastTransitionTime: '2026-11-01T00:00:00Z'}
  bucketSettings: {job: j, written: 0, differing: 2}
  sources:
    - name: files
      lastSuccessTime: '2026-11-03T02:10:00Z'
      lastRestorePointTime: '2026-11-03T02:10:00Z'
      lastOutcome: Succeeded
      waiting: {run: r2, reason: ClaimInUse, message: in use}
      recentRuns:
        - id: r
          outcome: Succeeded
          reason: Complete
          startTime: '2026-11-03T02:00:00Z'
          completionTime: '2026-11-03T02:10:00Z'
          files: {uploaded: 3, total: 5}
          bytes: {uploaded: 1024}
          requests: 17
          monthMicrodollars: 1230000
";

    fn text(yaml: &str) -> String {
        text_with(yaml, &[])
    }

    fn text_with(yaml: &str, cron_jobs: &[Arc<CronJob>]) -> String {
        let policy: BackupPolicy = serde_saphyr::from_str(yaml).expect("a policy");
        let families = Families::new();
        families.add_policy(&policy, cron_jobs);
        let metrics = ReconcileMetrics::default();
        metrics.note(Duration::from_millis(3), Some("Timeout"));
        let mut gathered = families.registry.gather();
        gathered.extend(metrics.registry.gather());
        render(&gathered)
    }

    #[test]
    fn what_is_known_of_a_source_is_told() {
        let text = text(POLICY);
        for line in [
            "backstay_success_due_timestamp_seconds{namespace=\"acme\",policy=\"office\",source=\"files\"} 1793786400",
            "backstay_last_success_timestamp_seconds{namespace=\"acme\",policy=\"office\",source=\"files\"} 1793671800",
            "backstay_last_run_outcome{namespace=\"acme\",outcome=\"Failed\",policy=\"office\",source=\"files\"} 0",
            "backstay_last_run_outcome{namespace=\"acme\",outcome=\"Succeeded\",policy=\"office\",source=\"files\"} 1",
            "backstay_last_run_duration_seconds{namespace=\"acme\",policy=\"office\",source=\"files\"} 600",
            "backstay_last_run_files{namespace=\"acme\",policy=\"office\",source=\"files\",state=\"uploaded\"} 3",
            "backstay_last_run_requests{namespace=\"acme\",policy=\"office\",source=\"files\"} 17",
            "backstay_estimated_monthly_cost_dollars{namespace=\"acme\",policy=\"office\",source=\"files\"} 1.23",
            "backstay_waiting{namespace=\"acme\",policy=\"office\",reason=\"ClaimInUse\",source=\"files\"} 1",
            "backstay_bucket_settings_differing{namespace=\"acme\",policy=\"office\"} 2",
            "backstay_buckets_configured{namespace=\"acme\",policy=\"office\"} 0",
            "backstay_events_followed{namespace=\"acme\",policy=\"office\"} 1",
            "backstay_policy_ready{namespace=\"acme\",policy=\"office\"} 1",
            "backstay_reconcile_errors_total{error=\"Timeout\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn n04_a_suspended_policy_is_not_due() {
        let suspended = POLICY.replace("schedule:", "suspend: true\n  schedule:");
        assert!(!text(&suspended).contains("backstay_success_due"));
        assert!(!text(&suspended).contains("backstay_events_followed"));
        assert!(text(&suspended).contains("backstay_last_success"));
    }

    #[test]
    fn n04_a_policy_that_became_invalid_is_due_by_what_still_runs() {
        let broken = POLICY.replace("0 2 * * *", "0 25 * * *");
        assert!(!text(&broken).contains("backstay_success_due"));
        let cron_job = crate::controller::fixtures::CRON_JOB;
        let cron_job: CronJob = serde_saphyr::from_str(cron_job).expect("a CronJob");
        let running = text_with(&broken, &[Arc::new(cron_job.clone())]);
        for name in [
            "backstay_success_due_timestamp_seconds",
            "backstay_expected_interval_seconds",
        ] {
            assert!(running.contains(&format!("{name}{{")), "{running}");
        }
        let mut suspended = cron_job;
        suspended.spec.suspend = Some(true);
        assert!(!text_with(&broken, &[Arc::new(suspended)]).contains("backstay_success_due"));
    }

    #[test]
    fn n01_a_notice_that_was_not_sent_is_a_metric() {
        let sent = "backstay_last_run_notice_failed{namespace=\"acme\",policy=\"office\",source=\"files\"} 0";
        assert!(text(POLICY).contains(sent));
        let untold = POLICY.replace("requests: 17", "requests: 17\n          noticeError: gone");
        assert!(text(&untold).contains(&sent.replace(" 0", " 1").replace("} 0", "} 1")));
    }

    #[test]
    fn the_table_says_all_that_is_told() {
        let told: BTreeSet<String> = text(POLICY)
            .lines()
            .filter_map(|line| line.strip_prefix("# HELP "))
            .filter_map(|line| line.split(' ').next().map(ToOwned::to_owned))
            .collect();
        let table: BTreeSet<String> = METRICS
            .iter()
            .map(|metric| metric.name.to_owned())
            .collect();
        assert_eq!(told, table);
        assert_eq!(metrics::markdown_table().lines().count(), METRICS.len() + 2);
    }
}
