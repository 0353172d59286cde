//! What a backup will cost, from the sizes of its files, a policy and a table of prices.
//!
//! # Caveats
//! Lifecycle rules, compression and discounts are not reckoned with; the first makes the storage
//! cheaper later, the second makes everything smaller. What other people do in the buckets is
//! theirs.

use std::collections::BTreeMap;

use crate::api::cost::{
    CategoryEstimate, ClassPrice, Cost, Estimate, Prices, RunCost, StoredClass,
};
use crate::api::policy::{Category, StorageClass};
use crate::api::run::RunSpec;

use super::parts;

/// How many rows a segment of the catalog has, and what one of them takes there. Measured:
/// docs/benchmarks.md.
const ROWS_OF_SEGMENT: u64 = 50_000;
const BYTES_OF_ROW: u64 = 105;

/// What a first run asks besides sending files and segments: the repository, its HEAD and claims
/// are made, and the store is tried out. For one bucket, and for each bucket more.
const FIRST_RUN: Requests = Requests {
    writes: 13,
    reads: 9,
};
const FIRST_RUN_BUCKET: Requests = Requests {
    writes: 3,
    reads: 6,
};

/// What every later run asks besides, and for each bucket.
const LATER_RUN: Requests = Requests {
    writes: 2,
    reads: 5,
};
const LATER_RUN_BUCKET: Requests = Requests {
    writes: 0,
    reads: 2,
};

/// What making a restore point asks besides.
const COMMIT: Requests = Requests {
    writes: 2,
    reads: 0,
};

/// What reading a restore point asks besides its segments and files.
const RESTORE: Requests = Requests {
    writes: 0,
    reads: 2,
};

/// Of how many files one changes a day, where something changes.
const CHANGED_ONE_IN: u64 = 100;

/// A month, as prices are reckoned.
const DAYS_OF_MONTH: u32 = 30;

const GIBIBYTE: f64 = 1_073_741_824.0;

/// The prices that come with this release.
#[must_use]
#[expect(
    clippy::missing_panics_doc,
    reason = "the table is compiled in, and a test reads it"
)]
pub fn prices() -> Prices {
    serde_saphyr::from_str(include_str!("prices.yaml")).expect("a test reads the same table")
}

/// What was found of a source.
#[derive(Clone, Debug)]
pub struct Survey {
    categories: Vec<Found>,
    rows: u64,
    not_captured: u64,
    /// Whether the store copies large objects by itself.
    copies: bool,
}

