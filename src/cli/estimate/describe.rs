//! An estimate, for a reader.

use crate::api::cost::{CategoryEstimate, Cost, Estimate, Months, StoredTier};
use crate::api::run::RunSpec;
use crate::api::settings::Lifecycle;
use crate::plan::notice::named;
use crate::plan::words::{entries, size};

pub(super) fn estimate(
    estimate: &Estimate,
    spec: &RunSpec,
    lifecycle: Option<&Lifecycle>,
) -> String {
    let mut lines = vec![
        format!(
            "estimate of {}: {} files, {}, at prices of {} from {}",
            estimate.source,
            estimate.files,
            size(estimate.bytes),
            estimate.prices_region,
            estimate.prices_as_of
        ),
        "  CATEGORY    CLASS              OBJECTS        SIZE   BILLED AS     A MONTH".to_owned(),
    ];
    lines.extend(estimate.categories.iter().map(category));
    lines.push(format!("  first run       {}", priced(&estimate.first_run)));
    lines.push(format!(
        "  a run a day     {}; with 1 % of the files changed {}",
        priced(&estimate.unchanged_run),
        priced(&estimate.changed_run)
    ));
    lines.extend(match lifecycle {
        Some(_) => by_month(estimate),
        None => vec![a_month(estimate)],
    });
    lines.push(format!(
        "  a full restore  {}; {} of it because it leaves AWS",
        priced(&estimate.restore),
        dollars(estimate.restore_out_dollars)
    ));
    if let Some(cost) = &estimate.restore_moved {
        let last = estimate.months_unchanged.last();
        let label = last.map(label).unwrap_or_default();
        lines.push(format!("    {label:<14}{}", priced(cost)));
    }
    lines.extend(
        notes(estimate, spec)
            .iter()
            .map(|note| format!("  note            {note}")),
    );
    lines.join("\n")
}

fn category(category: &CategoryEstimate) -> String {
    format!(
        "  {:<10}  {:<19}{:>7}  {:>10}  {:>10}  {:>10}",
        category.name,
        category.storage_class.as_str(),
        category.objects,
        size(category.bytes),
        size(category.billed_bytes),
        dollars(category.month_dollars)
    )
}

/// The months of a policy that says nothing about lifecycle: they are all alike.
fn a_month(estimate: &Estimate) -> String {
    let in_the_end = |months: &[Months]| dollars(months.last().map_or(0.0, |last| last.dollars));
    format!(
        "  a month         {}; with 1 % changed a day and old versions kept for 30 days {}",
        in_the_end(&estimate.months_unchanged),
        in_the_end(&estimate.months_changed)
    )
}

fn by_month(estimate: &Estimate) -> Vec<String> {
    let kept = match estimate.superseded_kept_days {
        Some(days) => format!("and old versions are kept for {days} days"),
        None => "and old versions are kept for ever".to_owned(),
    };
    let mut lines = vec!["  a month under the lifecycle rules, sizes as billed".to_owned()];
    lines.push("   if nothing changes".to_owned());
    lines.extend(estimate.months_unchanged.iter().map(month));
    lines.push(format!(
        "   if 1 % of the files changes each day, always the same, {kept}"
    ));
    lines.extend(estimate.months_changed.iter().map(month));
    lines
}

fn month(months: &Months) -> String {
    let stored: Vec<String> = months.stored.iter().map(tier).collect();
    let mut parts = Vec::new();
    if months.moves > 0 {
        parts.push(format!(
            "{} for {} moves",
            dollars(months.moves_dollars),
            months.moves
        ));
    }
    if months.early_dollars > 0.0 {
        parts.push(format!(
            "{} for leaving a class early",
            dollars(months.early_dollars)
        ));
    }
    let of_it = if parts.is_empty() {
        String::new()
    } else {
        format!("; of it {}", parts.join(", "))
    };
    format!(
        "    {:<14}{:>12}  {}{of_it}",
        label(months),
        dollars(months.dollars),
        stored.join(", ")
    )
}

fn tier(stored: &StoredTier) -> String {
    format!("{} {}", stored.tier.as_str(), size(stored.billed_bytes))
}

/// Which months these are, counted from the first run.
fn label(months: &Months) -> String {
    match (months.first, months.last) {
        (1, None) => "every month".to_owned(),
        (first, None) => format!("from month {first}"),
        (first, Some(last)) if first == last => format!("month {first}"),
        (first, Some(last)) => format!("month {first} to {last}"),
    }
}

fn notes(estimate: &Estimate, spec: &RunSpec) -> Vec<String> {
    let mut notes: Vec<String> = estimate.categories.iter().flat_map(of_category).collect();
    notes.extend(archived(estimate));
    if estimate.not_captured > 0 {
        notes.push(format!(
            "{} would not be captured{}",
            entries(estimate.not_captured),
            named(estimate.not_captured, &estimate.first_not_captured)
        ));
    }
    let compresses = spec
        .categories
        .iter()
        .any(|category| category.compression.is_some());
    if compresses && spec.bucket.is_some() {
        notes.push(
            "compression makes this less: to try it would mean reading the bucket".to_owned(),
        );
    }
    if spec.storage.endpoint.is_some() {
        notes.push("storage.endpoint is not AWS: give its own prices with --prices".to_owned());
    } else if spec.storage.region != estimate.prices_region {
        notes.push(format!(
            "{} has other prices: give them with --prices",
            spec.storage.region
        ));
    }
    notes
}

fn of_category(category: &CategoryEstimate) -> Vec<String> {
    let mut notes = Vec::new();
    let name = &category.name;
    if category.sampled_files > 0 {
        notes.push(format!(
            "{name}: compressed it is about {}, by a sample of {} files; the prices are of that",
            size(category.stored_bytes),
            category.sampled_files
        ));
    }
    if category.month_dollars > category.month_in_standard_dollars && category.small_objects > 0 {
        notes.push(format!(
            "{name}: {} files are billed as larger ones; in STANDARD a month would cost {}",
            category.small_objects,
            dollars(category.month_in_standard_dollars)
        ));
    }
    if category.minimum_days > 0 && category.objects > 0 {
        notes.push(format!(
            "{name}: each version in {} is billed for {} days at least",
            category.storage_class.as_str(),
            category.minimum_days
        ));
    }
    notes
}

/// What cannot be read at once, once rules have moved it.
fn archived(estimate: &Estimate) -> Vec<String> {
    let months = estimate
        .months_unchanged
        .iter()
        .chain(&estimate.months_changed);
    let mut tiers: Vec<_> = months
        .flat_map(|months| &months.stored)
        .map(|stored| stored.tier)
        .collect();
    tiers.sort_unstable();
    tiers.dedup();
    let archives = tiers
        .into_iter()
        .filter_map(|tier| Some((tier.as_str(), tier.retrieval_hours()?)));
    let told = |(tier, hours)| {
        format!(
            "{tier} is not read at once: restore what lies there in S3 first; that takes {hours} hours"
        )
    };
    archives.map(told).collect()
}

fn priced(cost: &Cost) -> String {
    format!("{} requests, {}", cost.requests, dollars(cost.dollars))
}

/// An amount to the cent. What is less than one is said as that: it is not nothing.
pub(in crate::cli) fn dollars(dollars: f64) -> String {
    if dollars > 0.0 && dollars < 0.01 {
        "under $0.01".to_owned()
    } else {
        format!("${dollars:.2}")
    }
}
