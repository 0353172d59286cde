//! What a host keeps between runs that do not reach their repository: how often they failed, and
//! what was told of it. Without it each of them would tell all of that anew.
//!
//! It is no part of a backup. Where it cannot be kept, or is lost, a failure is told once more.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::chain;
use super::identity::variable;
use crate::adapters::textfile::{Textfile, TextfileError};
use crate::api::left::{LEFT_FILE, Left};
use crate::api::report::RunReport;
use crate::api::run::RunSpec;
use crate::worker::report::Reporter;

/// What is known of all sources.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    /// What a pod was given.
    given: Option<Left>,
    /// The directory that files are kept in, where there is one.
    directory: Option<PathBuf>,
}

impl Memory {
    /// That of a host: the directory that was asked for, or where such things belong.
    pub(super) fn of_host(asked: Option<PathBuf>) -> Self {
        Self {
            given: None,
            directory: asked.or_else(state_directory),
        }
    }

    /// That of a pod, which was given it beside its order, and keeps nothing but in a volume of its own.
    pub(super) fn of_pod(asked: Option<PathBuf>, order: &Path) -> Self {
        Self {
            given: read(&order.with_file_name(LEFT_FILE)),
            directory: asked,
        }
    }

    /// What is known of a source.
    pub(super) fn of(&self, spec: &RunSpec) -> SourceMemory {
        let RunSpec {
            cluster,
            namespace,
            policy,
            source,
            ..
        } = spec;
        let name = format!("{cluster}/{namespace}/{policy}/{source}.json");
        SourceMemory {
            given: self.given.clone(),
            path: self.directory.as_ref().map(|place| place.join(name)),
        }
    }
}

/// Why nothing was kept.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("make the directory {}", path.display())]
    MakeDirectory { path: PathBuf, source: io::Error },
    #[error(transparent)]
    File(#[from] TextfileError),
}

/// What is known of one source.
#[derive(Debug)]
pub(super) struct SourceMemory {
    given: Option<Left>,
    path: Option<PathBuf>,
}

impl SourceMemory {
    /// What the runs before have left.
    pub(super) fn recall(&self) -> Option<Left> {
        let kept = || read(self.path.as_ref()?);
        self.given.clone().or_else(kept)
    }

    /// Ends a run's report, and keeps what it leaves.
    pub(super) fn done(&self, reporter: &Reporter) -> RunReport {
        let report = reporter.done();
        if let Err(error) = self.keep(report.left.as_ref()) {
            tracing::warn!(
                error = %chain(&error),
                "--state-directory cannot be used: the next run tells this failure again"
            );
        }
        report
    }

    fn keep(&self, left: Option<&Left>) -> Result<(), KeepError> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let text = left.map(|left| serde_json::to_string(left).expect("it is JSON"));
        if text.is_none() && !path.exists() {
            return Ok(());
        }
        if let Some(directory) = path.parent() {
            let mut builder = DirBuilder::new();
            let made = builder.mode(0o700).recursive(true).create(directory);
            made.map_err(|source| KeepError::MakeDirectory {
                path: directory.to_owned(),
                source,
            })?;
        }
        Ok(Textfile::lock(path)?.replace(&text.unwrap_or_default())?)
    }
}

/// What stands there; nothing where that cannot be read any more.
fn read(path: &Path) -> Option<Left> {
    let text = std::fs::read_to_string(path).ok()?;
    let left = serde_json::from_str(&text).ok();
    if left.is_none() && !text.is_empty() {
        let path = path.display();
        tracing::warn!(%path, "not readable: what was told is not known any more");
    }
    left
}

/// Where programs keep what is no data of the user's.
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
/// <https://www.freedesktop.org/software/systemd/man/systemd.exec.html#RuntimeDirectory=>
fn state_directory() -> Option<PathBuf> {
    if let Some(of_service) = variable("STATE_DIRECTORY") {
        return of_service.split(':').next().map(PathBuf::from);
    }
    let state = variable("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/state")));
    state.map(|state| state.join("backstay"))
}
