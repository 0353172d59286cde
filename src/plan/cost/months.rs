//! What a month costs, from what lies in which class on each of its days.

use super::found::{Found, Lot};
use super::lifecycle::{Course, Rules};
use super::money::{DAYS_OF_MONTH, number, per_gibibyte, whole};
use crate::api::cost::{Months, Prices, StoredTier, Tier};

/// Of how many files one changes each day, where something changes.
pub(super) const CHANGED_ONE_IN: u64 = 100;

/// The months that are told of where what is stored grows for ever.
const GROWING_MONTHS: [u32; 2] = [12, 24];

/// What is backed up, and the rules that it is under.
pub(super) struct Stock<'a> {
    /// The categories.
    pub(super) categories: &'a [Found],
    /// The catalog, which no rule is for.
    pub(super) catalog: &'a Found,
    pub(super) rules: &'a Rules,
    pub(super) prices: &'a Prices,
}

impl Stock<'_> {
    /// Every month if nothing changes, like ones together.
    pub(super) fn unchanged(&self, runs_dollars: f64) -> Vec<Months> {
        let last = self.last_move_day() / DAYS_OF_MONTH + 2;
        let mut all: Vec<Months> = Vec::new();
        for month in 1..=last {
            let mut ledger = Ledger::new(month, self.prices);
            self.keep_current(&mut ledger, 0.0);
            let next = ledger.close(runs_dollars);
            match all.last_mut() {
                Some(before) if before.is_like(&next) => before.last = next.last,
                Some(_) | None => all.push(next),
            }
        }
        if let Some(months) = all.last_mut() {
            months.last = None;
        }
        all
    }

    /// The month from which on nothing grows any more if the same files change each day, and what
    /// tells of the way there.
    pub(super) fn changed(&self, runs_dollars: f64) -> Vec<Months> {
        let Some(kept_days) = self.rules.superseded_kept_days() else {
            return GROWING_MONTHS
                .map(|month| self.changed_month(month, runs_dollars))
                .into();
        };
        // The first version is superseded on the second day.
        let quiet_day = self.last_move_day().max(kept_days).saturating_add(1);
        let steady = quiet_day.div_ceil(DAYS_OF_MONTH) + 1;
        let [year, _] = GROWING_MONTHS;
        let way = (steady > year).then(|| self.changed_month(year, runs_dollars));
        let steady = Months {
            last: None,
            ..self.changed_month(steady, runs_dollars)
        };
        way.into_iter().chain([steady]).collect()
    }

    fn changed_month(&self, month: u32, runs_dollars: f64) -> Months {
        let mut ledger = Ledger::new(month, self.prices);
        let share = 1.0 / number(CHANGED_ONE_IN);
        self.keep_current(&mut ledger, share);
        for found in self.categories {
            let course = self.rules.superseded(found.class.into());
            for day in 1..ledger.until {
                ledger.keep(&found.movable, share, &course, day);
                ledger.keep(&found.staying, share, &course.without_moves(), day);
            }
        }
        ledger.close(runs_dollars)
    }

    /// The current versions, of which this share is always new.
    fn keep_current(&self, ledger: &mut Ledger, new: f64) {
        for found in self.categories {
            let course = self.rules.current(found.class.into());
            let still = course.without_moves();
            ledger.keep(&found.movable, 1.0 - new, &course, 0);
            ledger.keep(&found.movable, new, &still, 0);
            ledger.keep(&found.staying, 1.0, &still, 0);
        }
        let still = self
            .rules
            .current(self.catalog.class.into())
            .without_moves();
        ledger.keep(&self.catalog.all(), 1.0, &still, 0);
    }

    fn last_move_day(&self) -> u32 {
        let courses = self.categories.iter().map(|found| {
            let course = self.rules.current(found.class.into());
            course.last().map_or(0, |(day, _)| day)
        });
        courses.max().unwrap_or(0)
    }
}

impl Months {
    /// Whether a month costs the same, for the same things.
    fn is_like(&self, other: &Self) -> bool {
        let of = |months: &Self| Self {
            first: 0,
            last: None,
            ..months.clone()
        };
        of(self) == of(other)
    }
}

/// The books of one month.
struct Ledger<'a> {
    month: u32,
    /// Its first day, counted from the first run.
    from: u32,
    /// The day after its last one.
    until: u32,
    prices: &'a Prices,
    kept: Vec<Kept>,
    moves: f64,
    moves_dollars: f64,
    early_dollars: f64,
}

/// What lay in one class, on average.
struct Kept {
    tier: Tier,
    amount: Amount,
    dollars: f64,
}

/// So much of a lot, as it is billed in one class.
#[derive(Clone, Copy, Default)]
struct Amount {
    objects: f64,
    watched_objects: f64,
    bytes: f64,
    billed_bytes: f64,
}