/// What was found of a category.
#[derive(Clone, Debug)]
struct Found {
    name: String,
    bucket: String,
    class: StorageClass,
    price: ClassPrice,
    objects: u64,
    small_objects: u64,
    watched_objects: u64,
    bytes: u64,
    billed_bytes: u64,
    writes: u64,
    /// Writes that a run has made.
    sent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Requests {
    writes: u64,
    reads: u64,
}

impl Survey {
    /// Nothing was found yet.
    #[must_use]
    pub fn new(categories: &[Category], prices: &Prices) -> Self {
        let found = |category: &Category| {
            let class = category.storage_class.unwrap_or(StorageClass::Standard);
            Found::new(&category.name, &category.bucket, class, prices)
        };
        Self {
            categories: categories.iter().map(found).collect(),
            rows: 0,
            not_captured: 0,
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
        let writes = writes_of_file(size_bytes, self.copies);
        let category = category.and_then(|index| self.categories.get_mut(index));
        match (category, writes) {
            (Some(category), Some(writes)) => {
                self.rows += 1;
                category.add(size_bytes, writes);
            }
            (Some(_) | None, _) => self.not_captured += 1,
        }
    }

    /// A directory, a link, or what else has no content.
    pub fn add_other(&mut self) {
        self.rows += 1;
    }

    /// An entry that could not be looked at.
    pub fn add_unreadable(&mut self) {
        self.not_captured += 1;
    }

    /// A file of this category was sent with so many writes.
    pub fn add_sent(&mut self, category: usize, writes: u64) {
        if let Some(category) = self.categories.get_mut(category) {
            category.sent += writes;
        }
    }

    /// What a run cost that made these requests, by operation. What files were sent with is priced
    /// by their class, all else as STANDARD, which the catalog is in. `is_whole` says whether all
    /// of the source was seen.
    #[must_use]
    pub fn run_cost(
        &self,
        requests: &BTreeMap<String, u64>,
        is_whole: bool,
        prices: &Prices,
    ) -> RunCost {
        let count = |kind: Kind| -> u64 {
            let of_kind = requests.iter().filter(|(name, _)| kind_of(name) == kind);
            of_kind.map(|(_, count)| count).sum()
        };
        let (writes, reads) = (count(Kind::Write), count(Kind::Read));
        let sent = self.categories.iter().map(|found| found.sent);
        let rest = Requests {
            writes: writes.saturating_sub(sent.sum()),
            reads,
        };
        let reckoning = Reckoning::new(self, "", prices);
        let data = self.categories.iter();
        let data = data.map(|found| per_thousand(found.sent, found.price.thousand_writes));
        let dollars = data.sum::<f64>() + reckoning.catalog.requests(rest).dollars;
        let month = reckoning.all().map(Found::month).sum();
        RunCost {
            prices_region: prices.region.clone(),
            prices_as_of: prices.as_of.clone(),
            writes,
            reads,
            free: count(Kind::Free),
            requests_microdollars: microdollars(dollars),
            stored: if is_whole {
                reckoning.stored()
            } else {
                Vec::new()
            },
            month_microdollars: is_whole.then(|| microdollars(month)),
        }
    }

    /// What backing up the source will take, with its catalog in this bucket.
    #[must_use]
    pub fn estimate(&self, source: &str, catalog_bucket: &str, prices: &Prices) -> Estimate {
        let reckoning = Reckoning::new(self, catalog_bucket, prices);
        let files = reckoning.sum(|found| found.objects);
        let bytes = reckoning.sum(|found| found.bytes);
        let storage: f64 = reckoning.all().map(Found::month).sum();
        let (unchanged, changed) = (reckoning.unchanged_run(), reckoning.changed_run());
        let runs = f64::from(DAYS_OF_MONTH);
        let out = gibibytes(bytes) * prices.gibibyte_out;
        Estimate {
            source: source.to_owned(),
            prices_region: prices.region.clone(),
            prices_as_of: prices.as_of.clone(),
            files,
            bytes,
            not_captured: self.not_captured,
            categories: reckoning
                .all()
                .map(|found| found.estimate(prices))
                .collect(),
            first_run: reckoning.first_run(),
            unchanged_run: unchanged,
            changed_run: changed,
            restore: reckoning.restore(out),
            restore_out_dollars: out,
            month_unchanged_dollars: storage + runs * unchanged.dollars,
            month_changed_dollars: storage + reckoning.superseded() + runs * changed.dollars,
        }
    }
}

/// A survey and its catalog, to be reckoned with.
struct Reckoning<'a> {
    survey: &'a Survey,
    catalog: Found,
    /// Buckets besides the first.
    more_buckets: u64,
}

impl<'a> Reckoning<'a> {
    fn new(survey: &'a Survey, catalog_bucket: &str, prices: &Prices) -> Self {
        let mut catalog = Found::new("catalog", catalog_bucket, StorageClass::Standard, prices);
        let mut rows = survey.rows;
        while rows > 0 {
            let taken = rows.min(ROWS_OF_SEGMENT);
            catalog.add(taken * BYTES_OF_ROW, 1);
            rows -= taken;
        }
        let mut buckets: Vec<&str> = vec![catalog_bucket];
        buckets.extend(survey.categories.iter().map(|found| found.bucket.as_str()));
        buckets.sort_unstable();
        buckets.dedup();
        Self {
            survey,
            catalog,
            more_buckets: u64::try_from(buckets.len() - 1).unwrap_or(u64::MAX),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Found> {
        self.survey.categories.iter().chain([&self.catalog])
    }

    fn stored(&self) -> Vec<StoredClass> {
        let mut stored: Vec<StoredClass> = Vec::new();
        for found in self.all().filter(|found| found.objects > 0) {
            let mut standing = stored.iter_mut();
            if let Some(class) = standing.find(|class| class.storage_class == found.class) {
                class.objects += found.objects;
                class.bytes += found.bytes;
                class.billed_bytes += found.billed_bytes;
            } else {
                stored.push(StoredClass {
                    storage_class: found.class,
                    objects: found.objects,
                    bytes: found.bytes,
                    billed_bytes: found.billed_bytes,
                });
            }
        }
        stored
    }

    fn sum(&self, of: impl Fn(&Found) -> u64) -> u64 {
        self.survey.categories.iter().map(of).sum()
    }

    fn first_run(&self) -> Cost {
        let sent = self.all().map(|found| Cost {
            requests: found.writes,
            bytes: found.bytes,
            dollars: found.sending(),
        });
        total(sent) + self.catalog_requests(FIRST_RUN, FIRST_RUN_BUCKET)
    }

    fn unchanged_run(&self) -> Cost {
        // Of each segment its footer and the columns that decide.
        let segments = Requests {
            writes: 0,
            reads: 2 * self.catalog.objects,
        };
        self.catalog_requests(LATER_RUN, LATER_RUN_BUCKET) + self.catalog.requests(segments)
    }

    /// Of every category one in a hundred files, and at worst each in another segment.
    fn changed_run(&self) -> Cost {
        let part = |number: u64| number.div_ceil(CHANGED_ONE_IN);
        let files = total(self.survey.categories.iter().map(|found| Cost {
            requests: part(found.writes),
            bytes: part(found.bytes),
            dollars: per_thousand(part(found.writes), found.price.thousand_writes),
        }));
        let segments = self
            .catalog
            .objects
            .min(part(self.sum(|found| found.objects)));
        let rewritten = Requests {
            writes: segments + COMMIT.writes,
            reads: segments,
        };
        self.unchanged_run() + files + self.catalog.requests(rewritten)
    }

    /// What a month of the versions costs that changed files leave behind.
    fn superseded(&self) -> f64 {
        let of = |found: &Found| {
            let days = found.price.minimum_days.max(DAYS_OF_MONTH);
            found.month() * f64::from(days) / per_cent()
        };
        self.survey.categories.iter().map(of).sum()
    }

    fn restore(&self, out_dollars: f64) -> Cost {
        let read = self.all().map(|found| Cost {
            requests: found.objects,
            bytes: found.bytes,
            dollars: found.reading(),
        });
        let out = Cost {
            dollars: out_dollars,
            ..Cost::default()
        };
        total(read) + self.catalog.requests(RESTORE) + out
    }

    fn catalog_requests(&self, once: Requests, each_bucket: Requests) -> Cost {
        self.catalog.requests(Requests {
            writes: once.writes + each_bucket.writes * self.more_buckets,
            reads: once.reads + each_bucket.reads * self.more_buckets,
        })
    }
}

impl Found {
    fn new(name: &str, bucket: &str, class: StorageClass, prices: &Prices) -> Self {
        Self {
            name: name.to_owned(),
            bucket: bucket.to_owned(),
            class,
            price: prices.classes.of(class).clone(),
            objects: 0,
            small_objects: 0,
            watched_objects: 0,
            bytes: 0,
            billed_bytes: 0,
            writes: 0,
            sent: 0,
        }
    }

    fn add(&mut self, size_bytes: u64, writes: u64) {
        let price = &self.price;
        self.objects += 1;
        self.small_objects += u64::from(size_bytes < price.minimum_bytes);
        self.watched_objects += u64::from(size_bytes >= price.watched_from_bytes);
        self.bytes += size_bytes;
        self.billed_bytes += size_bytes.max(price.minimum_bytes);
        self.writes += writes;
    }

    fn month(&self) -> f64 {
        gibibytes(self.billed_bytes) * self.price.gibibyte_month
            + per_thousand(self.watched_objects, self.price.thousand_watched_month)
    }

    fn sending(&self) -> f64 {
        per_thousand(self.writes, self.price.thousand_writes)
    }

    fn reading(&self) -> f64 {
        per_thousand(self.objects, self.price.thousand_reads)
            + gibibytes(self.bytes) * self.price.gibibyte_retrieved
    }

    fn requests(&self, requests: Requests) -> Cost {
        Cost {
            requests: requests.writes + requests.reads,
            bytes: 0,
            dollars: per_thousand(requests.writes, self.price.thousand_writes)
                + per_thousand(requests.reads, self.price.thousand_reads),
        }
    }

    fn estimate(&self, prices: &Prices) -> CategoryEstimate {
        CategoryEstimate {
            name: self.name.clone(),
            bucket: self.bucket.clone(),
            storage_class: self.class,
            objects: self.objects,
            bytes: self.bytes,
            billed_bytes: self.billed_bytes,
            small_objects: self.small_objects,
            minimum_days: self.price.minimum_days,
            first_run_dollars: self.sending(),
            month_dollars: self.month(),
            month_in_standard_dollars: gibibytes(self.bytes)
                * prices.classes.standard.gibibyte_month,
            restore_dollars: self.reading(),
        }
    }
}

/// How a request is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Write,
    Read,
    Free,
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequestPricing.html>
fn kind_of(operation: &str) -> Kind {
    let begins = |words: &[&str]| words.iter().any(|word| operation.starts_with(word));
    if begins(&[
        "Put", "Copy", "Post", "List", "Create", "Upload", "Complete",
    ]) {
        Kind::Write
    } else if begins(&["Delete", "Abort"]) {
        Kind::Free
    } else {
        Kind::Read
    }
}

/// How many writes a file takes; `None` where it is too large.
fn writes_of_file(size_bytes: u64, is_copied: bool) -> Option<u64> {
    let part_size_bytes = if is_copied {
        parts::copy_part_size_bytes(size_bytes)?
    } else {
        parts::part_size_bytes(size_bytes)?
    };
    if size_bytes <= parts::PART_MIN_BYTES {
        return Some(1);
    }
    // An upload is begun and ended.
    Some(2 + size_bytes.div_ceil(part_size_bytes))
}

fn total(costs: impl Iterator<Item = Cost>) -> Cost {
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

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "prices are not negative, and a cast of too large a number gives the largest one"
)]
fn microdollars(dollars: f64) -> u64 {
    (dollars * 1e6).round() as u64
}

fn per_thousand(count: u64, price: f64) -> f64 {
    number(count) / 1000.0 * price
}

fn gibibytes(bytes: u64) -> f64 {
    number(bytes) / GIBIBYTE
}

fn per_cent() -> f64 {
    number(CHANGED_ONE_IN)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an estimate of dollars needs no more than 53 bits"
)]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: u64 = 1 << 20;

