//! The way of a version through the storage classes, by the day.

use crate::api::cost::Tier;
use crate::api::settings::{Lifecycle, TransitionClass};
use crate::plan::bucket::{Tiers, tiers};

/// How long superseded versions are kept where the policy says nothing about lifecycle at all: what
/// is there then is the owner's own rule, of which we know nothing.
const KEPT_DAYS_DEFAULT: u32 = 30;

/// What a file that changes each day is current for.
const CURRENT_DAYS: u32 = 1;

/// The rules that files are under.
#[derive(Debug)]
pub(super) struct Rules(Tiers);

/// The way of a version, counted from when it was sent, or superseded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Course {
    /// By the day on which it enters each class; never empty.
    pub(super) stages: Vec<(u32, Tier)>,
    /// The day on which it is removed.
    pub(super) end_day: Option<u32>,
    /// For how many days it was in the first class already.
    pub(super) days_before: u32,
}

impl Rules {
    /// The rules of a policy, or what stands in for them.
    pub(super) fn new(lifecycle: Option<&Lifecycle>) -> Self {
        Self(match lifecycle {
            Some(lifecycle) => tiers(lifecycle),
            None => Tiers {
                transitions: Vec::new(),
                noncurrent_transitions: Vec::new(),
                noncurrent_expiration_days: Some(KEPT_DAYS_DEFAULT),
            },
        })
    }

    /// How long superseded versions are kept; `None` for ever.
    pub(super) fn superseded_kept_days(&self) -> Option<u32> {
        self.0.noncurrent_expiration_days
    }

    /// The way of a file that never changes.
    pub(super) fn current(&self, first: Tier) -> Course {
        Course {
            stages: stages(first, &self.0.transitions, None),
            end_day: None,
            days_before: 0,
        }
    }

    /// The way of a version that is superseded a day after it was sent.
    pub(super) fn superseded(&self, first: Tier) -> Course {
        let end_day = self.superseded_kept_days();
        Course {
            stages: stages(first, &self.0.noncurrent_transitions, end_day),
            end_day,
            days_before: CURRENT_DAYS,
        }
    }
}

impl Course {
    /// The same for what no rule moves.
    pub(super) fn without_moves(&self) -> Self {
        Self {
            stages: self.stages.iter().take(1).copied().collect(),
            ..self.clone()
        }
    }

    /// Where it lies last.
    pub(super) fn last(&self) -> Option<(u32, Tier)> {
        self.stages.last().copied()
    }

    /// Whether a rule moves it at all.
    pub(super) fn moves(&self) -> bool {
        self.stages.len() > 1
    }
}

fn stages(first: Tier, moves: &[(u32, TransitionClass)], end_day: Option<u32>) -> Vec<(u32, Tier)> {
    let mut stages = vec![(0, first)];
    let mut last = first;
    for &(day, class) in moves {
        let tier = Tier::from(class);
        if leads_on(last, tier) && end_day.is_none_or(|end| day < end) {
            stages.push((day, tier));
            last = tier;
        }
    }
    stages
}

/// Whether S3 moves objects from one class to the other; it passes over a rule that would not.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>
fn leads_on(from: Tier, to: Tier) -> bool {
    from < to && (from, to) != (Tier::OnezoneIa, Tier::GlacierIr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(yaml: &str) -> Rules {
        Rules::new(Some(&serde_saphyr::from_str(yaml).expect("a lifecycle")))
    }

    #[test]
    fn a_preset_leads_from_class_to_class() {
        let rules = rules("{preset: LongTerm, noncurrentExpirationDays: 90}");
        let stages = [
            (0, Tier::Standard),
            (30, Tier::StandardIa),
            (180, Tier::Glacier),
        ];
        assert_eq!(rules.current(Tier::Standard).stages, stages);
        let superseded = rules.superseded(Tier::Standard);
        assert_eq!(superseded.stages, [(0, Tier::Standard)]);
        assert_eq!((superseded.end_day, superseded.days_before), (Some(90), 1));
    }

    #[test]
    fn nothing_moves_back_to_a_dearer_class() {
        let rules = rules("{preset: LongTerm}");
        let stages = [(0, Tier::GlacierIr), (180, Tier::Glacier)];
        assert_eq!(rules.current(Tier::GlacierIr).stages, stages);
        assert!(!rules.current(Tier::DeepArchive).moves());
        assert_eq!(rules.superseded_kept_days(), None);
        assert_eq!(Rules::new(None).superseded_kept_days(), Some(30));
    }
}
