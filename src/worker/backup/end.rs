//! The end of a run that held its repository: its account, what is told of it, and the way out.
//!
//! # Consistency
//! A run that failed notes that in HEAD before it tells it: where HEAD takes no note, whoever comes next
//! must be told in another way, and not find a writer that seems to have died without a word.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Backup, hash};
use crate::adapters::store::{Attributes, Store};
use crate::adapters::tree::Tree;
use crate::api::catalog::{Head, Outbox};
use crate::api::left::Left;
use crate::api::outcome::Reason;
use crate::api::report::{RestorePoint, RunReport};
use crate::plan::{head, left};
use crate::worker::failure::Failure;
use crate::worker::head::{swap, write_once};
use crate::worker::outbox;
use crate::worker::report::Reporter;
use crate::worker::repository::Held;

impl<S: Store, T: Tree> Backup<S, T> {
    /// Requests to the store and, of a bucket, to the source.
    pub(super) fn requests(&self) -> BTreeMap<String, u64> {
        let mut requests = self.store.requests();
        for (operation, count) in self.tree.requests() {
            *requests.entry(operation).or_default() += count;
        }
        requests
    }

    /// Says what the run cost so far: its notice is not in it.
    pub(super) fn price(&self, reporter: &Reporter, is_whole: bool) {
        if let Some(prices) = &self.prices {
            let cost = self.survey().run_cost(&self.requests(), is_whole, prices);
            reporter.priced(cost);
        }
    }

    /// Tells how the run ended, and gives the repository up. What cannot be told now stays in HEAD
    /// for the next run; where HEAD cannot be written, the report tells it.
    pub(super) async fn end(
        &self,
        reporter: &Reporter,
        held: &Held,
        ended: Result<RestorePoint, Failure>,
    ) -> RunReport {
        self.price(reporter, ended.is_ok() && self.named.is_none());
        let requests = self.requests();
        let point = match ended {
            Ok(point) => point,
            Err(failure) => {
                let reason = failure.reason;
                let failure = failure.of_store(&self.spec.storage);
                let report = reporter.failed(&failure, requests);
                self.write_report(&report).await;
                return self.end_failed(reporter, held, reason, report).await;
            }
        };
        let mut report = reporter.ended(&point, requests);
        self.write_report(&report).await;
        let mut left = held.head.outbox.clone();
        if let Some(post) = reporter.post() {
            let told = outbox::tell(&*self.store, &self.location, post, left, &report).await;
            left = told.outbox;
            report = reporter.told(told.sent, told.error);
        }
        if held.head.writer.is_some() {
            self.close(reporter, held, left, &report).await;
        }
        report
    }

    /// Notes the failure, tells it, and gives the repository up, so that nobody has to wait for this
    /// run. Where HEAD takes no note, the store is away or a right is missing: then this run falls silent
    /// by itself, and the next one is told in another way.
    async fn end_failed(
        &self,
        reporter: &Reporter,
        held: &Held,
        reason: Reason,
        report: RunReport,
    ) -> RunReport {
        let now = self.store.last_answer().unwrap_or(self.started);
        let next = head::released(&held.head, reason, now, Uuid::new_v4());
        let next = self.while_telling(next, held);
        let noted = swap(&*self.store, &self.location, held, next).await;
        if let Err(failure) = &noted {
            tracing::debug!(error = %failure, "repository not released");
        }
        let Some(post) = reporter.post() else {
            return report;
        };
        let known = match &noted {
            Ok(held) => held.head.outbox.clone(),
            Err(_) => left::told_by(&held.head),
        };
        let told = outbox::tell(&*self.store, &self.location, post, known, &report).await;
        if let Ok(held) = noted {
            self.close(reporter, &held, told.outbox, &report).await;
        } else {
            reporter.leaving(Some(Left {
                writer: Some(report.writer()),
                ..left::after(None, &report, told.outbox, now, Uuid::new_v4())
            }));
        }
        reporter.told(told.sent, told.error)
    }

    /// Gives the repository up: nothing but that is left to do.
    async fn close(&self, reporter: &Reporter, held: &Held, outbox: Outbox, report: &RunReport) {
        let closed = outbox::close(&*self.store, &self.location, held, outbox).await;
        if let Err(failure) = closed {
            tracing::warn!(error = %failure, "repository not given up; the next run waits for it");
            reporter.leaving(Some(left::ended(report, Uuid::new_v4())));
        }
    }

    /// What HEAD becomes at the end of a run: where there is a topic to tell, the writer stays until
    /// it has been told.
    pub(super) fn while_telling(&self, next: Head, held: &Held) -> Head {
        match &held.head.writer {
            Some(writer) if self.tells => head::kept_open(next, writer),
            _ => next,
        }
    }

    /// Writes the full report beside the catalog. The outcome does not hang on it.
    pub(super) async fn write_report(&self, report: &RunReport) {
        let Ok(body) = serde_json::to_vec_pretty(report) else {
            return;
        };
        let key = self.location.report(&report.writer());
        let attributes = Attributes {
            sha256: Some(hash(&body)),
            ..Attributes::default()
        };
        let body = body.into();
        if let Err(failure) = write_once(&*self.store, &self.location, key, body, attributes).await
        {
            // Of a run that failed for the same reason, that is told already.
            if report.reason == Some(failure.reason) {
                tracing::debug!(error = %failure, "report not written");
            } else {
                tracing::warn!(error = %failure, "report not written");
            }
        }
    }
}