    fn survey(class: Option<StorageClass>, files: &[(u64, u64)]) -> Estimate {
        let category: Category = serde_json::from_value(serde_json::json!({
            "name": "all", "bucket": "acme", "storageClass": class,
        }))
        .unwrap();
        let prices = prices();
        let mut survey = Survey::new(&[category], &prices);
        for (count, size_bytes) in files {
            for _ in 0..*count {
                survey.add_file(Some(0), *size_bytes);
            }
        }
        survey.estimate("files", "acme", &prices)
    }

    #[track_caller]
    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }

    #[test]
    fn a_gibibyte_in_standard_is_billed_as_it_is() {
        let estimate = survey(None, &[(1024, MEBIBYTE)]);
        let all = &estimate.categories[0];
        near(all.month_dollars, 0.023);
        near(all.first_run_dollars, 1.024 * 0.005);
        near(all.restore_dollars, 1.024 * 0.0004);
        near(estimate.restore_out_dollars, 0.09);
        assert_eq!((estimate.files, estimate.bytes), (1024, 1 << 30));
        assert_eq!(estimate.first_run.requests, 1024 + 1 + 13 + 9);
    }

    #[test]
    fn small_files_in_an_infrequent_class_are_billed_as_128_kib_each() {
        let estimate = survey(Some(StorageClass::StandardIa), &[(8192, 1024)]);
        let all = &estimate.categories[0];
        assert_eq!((all.bytes, all.billed_bytes), (8 << 20, 1 << 30));
        assert_eq!(all.small_objects, 8192);
        near(all.month_dollars, 0.0125);
        assert!(all.month_in_standard_dollars < all.month_dollars);
    }

    #[test]
    fn what_changes_is_billed_for_the_least_time_of_its_class() {
        let glacier = survey(Some(StorageClass::GlacierIr), &[(1024, MEBIBYTE)]);
        let runs = 30.0 * glacier.changed_run.dollars;
        let storage: f64 = glacier.categories.iter().map(|all| all.month_dollars).sum();
        // Ninety days of one per cent a day.
        near(glacier.month_changed_dollars - runs - storage, 0.004 * 0.9);
    }

    #[test]
    fn a_run_is_priced_by_the_classes_that_it_sent_to() {
        let categories = serde_json::json!([
            {"name": "photos", "bucket": "acme", "storageClass": "GLACIER_IR"},
            {"name": "rest", "bucket": "acme"},
        ]);
        let categories: Vec<Category> = serde_json::from_value(categories).unwrap();
        let prices = prices();
        let mut survey = Survey::new(&categories, &prices);
        for category in [0, 1] {
            survey.add_file(Some(category), 1 << 30);
            survey.add_sent(category, 1000);
        }
        let requests = [
            ("PutObject", 2500),
            ("ListObjectsV2", 500),
            ("GetObject", 1000),
            ("DeleteObjects", 7),
        ];
        let requests = requests
            .map(|(name, count)| (name.to_owned(), count))
            .into();
        let cost = survey.run_cost(&requests, true, &prices);
        assert_eq!((cost.writes, cost.reads, cost.free), (3000, 1000, 7));
        assert_eq!(cost.requests_microdollars, 20_000 + 5_000 + 5_000 + 400);
        assert_eq!(cost.month_microdollars, Some(27_000));
        let classes = cost.stored.iter().map(|class| class.storage_class.as_str());
        assert_eq!(classes.collect::<Vec<_>>(), ["GLACIER_IR", "STANDARD"]);
        let partly = survey.run_cost(&requests, false, &prices);
        assert_eq!((partly.month_microdollars, partly.stored.len()), (None, 0));
    }

    #[test]
    fn only_large_enough_objects_are_watched() {
        let files = [(1000, 1024), (1000, MEBIBYTE)];
        let estimate = survey(Some(StorageClass::IntelligentTiering), &files);
        let all = &estimate.categories[0];
        near(all.month_dollars - gibibytes(all.bytes) * 0.023, 0.0025);
    }

    #[test]
    fn a_large_file_is_sent_in_parts_and_one_beyond_all_limits_is_not() {
        let estimate = survey(None, &[(1, 40 * MEBIBYTE), (1, parts::FILE_MAX_BYTES + 1)]);
        near(estimate.categories[0].first_run_dollars, 0.007 * 0.005);
        assert_eq!((estimate.files, estimate.not_captured), (1, 1));
    }

    #[test]
    fn what_the_store_copies_by_itself_takes_fewer_requests_and_may_be_larger() {
        assert_eq!(writes_of_file(MEBIBYTE, true), Some(1));
        assert_eq!(writes_of_file(300 * MEBIBYTE, true), Some(5));
        assert_eq!(writes_of_file(300 * MEBIBYTE, false), Some(40));
        assert!(writes_of_file(parts::FILE_MAX_BYTES + 1, true).is_some());
        assert_eq!(kind_of("UploadPartCopy"), Kind::Write);
    }
}
