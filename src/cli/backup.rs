//! `backstay backup`: on a plain host from a policy file, in a pod from the run's order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::time::sleep;

use super::estimate::read_prices;
use super::memory::Memory;
use super::metrics_file::MetricsFile;
use super::order::{self, RunArgs};
use super::progress::Bar;
use super::stopping::{GRACE, Watch};
use super::told::{log_not_begun, tell};
use super::{chain, identity, source};
use crate::adapters::clock;
use crate::adapters::credentials::Credentials;
use crate::adapters::mounted::MountedTree;
use crate::adapters::s3::{S3Store, Timeouts};
use crate::adapters::termination;
use crate::api::cost::Prices;
use crate::api::outcome::{Outcome, Reason};
use crate::api::report::RunReport;
use crate::api::run::RunSpec;
use crate::plan::cost;
use crate::plan::named::Named;
use crate::worker::backup::{self, Order};
use crate::worker::failure::Failure;
use crate::worker::notify::Post;
use crate::worker::progress::Progress;
use crate::worker::report::{Reporter, summary};
use crate::worker::stop::Stop;

/// Where Kubernetes reads a pod's last words.
pub(super) const TERMINATION_LOG: &str = "/dev/termination-log";

/// Back up the sources of a policy.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,

    /// One source of the policy. Default: all, one after the other.
    #[arg(long, conflicts_with = "run_spec")]
    source: Option<String>,

    /// The run's id. Default: a new one.
    #[arg(long, env = "BACKSTAY_RUN_ID")]
    run_id: Option<String>,

    /// A run that was refused because too much was gone: what it found is accepted.
    #[arg(long, value_name = "RUN", conflicts_with = "run_spec")]
    approve: Option<String>,

    /// How long to wait for another run of the same source, in seconds; 0 does not wait. A run that
    /// gives up ends with 23 and leaves it to the other one to tell how it ended. Default: until
    /// the run's own deadline.
    #[arg(long, value_name = "SECONDS", conflicts_with = "run_spec")]
    wait: Option<u64>,

    /// Write what Prometheus should know to this file, one for each policy. The textfile collector of
    /// the node exporter reads names that end in .prom.
    #[arg(long, value_name = "FILE", conflicts_with = "run_spec")]
    metrics_file: Option<PathBuf>,

    /// A table of prices in YAML, as src/plan/prices.yaml. Default: AWS in us-east-1, and none where
    /// the policy names an endpoint.
    #[arg(long, value_name = "FILE", conflicts_with = "run_spec")]
    prices: Option<PathBuf>,
}

/// How a run stands to the world around it.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) credentials: Credentials,
    pub(super) is_pod: bool,
    pub(super) prices: Option<Arc<Prices>>,
    /// Where is kept what runs cannot leave in the repository.
    pub(super) memory: Memory,
}

impl Surroundings {
    /// Those of a run on this host, at prices of its own or the store's.
    pub(super) fn of_host(args: &RunArgs, spec: &RunSpec, own_prices: Option<Arc<Prices>>) -> Self {
        Self {
            credentials: identity::of_host(),
            is_pod: false,
            prices: own_prices.or_else(|| prices_of(spec)),
            memory: Memory::of_host(args.state_directory.clone()),
        }
    }
}

/// What tells one run of an order from another.
#[derive(Clone, Default)]
pub(super) struct Asked {
    /// The run's id; a new one where there is none.
    pub(super) run: Option<String>,
    /// How long to wait for another run.
    pub(super) patience: Option<Duration>,
    /// The keys that it is about, where it is not about all of the source.
    pub(super) named: Option<Arc<Named>>,
}

impl BackupArgs {
    fn asked(&self) -> Asked {
        Asked {
            run: self.run_id.clone(),
            patience: self.wait.map(Duration::from_secs),
            named: None,
        }
    }
}

pub(super) async fn run(args: BackupArgs) -> Result<u8, Failure> {
    back_up_all(args).await.inspect_err(log_not_begun)
}

