//! How a run ended, judged from what is left of it.
//!
//! The order of trust: what is recorded on the Job already, the worker's last word, the state of
//! its pod, the Job's condition. What follows from none of them is [`Outcome::Unclear`]: it is
//! never guessed. A worker's last word is a [`RunReport`] that it rewrites at each phase, so a
//! worker that died still says how far it came.

use jiff::{SignedDuration, Timestamp};

use crate::api::outcome::{Outcome, Reason};
use crate::api::report::{Phase, RunReport, TERMINATION_MESSAGE_MAX_BYTES};

use super::placement::WaitReason;

/// How long a Job may be without a pod before that is a failure to make one.
const POD_EXPECTED_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// How long a Job may take to end after it has been decided that it does, and a pod after its
/// grace. A lost node takes longer, and would block every later run.
const STUCK_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// How long after its end a run is not judged by silence: what is known of Jobs and what is known
/// of pods arrive by different ways.
const SILENCE_COUNTS_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// What is left of a run.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The run's id.
    pub run: String,
    /// When its Job was made.
    pub created: Timestamp,
    /// How its Job stands.
    pub job: JobState,
    /// The pods for which the gate was opened.
    pub admitted: Vec<String>,
    /// The last word of an earlier attempt, as it was recorded on the Job.
    pub recorded: Option<RunReport>,
    /// Its pods, the newest first.
    pub pods: Vec<PodEvidence>,
}

/// How a Job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// More pods may come.
    Active,
    /// It has been decided that it ends; pods are being waited for.
    Ending {
        /// Since when.
        since: Timestamp,
        /// Whether its deadline is what ended it.
        by_deadline: bool,
    },
    /// Nothing more happens.
    Ended {
        /// When.
        at: Timestamp,
        /// Whether its deadline is what ended it.
        by_deadline: bool,
    },
}

/// What is known of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodEvidence {
    /// Its name.
    pub name: String,
    /// Whether its container has ever run.
    pub has_run: bool,
    /// Whether it has succeeded or failed.
    pub has_ended: bool,
    /// The last word of its worker, once that has ended.
    pub last_word: Option<RunReport>,
    /// What ended it from outside, where something did.
    pub ended_by: Option<EndedBy>,
    /// Until when it should have been gone, where it is on its way out.
    pub gone_by: Option<Timestamp>,
    /// Why it does not move, where it does not.
    pub blocked: Option<Blocked>,
}

/// What ended a pod from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// Its memory limit.
    OutOfMemory,
    /// Its own deadline.
    Deadline,
    /// An eviction, a preemption, a drain, or a request to stop.
    Disruption,
}

/// Why a pod does not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Why, in one word of ours.
    pub reason: WaitReason,
    /// Why, in the words of Kubernetes.
    pub message: String,
}

/// How the run ended, as a report that can be recorded; `None` while it goes on, or while more may
/// become known of it.
#[must_use]
pub fn judge(evidence: &Evidence, now: Timestamp) -> Option<RunReport> {
    if let Some(report) = last_words(evidence).find(|report| has_captured(report)) {
        return Some(shortened(report.clone()));
    }
    let (ended_at, by_deadline) = end(evidence, now)?;
    let word = last_words(evidence).next();
    let in_doubt = last_words(evidence)
        .any(|report| matches!(report.phase, Phase::Committing | Phase::Committed));
    if let Some(report) = word.filter(|report| report.phase == Phase::Done && !in_doubt) {
        return Some(shortened(report.clone()));
    }
    if now.duration_since(ended_at) < SILENCE_COUNTS_AFTER {
        return None;
    }
    if let Some(report) = last_words(evidence).find(|report| report.phase == Phase::Committed) {
        return Some(shortened(unpublished(report, ended_at)));
    }
    let verdict =
        never_ran(evidence, by_deadline).unwrap_or_else(|| unclear(evidence, by_deadline));
    Some(shortened(silent(evidence, word, verdict, ended_at)))
}

/// When the run ended, and whether its Job's deadline ended it. A pod that has not ended yet may
/// still leave a word.
fn end(evidence: &Evidence, now: Timestamp) -> Option<(Timestamp, bool)> {
    let is_quiet = evidence.pods.iter().all(|pod| pod.has_ended);
    let overdue = |since: Timestamp| now.duration_since(since) > STUCK_AFTER;
    match evidence.job {
        JobState::Active if is_stuck(evidence, now) => Some((stuck_since(evidence)?, false)),
        JobState::Active => None,
        JobState::Ending {
            since: at,
            by_deadline,
        }
        | JobState::Ended { at, by_deadline } => {
            (is_quiet || overdue(at) || is_stuck(evidence, now)).then_some((at, by_deadline))
        }
    }
}

