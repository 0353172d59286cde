//! From files and flags to a run's order.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_saphyr::UserMessageFormatter;

use super::{Output, identity};
use crate::api::outcome::Reason;
use crate::api::policy::BackupPolicy;
use crate::api::run::{RUN_SPEC_VERSION, RunSpec, SourceIdentity};
use crate::api::setup::{SETUP_SPEC_VERSION, SetupSpec};
use crate::plan::object;
use crate::plan::policy::{Context, Place, ValidPolicy, ValidSource, validate};
use crate::plan::source::Location;
use crate::worker::failure::Failure;

/// A policy file, and whose it is.
#[derive(Clone, Debug, Args)]
pub(super) struct PolicyArgs {
    /// The policy: a BackupPolicy as YAML.
    #[arg(long)]
    pub(super) policy: PathBuf,

    /// The name of the cluster or host that the backups are of. Default: this host's.
    #[arg(long, env = "BACKSTAY_CLUSTER_NAME")]
    pub(super) cluster_name: Option<String>,
}

impl PolicyArgs {
    /// Reads the policy, as one for a plain host or for a cluster.
    pub(super) fn read(&self) -> Result<(BackupPolicy, ValidPolicy), Failure> {
        let policy = self.parse()?;
        let is_host = policy
            .spec
            .sources
            .iter()
            .all(|source| source.persistent_volume_claim.is_none());
        let place = if is_host { Place::Host } else { Place::Cluster };
        let valid = self.validate(&policy, place)?;
        Ok((policy, valid))
    }

    fn parse(&self) -> Result<BackupPolicy, Failure> {
        let text = read(&self.policy)?;
        let not_read = |error: serde_saphyr::Error| {
            let error = error.without_snippet();
            self.wrong(&[error.render_with_formatter(&UserMessageFormatter)])
        };
        let object: serde_json::Value = serde_saphyr::from_str(&text).map_err(not_read)?;
        let problems = object::check(&object);
        if !problems.is_empty() {
            return Err(self.wrong(&problems));
        }
        serde_saphyr::from_str(&text).map_err(not_read)
    }

    /// Each thing that is wrong with the policy, in a line of its own.
    fn wrong(&self, problems: &[impl Display]) -> Failure {
        let file = self.policy.display();
        let lines: Vec<String> = problems
            .iter()
            .map(|problem| format!("{file}: {problem}"))
            .collect();
        invalid(lines.join("\n"))
    }

    fn validate(&self, policy: &BackupPolicy, place: Place) -> Result<ValidPolicy, Failure> {
        let cluster = match &self.cluster_name {
            Some(name) => name.clone(),
            None => identity::host_name()?,
        };
        let context = Context {
            cluster: &cluster,
            namespace: policy.metadata.namespace.as_deref().unwrap_or("default"),
            policy: policy.metadata.name.as_deref().unwrap_or_default(),
            place,
        };
        validate(&policy.spec, context).map_err(|problems| self.wrong(&problems))
    }
}

/// Whose order is carried out: that of a policy file on this host, or the one that a pod was given.
#[derive(Clone, Debug, Args)]
pub(super) struct RunArgs {
    /// The policy: a BackupPolicy as YAML, with `path` and `bucket` sources.
    #[arg(
        long,
        required_unless_present = "run_spec",
        conflicts_with = "run_spec"
    )]
    policy: Option<PathBuf>,

    /// The name of this host in the catalog. Default: its host name.
    #[arg(long, env = "BACKSTAY_CLUSTER_NAME")]
    cluster_name: Option<String>,

    /// The order of a pod, as the controller has written it.
    #[arg(long)]
    pub(super) run_spec: Option<PathBuf>,

    /// Where is kept what has been told of runs that do not reach their repository. Default: the
    /// service's own under systemd, otherwise backstay in the user's state directory.
    #[arg(long, env = "BACKSTAY_STATE_DIRECTORY", value_name = "DIR")]
    pub(super) state_directory: Option<PathBuf>,

    /// How each run's result is written.
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: Output,
}

