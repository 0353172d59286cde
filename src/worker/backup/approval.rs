//! Suspicion, and a person's approval of it.

use super::Backup;
use super::copy::Copied;
use crate::adapters::store::{Get, Store, StoreError};
use crate::adapters::tree::Tree;
use crate::api::catalog::{Commit, CommitRef, Head};
use crate::api::outcome::Reason;
use crate::api::report::RunReport;
use crate::plan::guard::{self, Balance, Suspicion};
use crate::worker::failure::Failure;

impl<S: Store, T: Tree> Backup<S, T> {
    /// Refuses a source that is not the one the repository was made for.
    pub(super) async fn check_identity(&self, head: &Head) -> Result<(), Failure> {
        self.unless_approved(head, Err(Suspicion::AnotherSource))
            .await
    }

    /// Refuses a root that is another directory than it was.
    pub(super) async fn check_root(&self, head: &Head, parent: &Commit) -> Result<(), Failure> {
        let checked = guard::check_root(&parent.root, &self.root);
        self.unless_approved(head, checked).await
    }

    /// Refuses a source that lost too much.
    pub(super) async fn check_balance(
        &self,
        head: &Head,
        parent: Option<&(CommitRef, Commit)>,
        copied: &Copied,
    ) -> Result<(), Failure> {
        let balance = Balance {
            parent_rows: parent.map_or(0, |(_, commit)| commit.totals.rows),
            captured_rows: copied.totals.rows.saturating_sub(copied.stale_rows),
            unreadable: self.progress.counts().0.not_captured.max(copied.stale_rows),
        };
        let checked = guard::check(balance, self.spec.deletions.max_percent);
        self.unless_approved(head, checked).await
    }

    /// Whether a person has looked at a refused run and approved it. The approval holds for the
    /// restore point that the refused run was measured against, and for no later one.
    pub(super) async fn is_approved(&self, head: &Head) -> Result<bool, Failure> {
        let Some(run) = &self.spec.approved_run else {
            return Ok(false);
        };
        let request = Get {
            bucket: self.location.bucket.clone(),
            key: self.location.report(run),
            ..Get::default()
        };
        let body = match self.store.get(request).await {
            Ok(object) => object.body,
            Err(StoreError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let Ok(refused) = serde_json::from_slice::<RunReport>(&body) else {
            return Ok(false);
        };
        let sequence = head.commit.as_ref().map(|commit| commit.sequence);
        let measured_against = refused.restore_point.map(|point| point.sequence);
        Ok(refused.reason == Some(Reason::SourceSuspicious) && measured_against == sequence)
    }

    async fn unless_approved(
        &self,
        head: &Head,
        checked: Result<(), Suspicion>,
    ) -> Result<(), Failure> {
        let Err(suspicion) = checked else {
            return Ok(());
        };
        if self.is_approved(head).await? {
            self.progress
                .warn("a person has approved what this source lost".to_owned());
            return Ok(());
        }
        let mut message = suspicion.explain(self.writer.get().unwrap_or(&self.run));
        if let Some(other) = &self.spec.approved_run {
            message = format!(
                "{message}. The approval of {other} does not count: that is no run which was refused \
                 since the last restore point, by its whole name"
            );
        }
        Err(Failure::new(Reason::SourceSuspicious, message))
    }
}
