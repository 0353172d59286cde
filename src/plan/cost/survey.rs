//! Survey: what was found of a source, file by file.

use super::found::Found;
use super::requests::{writes_of_copy, writes_of_file};
use super::sample::{Compressible, SampleFile};
use crate::api::cost::Prices;
use crate::api::policy::{Category, StorageClass};
use crate::api::report::NotCaptured;
use crate::api::run::RunSpec;

/// How many entries that would not be captured are named.
const NAMED_MAX: usize = 10;

/// What was found of a source.
#[derive(Clone, Debug)]
pub struct Survey {
    categories: Vec<Surveyed>,
    pub(super) rows: u64,
    pub(super) not_captured: u64,
    pub(super) first_not_captured: Vec<NotCaptured>,
    /// Whether the store copies large objects by itself.
    copies: bool,
}

#[derive(Clone, Debug)]
struct Surveyed {
    found: Found,
    compressible: Compressible,
}

impl Survey {
    /// Nothing was found yet.
    #[must_use]
    pub fn new(categories: &[Category], prices: &Prices) -> Self {
        let surveyed = |category: &Category| {
            let class = category.storage_class.unwrap_or(StorageClass::Standard);
            let found = Found::new(&category.name, &category.bucket, class, prices);
            Surveyed {
                compressible: Compressible::new(&found),
                found,
            }
        };
        Self {
            categories: categories.iter().map(surveyed).collect(),
            rows: 0,
            not_captured: 0,
            first_not_captured: Vec::new(),
            copies: false,
        }
    }

    /// Nothing was found yet of an order's source.
    #[must_use]
    pub fn of(order: &RunSpec, prices: &Prices) -> Self {
        let bucket = order.bucket.as_ref();
        Self {
            copies: bucket.is_some_and(|bucket| bucket.is_within_reach_of(&order.storage)),
            ..Self::new(&order.categories, prices)
        }
    }

    /// A file that this category takes; `None` where none does.
    pub fn add_file(&mut self, category: Option<usize>, size_bytes: u64) {
        if let Some((category, writes)) = self.take(category, size_bytes) {
            category.found.add(size_bytes, writes);
        }
    }

    /// A file that this category takes, and compresses where that saves something. Which that are is
    /// learnt from [`Survey::sample`]; until then it counts with its size.
    pub fn add_compressible(&mut self, category: usize, path: &[u8], size_bytes: u64) {
        if let Some((category, writes)) = self.take(Some(category), size_bytes) {
            category.compressible.add(path, size_bytes, writes);
        }
    }

    fn take(&mut self, category: Option<usize>, size_bytes: u64) -> Option<(&mut Surveyed, u64)> {
        let writes = if self.copies {
            writes_of_copy(size_bytes)
        } else {
            writes_of_file(size_bytes, size_bytes)
        };
        let category = category.and_then(|index| self.categories.get_mut(index));
        if let (Some(category), Some(writes)) = (category, writes) {
            self.rows += 1;
            Some((category, writes))
        } else {
            self.not_captured += 1;
            None
        }
    }

    /// The files that tell how much compression saves, few of each category.
    #[must_use]
    pub fn sample(&self) -> Vec<SampleFile> {
        let categories = self.categories.iter().enumerate();
        categories
            .flat_map(|(index, category)| category.compressible.sample(index))
            .collect()
    }

    /// A file of the sample would be stored in this share of its size.
    pub fn add_sampled(&mut self, file: &SampleFile, stored: f64) {
        if let Some(category) = self.categories.get_mut(file.category) {
            category.compressible.add_read(file.weight, stored);
        }
    }

    /// A directory, a link, or what else has no content.
    pub fn add_other(&mut self) {
        self.rows += 1;
    }

    /// An entry that would not be captured. The first are named.
    pub fn add_not_captured(&mut self, path: String, reason: String) {
        self.not_captured += 1;
        if self.first_not_captured.len() < NAMED_MAX {
            self.first_not_captured.push(NotCaptured {
                path,
                reason,
                stale: false,
            });
        }
    }

    /// A file of this category was sent with so many writes.
    pub fn add_sent(&mut self, category: usize, writes: u64) {
        if let Some(category) = self.categories.get_mut(category) {
            category.found.sent += writes;
        }
    }

    /// What was found of each category, compressed as far as that is known.
    pub(super) fn found(&self) -> Vec<Found> {
        let found = |category: &Surveyed| {
            let mut found = category.found.clone();
            category.compressible.add_to(&mut found);
            found
        };
        self.categories.iter().map(found).collect()
    }
}
