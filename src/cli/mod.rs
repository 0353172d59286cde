//! The command line: what a person or a pod asks for, turned into a call of one room.
//!
//! Only this room, `main` and `telemetry` read the environment. Nothing is decided here.

mod backup;
mod bucket;
mod controller;
mod destination;
mod estimate;
pub mod exit_codes;
mod explain;
mod follow;
mod history;
mod iam;
mod identity;
mod manual;
mod memory;
mod metrics_file;
mod notify;
mod order;
mod output;
mod progress;
mod reading;
mod restore;
mod source;
mod stopping;
mod told;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::api::crd;
use crate::telemetry::{self, Log, LogFormat};
use crate::worker::failure::Failure;

/// Kubernetes-native backups to S3 as native objects, with an exact catalog of every run.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Args)]
struct LogArgs {
    /// Which events are logged: a level, or directives such as backstay=debug.
    #[arg(
        long = "log-level",
        global = true,
        env = "BACKSTAY_LOG",
        default_value = "info"
    )]
    level: String,

    /// How a line of the log is written. Default: text on a terminal, JSON elsewhere.
    #[arg(long = "log-format", global = true)]
    format: Option<LogFormat>,

    /// Write the log to this file too, as JSON. It is appended to.
    #[arg(long = "log-file", global = true)]
    file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Back up the sources of a policy.
    Backup(backup::BackupArgs),
    /// Back up a bucket as its queue tells of changes.
    Follow(follow::FollowArgs),
    /// Bring files back as they were.
    Restore(restore::RestoreArgs),
    /// List the restore points.
    Runs(history::RunsArgs),
    /// List the files of a restore point.
    Ls(history::LsArgs),
    /// Say what backing up and restoring will cost.
    Estimate(estimate::EstimateArgs),
    /// Look at the settings of the policy's buckets, or set them.
    #[command(subcommand)]
    Bucket(bucket::BucketVerb),
    /// Try out the notices of a policy.
    Notify(notify::NotifyArgs),
    /// Print the least rights that an identity of a policy needs, as an IAM policy.
    IamPolicy(iam::IamArgs),
    /// Watch BackupPolicy resources and keep their CronJobs.
    Controller(controller::ControllerArgs),
    /// Say what the fields of a policy mean.
    Explain(explain::ExplainArgs),
    /// Print the custom resource definition.
    Crd,
    /// Print what makes a shell complete commands and options.
    Completion(manual::CompletionArgs),
    /// Print the manual page, or write one for each command.
    Man(manual::ManArgs),
}

impl Verb {
    /// Whether a reader gets a summary of each run, so that the log beside it need not say it again.
    fn has_reader(&self) -> bool {
        match self {
            Self::Backup(args) => args.run.has_reader(),
            Self::Follow(args) => args.run.has_reader(),
            Self::Restore(_)
            | Self::Runs(_)
            | Self::Ls(_)
            | Self::Estimate(_)
            | Self::Explain(_)
            | Self::Bucket(_)
            | Self::Notify(_)
            | Self::IamPolicy(_)
            | Self::Controller(_)
            | Self::Crd
            | Self::Completion(_)
            | Self::Man(_) => false,
        }
    }
}

/// How a result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For a reader.
    #[default]
    Human,
    /// JSON, for a program.
    Json,
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    // The allocator's arenas would take memory by the huge page, and a run that touches little of
    // each would hold twice what it needs. Where this cannot be had, it is only more memory.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output::error(&failure.to_string());
            ExitCode::from(failure.reason.exit_code())
        }
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    // Help that cannot be written has nobody who reads it.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn run(cli: Cli) -> Result<u8, Failure> {
    let log = Log {
        filter: cli.log.level,
        format: cli.log.format,
        file: cli.log.file,
        has_runs: !cli.verb.has_reader(),
    };
    telemetry::start(&log).map_err(|error| order::invalid(chain(&error)))?;
    // Two providers are compiled in nowhere, but the choice is made once and aloud: a library
    // that finds none panics at its first connection.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a TLS provider was installed already");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| order::internal(format!("start the runtime: {error}")))?;
    runtime.block_on(dispatch(cli.verb))
}

async fn dispatch(verb: Verb) -> Result<u8, Failure> {
    match verb {
        Verb::Backup(args) => Box::pin(backup::run(args)).await,
        Verb::Follow(args) => Box::pin(follow::run(args)).await,
        Verb::Restore(args) => restore::run(args).await,
        Verb::Runs(args) => history::runs(args).await,
        Verb::Ls(args) => history::ls(args).await,
        Verb::Estimate(args) => estimate::run(&args),
        Verb::IamPolicy(args) => iam::run(&args),
        Verb::Bucket(verb) => bucket::run(verb).await,
        Verb::Notify(args) => notify::run(args).await,
        Verb::Controller(args) => controller::run(args).await,
        Verb::Explain(args) => explain::run(&args),
        Verb::Crd => {
            output::line(crd::yaml().trim_end());
            Ok(0)
        }
        Verb::Completion(args) => manual::completion(&args, Cli::command()),
        Verb::Man(args) => manual::man(&args, Cli::command()),
    }
}

/// An error and its causes, as one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some libraries repeat the cause in their own text.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