/// What a run that goes on is waiting for, where its pods tell.
#[must_use]
pub fn blocked(evidence: &Evidence, now: Timestamp) -> Option<Blocked> {
    if evidence.job != JobState::Active {
        return None;
    }
    match evidence.pods.first() {
        Some(pod) => pod.blocked.clone(),
        None if now.duration_since(evidence.created) > POD_EXPECTED_WITHIN => Some(Blocked {
            reason: WaitReason::PodCreationFailed,
            message:
                "no pod was made for this run: its ServiceAccount may not exist, or a quota or \
                      an admission rule may refuse it; kubectl describe job tells"
                    .to_owned(),
        }),
        None => None,
    }
}

/// How an attempt failed of a run that goes on, where it left a word.
#[must_use]
pub fn failed_attempt(evidence: &Evidence) -> Option<&RunReport> {
    last_words(evidence)
        .next()
        .filter(|report| report.phase == Phase::Done && report.outcome == Some(Outcome::Failed))
}

/// The report of the newest attempt that came to its own end.
#[must_use]
pub fn last_report(evidence: &Evidence) -> Option<&RunReport> {
    last_words(evidence).find(|report| report.phase == Phase::Done)
}

/// Whether the run will never end by itself, so that its Job must be deleted: its node is lost, and
/// every later run would wait for it.
#[must_use]
pub fn is_stuck(evidence: &Evidence, now: Timestamp) -> bool {
    stuck_since(evidence).is_some_and(|since| now.duration_since(since) > STUCK_AFTER)
}

/// Since when the run should have ended. A pod that has ended is in nobody's way, however long it
/// is kept: another one may run.
fn stuck_since(evidence: &Evidence) -> Option<Timestamp> {
    let leaving = evidence.pods.iter().filter(|pod| !pod.has_ended);
    let leaving = leaving.filter_map(|pod| pod.gone_by).min();
    match evidence.job {
        JobState::Ending { since, .. } => Some(leaving.map_or(since, |leaving| leaving.min(since))),
        JobState::Active => leaving,
        JobState::Ended { .. } => None,
    }
}

/// The last word to keep on a Job that goes on: its pod may be gone when the Job ends.
#[must_use]
pub fn worth_keeping(evidence: &Evidence) -> Option<RunReport> {
    let newest = evidence
        .pods
        .iter()
        .find_map(|pod| pod.last_word.as_ref())?;
    let is_new = evidence.recorded.as_ref().is_none_or(|recorded| {
        // A commit, or one in doubt, says more than a later attempt that came less far.
        recorded != newest && recorded.phase <= newest.phase
    });
    is_new.then(|| shortened(newest.clone()))
}

/// The last words, the newest first, and the recorded one at the end.
fn last_words(evidence: &Evidence) -> impl Iterator<Item = &RunReport> {
    evidence
        .pods
        .iter()
        .filter_map(|pod| pod.last_word.as_ref())
        .chain(&evidence.recorded)
}

fn has_captured(report: &RunReport) -> bool {
    let made_a_point = matches!(report.outcome, Some(Outcome::Succeeded | Outcome::Partial));
    report.phase == Phase::Done && made_a_point
}

fn unpublished(report: &RunReport, ended_at: Timestamp) -> RunReport {
    let outcome = report
        .restore_point
        .as_ref()
        .map_or(Outcome::Unclear, |point| point.outcome);
    let reason = match outcome {
        Outcome::Succeeded => Reason::Complete,
        Outcome::Partial => Reason::EntriesNotCaptured,
        Outcome::Failed | Outcome::Unclear => Reason::WorkerLost,
    };
    RunReport {
        phase: Phase::Done,
        outcome: Some(outcome),
        reason: Some(reason),
        message: "the restore point stands, but the worker did not finish publishing it; the next \
                  run does that"
            .to_owned(),
        completion_time: Some(ended_at),
        ..report.clone()
    }
}

struct Verdict {
    outcome: Outcome,
    reason: Reason,
    message: String,
}

