//! What a store costs, and what a backup will: the table of prices that a user may write, and the
//! estimate that is read by people and programs.

use serde::{Deserialize, Serialize};

use super::policy::StorageClass;
use super::report::NotCaptured;
use super::settings::TransitionClass;

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
    /// `GLACIER`, also called Flexible Retrieval.
    pub glacier: ClassPrice,
    /// `DEEP_ARCHIVE`.
    pub deep_archive: ClassPrice,
    /// `REDUCED_REDUNDANCY`.
    pub reduced_redundancy: ClassPrice,
}

impl ClassPrices {
    /// The prices of a class.
    #[must_use]
    pub fn of(&self, tier: impl Into<Tier>) -> &ClassPrice {
        match tier.into() {
            Tier::Standard => &self.standard,
            Tier::StandardIa => &self.standard_ia,
            Tier::OnezoneIa => &self.onezone_ia,
            Tier::IntelligentTiering => &self.intelligent_tiering,
            Tier::GlacierIr => &self.glacier_ir,
            Tier::Glacier => &self.glacier,
            Tier::DeepArchive => &self.deep_archive,
            Tier::ReducedRedundancy => &self.reduced_redundancy,
        }
    }
}

/// A storage class that an object can lie in: one that it was sent to, or moved to by a rule.
/// Ordered as S3 moves objects: towards later ones only.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Tier {
    /// `REDUCED_REDUNDANCY`.
    ReducedRedundancy,
    /// `STANDARD`.
    Standard,
    /// `STANDARD_IA`.
    StandardIa,
    /// `INTELLIGENT_TIERING`.
    IntelligentTiering,
    /// `ONEZONE_IA`.
    OnezoneIa,
    /// `GLACIER_IR`.
    GlacierIr,
    /// `GLACIER`.
    Glacier,
    /// `DEEP_ARCHIVE`.
    DeepArchive,
}

impl Tier {
    /// The name that S3 uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReducedRedundancy => StorageClass::ReducedRedundancy.as_str(),
            Self::Standard => StorageClass::Standard.as_str(),
            Self::StandardIa => StorageClass::StandardIa.as_str(),
            Self::IntelligentTiering => StorageClass::IntelligentTiering.as_str(),
            Self::OnezoneIa => StorageClass::OnezoneIa.as_str(),
            Self::GlacierIr => StorageClass::GlacierIr.as_str(),
            Self::Glacier => TransitionClass::Glacier.as_str(),
            Self::DeepArchive => TransitionClass::DeepArchive.as_str(),
        }
    }

    /// How many hours S3 takes to make an object readable, where it is not so at once; by the
    /// retrieval that is called Standard.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html>
    #[must_use]
    pub fn retrieval_hours(self) -> Option<&'static str> {
        match self {
            Self::Glacier => Some("3 to 5"),
            Self::DeepArchive => Some("12"),
            Self::ReducedRedundancy
            | Self::Standard
            | Self::StandardIa
            | Self::IntelligentTiering
            | Self::OnezoneIa
            | Self::GlacierIr => None,
        }
    }
}

impl From<StorageClass> for Tier {
    fn from(class: StorageClass) -> Self {
        match class {
            StorageClass::Standard => Self::Standard,
            StorageClass::StandardIa => Self::StandardIa,
            StorageClass::OnezoneIa => Self::OnezoneIa,
            StorageClass::IntelligentTiering => Self::IntelligentTiering,
            StorageClass::GlacierIr => Self::GlacierIr,
            StorageClass::ReducedRedundancy => Self::ReducedRedundancy,
        }
    }
}

impl From<TransitionClass> for Tier {
    fn from(class: TransitionClass) -> Self {
        match class {
            TransitionClass::StandardIa => Self::StandardIa,
            TransitionClass::IntelligentTiering => Self::IntelligentTiering,
            TransitionClass::OnezoneIa => Self::OnezoneIa,
            TransitionClass::GlacierIr => Self::GlacierIr,
            TransitionClass::Glacier => Self::Glacier,
            TransitionClass::DeepArchive => Self::DeepArchive,
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
    /// A thousand objects that a lifecycle rule moves into the class.
    pub thousand_transitions: f64,
    /// A thousand objects asked back from an archive, where they are not readable at once.
    #[serde(default)]
    pub thousand_retrievals: f64,
    /// The size that a smaller object is billed as.
    pub minimum_bytes: u64,
    /// For how many days an object is billed at least.
    pub minimum_days: u32,
    /// What an archive adds to each object, billed in the class.
    #[serde(default)]
    pub overhead_bytes: u64,
    /// What an archive adds to each object, billed as STANDARD.
    #[serde(default)]
    pub standard_overhead_bytes: u64,
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
    /// The first of them that are known by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_not_captured: Vec<NotCaptured>,
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
    /// How long superseded versions are kept; absent where no rule ever removes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_kept_days: Option<u32>,
    /// The months in which nothing changes, like ones together, from the first to the last, which
    /// goes on for ever.
    pub months_unchanged: Vec<Months>,
    /// Months in which the same one in a hundred files change each day. The last one goes on for
    /// ever; where superseded versions do, it is the twenty-fourth.
    pub months_changed: Vec<Months>,
    /// Everything restored once lifecycle rules have moved it for the last time; absent where none
    /// does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_moved: Option<Cost>,
}

/// What one month costs, or each of several that are alike, counted from the first run.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Months {
    /// The first of them, from 1.
    pub first: u32,
    /// The last of them; absent where that is not to be foreseen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u32>,
    /// What is stored, by class, on average.
    pub stored: Vec<StoredTier>,
    /// Objects that rules move.
    pub moves: u64,
    /// What moving them costs.
    pub moves_dollars: f64,
    /// What is billed because objects leave a class before its least days are over.
    pub early_dollars: f64,
    /// A run a day.
    pub runs_dollars: f64,
    /// All of that.
    pub dollars: f64,
}

/// What lies in one class.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StoredTier {
    /// The class.
    pub tier: Tier,
    /// Objects.
    pub objects: u64,
    /// Their size.
    pub bytes: u64,
    /// The size that is billed.
    pub billed_bytes: u64,
    /// What keeping them for the month costs.
    pub dollars: f64,
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
    /// Their size in the source.
    pub bytes: u64,
    /// Their size once they are compressed: as it is in the source where nothing is, or no sample was
    /// read.
    pub stored_bytes: u64,
    /// Files that were read to learn how much compression saves; that is then known about.
    pub sampled_files: u64,
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
    /// What keeping it for a month costs in the classes that it was sent to: a run knows no lifecycle
    /// rules.
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
