//! When the next success of a source is due: what the overdue alert compares with the clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::policy::BackupPolicySpec;

use super::schedule::{self, Owner, Schedule};
use super::worker::ACTIVE_DEADLINE_DEFAULT_SECONDS;

/// What is expected of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectation {
    /// When its next success is due at the latest; absent while no run is started.
    pub success_due: Option<Timestamp>,
    /// The shortest time between two runs.
    pub interval: Duration,
}

/// When runs are started, and how long they may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<'a> {
    /// The schedule.
    pub schedule: &'a str,
    /// The IANA name of its zone.
    pub time_zone: &'a str,
    /// How late a missed start is made up; the schedule's default where nothing is said.
    pub starting_deadline_seconds: Option<i64>,
    /// How long a run may take; the default where nothing is said.
    pub active_deadline_seconds: Option<i64>,
    /// Whether no run is started.
    pub is_suspended: bool,
}

impl<'a> From<&'a BackupPolicySpec> for Order<'a> {
    fn from(spec: &'a BackupPolicySpec) -> Self {
        let worker = spec.worker.as_ref();
        Self {
            schedule: &spec.schedule,
            time_zone: spec.time_zone.as_deref().unwrap_or("UTC"),
            starting_deadline_seconds: spec.starting_deadline_seconds,
            active_deadline_seconds: worker.and_then(|worker| worker.active_deadline_seconds),
            is_suspended: spec.suspend,
        }
    }
}

/// What is expected of a source whose last success, or else whose creation, was at `since`: the
/// first start after it, made up as late as may be, taking as long as may be. `None` where the
/// schedule is not valid.
#[must_use]
pub fn expectation(order: Order<'_>, owner: Owner<'_>, since: Timestamp) -> Option<Expectation> {
    let zone = schedule::time_zone(order.time_zone)?;
    let schedule = Schedule::new(order.schedule, zone, owner).ok()?;
    let late = order
        .starting_deadline_seconds
        .unwrap_or_else(|| schedule.starting_deadline_default_seconds());
    let long = order
        .active_deadline_seconds
        .unwrap_or(ACTIVE_DEADLINE_DEFAULT_SECONDS);
    let success_due = schedule
        .next_after(since)
        .filter(|_| !order.is_suspended)
        .and_then(|start| {
            start
                .checked_add(SignedDuration::from_secs(late + long))
                .ok()
        });
    Some(Expectation {
        success_due,
        interval: schedule.shortest_interval(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(yaml: &str, since: &str) -> Option<Expectation> {
        let spec =
            format!("{{{yaml}, sources: [], categories: [], storage: {{region: eu-south-1}}}}");
        let spec: BackupPolicySpec = serde_saphyr::from_str(&spec).expect("a spec");
        let owner = Owner {
            namespace: "acme",
            policy: "office",
            source: "files",
        };
        expectation((&spec).into(), owner, since.parse().expect("a time"))
    }

    #[test]
    fn n04_a_success_is_due_after_the_next_start_and_its_deadlines() {
        // A schedule of weekdays expects nothing over the weekend.
        let friday = "2026-11-27T02:10:00Z";
        let weekdays = expected(
            "schedule: 0 2 * * 1-5, worker: {activeDeadlineSeconds: 3600}",
            friday,
        );
        let due = weekdays.and_then(|expected| expected.success_due);
        assert_eq!(due, "2026-11-30T05:00:00Z".parse().ok());
        assert_eq!(
            weekdays.map(|expected| expected.interval),
            Some(Duration::from_hours(24))
        );
    }

    #[test]
    fn nothing_is_due_of_a_suspended_or_invalid_policy() {
        let since = "2026-11-27T02:10:00Z";
        let suspended = expected("schedule: 0 2 * * *, suspend: true", since);
        assert_eq!(suspended.and_then(|expected| expected.success_due), None);
        assert_eq!(expected("schedule: 0 2 * * 7", since), None);
    }
}
