//! The end of a run that did not come to hold its repository.

use std::collections::BTreeMap;

use super::{location_of, point};
use crate::adapters::store::Store;
use crate::api::outcome::Reason;
use crate::api::report::RunReport;
use crate::api::run::RunSpec;
use crate::plan::location::Location;
use crate::worker::failure::Failure;
use crate::worker::outbox;
use crate::worker::report::Reporter;
use crate::worker::repository::{Held, read_commit, read_head};

/// Ends a run that cannot begin, and tells so.
pub async fn refused<S: Store>(
    spec: &RunSpec,
    store: &S,
    reporter: &Reporter,
    failure: &Failure,
) -> RunReport {
    let report = reporter.failed(failure, store.requests());
    tell(spec, store, reporter, report).await
}

/// Tells of a run that failed before it held the repository, as far as that can be read.
pub(super) async fn tell<S: Store>(
    spec: &RunSpec,
    store: &S,
    reporter: &Reporter,
    mut report: RunReport,
) -> RunReport {
    let Some(post) = reporter.post() else {
        return report;
    };
    let location = location_of(spec);
    let held = match read_head(store, &location).await {
        Ok(held) => {
            if let Some(found) = find(store, &location, held.as_ref(), reporter, &report).await {
                report = found;
            }
            held
        }
        Err(_) => None,
    };
    let told = outbox::tell_unopened(store, &location, post, held, reporter, &report);
    let told = Box::pin(told).await;
    reporter.told(told.sent, told.error)
}

/// Ends a run that has no store to ask, and tells so.
pub async fn refused_alone(reporter: &Reporter, failure: &Failure) -> RunReport {
    let report = reporter.failed(failure, BTreeMap::new());
    let Some(post) = reporter.post() else {
        return report;
    };
    let told = outbox::tell_alone(post, reporter, &report).await;
    reporter.told(told.sent, told.error)
}

/// The report with the newest restore point, or with there being none; nothing where that is not
/// known: of a repository that is not whole, no HEAD does not mean no restore point.
async fn find<S: Store>(
    store: &S,
    location: &Location,
    held: Option<&Held>,
    reporter: &Reporter,
    report: &RunReport,
) -> Option<RunReport> {
    let reference = held.and_then(|held| held.head.commit.as_ref());
    let newest = match reference {
        Some(reference) => {
            let commit = read_commit(store, location, reference).await.ok()?;
            Some(point(reference, &commit))
        }
        None if report.reason == Some(Reason::IntegrityFailure) => return None,
        None => None,
    };
    Some(reporter.found(newest))
}
