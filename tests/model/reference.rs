//! What a restore point must hold: the reference model.
//!
//! A run sees the tree in one of the states that it had between the run's begin and its end.
//! Where nothing changed meanwhile there is one state, and the restore point is exact. An entry
//! that did change may be as in any of them, and torn where its row says that it cannot be
//! trusted. What could not be read keeps its older copy, and is named.

use std::collections::BTreeMap;

use backstay::api::catalog::{Kind, Row};
use backstay::api::policy::Category;
use backstay::api::run::RunSpec;
use backstay::plan::key::display;
use backstay::plan::layout::layout;

use crate::reader::{RestorePoint, content};
use crate::tree::{Entry, Snapshot};
use crate::world::State;

/// Checks a restore point against all states of the tree while it was made.
pub(crate) fn check(
    state: &State,
    point: &RestorePoint,
    parent: Option<&RestorePoint>,
    states: &[Snapshot],
    spec: &RunSpec,
) -> Result<(), String> {
    let reference = Reference {
        state,
        point,
        parent,
        states,
        spec,
    };
    let mut paths: Vec<&Vec<u8>> = states.iter().flat_map(BTreeMap::keys).collect();
    paths.extend(point.rows.keys());
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        reference.check_path(path).map_err(|problem| {
            format!(
                "restore point {}: {}: {problem}",
                point.at.sequence,
                display(path)
            )
        })?;
    }
    reference.check_links()
}

struct Reference<'a> {
    state: &'a State,
    point: &'a RestorePoint,
    parent: Option<&'a RestorePoint>,
    states: &'a [Snapshot],
    spec: &'a RunSpec,
}

