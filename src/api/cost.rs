//! What a store costs, and what a backup will: the table of prices that a user may write, and the
//! estimate that is read by people and programs.

use serde::{Deserialize, Serialize};

use super::policy::StorageClass;

/// What a store costs in one region, in dollars. The first price step, without free allowances.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prices {
    /// Where they are published.
    pub source: String,
    /// The region that they hold for.
    pub region: String,
    /// The month in which the table was written, as 2026-11.
    pub as_of: String,
    /// A GiB that leaves the region for the internet.
    pub gibibyte_out: f64,
    /// What depends on the storage class.
    pub classes: ClassPrices,
}

/// The prices of each storage class.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub struct ClassPrices {
    /// `STANDARD`.
    pub standard: ClassPrice,
    /// `STANDARD_IA`.
    pub standard_ia: ClassPrice,
    /// `ONEZONE_IA`.
    pub onezone_ia: ClassPrice,
    /// `INTELLIGENT_TIERING`.
    pub intelligent_tiering: ClassPrice,
    /// `GLACIER_IR`.
    pub glacier_ir: ClassPrice,
    /// `REDUCED_REDUNDANCY`.
    pub reduced_redundancy: ClassPrice,
}

impl ClassPrices {
    /// The prices of a class.
    #[must_use]
    pub fn of(&self, class: StorageClass) -> &ClassPrice {
        match class {
            StorageClass::Standard => &self.standard,
            StorageClass::StandardIa => &self.standard_ia,
            StorageClass::OnezoneIa => &self.onezone_ia,
            StorageClass::IntelligentTiering => &self.intelligent_tiering,
            StorageClass::GlacierIr => &self.glacier_ir,
            StorageClass::ReducedRedundancy => &self.reduced_redundancy,
        }
    }
}

/// What a storage class costs, in dollars.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClassPrice {
    /// A GiB kept for a month.
    pub gibibyte_month: f64,
    /// A thousand PUT, COPY, POST or LIST requests.
    pub thousand_writes: f64,
    /// A thousand GET, HEAD and other requests.
    pub thousand_reads: f64,
    /// A GiB read, besides the request.
    pub gibibyte_retrieved: f64,
    /// The size that a smaller object is billed as.
    pub minimum_bytes: u64,
    /// For how many days an object is billed at least.
    pub minimum_days: u32,
    /// From what size on an object is watched, where that costs.
    #[serde(default)]
    pub watched_from_bytes: u64,
    /// A thousand watched objects kept for a month.
    #[serde(default)]
    pub thousand_watched_month: f64,
}

/// What backing up a source will take, and cost in dollars.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// The source's name.
    pub source: String,
    /// The region that the prices hold for.
    pub prices_region: String,
    /// The month in which the prices were written down.
    pub prices_as_of: String,
    /// Files that would be captured.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Files that no category takes, or that are too large, and entries that could not be looked at.
    pub not_captured: u64,
    /// By category, in the policy's order; the last one is the catalog.
    pub categories: Vec<CategoryEstimate>,
    /// The first run.
    pub first_run: Cost,
    /// A run that finds nothing changed.
    pub unchanged_run: Cost,
    /// A run that finds one in a hundred files changed.
    pub changed_run: Cost,
    /// Everything restored once, out of the region.
    pub restore: Cost,
    /// What leaves the region in a restore costs this of it.
    pub restore_out_dollars: f64,
    /// A month in which nothing changes: storage, and a run a day.
    pub month_unchanged_dollars: f64,
    /// A month in which one in a hundred files changes each day, once the versions that they
    /// supersede are kept for thirty days, or for as long as their class bills at least.
    pub month_changed_dollars: f64,
}

/// What one category will take, and cost in dollars.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CategoryEstimate {
    /// The category's name; `catalog` for the catalog.
    pub name: String,
    /// Its bucket.
    pub bucket: String,
    /// Its storage class.
    pub storage_class: StorageClass,
    /// Objects.
    pub objects: u64,
    /// Their size.
    pub bytes: u64,
    /// The size that is billed: small objects of some classes count as larger ones.
    pub billed_bytes: u64,
    /// Objects that are billed as larger ones.
    pub small_objects: u64,
    /// For how many days an object is billed at least.
    pub minimum_days: u32,
    /// What sending them costs.
    pub first_run_dollars: f64,
    /// What keeping them for a month costs.
    pub month_dollars: f64,
    /// What keeping them for a month in STANDARD would cost.
    pub month_in_standard_dollars: f64,
    /// What reading them all once costs, without what leaves the region.
    pub restore_dollars: f64,
}

/// What a run cost, and what the month after it will. In millionths of a dollar, because a status
/// holds no fractions.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RunCost {
    /// The region that the prices hold for.
    pub prices_region: String,
    /// The month in which the prices were written down.
    pub prices_as_of: String,
    /// Requests, priced as writes.
    pub writes: u64,
    /// Requests, priced as reads.
    pub reads: u64,
    /// Requests that are free.
    pub free: u64,
    /// The price of the requests.
    pub requests_microdollars: u64,
    /// What is stored, by storage class; absent where the run did not see all of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stored: Vec<StoredClass>,
    /// What keeping it for a month costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month_microdollars: Option<u64>,
}

/// What is stored in one class, of the newest restore point and the catalog. Older versions come
/// on top. Sizes are those of the source: compression makes them less.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StoredClass {
    /// The class.
    pub storage_class: StorageClass,
    /// Objects.
    pub objects: u64,
    /// Their size.
    pub bytes: u64,
    /// The size that is billed.
    pub billed_bytes: u64,
}

/// Requests and bytes, and their price in dollars.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Requests.
    pub requests: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// The price.
    pub dollars: f64,
}
