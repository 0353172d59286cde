//! `--metrics-file`: what a plain host tells Prometheus, through `node_exporter`.

use std::path::PathBuf;

use super::chain;
use super::order::invalid;
use crate::adapters::textfile::{self, TextfileError};
use crate::api::policy::BackupPolicySpec;
use crate::api::report::RunReport;
use crate::plan::policy::ValidPolicy;
use crate::plan::textfile::{OtherPolicy, Textfile};
use crate::worker::failure::Failure;

/// The file of a policy's metrics.
pub(super) struct MetricsFile<'a> {
    path: PathBuf,
    spec: &'a BackupPolicySpec,
    policy: &'a ValidPolicy,
}

/// Why the metrics were not told.
#[derive(Debug, thiserror::Error)]
enum MetricsError {
    #[error(transparent)]
    File(#[from] TextfileError),
    #[error("{} {other}", path.display())]
    Other { path: PathBuf, other: OtherPolicy },
}

impl<'a> MetricsFile<'a> {
    /// Finds out before a run whether its metrics can be written, and drops what is told of sources
    /// that are gone.
    pub(super) fn open(
        path: PathBuf,
        spec: &'a BackupPolicySpec,
        policy: &'a ValidPolicy,
    ) -> Result<Self, Failure> {
        let file = Self { path, spec, policy };
        match file.rewrite(|_| {}) {
            Ok(()) => {}
            Err(error @ MetricsError::Other { .. }) => {
                return Err(invalid(format!("--metrics-file: {}", chain(&error))));
            }
            // A disk that is full, say, must not keep anything from being backed up.
            Err(error @ MetricsError::File(_)) => {
                tracing::error!(error = %chain(&error), "--metrics-file cannot be written");
            }
        }
        Ok(file)
    }

    /// Tells how a run ended. The run stands, whether this can be written or not; the overdue
    /// alert then says what nobody else does.
    pub(super) fn note(&self, source: &str, report: &RunReport) {
        let noted = self.rewrite(|text| text.note(self.spec, source, report));
        if let Err(error) = noted {
            tracing::error!(error = %chain(&error), "metrics not written");
        }
    }

    fn rewrite(&self, change: impl FnOnce(&mut Textfile)) -> Result<(), MetricsError> {
        let file = textfile::Textfile::lock(&self.path)?;
        let before = file.read()?;
        let text = Textfile::parse(&before, &self.policy.namespace, &self.policy.name);
        let mut text = text.map_err(|other| MetricsError::Other {
            path: self.path.clone(),
            other,
        })?;
        text.keep(self.spec);
        change(&mut text);
        Ok(file.replace(&text.render())?)
    }
}
