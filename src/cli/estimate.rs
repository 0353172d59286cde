//! `backstay estimate`: what a backup will take and cost, before anything is sent.

mod describe;

use std::path::{Path, PathBuf};

use clap::Args;

use super::order::{self, PolicyArgs, invalid};
use super::source::open_bucket;
use super::{Output, chain, identity, output};
use crate::adapters::mounted::MountedTree;
use crate::api::cost::Prices;
use crate::api::outcome::Reason;
use crate::api::run::RunSpec;
use crate::plan::cost::{self, Survey};
use crate::plan::policy::ValidSource;
use crate::plan::source::Location;
use crate::worker::estimate;
use crate::worker::failure::Failure;

pub(super) use self::describe::dollars;

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
    let (written, policy) = args.policy.read()?;
    let settings = written.spec.bucket_settings.as_ref();
    let lifecycle = settings.and_then(|settings| settings.lifecycle.as_ref());
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
        let survey = survey(args, source, &spec, &prices)?;
        let estimate = survey.estimate(&source.name, catalog_of(&spec), lifecycle, &prices);
        match args.output {
            Output::Human => output::line(&describe::estimate(&estimate, &spec, lifecycle)),
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

fn survey(
    args: &EstimateArgs,
    source: &ValidSource,
    spec: &RunSpec,
    prices: &Prices,
) -> Result<Survey, Failure> {
    let mut survey = Survey::of(spec, prices);
    let root = match (&args.directory, &source.location) {
        (Some(directory), _) => directory.clone(),
        (None, Location::Directory { path }) => PathBuf::from(path),
        (None, Location::Bucket(bucket)) => {
            let tree = open_bucket(bucket, &spec.storage, &identity::of_host())
                .map_err(|error| Failure::without_credentials(&error, &spec.namespace, None))?;
            tokio::task::block_in_place(|| estimate::walk(&tree, spec, &mut survey))?;
            return Ok(survey);
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
    estimate::walk_and_sample(&tree, spec, &mut survey)?;
    Ok(survey)
}

fn catalog_of(spec: &RunSpec) -> &str {
    spec.storage.catalog_bucket.as_deref().unwrap_or_default()
}
