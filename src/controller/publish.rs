//! A policy's status: what is said of it, written when that changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;
use kube::core::error_boundary::InvalidObject;
use serde_json::json;

use crate::adapters::cluster::ClusterError;
use crate::api::status::{BackupPolicyStatus, SourceStatus, Waiting};
use crate::plan::health::{self, Verdict};
use crate::plan::history;
use crate::plan::names::CronJobName;

use super::build::{Applied, Desired};
use super::context::Context;
use super::earlier::Earlier;
use super::observe::Observed;
use super::record::Recorded;
use super::setup::Setup;
use super::validate::Validated;

/// The condition that says whether the policy can be carried out.
pub(super) const READY: &str = "Ready";

/// The condition that says whether it is.
pub(super) const HEALTHY: &str = "Healthy";

/// The condition that says whether the buckets are like their settings.
pub(super) const BUCKETS_CONFIGURED: &str = "BucketsConfigured";

/// The condition that says whether queues are followed.
pub(super) const EVENTS_FOLLOWED: &str = "EventsFollowed";

/// The longest message of a condition, in bytes: the problems of a policy, one after the other.
const MESSAGE_MAX_BYTES: usize = 4096;

/// What a reconcile found out.
pub(super) struct Findings<'a> {
    pub(super) observed: &'a Observed,
    /// The valid policy and what was applied of it; absent where the policy is not valid.
    pub(super) carried_out: Option<(&'a Validated, &'a Desired<Applied>)>,
    /// The sources that run as they were ordered before.
    pub(super) earlier: &'a [Earlier],
    pub(super) ready: Verdict,
    pub(super) recorded: &'a Recorded,
    pub(super) waiting: &'a BTreeMap<String, Waiting>,
    pub(super) setup: Setup,
    /// Whether queues are followed, where there are any.
    pub(super) following: Option<Verdict>,
    pub(super) now: Timestamp,
}

/// The status that follows from what was found and from what was known. Pure.
pub(super) fn status(findings: Findings<'_>, known: &BackupPolicyStatus) -> BackupPolicyStatus {
    let Findings {
        observed,
        carried_out,
        earlier,
        ready,
        recorded,
        waiting,
        setup,
        following,
        now,
    } = findings;
    let generation = observed.policy.metadata.generation;
    let sources: Vec<SourceStatus> = observed
        .policy
        .spec
        .sources
        .iter()
        .map(|source| {
            let name = &source.name;
            let known = known
                .sources
                .iter()
                .find(|known| known.name == *name)
                .cloned();
            let known = known.unwrap_or_default();
            let mut status = SourceStatus {
                name: name.clone(),
                waiting: waiting.get(name).cloned(),
                next_run_time: None,
                ..known
            };
            history::fold(
                &mut status,
                recorded.reports.get(name).map_or(&[], Vec::as_slice),
            );
            if let Some((validated, applied)) = carried_out {
                describe_schedule(&mut status, &observed.name, validated, applied, now);
            }
            if let Some(earlier) = earlier.iter().find(|earlier| earlier.source == *name) {
                status.cron_job = Some(earlier.cron_job.name_any());
                status.schedule = Some(earlier.cron_job.spec.schedule.clone());
                status.next_run_time = earlier.next_run(observed, now);
            }
            status
        })
        .collect();
    let healthy = health::healthy(&sources, &recorded.attempts);
    let condition = |kind, verdict| condition(kind, verdict, known, generation, now);
    let known_setup = || {
        let mut conditions = known.conditions.iter();
        conditions
            .find(|known| known.type_ == BUCKETS_CONFIGURED)
            .cloned()
    };
    let (configured, bucket_settings) = match setup {
        Setup::NotAsked => (None, None),
        Setup::AsKnown => (known_setup(), known.bucket_settings.clone()),
        Setup::Found(verdict, seen) => (Some(condition(BUCKETS_CONFIGURED, verdict)), seen),
    };
    BackupPolicyStatus {
        observed_generation: generation,
        conditions: [condition(READY, ready), condition(HEALTHY, healthy)]
            .into_iter()
            .chain(configured)
            .chain(following.map(|verdict| condition(EVENTS_FOLLOWED, verdict)))
            .collect(),
        bucket_settings,
        last_success_time: oldest(sources.iter().map(|source| source.last_success_time)),
        next_run_time: sources
            .iter()
            .filter_map(|source| source.next_run_time)
            .min(),
        last_outcome: health::worst_outcome(&sources),
        sources,
    }
}

