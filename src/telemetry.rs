//! Logs: to standard error, and to a file where one is asked for.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The target of the events that say how a run ended: one for each.
pub const RUNS: &str = "backstay::run";

/// How a line of the log is written.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a reader.
    Text,
    /// One JSON object a line, for a collector.
    Json,
}

/// Where the log goes, and how much of it.
#[derive(Clone, Debug)]
pub struct Log {
    /// Which events: a level, or directives as `RUST_LOG` has them.
    pub filter: String,
    /// How a line is written. Without one: text on a terminal, JSON elsewhere.
    pub format: Option<LogFormat>,
    /// A file besides standard error. It is appended to.
    pub file: Option<PathBuf>,
    /// Whether standard error gets the events of [`RUNS`]: not where a reader gets the summary.
    pub has_runs: bool,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be understood.
    #[error(
        "--log-level {filter:?} is neither a level (off, error, warn, info, debug, trace) nor a list \
         of directives, such as info,backstay=debug"
    )]
    ParseFilter {
        /// The filter.
        filter: String,
    },
    /// The file cannot be written.
    #[error("open the log file {}", path.display())]
    OpenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file's directory is missing and cannot be made.
    #[error(
        "make the directory of the log file {}, which is missing: install -d -m 700 {}",
        path.display(),
        directory.display()
    )]
    MakeDirectory {
        /// The file.
        path: PathBuf,
        /// Its directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is one already.
    #[error("start the log")]
    Start(#[source] TryInitError),
}

/// Starts the log of this process. A file that cannot be written is told, and takes nothing from what
/// is to be done.
///
/// # Errors
/// When the filter cannot be used.
pub fn start(log: &Log) -> Result<(), LogError> {
    let format = log.format.unwrap_or_else(|| {
        if io::stderr().is_terminal() {
            LogFormat::Text
        } else {
            LogFormat::Json
        }
    });
    let (file, no_file) = match log.file.as_deref().map(open).transpose() {
        Ok(file) => (file, None),
        Err(error) => (None, Some(error)),
    };
    let file = file.map(|file| layer(LogFormat::Json, Mutex::new(file)));
    let has_runs = log.has_runs;
    let is_seen = filter_fn(move |event| has_runs || event.target() != RUNS);
    tracing_subscriber::registry()
        .with(filter(&log.filter)?)
        .with(layer(format, io::stderr).with_filter(is_seen))
        .with(file)
        .try_init()
        .map_err(LogError::Start)?;
    if let Some(error) = no_file {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(cause, "no log file: {error}");
    }
    Ok(())
}

fn filter(directives: &str) -> Result<EnvFilter, LogError> {
    // The libraries' own chatter is of use only when it is asked for.
    let quiet = "hyper=warn,hyper_util=warn,h2=warn,rustls=warn,tower=warn,aws=warn";
    let filter = if directives.contains('=') {
        directives.to_owned()
    } else {
        format!("{directives},{quiet}")
    };
    let wrong = || LogError::ParseFilter {
        filter: directives.to_owned(),
    };
    if !directives.split(',').all(names_a_level) {
        return Err(wrong());
    }
    EnvFilter::try_new(filter).map_err(|_| wrong())
}

/// Whether a directive says how much is logged. A word alone that is no level would be taken for
/// the name of a module, and nothing else would be logged any more.
fn names_a_level(directive: &str) -> bool {
    let level = directive.rsplit('=').next().unwrap_or_default().trim();
    ["off", "error", "warn", "info", "debug", "trace"]
        .iter()
        .any(|known| level.eq_ignore_ascii_case(known))
}

/// Opens a file to append to. Its directory is made where it is missing, and nothing above that:
/// a name that is mistyped makes no tree.
fn open(path: &Path) -> Result<File, LogError> {
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        && !directory.exists()
    {
        let made = DirBuilder::new().mode(0o700).create(directory);
        made.map_err(|source| LogError::MakeDirectory {
            path: path.to_owned(),
            directory: directory.to_owned(),
            source,
        })?;
    }
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|source| LogError::OpenFile {
        path: path.to_owned(),
        source,
    })
}

fn layer<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    match format {
        LogFormat::Text => fmt::layer().with_target(false).with_writer(writer).boxed(),
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(writer)
            .boxed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_refused_in_one_line() {
        for right in [
            "info",
            "DEBUG",
            "off",
            "warn,backstay=debug",
            "backstay::plan=trace",
        ] {
            assert!(filter(right).is_ok(), "{right}");
        }
        for wrong in [
            "loud",
            "",
            "info,loud",
            "backstay=loud",
            "backstay=",
            "info,",
        ] {
            let error = filter(wrong).expect_err(wrong).to_string();
            assert!(
                error.contains(&format!("--log-level {wrong:?} is neither a level")),
                "{error}"
            );
            assert_eq!(error.lines().count(), 1);
        }
    }
}