impl<'a> Ledger<'a> {
    fn new(month: u32, prices: &'a Prices) -> Self {
        let until = month.saturating_mul(DAYS_OF_MONTH);
        Self {
            month,
            from: until - DAYS_OF_MONTH,
            until,
            prices,
            kept: Vec::new(),
            moves: 0.0,
            moves_dollars: 0.0,
            early_dollars: 0.0,
        }
    }

    /// A share of a lot that started on this day of the backup takes its course.
    fn keep(&mut self, lot: &Lot, share: f64, course: &Course, start_day: u32) {
        if lot.objects == 0 || share <= 0.0 {
            return;
        }
        for (index, &(stage_day, tier)) in course.stages.iter().enumerate() {
            let is_first = index == 0;
            let leaves = course.stages.get(index + 1).map(|(day, _)| *day);
            let leaves = leaves.or(course.end_day);
            let entered = start_day.saturating_add(stage_day);
            let left = leaves.map_or(u32::MAX, |day| start_day.saturating_add(day));
            let amount = self.amount(lot, share, is_first, tier);
            let days = left.min(self.until).saturating_sub(entered.max(self.from));
            self.store(tier, amount, days);
            if !is_first && self.holds(entered) {
                let price = self.prices.classes.of(tier).thousand_transitions;
                self.moves += amount.objects;
                self.moves_dollars += amount.objects / 1000.0 * price;
            }
            if leaves.is_some() && self.holds(left) {
                let before = if is_first { course.days_before } else { 0 };
                let least = self.prices.classes.of(tier).minimum_days;
                let missing = least.saturating_sub(left - entered + before);
                self.early_dollars += self.month(tier, amount) * portion(missing);
            }
        }
    }

    fn holds(&self, day: u32) -> bool {
        (self.from..self.until).contains(&day)
    }

    /// What a share of a lot is in a class. In the first one each object is billed by itself; in
    /// those that follow there are only such as are large enough.
    fn amount(&self, lot: &Lot, share: f64, is_first: bool, tier: Tier) -> Amount {
        let [objects, watched_objects, bytes, billed_bytes] = lot.share(share);
        let price = self.prices.classes.of(tier);
        let overhead = objects * number(price.overhead_bytes);
        if is_first {
            return Amount {
                objects,
                watched_objects,
                bytes,
                billed_bytes: billed_bytes + overhead,
            };
        }
        Amount {
            objects,
            watched_objects: objects,
            bytes,
            billed_bytes: bytes.max(objects * number(price.minimum_bytes)) + overhead,
        }
    }

    fn store(&mut self, tier: Tier, amount: Amount, days: u32) {
        if days == 0 {
            return;
        }
        let dollars = self.month(tier, amount) * portion(days);
        let amount = amount.times(portion(days));
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.tier == tier) {
            kept.amount = kept.amount.plus(amount);
            kept.dollars += dollars;
        } else {
            self.kept.push(Kept {
                tier,
                amount,
                dollars,
            });
        }
    }

    /// What keeping so much in a class costs for a month.
    fn month(&self, tier: Tier, amount: Amount) -> f64 {
        let price = self.prices.classes.of(tier);
        let beside = amount.objects * number(price.standard_overhead_bytes);
        per_gibibyte(amount.billed_bytes, price.gibibyte_month)
            + per_gibibyte(beside, self.prices.classes.standard.gibibyte_month)
            + amount.watched_objects / 1000.0 * price.thousand_watched_month
    }

    fn close(mut self, runs_dollars: f64) -> Months {
        self.kept.sort_by_key(|kept| kept.tier);
        let storage: f64 = self.kept.iter().map(|kept| kept.dollars).sum();
        Months {
            first: self.month,
            last: Some(self.month),
            stored: self.kept.iter().map(Kept::told).collect(),
            moves: whole(self.moves),
            moves_dollars: self.moves_dollars,
            early_dollars: self.early_dollars,
            runs_dollars,
            dollars: storage + self.moves_dollars + self.early_dollars + runs_dollars,
        }
    }
}

impl Kept {
    fn told(&self) -> StoredTier {
        StoredTier {
            tier: self.tier,
            objects: whole(self.amount.objects),
            bytes: whole(self.amount.bytes),
            billed_bytes: whole(self.amount.billed_bytes),
            dollars: self.dollars,
        }
    }
}

impl Amount {
    fn times(self, factor: f64) -> Self {
        Self {
            objects: self.objects * factor,
            watched_objects: self.watched_objects * factor,
            bytes: self.bytes * factor,
            billed_bytes: self.billed_bytes * factor,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            objects: self.objects + other.objects,
            watched_objects: self.watched_objects + other.watched_objects,
            bytes: self.bytes + other.bytes,
            billed_bytes: self.billed_bytes + other.billed_bytes,
        }
    }
}

/// So many days, in months.
fn portion(days: u32) -> f64 {
    f64::from(days) / f64::from(DAYS_OF_MONTH)
}
