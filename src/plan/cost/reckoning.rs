//! Estimate: what backing up a source will take, from what was found of it.

use super::Survey;
use super::found::Found;
use super::lifecycle::Rules;
use super::money::{DAYS_OF_MONTH, gibibytes, per_thousand, total};
use super::months::{CHANGED_ONE_IN, Stock};
use super::requests::{
    COMMIT, FIRST_RUN, FIRST_RUN_BUCKET, LATER_RUN, LATER_RUN_BUCKET, RESTORE, Requests,
};
use crate::api::cost::{Cost, Estimate, Prices, Tier};
use crate::api::policy::StorageClass;
use crate::api::settings::Lifecycle;

/// How many rows a segment of the catalog has, and what one of them takes there. Measured:
/// docs/benchmarks.md.
const ROWS_OF_SEGMENT: u64 = 25_000;
const BYTES_OF_ROW: u64 = 105;

impl Survey {
    /// What backing up the source will take, with its catalog in this bucket and its files under
    /// these rules.
    #[must_use]
    pub fn estimate(
        &self,
        source: &str,
        catalog_bucket: &str,
        lifecycle: Option<&Lifecycle>,
        prices: &Prices,
    ) -> Estimate {
        let reckoning = Reckoning::new(self, catalog_bucket, prices);
        let (unchanged, changed) = (reckoning.unchanged_run(), reckoning.changed_run());
        let rules = Rules::new(lifecycle);
        let stock = Stock {
            categories: &reckoning.categories,
            catalog: &reckoning.catalog,
            rules: &rules,
            prices,
        };
        let out = gibibytes(reckoning.sum(|found| found.all().bytes)) * prices.gibibyte_out;
        let a_month = |run: &Cost| f64::from(DAYS_OF_MONTH) * run.dollars;
        Estimate {
            source: source.to_owned(),
            prices_region: prices.region.clone(),
            prices_as_of: prices.as_of.clone(),
            files: reckoning.sum(|found| found.all().objects),
            bytes: reckoning.sum(Found::source_bytes),
            not_captured: self.not_captured,
            first_not_captured: self.first_not_captured.clone(),
            categories: reckoning
                .all()
                .map(|found| found.estimate(prices))
                .collect(),
            first_run: reckoning.first_run(),
            unchanged_run: unchanged,
            changed_run: changed,
            restore: reckoning.restore(out, Tier::from, prices),
            restore_out_dollars: out,
            superseded_kept_days: rules.superseded_kept_days(),
            months_unchanged: stock.unchanged(a_month(&unchanged)),
            months_changed: stock.changed(a_month(&changed)),
            restore_moved: reckoning.restore_moved(out, &rules, prices),
        }
    }
}

/// A survey and its catalog, to be reckoned with.
pub(super) struct Reckoning {
    pub(super) categories: Vec<Found>,
    pub(super) catalog: Found,
    /// Buckets besides the first.
    more_buckets: u64,
}

impl Reckoning {
    pub(super) fn new(survey: &Survey, catalog_bucket: &str, prices: &Prices) -> Self {
        let categories = survey.found();
        let mut catalog = Found::new("catalog", catalog_bucket, StorageClass::Standard, prices);
        let mut rows = survey.rows;
        while rows > 0 {
            let taken = rows.min(ROWS_OF_SEGMENT);
            catalog.add(taken * BYTES_OF_ROW, 1);
            rows -= taken;
        }
        let mut buckets: Vec<&str> = vec![catalog_bucket];
        buckets.extend(categories.iter().map(|found| found.bucket.as_str()));
        buckets.sort_unstable();
        buckets.dedup();
        Self {
            more_buckets: u64::try_from(buckets.len() - 1).unwrap_or(u64::MAX),
            categories,
            catalog,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Found> {
        self.categories.iter().chain([&self.catalog])
    }

    fn sum(&self, of: impl Fn(&Found) -> u64) -> u64 {
        self.categories.iter().map(of).sum()
    }

    fn first_run(&self) -> Cost {
        let sent = self.all().map(|found| Cost {
            requests: found.writes,
            bytes: found.all().bytes,
            dollars: found.sending(),
        });
        total(sent) + self.catalog_requests(FIRST_RUN, FIRST_RUN_BUCKET)
    }

    fn unchanged_run(&self) -> Cost {
        // Of each segment its footer and the columns that decide.
        let segments = Requests {
            writes: 0,
            reads: 2 * self.catalog.all().objects,
        };
        self.catalog_requests(LATER_RUN, LATER_RUN_BUCKET) + self.catalog.requests(segments)
    }

    /// Of every category one in a hundred files, and at worst each in another segment.
    fn changed_run(&self) -> Cost {
        let part = |number: u64| number.div_ceil(CHANGED_ONE_IN);
        let files = total(self.categories.iter().map(|found| Cost {
            requests: part(found.writes),
            bytes: part(found.all().bytes),
            dollars: per_thousand(part(found.writes), found.price.thousand_writes),
        }));
        let segments = self
            .catalog
            .all()
            .objects
            .min(part(self.sum(|found| found.all().objects)));
        let rewritten = Requests {
            writes: segments + COMMIT.writes,
            reads: segments,
        };
        self.unchanged_run() + files + self.catalog.requests(rewritten)
    }

    /// Everything read from where `place` says that movable objects lie by then.
    fn restore(
        &self,
        out_dollars: f64,
        place: impl Fn(StorageClass) -> Tier,
        prices: &Prices,
    ) -> Cost {
        let read = self.categories.iter().map(|found| {
            let moved = prices.classes.of(place(found.class));
            found.staying.reading(&found.price) + found.movable.reading(moved)
        });
        let out = Cost {
            dollars: out_dollars,
            ..Cost::default()
        };
        total(read)
            + self.catalog.all().reading(&self.catalog.price)
            + self.catalog.requests(RESTORE)
            + out
    }

    fn restore_moved(&self, out_dollars: f64, rules: &Rules, prices: &Prices) -> Option<Cost> {
        let is_moved =
            |found: &Found| found.movable.objects > 0 && rules.current(found.class.into()).moves();
        let last = |class: StorageClass| {
            let course = rules.current(class.into());
            course.last().map_or_else(|| class.into(), |(_, tier)| tier)
        };
        let moves = self.categories.iter().any(is_moved);
        moves.then(|| self.restore(out_dollars, last, prices))
    }

    fn catalog_requests(&self, once: Requests, each_bucket: Requests) -> Cost {
        self.catalog.requests(Requests {
            writes: once.writes + each_bucket.writes * self.more_buckets,
            reads: once.reads + each_bucket.reads * self.more_buckets,
        })
    }
}