/// A run of which no container ever started has failed for certain.
fn never_ran(evidence: &Evidence, by_deadline: bool) -> Option<Verdict> {
    let has_run =
        evidence.pods.iter().any(|pod| pod.has_run) || last_words(evidence).next().is_some();
    // Of a pod that is gone, or was last seen alive on a node that is lost, nothing is certain.
    let is_known = |name: &String| {
        evidence
            .pods
            .iter()
            .any(|pod| pod.name == *name && pod.has_ended)
    };
    if has_run || !evidence.admitted.iter().all(is_known) {
        return None;
    }
    let blocked = evidence.pods.iter().find_map(|pod| pod.blocked.as_ref());
    let reason = if by_deadline && blocked.is_none() {
        Reason::DeadlineExceeded
    } else {
        Reason::PodCreationFailed
    };
    let message = match (blocked, evidence.admitted.is_empty()) {
        (Some(blocked), _) => format!("the worker never started: {}", blocked.message),
        (None, false) => "the worker never started; kubectl describe job tells".to_owned(),
        (None, true) => "the worker never started: it waited for its volume to be free, or no pod \
                          could be made for it (its ServiceAccount may not exist, or a quota or \
                          an admission rule refuse it)"
            .to_owned(),
    };
    Some(Verdict {
        outcome: Outcome::Failed,
        reason,
        message,
    })
}

fn unclear(evidence: &Evidence, by_deadline: bool) -> Verdict {
    let ended_by = evidence.pods.first().and_then(|pod| pod.ended_by);
    let (reason, what) = match ended_by {
        Some(EndedBy::OutOfMemory) => (
            Reason::OutOfMemory,
            "was killed because it used more memory than its limit",
        ),
        Some(EndedBy::Deadline) => (Reason::DeadlineExceeded, "was ended by its deadline"),
        _ if by_deadline => (Reason::DeadlineExceeded, "was ended by its deadline"),
        Some(EndedBy::Disruption) => (Reason::Interrupted, "was evicted or told to stop"),
        None => (Reason::WorkerLost, "is gone"),
    };
    let how_far = match last_words(evidence).map(|report| report.phase).max() {
        Some(Phase::Started | Phase::Opened) => "when last heard of, it had committed nothing",
        Some(Phase::Committing | Phase::Committed | Phase::Done) => {
            "when last heard of, it was committing"
        }
        None => "it left no word",
    };
    let message = format!(
        "the worker {what} without a last word; {how_far}. Whether there is a restore point shows \
         in backstay runs, and with the next run"
    );
    Verdict {
        outcome: Outcome::Unclear,
        reason,
        message,
    }
}

fn silent(
    evidence: &Evidence,
    word: Option<&RunReport>,
    verdict: Verdict,
    ended_at: Timestamp,
) -> RunReport {
    let report = word
        .cloned()
        .unwrap_or_else(|| RunReport::started(&evidence.run, evidence.created));
    RunReport {
        outcome: Some(verdict.outcome),
        reason: Some(verdict.reason),
        message: verdict.message,
        completion_time: Some(ended_at),
        ..report
    }
}

