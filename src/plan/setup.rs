//! The setup of buckets in a cluster: which Job is due, and what its answer means.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::health::Verdict;
use crate::api::setup::SetupReport;

/// How often the buckets are looked at, in seconds: each day, and whenever their settings change.
const INTERVAL_SECONDS: i64 = 24 * 60 * 60;

/// The longest name of a Job whose pods' names still fit.
/// <https://kubernetes.io/docs/concepts/workloads/controllers/job/>
const NAME_MAX_BYTES: usize = 63;

/// The name of the Job that is due: another one each day, and for each order. Policies take their
/// turn at different times of the day.
#[must_use]
pub fn job_name(policy: &str, uid: &str, order: &str, now: Timestamp) -> String {
    let of_policy = Sha256::digest(uid);
    let offset = i64::from(u16::from_be_bytes([of_policy[0], of_policy[1]]));
    let day = (now.as_second() + offset).div_euclid(INTERVAL_SECONDS);
    let digest = Sha256::new()
        .chain_update(uid)
        .chain_update([0])
        .chain_update(order)
        .chain_update(day.to_be_bytes())
        .finalize();
    let end = format!("-setup-{}", hex::encode(&digest[..4]));
    let readable: String = policy
        .chars()
        .map(|character| if character == '.' { '-' } else { character })
        .take(NAME_MAX_BYTES - end.len())
        .collect();
    format!("{}{end}", readable.trim_end_matches('-'))
}

/// The `BucketsConfigured` condition while a Job looks for the first time.
#[must_use]
pub fn pending(job: &str) -> Verdict {
    Verdict {
        status: None,
        reason: "Pending",
        message: format!("Job {job} sees to the buckets' settings"),
    }
}

/// The same where the policy is suspended before anybody has looked.
#[must_use]
pub fn suspended() -> Verdict {
    Verdict {
        status: None,
        reason: "Suspended",
        message: "suspended: nobody looks at the buckets' settings".to_owned(),
    }
}

/// The same where the API server does not accept the Job.
#[must_use]
pub fn refused(job: &str, words: &str) -> Verdict {
    Verdict {
        status: Some(false),
        reason: "Refused",
        message: format!("the API server refuses Job {job}: {words}"),
    }
}

/// The same after a Job has ended, with its last word or without one.
#[must_use]
pub fn ended(job: &str, report: Option<&SetupReport>) -> Verdict {
    let Some(report) = report else {
        return Verdict {
            status: Some(false),
            reason: "WorkerLost",
            message: format!(
                "Job {job} ended without a last word: see kubectl describe job {job}; delete it \
                 to try again"
            ),
        };
    };
    let (is_configured, reason) = match report.failure {
        Some(failure) => (false, failure.as_str()),
        None if report.differing > 0 => (false, "SettingsDiffer"),
        None => (true, "Configured"),
    };
    let again = if report.failure.is_some() {
        format!("; delete Job {job} to try again before tomorrow")
    } else {
        String::new()
    };
    Verdict {
        status: Some(is_configured),
        reason,
        message: format!("{}{again}", report.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::outcome::Reason;
    use crate::api::setup::SETUP_REPORT_VERSION;
    use crate::plan::names::check_label;

    fn at(time: &str) -> Timestamp {
        time.parse().expect("a time")
    }

    #[test]
    fn a_job_is_due_each_day_and_for_each_order() {
        let now = at("2026-11-02T12:00:00Z");
        let name = job_name("office", "u", "{}", now);
        assert_eq!(
            name,
            job_name("office", "u", "{}", at("2026-11-02T12:00:01Z"))
        );
        assert_ne!(
            name,
            job_name("office", "u", "{}", at("2026-11-03T12:00:01Z"))
        );
        assert_ne!(name, job_name("office", "u", "{\"a\":1}", now));
        assert_ne!(name, job_name("office", "v", "{}", now));
        for policy in ["office", "a.b", &"x".repeat(63)] {
            assert_eq!(check_label(&job_name(policy, "u", "{}", now)), Ok(()));
        }
    }

    #[test]
    fn a_last_word_becomes_a_condition() {
        let report = |differing, failure| SetupReport {
            version: SETUP_REPORT_VERSION,
            written: 1,
            differing,
            failure,
            message: "m".to_owned(),
        };
        let check = |report: Option<&SetupReport>, status: bool, reason: &str| {
            let verdict = ended("j", report);
            assert_eq!((verdict.status, verdict.reason), (Some(status), reason));
        };
        check(Some(&report(0, None)), true, "Configured");
        check(Some(&report(2, None)), false, "SettingsDiffer");
        check(
            Some(&report(0, Some(Reason::AccessDenied))),
            false,
            "AccessDenied",
        );
        check(None, false, "WorkerLost");
    }
}
