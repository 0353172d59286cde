//! `backstay estimate`: what a backup will take and cost, before anything is sent.

use std::path::{Path, PathBuf};

use clap::Args;

use super::order::{self, PolicyArgs, invalid};
use super::source::open_bucket;
use super::{Output, chain, identity, output};
use crate::adapters::mounted::MountedTree;
use crate::api::cost::{CategoryEstimate, Cost, Estimate, Prices};
use crate::api::outcome::Reason;
use crate::api::run::RunSpec;
use crate::plan::cost::{self, Survey};
use crate::plan::policy::ValidSource;
use crate::plan::source::Location;
use crate::plan::words::size;
use crate::worker::estimate;
use crate::worker::failure::Failure;

/// Say what backing up and restoring will cost. Sources are walked, the storage is not asked.
#[derive(Debug, Args)]
pub(super) struct EstimateArgs {
    #[command(flatten)]
    policy: PolicyArgs,

    /// One source of the policy. Default: all.
    #[arg(long)]
    source: Option<String>,

    /// Where the source's files are on this host. Default: the source's own directory. Needed for a
    /// claim.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// A table of prices in YAML, as src/plan/prices.yaml. Default: AWS in us-east-1.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,

    /// How the result is written.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &EstimateArgs) -> Result<u8, Failure> {
    let (_, policy) = args.policy.read()?;
    let prices = match &args.prices {
        Some(path) => read_prices(path)?,
        None => cost::prices(),
    };
    let sources = order::select(&policy, args.source.as_deref())?;
    if args.directory.is_some() && sources.len() > 1 {
        let message = "--directory is of one source: say which one with --source";
        return Err(invalid(message.to_owned()));
    }
    for source in sources {
        let spec = order::for_reading(source);
        let estimate = estimate(args, source, &spec, &prices)?;
        match args.output {
            Output::Human => output::line(&describe(&estimate, &spec)),
            Output::Json => output::json(&estimate),
        }
    }
    Ok(0)
}

pub(super) fn read_prices(path: &Path) -> Result<Prices, Failure> {
    let wrong = |error: String| invalid(format!("--prices {}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    serde_saphyr::from_str(&text).map_err(|error: serde_saphyr::Error| {
        let line = error.location().map(|location| location.line());
        let line = line.and_then(|line| {
            text.lines()
                .nth(usize::try_from(line).ok()?.checked_sub(1)?)
        });
        wrong(format!(
            "{} ({}): it must have the fields of src/plan/prices.yaml",
            error.without_snippet(),
            line.unwrap_or_default().trim()
        ))
    })
}

fn estimate(
    args: &EstimateArgs,
    source: &ValidSource,
    spec: &RunSpec,
    prices: &Prices,
) -> Result<Estimate, Failure> {
    let mut survey = Survey::of(spec, prices);
    let root = match (&args.directory, &source.location) {
        (Some(directory), _) => directory.clone(),
        (None, Location::Directory { path }) => PathBuf::from(path),
        (None, Location::Bucket(bucket)) => {
            let tree = open_bucket(bucket, &spec.storage, &identity::of_host())
                .map_err(|error| Failure::without_credentials(&error, &spec.namespace, None))?;
            tokio::task::block_in_place(|| estimate::walk(&tree, spec, &mut survey))?;
            return Ok(survey.estimate(&source.name, catalog_of(spec), prices));
        }
        (None, Location::Claim { name }) => {
            return Err(invalid(format!(
                "source {} is the claim {name}: say with --directory where its files are on this \
                 host",
                source.name
            )));
        }
    };
    let tree = MountedTree::open(&root).map_err(|error| {
        let message = format!("the source's root {}: {}", root.display(), chain(&error));
        Failure::new(Reason::SourceSuspicious, message)
    })?;
    estimate::walk(&tree, spec, &mut survey)?;
    Ok(survey.estimate(&source.name, catalog_of(spec), prices))
}

fn catalog_of(spec: &RunSpec) -> &str {
    spec.storage.catalog_bucket.as_deref().unwrap_or_default()
}

fn describe(estimate: &Estimate, spec: &RunSpec) -> String {
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
    lines.push(format!(
        "  a month         {}; with 1 % changed a day and old versions kept for 30 days {}",
        dollars(estimate.month_unchanged_dollars),
        dollars(estimate.month_changed_dollars)
    ));
    lines.push(format!(
        "  a full restore  {}; {} of it because it leaves AWS",
        priced(&estimate.restore),
        dollars(estimate.restore_out_dollars)
    ));
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

fn notes(estimate: &Estimate, spec: &RunSpec) -> Vec<String> {
    let mut notes = Vec::new();
    for category in &estimate.categories {
        let class = category.storage_class.as_str();
        if category.month_dollars > category.month_in_standard_dollars && category.small_objects > 0
        {
            notes.push(format!(
                "{}: {} files are billed as larger ones; in STANDARD a month would cost {}",
                category.name,
                category.small_objects,
                dollars(category.month_in_standard_dollars)
            ));
        }
        if category.minimum_days > 0 && category.objects > 0 {
            notes.push(format!(
                "{}: each version in {class} is billed for {} days at least",
                category.name, category.minimum_days
            ));
        }
    }
    if estimate.not_captured > 0 {
        notes.push(format!(
            "{} entries would not be captured",
            estimate.not_captured
        ));
    }
    if spec
        .categories
        .iter()
        .any(|category| category.compression.is_some())
    {
        notes.push("compression is not reckoned with: it makes this less".to_owned());
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

fn priced(cost: &Cost) -> String {
    format!("{} requests, {}", cost.requests, dollars(cost.dollars))
}

/// An amount to the cent. What is less than one is said as that: it is not nothing.
pub(super) fn dollars(dollars: f64) -> String {
    if dollars > 0.0 && dollars < 0.01 {
        "under $0.01".to_owned()
    } else {
        format!("${dollars:.2}")
    }
}