async fn back_up_all(args: BackupArgs) -> Result<u8, Failure> {
    if let Some(path) = &args.run.run_spec {
        return Box::pin(run_in_pod(path, &args)).await;
    }
    let (written, policy) = args.run.read_for_host()?;
    let sources = order::select(&policy, args.source.as_deref())?;
    let metrics = args.metrics_file.clone();
    let metrics = metrics
        .map(|path| MetricsFile::open(path, &written.spec, &policy))
        .transpose()?;
    let own_prices = args
        .prices
        .as_deref()
        .map(read_prices)
        .transpose()?
        .map(Arc::new);
    let mut codes = Vec::new();
    for source in sources {
        let spec = order::for_host(source, args.approve.clone())?;
        let surroundings = Surroundings::of_host(&args.run, &spec, own_prices.clone());
        let report = Box::pin(back_up(spec, surroundings, args.asked())).await?;
        tell(args.run.output, &source.name, &report);
        if let Some(metrics) = &metrics
            && !gave_way(args.asked().patience, &report)
        {
            metrics.note(&source.name, &report);
        }
        codes.push(code(&report));
    }
    Ok(worst(&codes))
}

/// In a pod a partial run ends with 0: a restore point was made, and a failed Job would say that
/// there is none.
async fn run_in_pod(path: &Path, args: &BackupArgs) -> Result<u8, Failure> {
    let (spec, surroundings) = read_in_pod(path, &args.run, args.run_id.as_deref())?;
    let source = spec.source.clone();
    let report = Box::pin(back_up(spec, surroundings, args.asked())).await?;
    tell(args.run.output, &source, &report);
    Ok(if report.outcome == Some(Outcome::Partial) {
        0
    } else {
        code(&report)
    })
}

/// Reads a pod's order. What is wrong with that are its last words.
pub(super) fn read_in_pod(
    path: &Path,
    args: &RunArgs,
    run: Option<&str>,
) -> Result<(RunSpec, Surroundings), Failure> {
    let ready = order::read_run_spec(path).and_then(|spec| {
        let surroundings = Surroundings {
            credentials: identity::of_pod(&spec.storage)?,
            is_pod: true,
            prices: prices_of(&spec),
            memory: Memory::of_pod(args.state_directory.clone(), path),
        };
        Ok((spec, surroundings))
    });
    ready.inspect_err(|failure| {
        let run = run.unwrap_or_default();
        let reporter = Reporter::new(run, clock::now(), Arc::default(), last_words);
        reporter.failed(failure, BTreeMap::new());
    })
}

/// What the store of a policy costs: of another one than AWS nothing is known.
fn prices_of(spec: &RunSpec) -> Option<Arc<Prices>> {
    let is_aws = spec.storage.endpoint.is_none();
    is_aws.then(|| Arc::new(cost::prices()))
}

/// Runs one backup, up to the last word.
pub(super) async fn back_up(
    spec: RunSpec,
    surroundings: Surroundings,
    asked: Asked,
) -> Result<RunReport, Failure> {
    let Asked {
        run,
        patience,
        named,
    } = asked;
    let run = run.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let started = clock::now();
    let progress = Arc::new(Progress::default());
    let memory = surroundings.memory.of(&spec);
    let left = memory.recall();
    let reporter = reporter(&run, started, progress.clone(), &spec, &surroundings);
    let reporter = reporter.knowing(left.clone());
    let Surroundings {
        credentials,
        prices,
        ..
    } = surroundings;
    let store = match S3Store::new(&spec.storage, &credentials, Timeouts::default()) {
        Ok(store) => Arc::new(store),
        Err(error) => {
            let failure = Failure::without_credentials(&error, &spec.namespace, secret_of(&spec));
            backup::refused_alone(&reporter, &failure).await;
            return Ok(memory.done(&reporter));
        }
    };
    let stop = Stop::default();
    let seconds = u64::try_from(spec.active_deadline_seconds).unwrap_or(u64::MAX);
    let watch = Watch::start(stop.clone(), Duration::from_secs(seconds))?;
    let bar = Bar::start(&spec.source, progress.clone());
    let order = Order {
        spec: spec.clone(),
        run,
        started,
        stop: stop.clone(),
        progress,
        cuts: backup::Cuts::default(),
        patience,
        prices,
        named,
        left,
    };
    tokio::select! {
        report = run_on_source(order, store, &credentials, &reporter) => report,
        // It is still HEAD's writer: the next run tells of it.
        failure = overdue(&stop) => reporter.failed(&failure, BTreeMap::new()),
    };
    drop(bar);
    drop(watch);
    Ok(memory.done(&reporter))
}

