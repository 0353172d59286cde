//! Followers in a cluster: what is said of those that keep up with queues.

use super::health::Verdict;
use crate::api::outcome::Reason;

/// One source's follower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follower {
    /// The source.
    pub source: String,
    /// Whether its pod has run for a while.
    pub is_available: bool,
    /// Why it ended last, by its own word.
    pub failure: Option<(Reason, String)>,
    /// Why its pod cannot run.
    pub blocked: Option<String>,
}

/// The `EventsFollowed` condition; nothing where no source has a queue.
#[must_use]
pub fn verdict(followers: &[Follower], is_suspended: bool) -> Option<Verdict> {
    let first = followers.first()?;
    if is_suspended {
        return Some(Verdict {
            status: None,
            reason: "Suspended",
            message: "suspended: messages stay in the queue".to_owned(),
        });
    }
    let missing = || followers.iter().filter(|follower| !follower.is_available);
    let words = |follower: &Follower, words: &str| format!("source {}: {words}", follower.source);
    if let Some((follower, (reason, message))) =
        missing().find_map(|follower| Some((follower, follower.failure.as_ref()?)))
    {
        return Some(Verdict {
            status: Some(false),
            reason: reason.as_str(),
            message: words(follower, message),
        });
    }
    if let Some((follower, why)) =
        missing().find_map(|follower| Some((follower, follower.blocked.as_ref()?)))
    {
        return Some(Verdict {
            status: Some(false),
            reason: Reason::PodCreationFailed.as_str(),
            message: words(follower, why),
        });
    }
    if let Some(follower) = missing().next() {
        return Some(Verdict {
            status: None,
            reason: "Starting",
            message: words(follower, "its follower starts"),
        });
    }
    let message = match followers.len() {
        1 => words(first, "its queue is followed"),
        count => format!("{count} queues are followed"),
    };
    Some(Verdict {
        status: Some(true),
        reason: "Following",
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follower(source: &str) -> Follower {
        Follower {
            source: source.to_owned(),
            is_available: true,
            failure: None,
            blocked: None,
        }
    }

    fn told(followers: &[Follower]) -> (Option<bool>, &'static str, String) {
        let verdict = verdict(followers, false).expect("there are followers");
        (verdict.status, verdict.reason, verdict.message)
    }

    #[test]
    fn the_worst_follower_is_told() {
        assert_eq!(verdict(&[], false), None);
        let good = follower("a");
        assert_eq!(told(std::slice::from_ref(&good)).0, Some(true));
        let starting = Follower {
            is_available: false,
            ..follower("b")
        };
        assert_eq!(told(&[good.clone(), starting.clone()]).1, "Starting");
        let blocked = Follower {
            blocked: Some("pod x: ErrImagePull".to_owned()),
            ..starting.clone()
        };
        let (status, reason, message) = told(&[starting.clone(), blocked.clone()]);
        assert_eq!((status, reason), (Some(false), "PodCreationFailed"));
        assert_eq!(message, "source b: pod x: ErrImagePull");
        let failed = Follower {
            failure: Some((Reason::AccessDenied, "refused".to_owned())),
            ..blocked.clone()
        };
        assert_eq!(told(&[blocked, failed]).1, "AccessDenied");
    }

    #[test]
    fn a_failure_before_the_last_start_is_over() {
        let recovered = Follower {
            failure: Some((Reason::StorageUnavailable, "away".to_owned())),
            ..follower("a")
        };
        assert_eq!(told(&[recovered]).1, "Following");
    }

    #[test]
    fn a_suspended_follower_is_not_missed() {
        let verdict = verdict(&[follower("a")], true).expect("one");
        assert_eq!((verdict.status, verdict.reason), (None, "Suspended"));
    }
}
