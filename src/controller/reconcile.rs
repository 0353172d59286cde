//! One look at one policy: the column of steps.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};

use crate::adapters::clock;
use crate::adapters::cluster::ClusterError;
use crate::api::policy::BackupPolicy;
use crate::api::status::BackupPolicyStatus;
use crate::plan::health;

use super::context::Context;
use super::observe::Observed;
use super::publish::{self, Findings};
use super::stores::WatchedPolicy;
use super::{admit, apply, build, earlier, events, follow, record, setup, validate};

/// How long one look may take: many requests, each of which may be tried several times.
const TIMEOUT: Duration = Duration::from_mins(1);

/// How often a policy is looked at while one of its runs waits or goes on.
const WHILE_RUNNING: Duration = Duration::from_secs(10);

/// How often a policy is looked at when nothing happens.
const WHILE_IDLE: Duration = Duration::from_mins(10);

/// How soon a policy is looked at again after an error. The requests of one look have been tried
/// again already, with pauses that grow.
const AFTER_ERROR: Duration = Duration::from_secs(5);

/// Why a look at a policy did not come to its end.
#[derive(thiserror::Error, Debug)]
pub(super) enum ReconcileError {
    /// The stores are not kept up to date any more: the controller is stopping.
    #[error("the watches have ended")]
    WatchesEnded,
    /// A request failed.
    #[error("carry out the policy")]
    Cluster(#[source] ClusterError),
    /// It took too long.
    #[error("carry out the policy in {} seconds", TIMEOUT.as_secs())]
    Timeout,
}

impl ReconcileError {
    /// The word for metrics.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::WatchesEnded => "WatchesEnded",
            Self::Cluster(_) => "Cluster",
            Self::Timeout => "Timeout",
        }
    }
}

/// Looks at a policy, and makes the cluster follow it.
pub(super) async fn reconcile(
    policy: Arc<WatchedPolicy>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    // Once the watches are told to end, what is not known yet will never be.
    tokio::select! {
        ready = context.stores.wait_until_ready() => {
            ready.map_err(|_| ReconcileError::WatchesEnded)?;
        }
        () = context.shutdown.cancelled() => return Err(ReconcileError::WatchesEnded),
    }
    let started = clock::monotonic();
    let look = look(&policy, &context);
    let result = match tokio::time::timeout(TIMEOUT, look).await {
        Ok(result) => result.map_err(ReconcileError::Cluster),
        Err(_) => Err(ReconcileError::Timeout),
    };
    let error = result.as_ref().err().map(ReconcileError::kind);
    context.metrics.note(started.elapsed(), error);
    result
}

/// What follows an error: another look, soon.
pub(super) fn after_error(
    _policy: Arc<WatchedPolicy>,
    _error: &ReconcileError,
    _context: Arc<Context>,
) -> Action {
    Action::requeue(AFTER_ERROR)
}

async fn look(policy: &WatchedPolicy, context: &Context) -> Result<Action, ClusterError> {
    if policy.meta().deletion_timestamp.is_some() {
        // Kubernetes removes what is owned; backups stay.
        return Ok(Action::await_change());
    }
    match &policy.0 {
        Ok(policy) => look_at(policy, context, clock::now()).await,
        Err(invalid) => {
            publish::publish_unreadable(context, invalid, clock::now()).await?;
            Ok(Action::await_change())
        }
    }
}

async fn look_at(
    policy: &BackupPolicy,
    context: &Context,
    now: Timestamp,
) -> Result<Action, ClusterError> {
    let observed = Observed::new(policy, &context.stores);
    let validated = validate::validate(&observed, &context.worker.cluster);
    let (ready, applied) = match &validated {
        Err(problems) => (health::not_ready(problems), None),
        Ok(validated) => {
            let desired = build::build(&observed, validated, &context.worker);
            let (applied, mut obstacles) = apply::apply(context, &observed, desired).await?;
            apply::remove_orphans(context, &observed).await?;
            obstacles.extend(validated.obstacles.clone());
            let is_suspended = validated.policy.suspend;
            let sources = validated.policy.sources.len();
            (
                health::ready(sources, &obstacles, is_suspended),
                Some(applied),
            )
        }
    };
    let earlier = earlier::earlier(&observed, applied.as_ref());
    earlier::carry_out_suspend(context, &observed, &earlier).await?;
    follow::carry_out_suspend(context, &observed, applied.as_ref()).await?;
    let named: Vec<&str> = earlier
        .iter()
        .map(|earlier| earlier.source.as_str())
        .collect();
    let ready = health::with_earlier(ready, &named, policy.spec.suspend);
    let recorded = record::record(context, &observed, now).await?;
    let decisions = admit::decide(&observed, now);
    admit::carry_out(context, &observed, &decisions).await?;
    let carried_out = validated.as_ref().ok().zip(applied.as_ref());
    let known = known_status(context, policy);
    let setup = setup::carry_out(context, &observed, validated.as_ref().ok(), &known, now).await?;
    let is_setting_up = observed.setups.iter().any(|setup| !setup.has_ended);
    let waiting = &decisions.waiting;
    let findings = Findings {
        observed: &observed,
        carried_out,
        earlier: &earlier,
        ready,
        recorded: &recorded,
        waiting,
        setup,
        following: follow::verdict_of(&observed),
        now,
    };
    let status = publish::status(findings, &known);
    publish::publish(context, &observed, &known, &status).await?;
    events::tell(context, &observed, &known, &status).await;
    record::unstick(context, &observed, now).await?;
    forget_gone(context);
    let is_busy = decisions.is_any_gated || recorded.is_any_unfinished || is_setting_up;
    Ok(Action::requeue(next_look(is_busy, &status, now)))
}

/// What was written last is newer than what the watch has shown, if it shows something else.
fn known_status(context: &Context, policy: &BackupPolicy) -> BackupPolicyStatus {
    let written = policy.uid().and_then(|uid| context.published.get(&uid));
    written
        .or_else(|| policy.status.clone())
        .unwrap_or_default()
}

fn next_look(is_busy: bool, status: &BackupPolicyStatus, now: Timestamp) -> Duration {
    if is_busy {
        return WHILE_RUNNING;
    }
    // The next run is another one once this one is due.
    let until_due = status.next_run_time.map(|due| due.duration_since(now));
    let until_due = until_due.and_then(|until| Duration::try_from(until).ok());
    until_due.map_or(WHILE_IDLE, |until| {
        (until + Duration::from_secs(1)).min(WHILE_IDLE)
    })
}

fn forget_gone(context: &Context) {
    let stores = &context.stores;
    let is_policy = |uid: &str| {
        stores
            .policies
            .state()
            .iter()
            .any(|policy| policy.meta().uid.as_deref() == Some(uid))
    };
    context
        .published
        .forget_gone(stores.policies.len(), is_policy);
    context
        .unreadable
        .forget_gone(stores.policies.len(), is_policy);
    let objects = stores.cron_jobs.len() + stores.followers.len();
    context.applied.forget_gone(objects, |uid| {
        let has_uid = |object: Option<String>| object.as_deref() == Some(uid);
        let mut cron_jobs = stores.cron_jobs.state().into_iter();
        let mut followers = stores.followers.state().into_iter();
        cron_jobs.any(|object| has_uid(object.uid()))
            || followers.any(|object| has_uid(object.uid()))
    });
}
