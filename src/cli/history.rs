//! `backstay runs` and `backstay ls`.

use clap::Args;
use serde_json::json;

use super::order::{self, PolicyArgs, invalid};
use super::reading::open_store;
use super::restore::PointArgs;
use super::{Output, chain, output};
use crate::adapters::segment::Batch;
use crate::api::catalog::{Kind, Row};
use crate::api::report::NotCaptured;
use crate::api::run::RunSpec;
use crate::plan::filter::{Filter, Verdict};
use crate::plan::key;
use crate::plan::words::size;
use crate::worker::backup::location_of;
use crate::worker::failure::Failure;
use crate::worker::repository::{find, read_commit, require_head};
use crate::worker::rows::read_segment;

/// How many entries that were not captured are named for a reader.
const NAMED_MAX: usize = 10;

/// List the restore points, newest first.
#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    #[command(flatten)]
    policy: PolicyArgs,

    /// The source of the policy. May be left out where there is one only.
    #[arg(long)]
    source: Option<String>,

    /// How many, at most.
    #[arg(long, default_value_t = 30)]
    limit: usize,

    /// How the result is written.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// List the files of a restore point.
#[derive(Debug, Args)]
pub(super) struct LsArgs {
    #[command(flatten)]
    policy: PolicyArgs,

    /// The source of the policy. May be left out where there is one only.
    #[arg(long)]
    source: Option<String>,

    #[command(flatten)]
    point: PointArgs,

    /// Which files, as gitignore-style patterns; may be repeated. Default: all.
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,

    /// How the result is written.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) async fn runs(args: RunsArgs) -> Result<u8, Failure> {
    let (_, policy) = args.policy.read()?;
    let spec = order::for_reading(order::select_one(&policy, args.source.as_deref())?);
    let listed = list_runs(&args, &spec).await;
    listed.map_err(|failure| failure.of_store(&spec.storage))
}

async fn list_runs(args: &RunsArgs, spec: &RunSpec) -> Result<u8, Failure> {
    let (store, location) = (open_store(spec)?, location_of(spec));
    let held = require_head(&store, &location).await?;
    let mut next = held.head.commit.clone();
    if args.output == Output::Human {
        output::line("POINT  TIME                     OUTCOME    ENTRIES       SIZE  RUN");
    }
    for _ in 0..args.limit {
        let Some(reference) = next else {
            break;
        };
        let commit = read_commit(&store, &location, &reference).await?;
        match args.output {
            Output::Human => {
                output::line(&format!(
                    "{:>5}  {}  {:<9}  {:>7}  {:>9}  {}",
                    reference.sequence,
                    output::time(reference.time),
                    commit.outcome.as_str(),
                    commit.totals.rows,
                    size(commit.totals.bytes),
                    commit.run
                ));
                name_missing(&commit.not_captured);
            }
            Output::Json => output::json(&json!({
                "sequence": reference.sequence,
                "time": reference.time,
                "outcome": commit.outcome,
                "run": commit.run,
                "entries": commit.totals.rows,
                "bytes": commit.totals.bytes,
                "notCaptured": commit.not_captured,
            })),
        }
        next = commit.ancestors.into_iter().next();
    }
    Ok(0)
}

pub(super) async fn ls(args: LsArgs) -> Result<u8, Failure> {
    let (_, policy) = args.policy.read()?;
    let spec = order::for_reading(order::select_one(&policy, args.source.as_deref())?);
    let listed = list_entries(&args, &spec).await;
    listed.map_err(|failure| failure.of_store(&spec.storage))
}

async fn list_entries(args: &LsArgs, spec: &RunSpec) -> Result<u8, Failure> {
    let (store, location) = (open_store(spec)?, location_of(spec));
    let filter = Filter::new(&args.include, &[]).map_err(|error| invalid(chain(&error)))?;
    let held = require_head(&store, &location).await?;
    let (_, commit) = find(&store, &location, &held.head, &args.point.point()).await?;
    let mut listed = 0;
    for reference in &commit.segments {
        let batch = read_segment(&store, &location, reference).await?;
        listed += list(args, &filter, &batch);
    }
    if listed == 0 && !args.include.is_empty() {
        output::error("nothing in the restore point matches --include");
    }
    Ok(0)
}

fn name_missing(entries: &[NotCaptured]) {
    for entry in entries.iter().take(NAMED_MAX) {
        let kept = if entry.stale {
            " (an older copy is in it)"
        } else {
            ""
        };
        output::line(&format!(
            "       not captured: {}: {}{kept}",
            entry.path, entry.reason
        ));
    }
    if entries.len() > NAMED_MAX {
        let more = entries.len() - NAMED_MAX;
        output::line(&format!("       and {more} more: --output json names them"));
    }
}

/// Lists what is asked for; answers with how much that was.
fn list(args: &LsArgs, filter: &Filter, batch: &Batch) -> usize {
    let mut listed = 0;
    for index in 0..batch.len() {
        let is_directory = batch.kind(index) == Kind::Directory;
        if filter.verdict(batch.path(index), is_directory) != Verdict::Take {
            continue;
        }
        let row = batch.row(index);
        match args.output {
            Output::Human => output::line(&human(&row)),
            Output::Json => output::json(&machine(&row)),
        }
        listed += 1;
    }
    listed
}

fn human(row: &Row) -> String {
    let mtime = time(row);
    let mut name = key::display(&row.path);
    match row.identity.kind {
        Kind::Directory => name.push('/'),
        Kind::Symlink => {
            name = format!("{name} -> {}", key::display(&row.link_target));
        }
        Kind::File | Kind::Fifo | Kind::Socket | Kind::CharacterDevice | Kind::BlockDevice => {}
    }
    let stale = if row.flags.stale {
        " (an older copy)"
    } else {
        ""
    };
    format!(
        "{:04o} {:>5} {:>5} {:>12} {mtime} {name}{stale}",
        row.ownership.mode & 0o7777,
        row.ownership.uid,
        row.ownership.gid,
        row.identity.size
    )
}

fn machine(row: &Row) -> serde_json::Value {
    json!({
        "path": key::display(&row.path),
        "type": row.identity.kind.as_str(),
        "size": row.identity.size,
        "mtime": time(row),
        "mode": row.ownership.mode & 0o7777,
        "uid": row.ownership.uid,
        "gid": row.ownership.gid,
        "category": row.category,
        "stale": row.flags.stale,
        "object": row.pin.as_ref().map(|pin| json!({
            "bucket": pin.bucket,
            "key": pin.key,
            "version": pin.version,
            "sha256": pin.sha256,
            "crc64": format!("{:016x}", pin.crc64),
        })),
    })
}

fn time(row: &Row) -> String {
    let (seconds, _) = row.identity.mtime.to_parts();
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "unknown".to_owned(), output::time)
}
