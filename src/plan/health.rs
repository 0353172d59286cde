//! What a policy's conditions say: whether it can be carried out, and whether it is.

use std::collections::BTreeMap;

use crate::api::outcome::{Outcome, Reason};
use crate::api::status::SourceStatus;

use super::placement::WaitReason;
use super::problem::{Problem, ProblemKind};

/// How many problems a message names one by one.
const NAMED_MAX: usize = 10;

/// Why a policy can be carried out, or not. A closed list: it is a condition's reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyReason {
    /// Its CronJobs are as they should be.
    Valid,
    /// A field says something that cannot be.
    InvalidSpec,
    /// A directory of the host is named in a cluster.
    PathSourceInCluster,
    /// A claim does not exist.
    ClaimNotFound,
    /// A CronJob of that name belongs to something else.
    NameTaken,
    /// The API server refuses what was made of the policy.
    Refused,
}

impl ReadyReason {
    /// The word as it stands in the condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "Valid",
            Self::InvalidSpec => "InvalidSpec",
            Self::PathSourceInCluster => "PathSourceInCluster",
            Self::ClaimNotFound => "ClaimNotFound",
            Self::NameTaken => "NameTaken",
            Self::Refused => "Refused",
        }
    }
}

/// What a condition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Yes, no, or not known yet.
    pub status: Option<bool>,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, for a reader.
    pub message: String,
}

/// What stands in the way of one source of a valid policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The source.
    pub source: String,
    /// What it is.
    pub reason: ReadyReason,
    /// What it is and what can be done, for a reader.
    pub message: String,
}

/// The `Ready` condition of a policy that cannot be carried out.
#[must_use]
pub fn not_ready(problems: &[Problem]) -> Verdict {
    let is_path = problems
        .iter()
        .all(|problem| problem.kind == ProblemKind::PathSourceInCluster);
    let reason = if is_path {
        ReadyReason::PathSourceInCluster
    } else {
        ReadyReason::InvalidSpec
    };
    Verdict {
        status: Some(false),
        reason: reason.as_str(),
        message: list(problems),
    }
}

/// The `Ready` condition of a valid policy.
#[must_use]
pub fn ready(sources: usize, obstacles: &[Obstacle], is_suspended: bool) -> Verdict {
    if let Some(first) = obstacles.first() {
        let reason = first.reason.as_str();
        return Verdict {
            status: Some(false),
            reason,
            message: list(obstacles),
        };
    }
    let message = match (sources, is_suspended) {
        (_, true) => "suspended: no run is started".to_owned(),
        (1, false) => "one source is scheduled".to_owned(),
        (count, false) => format!("{count} sources are scheduled"),
    };
    Verdict {
        status: Some(true),
        reason: ReadyReason::Valid.as_str(),
        message,
    }
}

/// A `Ready` condition that is false, and which sources go on all the same: Kubernetes starts what
/// was ordered before.
#[must_use]
pub fn with_earlier(verdict: Verdict, sources: &[&str], is_suspended: bool) -> Verdict {
    if sources.is_empty() {
        return verdict;
    }
    let named = sources.join(", ");
    let still = if is_suspended {
        format!("suspended: no run of {named} is started")
    } else {
        format!("until then source {named} runs as it was ordered before, see nextRunTime")
    };
    Verdict {
        message: format!("{}; {still}", verdict.message),
        ..verdict
    }
}

/// The `Healthy` condition: whether the last run of every source succeeded, and whether those that
/// are to run now can start. `attempts` says of sources whose run goes on how its first attempt
/// failed.
#[must_use]
pub fn healthy(sources: &[SourceStatus], attempts: &BTreeMap<String, String>) -> Verdict {
    let verdict = judged(sources);
    let attempts = attempts.iter().map(|(source, failure)| {
        format!("source {source}: an attempt failed, and another follows: {failure}")
    });
    let untold = sources.iter().filter_map(|source| {
        let error = source.recent_runs.first()?.notice_error.as_ref()?;
        Some(format!(
            "source {}: a notice was not sent: {error}",
            source.name
        ))
    });
    let more: Vec<String> = attempts.chain(untold).collect();
    if more.is_empty() {
        return verdict;
    }
    Verdict {
        message: format!("{}; {}", verdict.message, list(&more)),
        ..verdict
    }
}