impl RunArgs {
    /// Whether a reader gets the summary of each run. Of a pod, the log is read.
    pub(super) fn has_reader(&self) -> bool {
        matches!(self.output, Output::Human) && self.run_spec.is_none()
    }

    /// Reads the policy as one that runs on this host.
    pub(super) fn read_for_host(&self) -> Result<(BackupPolicy, ValidPolicy), Failure> {
        let Some(policy) = self.policy.clone() else {
            return Err(invalid("--policy is missing".to_owned()));
        };
        let policy = PolicyArgs {
            policy,
            cluster_name: self.cluster_name.clone(),
        };
        let written = policy.parse()?;
        let valid = policy.validate(&written, Place::Host)?;
        Ok((written, valid))
    }
}

/// The sources of a policy that are asked for: one by name, or all.
pub(super) fn select<'a>(
    policy: &'a ValidPolicy,
    source: Option<&str>,
) -> Result<Vec<&'a ValidSource>, Failure> {
    let chosen: Vec<&ValidSource> = policy
        .sources
        .iter()
        .filter(|candidate| source.is_none_or(|name| candidate.name == name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = policy
            .sources
            .iter()
            .map(|source| source.name.as_str())
            .collect();
        return Err(invalid(format!(
            "--source {} is not a source of the policy: it has {}",
            source.unwrap_or_default(),
            names.join(", ")
        )));
    }
    Ok(chosen)
}

/// The one source that a reading verb is about.
pub(super) fn select_one<'a>(
    policy: &'a ValidPolicy,
    source: Option<&str>,
) -> Result<&'a ValidSource, Failure> {
    match *select(policy, source)?.as_slice() {
        [one] => Ok(one),
        _ => Err(invalid(
            "the policy has several sources: say which one with --source".to_owned(),
        )),
    }
}

/// The order to back up a directory of this host.
pub(super) fn for_host(source: &ValidSource, approved: Option<String>) -> Result<RunSpec, Failure> {
    let identity = match &source.location {
        Location::Directory { path } => SourceIdentity::Directory {
            machine_id: identity::machine_id()?,
            path: path.clone(),
        },
        Location::Bucket(bucket) => bucket.identity(),
        Location::Claim { name } => {
            return Err(invalid(format!(
                "source {} is the claim {name}: a plain host backs up `path` and `bucket` sources",
                source.name
            )));
        }
    };
    Ok(source.run_spec(identity, approved))
}

/// The order whose place is to be read: what the source is does not matter for that.
pub(super) fn for_reading(source: &ValidSource) -> RunSpec {
    source.run_spec(SourceIdentity::Claim { uid: String::new() }, None)
}

/// Reads the order that a pod was given.
pub(super) fn read_run_spec(path: &Path) -> Result<RunSpec, Failure> {
    let text = read(path)?;
    let spec: RunSpec = serde_json::from_str(&text)
        .map_err(|error| invalid(format!("--run-spec {}: {error}", path.display())))?;
    if spec.version != RUN_SPEC_VERSION {
        return Err(invalid(format!(
            "--run-spec {} has version {} and this worker knows {RUN_SPEC_VERSION}: the controller \
             and the worker must be of the same release",
            path.display(),
            spec.version
        )));
    }
    Ok(spec)
}

/// Reads the order that a setup's pod was given.
pub(super) fn read_setup_spec(path: &Path) -> Result<SetupSpec, Failure> {
    let text = read(path)?;
    let spec: SetupSpec = serde_json::from_str(&text)
        .map_err(|error| invalid(format!("--setup-spec {}: {error}", path.display())))?;
    if spec.version != SETUP_SPEC_VERSION {
        return Err(invalid(format!(
            "--setup-spec {} has version {} and this worker knows {SETUP_SPEC_VERSION}: the \
             controller and the worker must be of the same release",
            path.display(),
            spec.version
        )));
    }
    Ok(spec)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| invalid(format!("{}: {error}", path.display())))
}

/// A mistake of whoever wrote the policy or the command.
pub(super) fn invalid(message: String) -> Failure {
    Failure::new(Reason::InvalidSpec, message)
}

/// What should not happen.
pub(super) fn internal(message: String) -> Failure {
    Failure::new(Reason::Internal, message)
}
