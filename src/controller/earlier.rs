//! The CronJobs of sources whose present order could not be applied: Kubernetes goes on with what
//! was ordered before. `suspend` is carried out on them all the same.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::CronJob;
use kube::ResourceExt;
use serde_json::json;

use crate::adapters::cluster::ClusterError;
use crate::plan::due::Order;
use crate::plan::schedule::{self, Owner, Schedule};

use super::build::{Applied, Desired};
use super::context::Context;
use super::labels;
use super::observe::Observed;

/// A source that runs as it was ordered before.
#[derive(Debug, Clone)]
pub(super) struct Earlier {
    pub(super) source: String,
    pub(super) cron_job: Arc<CronJob>,
}

impl Earlier {
    /// The next run, unless the policy is suspended.
    pub(super) fn next_run(&self, observed: &Observed, now: Timestamp) -> Option<Timestamp> {
        if observed.policy.spec.suspend {
            return None;
        }
        let order = order_of(&self.cron_job);
        let owner = Owner {
            namespace: &observed.namespace,
            policy: &observed.name,
            source: &self.source,
        };
        let zone = schedule::time_zone(order.time_zone)?;
        let schedule = Schedule::new(order.schedule, zone, owner).ok()?;
        schedule.next_after(now)
    }
}

/// The sources of the policy that have a CronJob which is not as the policy says now.
pub(super) fn earlier(observed: &Observed, applied: Option<&Desired<Applied>>) -> Vec<Earlier> {
    let is_applied = |source: &str| {
        applied.is_some_and(|applied| {
            applied
                .cron_jobs
                .iter()
                .any(|cron_job| cron_job.source == source)
        })
    };
    let sources = observed.policy.spec.sources.iter();
    sources
        .filter(|source| !is_applied(&source.name))
        .filter_map(|source| {
            let cron_job = observed
                .cron_jobs
                .iter()
                .find(|cron_job| cron_job.labels().get(labels::SOURCE) == Some(&source.name))?;
            Some(Earlier {
                source: source.name.clone(),
                cron_job: Arc::clone(cron_job),
            })
        })
        .collect()
}

/// Suspends what goes on by an earlier order, or lets it go on, as the policy says.
pub(super) async fn carry_out_suspend(
    context: &Context,
    observed: &Observed,
    earlier: &[Earlier],
) -> Result<(), ClusterError> {
    let suspend = observed.policy.spec.suspend;
    for Earlier { cron_job, .. } in earlier {
        if cron_job.spec.suspend.unwrap_or(false) == suspend {
            continue;
        }
        let (name, uid) = (cron_job.name_any(), cron_job.uid().unwrap_or_default());
        let spec = json!({ "suspend": suspend });
        let is_there = context
            .cluster
            .set_in_spec::<CronJob>(&observed.namespace, &name, &uid, &spec)
            .await?;
        if is_there {
            tracing::info!(
                cron_job = name,
                suspend,
                "earlier order suspended or resumed"
            );
        }
    }
    Ok(())
}

/// When a CronJob runs, and how long that may take.
pub(super) fn order_of(cron_job: &CronJob) -> Order<'_> {
    let spec = &cron_job.spec;
    let pod = spec
        .job_template
        .spec
        .as_ref()
        .and_then(|job| job.template.spec.as_ref());
    Order {
        schedule: &spec.schedule,
        time_zone: spec.time_zone.as_deref().unwrap_or("UTC"),
        starting_deadline_seconds: spec.starting_deadline_seconds,
        active_deadline_seconds: pod.and_then(|pod| pod.active_deadline_seconds),
        is_suspended: spec.suspend.unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use crate::controller::fixtures::{CLAIM, CRON_JOB, POLICY, observed};

    use super::*;

    #[test]
    fn what_is_not_applied_runs_as_it_was_ordered_before() {
        let now = "2026-11-02T12:00:00Z".parse().expect("a time");
        let invalid = POLICY.replace("30 2 * * *", "30 25 * * *");
        let broken = observed(&[&invalid, CLAIM, CRON_JOB]);
        let found = earlier(&broken, None);
        assert_eq!(found.len(), 1);
        // The zone is the CronJob's: UTC, where the policy says Europe/Rome.
        let next = found[0].next_run(&broken, now);
        assert_eq!(next, "2026-11-03T02:30:00Z".parse().ok());
        let suspended = invalid.replace("  schedule", "  suspend: true\n  schedule");
        let suspended = observed(&[&suspended, CLAIM, CRON_JOB]);
        assert_eq!(earlier(&suspended, None)[0].next_run(&suspended, now), None);
        assert!(earlier(&observed(&[&invalid, CLAIM]), None).is_empty());
    }
}