/// Writes the status, if it differs from what was known.
pub(super) async fn publish(
    context: &Context,
    observed: &Observed,
    known: &BackupPolicyStatus,
    status: &BackupPolicyStatus,
) -> Result<(), ClusterError> {
    if status != known {
        let value = serde_json::to_value(status).expect("a status is JSON");
        let (namespace, name) = (&observed.namespace, &observed.name);
        context
            .cluster
            .apply_policy_status(namespace, name, &value)
            .await?;
    }
    context.published.set(&observed.uid, status.clone());
    Ok(())
}

/// Says of a policy that cannot be read that it cannot; everything else in its status stays.
pub(super) async fn publish_unreadable(
    context: &Context,
    InvalidObject { error, metadata }: &InvalidObject,
    now: Timestamp,
) -> Result<(), ClusterError> {
    let uid = metadata.uid.as_deref().unwrap_or_default();
    let generation = metadata.generation;
    let said = format!("{generation:?} {error}");
    if context.unreadable.get(uid).as_ref() == Some(&said) {
        return Ok(());
    }
    let verdict = Verdict {
        status: Some(false),
        reason: health::ReadyReason::InvalidSpec.as_str(),
        message: format!(
            "this version of the controller cannot read the policy: {error}; does its definition \
             belong to the same version?"
        ),
    };
    let known = BackupPolicyStatus::default();
    let condition = condition(READY, verdict, &known, generation, now);
    let status = json!({ "observedGeneration": generation, "conditions": [condition] });
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let name = metadata.name.as_deref().unwrap_or_default();
    context
        .cluster
        .merge_policy_status(namespace, name, &status)
        .await?;
    context.unreadable.set(uid, said);
    Ok(())
}

fn describe_schedule(
    status: &mut SourceStatus,
    policy: &str,
    validated: &Validated,
    applied: &Desired<Applied>,
    now: Timestamp,
) {
    let Some(source) = validated
        .policy
        .sources
        .iter()
        .find(|source| source.name == status.name)
    else {
        return;
    };
    if !applied
        .cron_jobs
        .iter()
        .any(|cron_job| cron_job.source == source.name)
    {
        return;
    }
    status.cron_job = Some(CronJobName::new(policy, &source.name).to_string());
    status.schedule = Some(source.schedule.text().to_owned());
    if !validated.policy.suspend {
        status.next_run_time = source.schedule.next_after(now);
    }
}

/// The policy as a whole is as safe as its least safe source.
fn oldest(times: impl Iterator<Item = Option<Timestamp>>) -> Option<Timestamp> {
    times.collect::<Option<Vec<_>>>()?.into_iter().min()
}

/// A condition. Its time moves with its status only.
fn condition(
    kind: &str,
    verdict: Verdict,
    known: &BackupPolicyStatus,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let status = match verdict.status {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    let since = known
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind && condition.status == status)
        .map(|condition| condition.last_transition_time.clone());
    let this_second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let mut message = verdict.message;
    message.truncate(message.floor_char_boundary(MESSAGE_MAX_BYTES));
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: verdict.reason.to_owned(),
        message,
        observed_generation: generation,
        last_transition_time: since.unwrap_or(Time(this_second)),
    }
}

#[cfg(test)]
mod tests {
    use crate::api::outcome::Outcome;
    use crate::api::report::RunReport;
    use crate::controller::build::build;
    use crate::controller::earlier::earlier;
    use crate::controller::events::changes;
    use crate::controller::fixtures::{CLAIM, CRON_JOB, POLICY, observed, options};
    use crate::controller::validate::validate;

    use super::*;

    const NOW: &str = "2026-11-02T12:00:00.25Z";

