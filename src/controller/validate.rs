//! From what was observed to what can be carried out: the policy's own problems, and the claims
//! that are missing.

use crate::api::run::{RunSpec, SourceIdentity};
use crate::plan::health::{Obstacle, ReadyReason};
use crate::plan::policy::{self, Context, Place, ValidPolicy, ValidSource};
use crate::plan::problem::Problem;
use crate::plan::source::Location;

use super::labels;
use super::observe::Observed;

/// A policy that can be carried out, at least in part.
#[derive(Debug)]
pub(super) struct Validated {
    pub(super) policy: ValidPolicy,
    /// The sources that can be backed up, each with its order.
    pub(super) sources: Vec<OrderedSource>,
    /// What stands in the way of the others.
    pub(super) obstacles: Vec<Obstacle>,
}

/// A source, and what its worker is told.
#[derive(Debug)]
pub(super) struct OrderedSource {
    pub(super) source: ValidSource,
    /// The claim that is mounted; none for a bucket.
    pub(super) claim: Option<String>,
    pub(super) order: RunSpec,
}

/// Finds every problem, or what can be carried out.
pub(super) fn validate(observed: &Observed, cluster: &str) -> Result<Validated, Vec<Problem>> {
    let context = Context {
        cluster,
        namespace: &observed.namespace,
        policy: &observed.name,
        place: Place::Cluster,
    };
    let policy = policy::validate(&observed.policy.spec, context)?;
    let approvals = observed.policy.metadata.annotations.as_ref();
    let approvals = approvals.and_then(|annotations| annotations.get(labels::APPROVE_DELETIONS));
    let mut sources = Vec::new();
    let mut obstacles = Vec::new();
    for source in &policy.sources {
        let approved = approvals.and_then(|text| approved_run(text, &source.name));
        match identify(observed, source) {
            Ok((identity, claim)) => sources.push(OrderedSource {
                source: source.clone(),
                claim,
                order: source.run_spec(identity, approved),
            }),
            Err(Some(obstacle)) => obstacles.push(obstacle),
            Err(None) => {}
        }
    }
    Ok(Validated {
        policy,
        sources,
        obstacles,
    })
}

/// What a source is, and the claim that it is in; or what stands in the way.
fn identify(
    observed: &Observed,
    source: &ValidSource,
) -> Result<(SourceIdentity, Option<String>), Option<Obstacle>> {
    let claim = match &source.location {
        Location::Claim { name } => name,
        Location::Bucket(bucket) => return Ok((bucket.identity(), None)),
        // A directory is a problem of the policy, in a cluster.
        Location::Directory { .. } => return Err(None),
    };
    let Some(found) = observed.claims.get(claim) else {
        return Err(Some(Obstacle {
            source: source.name.clone(),
            reason: ReadyReason::ClaimNotFound,
            message: format!(
                "claim {claim} does not exist in namespace {}; create it, or name another",
                observed.namespace
            ),
        }));
    };
    let uid = found.uid.clone();
    Ok((SourceIdentity::Claim { uid }, Some(claim.clone())))
}

/// The run that is approved for a source: `<run>` is meant for every source, `<source>=<run>` for
/// one.
fn approved_run(text: &str, source: &str) -> Option<String> {
    let mut runs = text
        .split(',')
        .filter_map(|item| match item.trim().split_once('=') {
            Some((name, run)) => (name.trim() == source).then_some(run.trim()),
            None => Some(item.trim()),
        });
    // A run's id is a UID; what is longer than an order has room for is none.
    runs.find(|run| !run.is_empty() && run.len() <= 64)
        .map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_for_all_sources_or_for_one() {
        let check = |text, source, run: Option<&str>| {
            assert_eq!(approved_run(text, source).as_deref(), run, "{text}");
        };
        check("1b4e", "files", Some("1b4e"));
        check("files=1b4e, scans=9c2d", "scans", Some("9c2d"));
        check("files=1b4e", "scans", None);
        check(" ", "files", None);
        check(&"x".repeat(65), "files", None);
    }
}
