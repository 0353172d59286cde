//! `backstay restore`.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::destination::{To, ToArgs};
use super::order::{self, PolicyArgs, invalid};
use super::progress::Bar;
use super::reading::open_store;
use super::stopping::Watch;
use super::{Output, chain, output};
use crate::api::outcome::Outcome;
use crate::api::restore::RestoreReport;
use crate::plan::filter::Filter;
use crate::plan::words::size;
use crate::worker::backup::location_of;
use crate::worker::failure::Failure;
use crate::worker::repository::Point;
use crate::worker::restore::{self, Conflict, Order, Tally};
use crate::worker::stop::Stop;

/// A restore has no deadline of its own: this is a year.
const NO_DEADLINE: Duration = Duration::from_hours(365 * 24);

/// Bring files back as they were.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    policy: PolicyArgs,

    /// The source of the policy. May be left out where there is one only.
    #[arg(long)]
    source: Option<String>,

    #[command(flatten)]
    to: ToArgs,

    #[command(flatten)]
    point: PointArgs,

    /// Which files, as gitignore-style patterns; may be repeated. Default: all.
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,

    /// What happens where something stands in the way.
    #[arg(long, value_enum, default_value_t = ConflictArg::Fail)]
    conflict: ConflictArg,

    /// How the result is written.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Which restore point.
#[derive(Clone, Debug, Args)]
#[group(multiple = false)]
pub(super) struct PointArgs {
    /// The newest restore point that is not after this time, as 2026-11-01T00:00:00Z, or as `runs`
    /// writes it.
    #[arg(long, value_name = "TIME", value_parser = time)]
    as_of: Option<jiff::Timestamp>,

    /// The restore point that this run made, by its id or the first eight characters of it. Default:
    /// the newest one.
    #[arg(long, value_name = "ID")]
    run: Option<String>,
}

/// A time with its offset, or one in UTC as `runs` writes it.
fn time(text: &str) -> Result<jiff::Timestamp, String> {
    let bare = text.strip_suffix(" UTC").unwrap_or(text);
    let in_utc = || {
        let civil = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", bare).ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
    };
    text.parse().ok().or_else(in_utc).ok_or_else(|| {
        "it is no time: write 2026-11-01T00:00:00Z, 2026-11-01T00:00:00+01:00, or \
         \"2026-11-01 00:00:00 UTC\""
            .to_owned()
    })
}

impl PointArgs {
    pub(super) fn point(&self) -> Point {
        match (&self.as_of, &self.run) {
            (Some(time), _) => Point::AsOf(*time),
            (None, Some(run)) => Point::Run(run.clone()),
            (None, None) => Point::Newest,
        }
    }
}

/// What happens where something stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ConflictArg {
    /// Nothing is written at all.
    Fail,
    /// It is replaced. A directory is never replaced by something else.
    Overwrite,
    /// It is left alone.
    Skip,
}

pub(super) async fn run(args: RestoreArgs) -> Result<u8, Failure> {
    let (written, policy) = args.policy.read()?;
    let source = order::select_one(&policy, args.source.as_deref())?;
    let spec = order::for_reading(source);
    let store = open_store(&spec)?;
    let filter = Filter::new(&args.include, &[]).map_err(|error| invalid(chain(&error)))?;
    let to = args.to.open(&written.spec, &source.location)?;
    let stop = Stop::default();
    let tally = Arc::new(Tally::default());
    let watch = Watch::start(stop.clone(), NO_DEADLINE)?;
    let bar = Bar::restoring(source.name.as_str(), tally.clone());
    let order = Order {
        location: location_of(&spec),
        storage: spec.storage,
        point: args.point.point(),
        filter,
        is_whole: args.include.is_empty(),
        conflict: match args.conflict {
            ConflictArg::Fail => Conflict::Fail,
            ConflictArg::Overwrite => Conflict::Overwrite,
            ConflictArg::Skip => Conflict::Skip,
        },
        stop,
        tally,
    };
    let is_bucket = matches!(to, To::Bucket(_));
    let store = Arc::new(store);
    let report = match to {
        To::Directory(target, found) => restore::into_directory(order, store, target, found).await,
        To::Bucket(bucket) => restore::into_bucket(order, store, bucket).await,
    };
    drop(bar);
    drop(watch);
    match args.output {
        Output::Human if report.outcome == Outcome::Succeeded => {
            output::line(&summary(&args, is_bucket, &report));
        }
        Output::Human => output::trouble(&summary(&args, is_bucket, &report)),
        Output::Json => output::json(&report),
    }
    Ok(report.reason.exit_code())
}

fn summary(args: &RestoreArgs, is_bucket: bool, report: &RestoreReport) -> String {
    let entries = &report.entries;
    let mut lines = vec![format!(
        "restore into {} {}",
        args.to.to.display(),
        report.outcome.as_str().to_lowercase()
    )];
    if !report.message.is_empty() {
        lines.push(format!("  {}", report.message));
    }
    if let Some(point) = &report.restore_point {
        let time = output::time(point.time);
        lines.push(format!("  restore point  {} of {time}", point.sequence));
    }
    lines.push(format!(
        "  restored       {} ({})",
        entries.restored,
        size(report.bytes)
    ));
    lines.push(format!("  skipped        {}", entries.skipped));
    lines.push(format!("  failed         {}", entries.failed));
    let without_metadata = if is_bucket {
        "objects are without the mode, owner, times and attributes that were recorded"
    } else {
        "entries have their content and not all of their metadata"
    };
    let notes = [
        (entries.metadata_partial, without_metadata),
        (entries.special, "devices and sockets are not made"),
        (
            entries.left_out,
            "links, pipes, devices and sockets are left out: a bucket has no place for them",
        ),
        (
            entries.stale,
            "files are older copies: they could not be read at that time",
        ),
    ];
    for (count, text) in notes.into_iter().filter(|(count, _)| *count > 0) {
        lines.push(format!("  note           {count} {text}"));
    }
    for failed in report.failed.iter().take(10) {
        lines.push(format!(
            "  not restored   {}: {}",
            failed.path, failed.reason
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_written() {
        let at = "2026-11-01T00:30:00Z".parse().ok();
        for text in [
            "2026-11-01T00:30:00Z",
            "2026-11-01T01:30:00+01:00",
            "2026-11-01 00:30:00 UTC",
            "2026-11-01 00:30:00",
        ] {
            assert_eq!(time(text).ok(), at, "{text}");
        }
        for text in ["2026-11-01", "yesterday", ""] {
            assert!(
                time(text).is_err_and(|told| told.contains("write 2026")),
                "{text}"
            );
        }
    }
}