fn judged(sources: &[SourceStatus]) -> Verdict {
    let mut failures: BTreeMap<&str, (&'static str, String)> = BTreeMap::new();
    for source in sources {
        let failure = unhealthy_run(source).or_else(|| unhealthy_wait(source));
        if let Some(failure) = failure {
            failures.insert(&source.name, failure);
        }
    }
    if let Some((_, (reason, _))) = failures.first_key_value() {
        let reason = *reason;
        let lines: Vec<String> = failures
            .iter()
            .map(|(source, (_, message))| format!("source {source}: {message}"))
            .collect();
        return Verdict {
            status: Some(false),
            reason,
            message: list(&lines),
        };
    }
    if sources.iter().any(|source| source.last_outcome.is_none()) {
        return Verdict {
            status: None,
            reason: "NoRunYet",
            message: "not every source has had a run yet".to_owned(),
        };
    }
    Verdict {
        status: Some(true),
        reason: Reason::Complete.as_str(),
        message: "the last run of every source captured everything".to_owned(),
    }
}

/// The worst of the last outcomes; absent while there is none.
#[must_use]
pub fn worst_outcome(sources: &[SourceStatus]) -> Option<Outcome> {
    let severity = |outcome: &Outcome| match outcome {
        Outcome::Succeeded => 0,
        Outcome::Partial => 1,
        Outcome::Unclear => 2,
        Outcome::Failed => 3,
    };
    sources
        .iter()
        .filter_map(|source| source.last_outcome)
        .max_by_key(severity)
}

fn unhealthy_run(source: &SourceStatus) -> Option<(&'static str, String)> {
    let run = source.recent_runs.first()?;
    match run.outcome {
        Outcome::Succeeded => None,
        Outcome::Partial | Outcome::Failed | Outcome::Unclear => {
            let message = format!("{}: {}", run.outcome.as_str(), run.message);
            Some((run.reason.as_str(), message))
        }
    }
}

fn unhealthy_wait(source: &SourceStatus) -> Option<(&'static str, String)> {
    let waiting = source.waiting.as_ref()?;
    let reason = WaitReason::PodCreationFailed.as_str();
    (waiting.reason == reason).then(|| (reason, waiting.message.clone()))
}

fn list(items: &[impl ToString]) -> String {
    let mut lines: Vec<String> = items
        .iter()
        .take(NAMED_MAX)
        .map(ToString::to_string)
        .collect();
    if items.len() > NAMED_MAX {
        lines.push(format!("and {} more", items.len() - NAMED_MAX));
    }
    lines.join("; ")
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "source {}: {}", self.source, self.message)
    }
}

#[cfg(test)]
mod tests {
    use crate::api::report::{ByteCounts, FileCounts};
    use crate::api::status::{RunStatus, Waiting};

    use super::*;

    fn source(name: &str, outcome: Option<Outcome>, reason: Reason) -> SourceStatus {
        let recent_runs = outcome.map(|outcome| RunStatus {
            id: "run".to_owned(),
            outcome,
            reason,
            message: "what happened".to_owned(),
            start_time: jiff::Timestamp::UNIX_EPOCH,
            completion_time: None,
            sequence: None,
            files: FileCounts::default(),
            bytes: ByteCounts::default(),
            requests: 0,
            month_microdollars: None,
            notice_error: None,
        });
        SourceStatus {
            name: name.to_owned(),
            last_outcome: outcome,
            recent_runs: recent_runs.into_iter().collect(),
            ..SourceStatus::default()
        }
    }

