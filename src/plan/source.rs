//! Sources: where files are, and whether a policy may name it.

use super::filter::Filter;
use super::policy::Place;
use super::problem::{ProblemKind, Problems};
use super::{names, queue, storage};
use crate::api::policy::{BackupPolicySpec, Storage};
use crate::api::run::BucketOrder;
use crate::api::source::{BucketSource, PathSource, Source};

/// The roots of what a repository writes into its buckets.
const OWN_ROOTS: [&str; 3] = ["data/", "catalog/", "claims/"];

/// Where a source's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In a claim of the policy's namespace.
    Claim {
        /// The claim's name.
        name: String,
    },
    /// In a bucket.
    Bucket(BucketOrder),
    /// In a directory of the host.
    Directory {
        /// The directory, absolute.
        path: String,
    },
}

/// Patterns are tried one by one, so that each that is not usable is told.
pub(super) fn check_patterns(field: &str, source: &Source, problems: &mut Problems) {
    for (index, pattern) in source.include.iter().enumerate() {
        let filter = Filter::new(std::slice::from_ref(pattern), &[]);
        let filter = filter.map_err(|error| format!("is not a pattern: {}", error.problem));
        problems.check(format!("{field}.include[{index}]"), pattern, filter);
    }
    for (index, pattern) in source.exclude.iter().enumerate() {
        let filter = Filter::new(&[], std::slice::from_ref(pattern));
        let filter = filter.map_err(|error| format!("is not a pattern: {}", error.problem));
        problems.check(format!("{field}.exclude[{index}]"), pattern, filter);
    }
}

/// Checks where a source's files are.
pub(super) fn check(
    spec: &BackupPolicySpec,
    field: &str,
    source: &Source,
    place: Place,
    problems: &mut Problems,
) -> Option<Location> {
    let named = (
        &source.persistent_volume_claim,
        &source.bucket,
        &source.path,
    );
    match named {
        (Some(claim), None, None) => check_claim(field, &claim.claim_name, place, problems),
        (None, Some(bucket), None) => check_bucket(spec, field, bucket, place, problems),
        (None, None, Some(path)) => check_path(field, path, place, problems),
        _ => {
            let message = "must have exactly one of persistentVolumeClaim, bucket and path";
            problems.add(field, "", message);
            None
        }
    }
}

fn check_claim(field: &str, name: &str, place: Place, problems: &mut Problems) -> Option<Location> {
    match place {
        Place::Cluster => {
            let field = format!("{field}.persistentVolumeClaim.claimName");
            problems.check(field, name, names::check_subdomain(name))?;
            Some(Location::Claim {
                name: name.to_owned(),
            })
        }
        Place::Host => {
            let field = format!("{field}.persistentVolumeClaim");
            let message = "is of a cluster; on a plain host give path: {directory: /…}";
            problems.add(field, name, message);
            None
        }
    }
}

fn check_path(
    field: &str,
    path: &PathSource,
    place: Place,
    problems: &mut Problems,
) -> Option<Location> {
    let directory = &path.directory;
    if place == Place::Cluster {
        let message = "is of a plain host; in a cluster give persistentVolumeClaim: {claimName: …}";
        let kind = ProblemKind::PathSourceInCluster;
        problems.add_kind(kind, format!("{field}.path"), directory, message);
        return None;
    }
    if !directory.starts_with('/') {
        let field = format!("{field}.path.directory");
        problems.add(field, directory, "must be absolute: start with /");
        return None;
    }
    Some(Location::Directory {
        path: directory.clone(),
    })
}

fn check_bucket(
    spec: &BackupPolicySpec,
    field: &str,
    bucket: &BucketSource,
    place: Place,
    problems: &mut Problems,
) -> Option<Location> {
    let field = format!("{field}.bucket");
    let name = &bucket.name;
    problems.check(format!("{field}.name"), name, names::check_bucket(name))?;
    let endpoint = bucket.endpoint.as_deref();
    storage::check_endpoint(&format!("{field}.endpoint"), endpoint, place, problems);
    check_credentials(&field, bucket, place, problems);
    let resolved = resolve(spec, bucket);
    if let Some(queue) = &resolved.queue {
        let field = format!("{field}.events.queueUrl");
        storage::check_endpoint(&field, queue.endpoint.as_deref(), place, problems);
        problems.check(field, &queue.url, queue::check(queue));
    }
    if is_own(spec, &resolved) {
        let message = "is a bucket of this policy's own: it would back up its own backups; give \
                       another bucket, or a prefix outside of data/, catalog/ and claims/";
        problems.add(field, &resolved.url(), message);
    }
    Some(Location::Bucket(resolved))
}

fn check_credentials(field: &str, bucket: &BucketSource, place: Place, problems: &mut Problems) {
    let Some(credentials) = &bucket.credentials else {
        return;
    };
    let field = format!("{field}.credentials");
    match (&credentials.secret, &credentials.profile, place) {
        (Some(secret), None, Place::Cluster) => {
            let field = format!("{field}.secret.name");
            problems.check(field, &secret.name, names::check_subdomain(&secret.name));
        }
        (None, Some(_), Place::Host) => {}
        (_, _, Place::Cluster) => {
            problems.add(field, "", "must have secret: {name: …}, in a cluster");
        }
        (_, _, Place::Host) => {
            problems.add(field, "", "must have profile: NAME, on a plain host");
        }
    }
}

/// The bucket with what the policy leaves open. A region of its own without an endpoint is AWS's.
pub(super) fn resolve(spec: &BackupPolicySpec, bucket: &BucketSource) -> BucketOrder {
    let (region, endpoint) = (bucket.region.as_deref(), bucket.endpoint.as_deref());
    let (region, endpoint) = store(&spec.storage, region, endpoint);
    let events = bucket.events.as_ref();
    let queue = events.map(|events| queue::resolve(&events.queue_url, &region));
    BucketOrder {
        name: bucket.name.clone(),
        prefix: bucket.prefix.clone().unwrap_or_default(),
        region,
        endpoint,
        credentials: bucket.credentials.clone(),
        queue,
    }
}

/// The region and the endpoint of a bucket for which these are given, or else the storage's.
pub(super) fn store(
    storage: &Storage,
    region: Option<&str>,
    endpoint: Option<&str>,
) -> (String, Option<String>) {
    let endpoint = match (endpoint, region) {
        (Some(endpoint), _) => Some(endpoint.to_owned()),
        (None, Some(_)) => None,
        (None, None) => storage.endpoint.clone(),
    };
    (region.unwrap_or(&storage.region).to_owned(), endpoint)
}

/// Whether this is, or holds, what the policy's own repositories write.
pub(super) fn is_own(spec: &BackupPolicySpec, bucket: &BucketOrder) -> bool {
    let categories = spec.categories.iter().map(|category| &category.bucket);
    let mut own = categories.chain(&spec.storage.catalog_bucket);
    let prefix = &bucket.prefix;
    is_same_store(bucket.endpoint.as_deref(), spec.storage.endpoint.as_deref())
        && own.any(|own| *own == bucket.name)
        && OWN_ROOTS
            .iter()
            .any(|root| root.starts_with(prefix.as_str()) || prefix.starts_with(root))
}

/// Whether two endpoints are of one store, in which a name is one bucket's.
pub(super) fn is_same_store(one: Option<&str>, other: Option<&str>) -> bool {
    let address = |endpoint: Option<&str>| {
        let endpoint = endpoint.unwrap_or_default();
        endpoint.trim_end_matches('/').to_ascii_lowercase()
    };
    address(one) == address(other)
}
