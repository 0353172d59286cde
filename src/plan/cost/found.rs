//! What was found of a category, and what its objects cost in the class that they are sent to.

use super::money::{gibibytes, number, per_thousand};
use super::requests::Requests;
use crate::api::cost::{CategoryEstimate, ClassPrice, Cost, Prices};
use crate::api::policy::StorageClass;

/// The size from which on a rule moves an object, where it does not say otherwise; ours do not.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>
const MOVED_FROM_BYTES: u64 = 128 << 10;

/// What was found of a category.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) bucket: String,
    pub(super) class: StorageClass,
    pub(super) price: ClassPrice,
    pub(super) sampled_files: u64,
    pub(super) writes: u64,
    /// Writes that a run has made.
    pub(super) sent: u64,
    small_objects: u64,
    source_bytes: u64,
    /// Objects too small to be moved by a rule.
    pub(super) staying: Lot,
    /// All others.
    pub(super) movable: Lot,
}

/// Objects that fare alike, as they are billed in the class that they are sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lot {
    pub(super) objects: u64,
    pub(super) watched_objects: u64,
    pub(super) bytes: u64,
    pub(super) billed_bytes: u64,
}

/// Files that are alike.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Files {
    pub(super) count: u64,
    /// The size of all of them in the source.
    pub(super) source_bytes: u64,
    /// The size of all of them as they are stored.
    pub(super) stored_bytes: u64,
    pub(super) writes: u64,
}

impl Found {
    pub(super) fn new(name: &str, bucket: &str, class: StorageClass, prices: &Prices) -> Self {
        Self {
            name: name.to_owned(),
            bucket: bucket.to_owned(),
            class,
            price: prices.classes.of(class).clone(),
            sampled_files: 0,
            writes: 0,
            sent: 0,
            small_objects: 0,
            source_bytes: 0,
            staying: Lot::default(),
            movable: Lot::default(),
        }
    }

    /// An object that is stored as it is.
    pub(super) fn add(&mut self, size_bytes: u64, writes: u64) {
        self.add_files(Files {
            count: 1,
            source_bytes: size_bytes,
            stored_bytes: size_bytes,
            writes,
        });
    }

    pub(super) fn add_files(&mut self, files: Files) {
        let Some(each_bytes) = files.stored_bytes.checked_div(files.count) else {
            return;
        };
        let price = &self.price;
        let of = |holds: bool| if holds { files.count } else { 0 };
        self.small_objects += of(each_bytes < price.minimum_bytes);
        self.source_bytes += files.source_bytes;
        self.writes += files.writes;
        let lot = Lot {
            objects: files.count,
            watched_objects: of(each_bytes >= price.watched_from_bytes),
            bytes: files.stored_bytes,
            billed_bytes: files
                .stored_bytes
                .max(files.count.saturating_mul(price.minimum_bytes)),
        };
        if each_bytes < MOVED_FROM_BYTES {
            self.staying.add(lot);
        } else {
            self.movable.add(lot);
        }
    }

    /// Adds what was found of the same category elsewhere.
    pub(super) fn merge(&mut self, other: &Self) {
        self.small_objects += other.small_objects;
        self.source_bytes += other.source_bytes;
        self.writes += other.writes;
        self.staying.add(other.staying);
        self.movable.add(other.movable);
    }

    /// All that is stored.
    pub(super) fn all(&self) -> Lot {
        let mut all = self.staying;
        all.add(self.movable);
        all
    }

    pub(super) fn source_bytes(&self) -> u64 {
        self.source_bytes
    }

    pub(super) fn month(&self) -> f64 {
        let all = self.all();
        gibibytes(all.billed_bytes) * self.price.gibibyte_month
            + per_thousand(all.watched_objects, self.price.thousand_watched_month)
    }

    pub(super) fn sending(&self) -> f64 {
        per_thousand(self.writes, self.price.thousand_writes)
    }

    pub(super) fn requests(&self, requests: Requests) -> Cost {
        Cost {
            requests: requests.writes + requests.reads,
            bytes: 0,
            dollars: per_thousand(requests.writes, self.price.thousand_writes)
                + per_thousand(requests.reads, self.price.thousand_reads),
        }
    }

    pub(super) fn estimate(&self, prices: &Prices) -> CategoryEstimate {
        let all = self.all();
        CategoryEstimate {
            name: self.name.clone(),
            bucket: self.bucket.clone(),
            storage_class: self.class,
            objects: all.objects,
            bytes: self.source_bytes,
            stored_bytes: all.bytes,
            sampled_files: self.sampled_files,
            billed_bytes: all.billed_bytes,
            small_objects: self.small_objects,
            minimum_days: self.price.minimum_days,
            first_run_dollars: self.sending(),
            month_dollars: self.month(),
            month_in_standard_dollars: gibibytes(all.bytes)
                * prices.classes.standard.gibibyte_month,
            restore_dollars: all.reading(&self.price).dollars,
        }
    }
}

impl Lot {
    fn add(&mut self, other: Self) {
        self.objects += other.objects;
        self.watched_objects += other.watched_objects;
        self.bytes += other.bytes;
        self.billed_bytes += other.billed_bytes;
    }

    /// Reading all of it from a class, without what leaves the region.
    pub(super) fn reading(&self, price: &ClassPrice) -> Cost {
        let retrievals = if price.thousand_retrievals > 0.0 {
            self.objects
        } else {
            0
        };
        Cost {
            requests: self.objects + retrievals,
            bytes: self.bytes,
            dollars: per_thousand(self.objects, price.thousand_reads)
                + per_thousand(retrievals, price.thousand_retrievals)
                + gibibytes(self.bytes) * price.gibibyte_retrieved,
        }
    }

    /// One in so many of it, on average.
    pub(super) fn share(&self, of: f64) -> [f64; 4] {
        [
            self.objects,
            self.watched_objects,
            self.bytes,
            self.billed_bytes,
        ]
        .map(|amount| number(amount) * of)
    }
}
