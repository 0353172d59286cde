//! A repository, read: HEAD, commit records, and the way from a time to a restore point.
//!
//! # Consistency
//! A commit is a restore point if, and only if, HEAD leads to it. Records are read by version
//! and by hash, so that what was written over them does not count. Nothing here writes.

use bytes::Bytes;
use sha2::Digest;

use super::failure::Failure;
use crate::adapters::store::{Get, Store, StoreError};
use crate::api::catalog::{
    Commit, CommitRef, FORMAT_VERSION, Head, ObjectRef, RangeRef, Repository, Sha256,
};
use crate::api::outcome::Reason;
use crate::plan::ancestry;
use crate::plan::location::Location;

/// How much of a run's id has to be given at least: two ids with the same start are not expected.
const RUN_ID_START_MIN: usize = 8;

/// HEAD, and the token by which it may be changed.
#[derive(Clone, Debug)]
pub struct Held {
    /// What it says.
    pub head: Head,
    /// Its ETag.
    pub etag: String,
    /// When it was written, by the store's clock.
    pub modified: jiff::Timestamp,
}

/// Which restore point is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    /// The newest one.
    Newest,
    /// The newest one that is not after a time.
    AsOf(jiff::Timestamp),
    /// The one that a run made.
    Run(String),
}

/// Reads `repository.json`; `None` where there is none.
pub async fn read_repository<S: Store>(
    store: &S,
    location: &Location,
) -> Result<Option<Repository>, Failure> {
    let Some((body, _)) = read(store, location, &location.repository()).await? else {
        return Ok(None);
    };
    let repository: Repository = parse(&body, "repository.json")?;
    check_format(repository.format)?;
    Ok(Some(repository))
}

/// Reads HEAD; `None` where there is none.
pub async fn read_head<S: Store>(store: &S, location: &Location) -> Result<Option<Held>, Failure> {
    let Some((body, facts)) = read(store, location, &location.head()).await? else {
        return Ok(None);
    };
    let head: Head = parse(&body, "HEAD")?;
    check_format(head.format)?;
    Ok(Some(Held {
        head,
        etag: facts.etag,
        modified: facts.modified,
    }))
}

/// Reads HEAD of a repository that must be there.
pub async fn require_head<S: Store>(store: &S, location: &Location) -> Result<Held, Failure> {
    read_head(store, location).await?.ok_or_else(|| {
        Failure::new(
            Reason::RepositoryNotFound,
            format!(
                "no backup under {}/{}: check the names of cluster or host, namespace, policy and \
                 source",
                location.bucket,
                location.prefix()
            ),
        )
    })
}

/// Reads a commit record by version and hash.
pub async fn read_commit<S: Store>(
    store: &S,
    location: &Location,
    reference: &CommitRef,
) -> Result<Commit, Failure> {
    let request = Get {
        bucket: location.bucket.clone(),
        key: reference.key.clone(),
        version: Some(reference.version.clone()),
        range: None,
    };
    let body = store.get(request).await.map_err(Failure::from)?.body;
    verify(&body, &reference.sha256, &reference.key)?;
    let commit: Commit = parse(&body, &reference.key)?;
    check_format(commit.format)?;
    Ok(commit)
}

/// Finds the restore point that is asked for, in a logarithmic number of requests where a time
/// is asked for.
///
/// # Errors
/// [`Reason::TargetConflict`] where there is none.
pub async fn find<S: Store>(
    store: &S,
    location: &Location,
    head: &Head,
    point: &Point,
) -> Result<(CommitRef, Commit), Failure> {
    let Some(mut reference) = head.commit.clone() else {
        return Err(no_restore_point("the repository has no restore point yet"));
    };
    let mut commit = read_commit(store, location, &reference).await?;
    loop {
        let next = match point {
            Point::Newest => return Ok((reference, commit)),
            Point::AsOf(time) if reference.time <= *time => return Ok((reference, commit)),
            Point::Run(run) if is_named(&commit.run, run) => return Ok((reference, commit)),
            Point::AsOf(time) => ancestry::towards(&commit.ancestors, *time),
            Point::Run(_) => commit.ancestors.first(),
        };
        let Some(next) = next.cloned() else {
            return Err(no_restore_point(&match point {
                Point::AsOf(time) => {
                    format!(
                        "the first restore point is of {}, after {time}",
                        reference.time
                    )
                }
                Point::Run(run) => format!("no restore point was made by run {run}"),
                Point::Newest => "the repository has no restore point yet".to_owned(),
            }));
        };
        commit = read_commit(store, location, &next).await?;
        reference = next;
    }
}

/// Whether this is the run that is meant: by its id, or by the start of it.
fn is_named(id: &str, given: &str) -> bool {
    id == given || (given.len() >= RUN_ID_START_MIN && id.starts_with(given))
}

/// Reads an object of the catalog whole, and verifies it before anyone parses it.
pub async fn read_object<S: Store>(
    store: &S,
    location: &Location,
    object: &ObjectRef,
) -> Result<Bytes, Failure> {
    let body = fetch(store, location, object, None).await?;
    verify(&body, &object.sha256, &object.key)?;
    Ok(body)
}

/// Reads a part of an object of the catalog, and verifies it.
pub async fn read_range<S: Store>(
    store: &S,
    location: &Location,
    object: &ObjectRef,
    start: u64,
    range: &RangeRef,
) -> Result<Bytes, Failure> {
    let span = start..start.saturating_add(range.length);
    let body = fetch(store, location, object, Some(span)).await?;
    verify(&body, &range.sha256, &object.key)?;
    Ok(body)
}

async fn fetch<S: Store>(
    store: &S,
    location: &Location,
    object: &ObjectRef,
    range: Option<std::ops::Range<u64>>,
) -> Result<Bytes, Failure> {
    let request = Get {
        bucket: location.bucket.clone(),
        key: object.key.clone(),
        version: Some(object.version.clone()),
        range,
    };
    Ok(store.get(request).await.map_err(Failure::from)?.body)
}

async fn read<S: Store>(
    store: &S,
    location: &Location,
    key: &str,
) -> Result<Option<(Bytes, crate::adapters::store::Facts)>, Failure> {
    let request = Get {
        bucket: location.bucket.clone(),
        key: key.to_owned(),
        ..Get::default()
    };
    match store.get(request).await {
        Ok(object) => Ok(Some((object.body, object.facts))),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn verify(body: &[u8], expected: &Sha256, key: &str) -> Result<(), Failure> {
    let actual: [u8; 32] = sha2::Sha256::digest(body).into();
    if actual == expected.0 {
        return Ok(());
    }
    Err(Failure::integrity(format!(
        "{key} is not what was recorded: its SHA-256 differs"
    )))
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8], key: &str) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| Failure::integrity(format!("{key} cannot be read: {error}")))
}

fn check_format(format: u32) -> Result<(), Failure> {
    if format <= FORMAT_VERSION {
        return Ok(());
    }
    Err(Failure::new(
        Reason::PreflightRefused,
        format!(
            "the repository has format {format} and this version knows {FORMAT_VERSION}: use a \
             newer version of backstay"
        ),
    ))
}

fn no_restore_point(message: &str) -> Failure {
    Failure::new(Reason::TargetConflict, message)
}