    fn published(
        policy: &str,
        claims: &[&str],
        reports: Vec<RunReport>,
        known: &BackupPolicyStatus,
        now: &str,
    ) -> BackupPolicyStatus {
        let objects: Vec<&str> = std::iter::once(policy)
            .chain(claims.iter().copied())
            .collect();
        let observed = observed(&objects);
        let validated = validate(&observed, "test-cluster");
        let ready = match &validated {
            Ok(validated) => health::ready(1, &validated.obstacles, validated.policy.suspend),
            Err(problems) => health::not_ready(problems),
        };
        let applied = validated
            .as_ref()
            .map(|validated| build(&observed, validated, &options()).advance(|_| true))
            .ok();
        let mut recorded = Recorded::default();
        recorded.reports.insert("files".to_owned(), reports);
        let findings = Findings {
            observed: &observed,
            carried_out: validated.as_ref().ok().zip(applied.as_ref()),
            earlier: &earlier(&observed, applied.as_ref()),
            ready,
            recorded: &recorded,
            waiting: &BTreeMap::new(),
            setup: Setup::NotAsked,
            following: None,
            now: now.parse().expect("a time"),
        };
        status(findings, known)
    }

    fn condition_of<'a>(status: &'a BackupPolicyStatus, kind: &str) -> &'a Condition {
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == kind)
            .expect(kind)
    }

    fn report(outcome: Outcome) -> RunReport {
        let start = "2026-11-02T01:30:00Z".parse().expect("a time");
        RunReport {
            outcome: Some(outcome),
            reason: Some(crate::api::outcome::Reason::Complete),
            completion_time: Some(start),
            ..RunReport::started("r1", start)
        }
    }

    #[test]
    fn a_new_policy_is_ready_and_says_when_it_runs() {
        let status = published(
            POLICY,
            &[CLAIM],
            Vec::new(),
            &BackupPolicyStatus::default(),
            NOW,
        );
        assert_eq!(condition_of(&status, READY).reason, "Valid");
        assert_eq!(condition_of(&status, READY).observed_generation, Some(3));
        assert_eq!(condition_of(&status, HEALTHY).status, "Unknown");
        assert_eq!(status.next_run_time, "2026-11-03T01:30:00Z".parse().ok());
        assert_eq!(status.sources[0].schedule.as_deref(), Some("30 2 * * *"));
        let suspended = POLICY.replace("  schedule", "  suspend: true\n  schedule");
        let status = published(&suspended, &[CLAIM], Vec::new(), &status, NOW);
        assert_eq!(status.next_run_time, None);
        assert!(condition_of(&status, READY).message.contains("suspended"));
    }

    #[test]
    fn nothing_is_written_while_nothing_changes() {
        let first = published(
            POLICY,
            &[CLAIM],
            vec![report(Outcome::Succeeded)],
            &BackupPolicyStatus::default(),
            NOW,
        );
        let later = published(
            POLICY,
            &[CLAIM],
            vec![report(Outcome::Succeeded)],
            &first,
            "2026-11-02T13:00:00Z",
        );
        assert_eq!(first, later);
        assert_eq!(changes(&first, &later).len(), 0);
        // What the API server keeps of it is the same again.
        let json = serde_json::to_value(&first).expect("JSON");
        let read: BackupPolicyStatus = serde_json::from_value(json).expect("a status");
        assert_eq!(read, first);
    }

    #[test]
    fn a_condition_keeps_its_time_until_its_status_moves() {
        let known = published(
            POLICY,
            &[CLAIM],
            Vec::new(),
            &BackupPolicyStatus::default(),
            NOW,
        );
        let later = "2026-11-02T13:00:00Z";
        let same = published(
            POLICY,
            &[CLAIM],
            vec![report(Outcome::Failed)],
            &known,
            later,
        );
        assert_eq!(
            condition_of(&same, READY).last_transition_time,
            condition_of(&known, READY).last_transition_time
        );
        assert_eq!(
            condition_of(&same, HEALTHY)
                .last_transition_time
                .0
                .to_string(),
            later
        );
    }

    #[test]
    fn a_missing_claim_is_told_and_what_is_known_of_runs_stays() {
        let known = published(
            POLICY,
            &[CLAIM],
            vec![report(Outcome::Succeeded)],
            &BackupPolicyStatus::default(),
            NOW,
        );
        let status = published(POLICY, &[], Vec::new(), &known, NOW);
        assert_eq!(condition_of(&status, READY).reason, "ClaimNotFound");
        assert!(
            condition_of(&status, READY)
                .message
                .contains("claim shop-data does not exist")
        );
        assert_eq!(status.sources[0].recent_runs, known.sources[0].recent_runs);
        let invalid = POLICY.replace("30 2", "30 25");
        let status = published(&invalid, &[CLAIM], Vec::new(), &known, NOW);
        assert_eq!(condition_of(&status, READY).reason, "InvalidSpec");
        assert_eq!(status.sources[0].recent_runs, known.sources[0].recent_runs);
        assert_eq!(status.last_success_time, known.last_success_time);
    }

    #[test]
    fn each_change_is_told_once_in_the_words_of_the_conditions() {
        let known = published(
            POLICY,
            &[CLAIM],
            Vec::new(),
            &BackupPolicyStatus::default(),
            NOW,
        );
        let events = changes(&BackupPolicyStatus::default(), &known);
        assert_eq!(
            events
                .iter()
                .map(|event| event.reason.as_str())
                .collect::<Vec<_>>(),
            ["Valid"]
        );
        let status = published(
            POLICY,
            &[CLAIM],
            vec![report(Outcome::Succeeded)],
            &known,
            NOW,
        );
        let events = changes(&known, &status);
        assert_eq!(events.len(), 1);
        assert!(
            events[0]
                .note
                .starts_with("source files: Succeeded (0 sent"),
            "{}",
            events[0].note
        );
        let related = events[0].related.as_ref();
        assert_eq!(related.and_then(|job| job.uid.as_deref()), Some("r1"));
    }

    #[test]
    fn an_earlier_order_that_still_runs_is_told_with_its_time() {
        let invalid = POLICY.replace("timeZone: Europe/Rome", "timeZone: Mars/X");
        let objects = [CLAIM, CRON_JOB];
        let known = BackupPolicyStatus::default();
        let status = published(&invalid, &objects, Vec::new(), &known, NOW);
        assert_eq!(condition_of(&status, READY).reason, "InvalidSpec");
        assert_eq!(status.next_run_time, "2026-11-03T02:30:00Z".parse().ok());
        let suspended = invalid.replace("  schedule", "  suspend: true\n  schedule");
        let status = published(&suspended, &objects, Vec::new(), &known, NOW);
        assert_eq!(status.next_run_time, None);
    }

    #[test]
    fn a_problem_that_is_another_one_is_told_again() {
        let known = BackupPolicyStatus::default();
        let invalid = |schedule: &str| {
            let policy = POLICY.replace("30 2 * * *", schedule);
            published(&policy, &[CLAIM], Vec::new(), &known, NOW)
        };
        let (first, second) = (invalid("30 25 * * *"), invalid("99 2 * * *"));
        assert_eq!(changes(&first, &first), []);
        let [event] = &changes(&first, &second)[..] else {
            panic!("one event")
        };
        assert!(event.note.contains("99"), "{}", event.note);
    }

    #[test]
    fn n01_a_notice_that_was_not_sent_is_an_event_of_its_own() {
        let known = BackupPolicyStatus::default();
        let run = RunReport {
            notice_error: Some("topic does not exist".to_owned()),
            ..report(Outcome::Succeeded)
        };
        let status = published(POLICY, &[CLAIM], vec![run], &known, NOW);
        let events = changes(&known, &status);
        let reasons: Vec<&str> = events.iter().map(|event| event.reason.as_str()).collect();
        assert_eq!(reasons, ["Valid", "Complete", "NoticeNotSent"]);
        assert!(!events[2].is_good);
        assert_eq!(changes(&status, &status), []);
    }
}
