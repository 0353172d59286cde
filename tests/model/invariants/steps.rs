//! How HEAD may move, and what may be written once only.

use backstay::api::catalog::{Commit, CommitRef, Head};
use backstay::plan::location::Location;

use super::{is_head, run_of, writes};
use crate::world::State;

/// One step of HEAD: only forward, and only by who opened it.
pub(super) fn check_step(
    state: &State,
    location: &Location,
    before: &Head,
    after: &Head,
    (process, opener): (&str, Option<&str>),
) -> Result<(), String> {
    if after.repository != before.repository {
        return Err("I2: HEAD is another repository's".to_owned());
    }
    match after.epoch.checked_sub(before.epoch) {
        Some(0) if opener == Some(process) => {}
        Some(0) => return Err(format!("P3: HEAD was opened by {opener:?}")),
        Some(1) if writes(after, process) => {}
        Some(1) => return Err("P3: HEAD is opened for somebody else".to_owned()),
        Some(_) | None => return Err("I2: the epoch jumps".to_owned()),
    }
    let last = after.commit.as_ref().map_or(0, |commit| commit.sequence);
    if after.published < before.published || after.published > last {
        return Err("I2: published goes back, or ahead of the commit".to_owned());
    }
    if after.commit == before.commit {
        if before.superseding_since.is_some() && after.superseding_since != before.superseding_since
        {
            return Err("I2: supersedingSince is forgotten without a commit".to_owned());
        }
        return Ok(());
    }
    let Some(at) = &after.commit else {
        return Err("I2: the commit is taken back".to_owned());
    };
    check_commit(state, location, before.commit.as_ref(), at, process)
}

fn check_commit(
    state: &State,
    location: &Location,
    before: Option<&CommitRef>,
    at: &CommitRef,
    process: &str,
) -> Result<(), String> {
    let object = state
        .find(&location.bucket, &at.key, Some(&at.version))
        .map_err(|error| format!("I3: the commit is not there: {error}"))?;
    let commit: Commit = serde_json::from_slice(&object.body)
        .map_err(|error| format!("I3: the commit cannot be read: {error}"))?;
    if commit.run != run_of(process) {
        return Err(format!("I2: {process} commits what {} wrote", commit.run));
    }
    if commit.ancestors.first() != before {
        return Err("I2: the commit's parent is not the one that HEAD had".to_owned());
    }
    if at.sequence != before.map_or(0, |before| before.sequence) + 1 {
        return Err("I2: the sequence jumps".to_owned());
    }
    if before.is_some_and(|before| before.time >= at.time) {
        return Err("I2: commit times do not increase".to_owned());
    }
    Ok(())
}

/// P5.
pub(super) fn check_written_once(state: &State, location: &Location) -> Result<(), String> {
    let Ok(bucket) = state.bucket(&location.bucket) else {
        return Ok(());
    };
    for (key, versions) in &bucket.keys {
        let is_catalog = key.starts_with("catalog/") || key.starts_with("claims/");
        let may_change = is_head(key) || key.ends_with("/lease") || key.contains("/probe");
        if is_catalog && !may_change && versions.len() != 1 {
            return Err(format!("P5: {key} was written {} times", versions.len()));
        }
    }
    Ok(())
}