/// Ends a run that cannot begin, and tells so.
pub(super) async fn refuse(
    spec: &RunSpec,
    surroundings: &Surroundings,
    failure: &Failure,
) -> RunReport {
    let memory = surroundings.memory.of(spec);
    let run = uuid::Uuid::new_v4().to_string();
    let reporter = reporter(&run, clock::now(), Arc::default(), spec, surroundings);
    let reporter = reporter.knowing(memory.recall());
    match S3Store::new(
        &spec.storage,
        &surroundings.credentials,
        Timeouts::default(),
    ) {
        Ok(store) => backup::refused(spec, &store, &reporter, failure).await,
        Err(_) => backup::refused_alone(&reporter, failure).await,
    };
    memory.done(&reporter)
}

/// Who keeps a run's report, and tells of it.
fn reporter(
    run: &str,
    started: jiff::Timestamp,
    progress: Arc<Progress>,
    spec: &RunSpec,
    surroundings: &Surroundings,
) -> Reporter {
    let is_pod = surroundings.is_pod;
    let reporter = Reporter::new(run, started, progress, move |report| {
        if is_pod {
            last_words(report);
        }
    });
    reporter.telling(Post::new(spec, &surroundings.credentials))
}

/// Whether a run ended because another one was under way, and was not to wait for that. Then all
/// is well: how it goes with the source is the other one's to tell.
fn gave_way(patience: Option<Duration>, report: &RunReport) -> bool {
    patience.is_some() && report.reason == Some(Reason::Locked)
}

/// Runs the order on what its source is: a bucket, or a directory.
async fn run_on_source(
    order: Order,
    store: Arc<S3Store>,
    credentials: &Credentials,
    reporter: &Reporter,
) -> RunReport {
    let spec = order.spec.clone();
    if let Some(bucket) = &spec.bucket {
        return match source::open_bucket(bucket, &spec.storage, credentials) {
            Ok(tree) => Box::pin(backup::run(order, store, Arc::new(tree), reporter)).await,
            Err(error) => {
                let own = bucket.credentials.as_ref().map(|own| own.secret.as_ref());
                let secret = match own {
                    Some(own) => own.map(|secret| secret.name.as_str()),
                    None => secret_of(&spec),
                };
                let failure = Failure::without_credentials(&error, &spec.namespace, secret);
                backup::refused(&spec, &*store, reporter, &failure).await
            }
        };
    }
    match MountedTree::open(spec.root.as_ref()) {
        Ok(tree) => Box::pin(backup::run(order, store, Arc::new(tree), reporter)).await,
        Err(error) => {
            let root = &spec.root;
            let message = if error.is_missing() {
                format!(
                    "the source's root {root} does not exist: is it mounted? Otherwise correct \
                     path.directory"
                )
            } else {
                format!("the source's root {root}: {}", chain(&error))
            };
            let failure = Failure::new(Reason::SourceSuspicious, message);
            backup::refused(&spec, &*store, reporter, &failure).await
        }
    }
}

/// The Secret that the store's keys are in.
fn secret_of(spec: &RunSpec) -> Option<&str> {
    let credentials = spec.storage.credentials.as_ref()?;
    Some(credentials.secret.as_ref()?.name.as_str())
}

/// Ends when a run that was asked to stop has not done so in time.
async fn overdue(stop: &Stop) -> Failure {
    let failure = stop.requested().await;
    sleep(GRACE).await;
    failure
}

fn last_words(report: &RunReport) {
    if let Err(error) = termination::write(TERMINATION_LOG.as_ref(), &summary(report)) {
        tracing::warn!(error = %error, "termination message not written");
    }
}

pub(super) fn code(report: &RunReport) -> u8 {
    report.reason.unwrap_or(Reason::Internal).exit_code()
}

/// The code of several runs: a failure before a partial run, and that before a success.
fn worst(codes: &[u8]) -> u8 {
    let partial = Reason::EntriesNotCaptured.exit_code();
    let failed = codes
        .iter()
        .copied()
        .find(|code| *code != 0 && *code != partial);
    failed
        .or_else(|| codes.iter().copied().find(|code| *code != 0))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_outweighs_a_partial_run_and_that_a_success() {
        assert_eq!(worst(&[0, 3, 0]), 3);
        assert_eq!(worst(&[3, 27, 0]), 27);
        assert_eq!(worst(&[0]), 0);
    }
}