/// A report that fits into an annotation as it fits into a termination message.
fn shortened(mut report: RunReport) -> RunReport {
    while serde_json::to_vec(&report).is_ok_and(|json| json.len() > TERMINATION_MESSAGE_MAX_BYTES) {
        if report.not_captured.pop().is_none() && report.warnings.pop().is_none() {
            report.message.clear();
            report.requests.clear();
            break;
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use crate::api::report::RestorePoint;

    use super::*;

    const CREATED: &str = "2026-11-01T02:00:00Z";
    const LATER: &str = "2026-11-01T03:00:00Z";
    const MUCH_LATER: &str = "2026-11-01T04:00:00Z";

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn word(phase: Phase, outcome: Option<Outcome>, reason: Option<Reason>) -> RunReport {
        let report = RunReport::started("run", time(CREATED));
        RunReport {
            phase,
            outcome,
            reason,
            message: "so it was".to_owned(),
            ..report
        }
    }

    fn committed(outcome: Outcome) -> RunReport {
        let point = RestorePoint {
            sequence: 4,
            time: time(LATER),
            outcome,
        };
        RunReport {
            restore_point: Some(point),
            ..word(Phase::Committed, None, None)
        }
    }

    fn pod(last_word: Option<RunReport>, ended_by: Option<EndedBy>) -> PodEvidence {
        PodEvidence {
            name: "pod".to_owned(),
            has_run: true,
            has_ended: true,
            last_word,
            ended_by,
            ..PodEvidence::default()
        }
    }

    fn ended(by_deadline: bool, pods: Vec<PodEvidence>) -> Evidence {
        Evidence {
            run: "run".to_owned(),
            created: time(CREATED),
            job: JobState::Ended {
                at: time(LATER),
                by_deadline,
            },
            admitted: vec!["pod".to_owned()],
            recorded: None,
            pods,
        }
    }

    fn check(evidence: &Evidence, outcome: Outcome, reason: Reason, message: &str) {
        let report = judge(evidence, time(MUCH_LATER)).expect("it has ended");
        assert_eq!(
            (report.outcome, report.reason),
            (Some(outcome), Some(reason)),
            "{report:?}"
        );
        assert!(report.message.contains(message), "{}", report.message);
    }

    #[test]
    fn a_last_word_is_believed() {
        let succeeded = word(
            Phase::Done,
            Some(Outcome::Succeeded),
            Some(Reason::Complete),
        );
        let mut evidence = ended(false, vec![pod(Some(succeeded), None)]);
        check(&evidence, Outcome::Succeeded, Reason::Complete, "so it was");
        // A success is known before the Job is.
        evidence.job = JobState::Active;
        check(&evidence, Outcome::Succeeded, Reason::Complete, "so it was");
        let failed = word(
            Phase::Done,
            Some(Outcome::Failed),
            Some(Reason::AccessDenied),
        );
        let mut evidence = ended(false, vec![pod(Some(failed), None)]);
        check(
            &evidence,
            Outcome::Failed,
            Reason::AccessDenied,
            "so it was",
        );
        // A failure may be followed by another attempt.
        evidence.job = JobState::Active;
        assert_eq!(judge(&evidence, time(MUCH_LATER)), None);
    }

    #[test]
    fn c03_killed_after_its_commit_a_run_is_a_success_that_did_not_finish_publishing() {
        let killed = Some(EndedBy::OutOfMemory);
        let evidence = ended(
            false,
            vec![pod(Some(committed(Outcome::Succeeded)), killed)],
        );
        check(
            &evidence,
            Outcome::Succeeded,
            Reason::Complete,
            "did not finish publishing",
        );
        let evidence = ended(false, vec![pod(Some(committed(Outcome::Partial)), killed)]);
        check(
            &evidence,
            Outcome::Partial,
            Reason::EntriesNotCaptured,
            "did not finish",
        );
        // Also where a later attempt failed, and where only the recorded word is left.
        let failed = word(
            Phase::Done,
            Some(Outcome::Failed),
            Some(Reason::StorageUnavailable),
        );
        let pods = vec![
            pod(Some(failed), None),
            pod(Some(committed(Outcome::Succeeded)), killed),
        ];
        check(
            &ended(false, pods),
            Outcome::Succeeded,
            Reason::Complete,
            "did not finish",
        );
        let mut evidence = ended(true, Vec::new());
        evidence.recorded = Some(committed(Outcome::Succeeded));
        check(
            &evidence,
            Outcome::Succeeded,
            Reason::Complete,
            "did not finish publishing",
        );
    }

    #[test]
    fn n08_without_a_last_word_a_run_is_unclear_and_says_why() {
        let opened = || Some(word(Phase::Opened, None, None));
        for (ended_by, reason) in [
            (Some(EndedBy::OutOfMemory), Reason::OutOfMemory),
            (Some(EndedBy::Deadline), Reason::DeadlineExceeded),
            (Some(EndedBy::Disruption), Reason::Interrupted),
            (None, Reason::WorkerLost),
        ] {
            let evidence = ended(false, vec![pod(opened(), ended_by)]);
            check(
                &evidence,
                Outcome::Unclear,
                reason,
                "it had committed nothing",
            );
            let evidence = ended(false, vec![pod(None, ended_by)]);
            check(&evidence, Outcome::Unclear, reason, "it left no word");
        }
        // The Job's own deadline takes the pods away.
        let evidence = ended(true, Vec::new());
        check(
            &evidence,
            Outcome::Unclear,
            Reason::DeadlineExceeded,
            "ended by its deadline",
        );
        let evidence = ended(false, Vec::new());
        check(&evidence, Outcome::Unclear, Reason::WorkerLost, "is gone");
    }

    #[test]
    fn a_commit_in_doubt_is_not_settled_by_a_later_failure() {
        let failed = word(
            Phase::Done,
            Some(Outcome::Failed),
            Some(Reason::StorageUnavailable),
        );
        let committing = word(Phase::Committing, None, None);
        let pods = vec![
            pod(Some(failed), None),
            pod(Some(committing), Some(EndedBy::OutOfMemory)),
        ];
        let report = judge(&ended(false, pods), time(MUCH_LATER)).expect("it has ended");
        assert_eq!(report.outcome, Some(Outcome::Unclear));
    }

    #[test]
    fn p10_a_run_that_never_started_has_failed_for_certain() {
        let mut evidence = ended(true, Vec::new());
        evidence.admitted.clear();
        check(
            &evidence,
            Outcome::Failed,
            Reason::DeadlineExceeded,
            "waited for its volume",
        );
        let blocked = Blocked {
            reason: WaitReason::PodCreationFailed,
            message: "ErrImagePull: no such image".to_owned(),
        };
        let never = PodEvidence {
            name: "pod".to_owned(),
            blocked: Some(blocked),
            has_ended: true,
            ..PodEvidence::default()
        };
        let evidence = ended(true, vec![never.clone()]);
        check(
            &evidence,
            Outcome::Failed,
            Reason::PodCreationFailed,
            "no such image",
        );
        // One of the pods that were let through is gone: what it did is not known.
        let mut evidence = ended(true, vec![never]);
        evidence.admitted.push("another".to_owned());
        let report = judge(&evidence, time(MUCH_LATER)).expect("it has ended");
        assert_eq!(report.outcome, Some(Outcome::Unclear));
    }

    #[test]
    fn p10_a_job_without_a_pod_is_told_after_a_minute() {
        let mut evidence = ended(false, Vec::new());
        evidence.job = JobState::Active;
        assert_eq!(blocked(&evidence, time("2026-11-01T02:00:59Z")), None);
        let found = blocked(&evidence, time("2026-11-01T02:01:01Z")).expect("blocked");
        assert_eq!(found.reason, WaitReason::PodCreationFailed);
        assert!(
            found.message.contains("kubectl describe job"),
            "{}",
            found.message
        );
    }

    #[test]
    fn p04_a_job_that_never_ends_is_stuck_after_five_minutes() {
        let mut evidence = ended(false, vec![PodEvidence::default()]);
        assert!(!is_stuck(&evidence, time(LATER)));
        evidence.job = JobState::Ending {
            since: time(CREATED),
            by_deadline: true,
        };
        assert!(!is_stuck(&evidence, time("2026-11-01T02:05:00Z")));
        assert!(is_stuck(&evidence, time("2026-11-01T02:05:01Z")));
        evidence.job = JobState::Active;
        assert!(!is_stuck(&evidence, time(LATER)));
        evidence.pods[0].gone_by = Some(time(CREATED));
        assert!(is_stuck(&evidence, time("2026-11-01T02:05:01Z")));
        let report = judge(&evidence, time("2026-11-01T02:05:01Z")).expect("it is told");
        assert_eq!(report.outcome, Some(Outcome::Unclear));
        // What keeps a pod that has ended is not our concern.
        evidence.pods[0].has_ended = true;
        assert!(!is_stuck(&evidence, time("2026-11-01T02:05:01Z")));
    }

    #[test]
    fn silence_does_not_count_while_a_word_may_still_come() {
        let mut evidence = ended(false, vec![pod(None, None)]);
        assert_eq!(judge(&evidence, time("2026-11-01T03:00:09Z")), None);
        assert!(judge(&evidence, time("2026-11-01T03:00:10Z")).is_some());
        // The pod is still stopping, or what is known of it is behind.
        evidence.pods[0].has_ended = false;
        assert_eq!(judge(&evidence, time("2026-11-01T03:04:00Z")), None);
        assert!(judge(&evidence, time("2026-11-01T03:05:01Z")).is_some());
    }

    #[test]
    fn the_word_of_an_attempt_is_kept_for_when_its_pod_is_gone() {
        let opened = word(Phase::Opened, None, None);
        let mut evidence = ended(false, vec![pod(Some(opened.clone()), None)]);
        assert_eq!(worth_keeping(&evidence), Some(opened.clone()));
        evidence.recorded = Some(opened);
        assert_eq!(worth_keeping(&evidence), None);
        evidence.recorded = Some(committed(Outcome::Succeeded));
        assert_eq!(worth_keeping(&evidence), None);
    }

    #[test]
    fn the_failure_of_an_attempt_is_known_while_another_follows() {
        let failed = word(
            Phase::Done,
            Some(Outcome::Failed),
            Some(Reason::StorageUnavailable),
        );
        let mut evidence = ended(false, vec![pod(Some(failed.clone()), None)]);
        evidence.job = JobState::Active;
        assert_eq!(failed_attempt(&evidence), Some(&failed));
        evidence
            .pods
            .insert(0, pod(Some(word(Phase::Opened, None, None)), None));
        assert_eq!(failed_attempt(&evidence), None);
    }

    #[test]
    fn a_report_fits_into_an_annotation() {
        let mut long = word(
            Phase::Done,
            Some(Outcome::Partial),
            Some(Reason::EntriesNotCaptured),
        );
        long.warnings = vec!["x".repeat(100); 60];
        let report = judge(&ended(false, vec![pod(Some(long), None)]), time(MUCH_LATER))
            .expect("it has ended");
        assert!(serde_json::to_vec(&report).is_ok_and(|json| json.len() <= 4096));
        assert!(!report.warnings.is_empty());
    }
}
