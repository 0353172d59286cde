//! The survey: everything that stands in the way is found before the first write.

use std::sync::Arc;

use super::{Conflict, Restore};
use crate::adapters::segment::Batch;
use crate::adapters::store::Store;
use crate::adapters::target::TargetError;
use crate::api::catalog::{Commit, Kind};
use crate::api::outcome::Reason;
use crate::worker::failure::Failure;

impl<S: Store> Restore<S> {
    /// Looks at every name that will be written. What stands there is a conflict, unless both are
    /// directories. With `Skip` nothing is one; with `Overwrite` only a directory that would have
    /// to go.
    pub(super) async fn survey(self: &Arc<Self>, commit: &Commit) -> Result<(), Failure> {
        if self.order.conflict == Conflict::Skip {
            return Ok(());
        }
        self.each_segment(commit, |batch, selected| {
            let restore = self.clone();
            async move { restore.survey_rows(batch, selected).await }
        })
        .await?;
        self.order.tally.check_conflicts(match self.order.conflict {
            Conflict::Fail => "choose an empty directory, or --conflict overwrite or skip",
            Conflict::Overwrite | Conflict::Skip => {
                "a directory stands where a file belongs: move it away"
            }
        })
    }

    async fn survey_rows(
        self: Arc<Self>,
        batch: Arc<Batch>,
        selected: Vec<usize>,
    ) -> Result<(), Failure> {
        let looked = tokio::task::spawn_blocking(move || {
            for index in selected {
                let path = batch.path(index);
                let standing = self.target.stat(path).map_err(|error| of_target(&error))?;
                let Some(standing) = standing else {
                    continue;
                };
                let is_directory = batch.kind(index) == Kind::Directory;
                let stands_directory = standing.identity.kind == Kind::Directory;
                let is_conflict = match (is_directory, stands_directory) {
                    (true, true) => false,
                    (false, true) => true,
                    (true | false, false) => self.order.conflict == Conflict::Fail,
                };
                if is_conflict {
                    self.order.tally.conflict(path);
                }
            }
            Ok(())
        });
        looked
            .await
            .map_err(|error| Failure::new(Reason::Internal, error.to_string()))?
    }
}

/// A failure of the target that ends the restore.
pub(super) fn of_target(error: &TargetError) -> Failure {
    let reason = if error.is_full() {
        Reason::LocalDiskFull
    } else {
        Reason::TargetConflict
    };
    Failure::new(reason, describe(error))
}

/// An error of the target and its cause, as one line.
pub(super) fn describe(error: &TargetError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
