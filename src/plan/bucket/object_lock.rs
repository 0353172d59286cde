//! The default lock of new versions: which one is stricter.

use super::{Finding, Lock, LockMode, Setting, Verdict};

pub(super) fn compare(wanted: Lock, seen: Option<Lock>) -> Finding {
    let verdict = match seen {
        Some(seen) if seen == wanted => Verdict::AlreadyThere,
        Some(seen) if is_stricter(seen, wanted) => Verdict::Stricter,
        Some(_) | None => Verdict::Apply,
    };
    Finding {
        setting: Setting::ObjectLock,
        is: seen.map_or_else(|| "none".to_owned(), describe),
        wanted: describe(wanted),
        verdict,
    }
}

/// What nobody can undo is stricter than what some can, for however few days.
fn is_stricter(seen: Lock, wanted: Lock) -> bool {
    match (seen.mode, wanted.mode) {
        (LockMode::Compliance, LockMode::Governance) => true,
        (LockMode::Governance, LockMode::Compliance) => false,
        (LockMode::Governance, LockMode::Governance)
        | (LockMode::Compliance, LockMode::Compliance) => seen.days > wanted.days,
    }
}

fn describe(lock: Lock) -> String {
    let mode = match lock.mode {
        LockMode::Governance => "Governance",
        LockMode::Compliance => "Compliance",
    };
    format!("{mode} for {} d", lock.days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stricter_lock_stays() {
        let lock = |mode, days| Lock { mode, days };
        let wanted = lock(LockMode::Governance, 30);
        let check = |seen, expected: Verdict| assert_eq!(compare(wanted, seen).verdict, expected);
        check(None, Verdict::Apply);
        check(Some(lock(LockMode::Governance, 7)), Verdict::Apply);
        check(Some(wanted), Verdict::AlreadyThere);
        check(Some(lock(LockMode::Governance, 90)), Verdict::Stricter);
        check(Some(lock(LockMode::Compliance, 1)), Verdict::Stricter);
    }
}