impl Reference<'_> {
    fn check_path(&self, path: &[u8]) -> Result<(), String> {
        let mut states: Vec<Option<&Entry>> = Vec::new();
        for snapshot in self.states {
            let state = snapshot.get(path);
            if !states.contains(&state) {
                states.push(state);
            }
        }
        match self.point.rows.get(path) {
            None if self.is_excluded(path) => Ok(()),
            // What lies beneath a directory that cannot be read is carried as it was.
            Some(row) if self.is_excluded(path) && !row.flags.stale => {
                Err("it is excluded".to_owned())
            }
            None => self.check_absent(path, &states),
            Some(row) if row.flags.stale => self.check_stale(path, row, &states),
            Some(row) => self.check_captured(row, &states),
        }
    }

    fn check_absent(&self, path: &[u8], states: &[Option<&Entry>]) -> Result<(), String> {
        if states.contains(&None) {
            return Ok(());
        }
        if !self.is_named(path) {
            return Err("it is missing, and nothing says so".to_owned());
        }
        if !self.may_be_unreadable(path) {
            return Err("it is not captured, though nothing kept it from being read".to_owned());
        }
        let was_there = self.was_alike(path, states);
        if was_there && self.states.len() == 1 {
            return Err("it could not be read, and its older copy was dropped".to_owned());
        }
        Ok(())
    }

    /// Whether the parent has a row of the path that could stand for what is there now: a
    /// directory's for a directory, another one for anything else.
    fn was_alike(&self, path: &[u8], states: &[Option<&Entry>]) -> bool {
        let Some(older) = self.parent.and_then(|parent| parent.rows.get(path)) else {
            return false;
        };
        let is_directory = |kind: Kind| kind == Kind::Directory;
        states
            .iter()
            .flatten()
            .any(|entry| is_directory(entry.identity.kind) == is_directory(older.identity.kind))
    }

    /// A stale row is the parent's, and somebody is told.
    fn check_stale(&self, path: &[u8], row: &Row, states: &[Option<&Entry>]) -> Result<(), String> {
        if !self.is_named(path) {
            return Err("it is stale, and nothing says so".to_owned());
        }
        if !self.may_be_unreadable(path) && states.len() == 1 {
            return Err("it is stale, though nothing kept it from being read".to_owned());
        }
        let Some(older) = self.parent.and_then(|parent| parent.rows.get(path)) else {
            return Err("it is stale, and there was no older copy".to_owned());
        };
        if older.pin != row.pin {
            return Err("it is stale, and not the older copy".to_owned());
        }
        if row.identity.kind == Kind::File {
            content(self.state, row)?;
        }
        Ok(())
    }

    /// What the policy excludes in these histories: everything named so, and what lies below.
    fn is_excluded(&self, path: &[u8]) -> bool {
        let excludes = |component: &[u8]| component == b"docs" || component.ends_with(b".csv");
        !self.spec.exclude.is_empty() && path.split(|byte| *byte == b'/').any(excludes)
    }

    /// The first category that takes it, and its place in the layout of today.
    fn check_category(&self, row: &Row) -> Result<(), String> {
        let name = row
            .path
            .rsplit(|byte| *byte == b'/')
            .next()
            .unwrap_or_default();
        let takes = |category: &&Category| {
            category.matches.as_ref().is_none_or(|matches| {
                matches
                    .extensions
                    .iter()
                    .any(|extension| name.ends_with(format!(".{extension}").as_bytes()))
            })
        };
        let Some(category) = self.spec.categories.iter().find(takes) else {
            return Err("no category takes it".to_owned());
        };
        let template = self.spec.storage.key_prefix.as_deref().unwrap_or_default();
        let is_in_its_place = row.category == category.name
            && row
                .pin
                .as_ref()
                .is_some_and(|pin| pin.bucket == category.bucket)
            && row.layout == layout(&category.bucket, template);
        if is_in_its_place {
            Ok(())
        } else {
            Err("it is in another category's place".to_owned())
        }
    }

    fn check_captured(&self, row: &Row, states: &[Option<&Entry>]) -> Result<(), String> {
        let entries: Vec<&Entry> = states.iter().copied().flatten().collect();
        if entries.is_empty() {
            return Err("it was never there".to_owned());
        }
        let bytes = match row.identity.kind {
            Kind::File => {
                self.check_category(row)?;
                content(self.state, row)?
            }
            Kind::Directory
            | Kind::Symlink
            | Kind::Fifo
            | Kind::Socket
            | Kind::CharacterDevice
            | Kind::BlockDevice => Vec::new(),
        };
        // Attributes of a directory are read by another call than its facts; its next change
        // time, or the racy flag, has them read again.
        let is_directory = row.identity.kind == Kind::Directory;
        let has_xattrs = |entry: &Entry| row.xattrs == entry.xattrs || entry.is_broken;
        let exact = entries.iter().any(|entry| {
            is_described(row, entry)
                && entry.content.as_slice() == bytes
                && (has_xattrs(entry) || (is_directory && entries.iter().any(|e| has_xattrs(e))))
        });
        // Something above a directory can have changed, so that its attributes were not read.
        let has_changed = states.len() > 1 || (is_directory && self.states.len() > 1);
        let may_be_torn = has_changed && (row.flags.fuzzy || row.flags.racy);
        if exact || may_be_torn {
            return Ok(());
        }
        let seen: Vec<String> = entries.iter().map(|entry| describe_entry(entry)).collect();
        Err(format!(
            "it is {}, and was {}",
            describe_row(row, &bytes),
            seen.join(", or ")
        ))
    }

    /// Names of one file stay names of one file, and others do not become that.
    fn check_links(&self) -> Result<(), String> {
        let [only] = self.states else { return Ok(()) };
        let mut groups: BTreeMap<u64, u64> = BTreeMap::new();
        for (path, row) in &self.point.rows {
            let Some(entry) = only.get(path) else {
                continue;
            };
            if row.identity.kind != Kind::File || row.flags.stale {
                continue;
            }
            if (entry.links > 1) != (row.link_group != 0) {
                return Err(format!(
                    "{} has {} names, and its link group is {}",
                    display(path),
                    entry.links,
                    row.link_group
                ));
            }
            if row.link_group != 0
                && *groups.entry(entry.identity.inode).or_insert(row.link_group) != row.link_group
            {
                return Err(format!(
                    "{} is in another link group than its twin",
                    display(path)
                ));
            }
        }
        let mut distinct: Vec<u64> = groups.values().copied().collect();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() != groups.len() {
            return Err("two files are in one link group".to_owned());
        }
        Ok(())
    }

    /// Whether the commit names the path, or a directory above it, as not captured.
    fn is_named(&self, path: &[u8]) -> bool {
        above(path).any(|path| {
            let path = display(path);
            self.point
                .commit
                .not_captured
                .iter()
                .any(|named| named.path == path)
        })
    }

    fn may_be_unreadable(&self, path: &[u8]) -> bool {
        let changed = self.states.len() > 1;
        let is_broken = |path: &[u8]| {
            self.states
                .iter()
                .any(|state| state.get(path).is_some_and(|entry| entry.is_broken))
        };
        changed || above(path).any(is_broken)
    }
}

/// The path and every directory above it but the root.
fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(index, _)| &path[..index]).chain([path])
}

fn is_described(row: &Row, entry: &Entry) -> bool {
    row.identity == entry.identity
        && row.ownership == entry.ownership
        && row.link_target == entry.link_target
}

fn describe_row(row: &Row, bytes: &[u8]) -> String {
    format!(
        "{:?} {:?} {:?} flags {} {}",
        row.identity,
        row.ownership,
        row.xattrs,
        row.flags.bits(),
        describe_bytes(bytes)
    )
}

fn describe_entry(entry: &Entry) -> String {
    format!(
        "{:?} {:?} {:?} {}",
        entry.identity,
        entry.ownership,
        entry.xattrs,
        describe_bytes(&entry.content)
    )
}

fn describe_bytes(bytes: &[u8]) -> String {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(12)]);
    format!("{} bytes {start:?}", bytes.len())
}