    #[test]
    fn healthy_is_what_every_last_run_says() {
        let good = source("a", Some(Outcome::Succeeded), Reason::Complete);
        let new = source("b", None, Reason::Complete);
        let partial = source("c", Some(Outcome::Partial), Reason::EntriesNotCaptured);
        assert_eq!(
            healthy(std::slice::from_ref(&good), &BTreeMap::new()).status,
            Some(true)
        );
        assert_eq!(
            healthy(&[good.clone(), new.clone()], &BTreeMap::new()).reason,
            "NoRunYet"
        );
        assert_eq!(worst_outcome(std::slice::from_ref(&new)), None);
        assert_eq!(
            worst_outcome(&[good.clone(), partial.clone()]),
            Some(Outcome::Partial)
        );
        let verdict = healthy(&[good, new, partial], &BTreeMap::new());
        assert_eq!(
            (verdict.status, verdict.reason),
            (Some(false), "EntriesNotCaptured")
        );
        assert_eq!(verdict.message, "source c: Partial: what happened");
    }

    #[test]
    fn p10_a_pod_that_cannot_be_made_is_not_healthy() {
        let mut waiting = source("a", Some(Outcome::Succeeded), Reason::Complete);
        waiting.waiting = Some(Waiting {
            run: "run".to_owned(),
            reason: "PodCreationFailed".to_owned(),
            message: "ImagePullBackOff".to_owned(),
        });
        assert_eq!(
            healthy(&[waiting.clone()], &BTreeMap::new()).reason,
            "PodCreationFailed"
        );
        waiting.waiting = Some(Waiting {
            reason: "ClaimInUse".to_owned(),
            ..waiting.waiting.expect("set")
        });
        assert_eq!(healthy(&[waiting], &BTreeMap::new()).status, Some(true));
    }

    #[test]
    fn a_policy_without_a_run_says_what_its_first_attempt_said() {
        let attempts = BTreeMap::from([("a".to_owned(), "the store is away".to_owned())]);
        let verdict = healthy(&[source("a", None, Reason::Complete)], &attempts);
        assert_eq!((verdict.status, verdict.reason), (None, "NoRunYet"));
        assert!(
            verdict
                .message
                .ends_with("source a: an attempt failed, and another follows: the store is away"),
            "{}",
            verdict.message
        );
    }

    #[test]
    fn n01_a_notice_that_was_not_sent_is_told_and_takes_nothing_from_the_backup() {
        let mut told = source("a", Some(Outcome::Succeeded), Reason::Complete);
        told.recent_runs[0].notice_error = Some("topic does not exist".to_owned());
        let verdict = healthy(&[told], &BTreeMap::new());
        assert_eq!((verdict.status, verdict.reason), (Some(true), "Complete"));
        assert!(
            verdict
                .message
                .ends_with("; source a: a notice was not sent: topic does not exist"),
            "{}",
            verdict.message
        );
    }

    #[test]
    fn what_still_runs_by_an_earlier_order_is_said() {
        let refused = || ready(1, &[obstacle("a")], false);
        assert_eq!(with_earlier(refused(), &[], false), refused());
        let running = with_earlier(refused(), &["a"], false).message;
        assert!(
            running.contains("source a runs as it was ordered before"),
            "{running}"
        );
        let suspended = with_earlier(refused(), &["a"], true).message;
        assert!(
            suspended.ends_with("suspended: no run of a is started"),
            "{suspended}"
        );
    }

    fn obstacle(source: &str) -> Obstacle {
        Obstacle {
            source: source.to_owned(),
            reason: ReadyReason::ClaimNotFound,
            message: "claim gone".to_owned(),
        }
    }

    #[test]
    fn many_problems_are_cut_and_counted() {
        let obstacles: Vec<Obstacle> = (0..12)
            .map(|index| obstacle(&format!("s{index}")))
            .collect();
        let verdict = ready(12, &obstacles, false);
        assert_eq!(
            (verdict.status, verdict.reason),
            (Some(false), "ClaimNotFound")
        );
        assert!(
            verdict.message.starts_with("source s0: claim gone; "),
            "{}",
            verdict.message
        );
        assert!(
            verdict.message.ends_with("; and 2 more"),
            "{}",
            verdict.message
        );
    }
}
