//! Amounts and their prices.

use crate::api::cost::Cost;

/// A month, as prices are reckoned.
pub(super) const DAYS_OF_MONTH: u32 = 30;

const GIBIBYTE: f64 = 1_073_741_824.0;

pub(super) fn total(costs: impl Iterator<Item = Cost>) -> Cost {
    costs.fold(Cost::default(), |sum, cost| sum + cost)
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            bytes: self.bytes + other.bytes,
            dollars: self.dollars + other.dollars,
        }
    }
}

pub(super) fn microdollars(dollars: f64) -> u64 {
    whole(dollars * 1e6)
}

pub(super) fn per_thousand(count: u64, price: f64) -> f64 {
    number(count) / 1000.0 * price
}

pub(super) fn gibibytes(bytes: u64) -> f64 {
    number(bytes) / GIBIBYTE
}

/// What a GiB costs, for so many bytes on average.
pub(super) fn per_gibibyte(bytes: f64, price: f64) -> f64 {
    bytes / GIBIBYTE * price
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an estimate of dollars needs no more than 53 bits"
)]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "amounts are not negative, and a cast of too large a number gives the largest one"
)]
pub(super) fn whole(amount: f64) -> u64 {
    amount.round() as u64
}
