//! Time and descent of restore points.

use crate::api::catalog::CommitRef;

/// The time of a new commit: that of an answer of the store, and later than its parent's even
/// where the store's clock was set back.
#[must_use]
pub fn commit_time(answered: jiff::Timestamp, parent: Option<jiff::Timestamp>) -> jiff::Timestamp {
    let millisecond = jiff::SignedDuration::from_millis(1);
    let after = |parent: jiff::Timestamp| {
        parent
            .checked_add(millisecond)
            .unwrap_or(jiff::Timestamp::MAX)
    };
    parent.map_or(answered, |parent| answered.max(after(parent)))
}

/// The ancestors that a child of `parent` names: for each power of two the nearest commit before
/// it whose sequence is a multiple of it. The first one is the parent itself. They follow from
/// the parent's own, and any ancestor is reached over a logarithmic number of them.
#[must_use]
pub fn ancestors(parent: &CommitRef, of_parent: &[CommitRef]) -> Vec<CommitRef> {
    let mut ancestors = Vec::new();
    for power in 0..u64::BITS {
        if parent.sequence.is_multiple_of(1 << power) {
            ancestors.push(parent.clone());
        } else if let Some(further) = of_parent.get(power as usize) {
            ancestors.push(further.clone());
        } else {
            break;
        }
    }
    ancestors
}

/// Where to look next for the newest commit that is not after `time`, from a commit that is: the
/// farthest ancestor that is still after it, or else the parent.
#[must_use]
pub fn towards(ancestors: &[CommitRef], time: jiff::Timestamp) -> Option<&CommitRef> {
    let after = ancestors.iter().rev().find(|ancestor| ancestor.time > time);
    after.or_else(|| ancestors.first())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::catalog::Sha256;

    fn second(second: u64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(i64::try_from(second).unwrap()).unwrap()
    }

    fn chain(length: u64) -> Vec<(CommitRef, Vec<CommitRef>)> {
        let mut chain: Vec<(CommitRef, Vec<CommitRef>)> = Vec::new();
        for sequence in 1..=length {
            let reference = CommitRef {
                sequence,
                key: String::new(),
                version: String::new(),
                sha256: Sha256([0; 32]),
                time: second(sequence * 10),
            };
            let named = chain
                .last()
                .map(|(parent, named)| ancestors(parent, named))
                .unwrap_or_default();
            chain.push((reference, named));
        }
        chain
    }

    #[test]
    fn c11_any_restore_point_is_found_in_a_logarithmic_number_of_steps() {
        let chain = chain(1000);
        for wanted in 1..=1000_u64 {
            let time = second(wanted * 10 + 5);
            let (mut at, mut steps) = (&chain[999], 0);
            while at.0.time > time {
                let next = towards(&at.1, time).unwrap();
                at = &chain[usize::try_from(next.sequence).unwrap() - 1];
                steps += 1;
            }
            assert_eq!(at.0.sequence, wanted);
            assert!(steps <= 20, "{wanted}: {steps}");
        }
    }

    #[test]
    fn c12_time_moves_on_where_the_stores_clock_does_not() {
        assert_eq!(commit_time(second(5), None), second(5));
        assert_eq!(commit_time(second(9), Some(second(5))), second(9));
        assert_eq!(
            commit_time(second(3), Some(second(5))).as_millisecond(),
            second(5).as_millisecond() + 1
        );
    }
}
