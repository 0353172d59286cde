//! The invariants, checked on the audit: P1 to P6 of the repository, and that HEAD only moves on.

mod steps;

use std::collections::{BTreeMap, BTreeSet};

use backstay::adapters::store::Condition;
use backstay::api::catalog::{Head, Writer};
use backstay::plan::key::data_key;
use backstay::plan::location::Location;

use crate::audit::{Event, What};
use crate::reader::{self, Catalog};
use crate::world::{State, World};
use steps::{check_step, check_written_once};

/// A process that is none of ours: the invariants do not bind it.
pub(crate) const STRANGER: &str = "stranger";

/// Reads the audit as it grows, and remembers what matters for what comes.
pub(crate) struct Invariants {
    location: Location,
    /// Every prefix that data was ever written under.
    pub(crate) prefixes: BTreeSet<String>,
    read: usize,
    seen: BTreeSet<(String, String, String)>,
    heads: BTreeMap<String, Head>,
    current: Option<Head>,
    nonces: BTreeSet<uuid::Uuid>,
    opener: Option<String>,
    views: BTreeMap<String, View>,
    /// What each writer's segments pin: bucket, key and ETag.
    journals: BTreeMap<String, BTreeSet<(String, String, String)>>,
    /// What has been read of the catalog.
    pub(crate) catalog: Catalog,
    /// Which process made which restore point.
    pub(crate) committed_by: BTreeMap<String, u64>,
    /// Versions that HEAD pins and that were hidden or written over all the same: by a request
    /// that was under way when its sender was fenced, or had been told that it was lost.
    pub(crate) known_losses: BTreeSet<String>,
}

/// What one process knows.
#[derive(Default)]
struct View {
    /// As who it opened the repository.
    own: Option<Writer>,
    /// HEAD as it was told last.
    head: Option<Head>,
    /// Where in the audit that was.
    head_read_at: usize,
    /// Where in the audit it was first told of a version.
    told: BTreeMap<String, usize>,
    /// The request that put its last markers.
    marked_in: Option<u64>,
    /// Where in the audit its last marker is.
    marked_at: usize,
}

impl Invariants {
    /// Nothing has happened yet.
    pub(crate) fn new(location: Location) -> Self {
        Self {
            catalog: Catalog::new(&location.bucket),
            location,
            prefixes: BTreeSet::new(),
            read: 0,
            seen: BTreeSet::new(),
            heads: BTreeMap::new(),
            current: None,
            nonces: BTreeSet::new(),
            opener: None,
            views: BTreeMap::new(),
            journals: BTreeMap::new(),
            committed_by: BTreeMap::new(),
            known_losses: BTreeSet::new(),
        }
    }

    /// Checks what has happened since the last time.
    pub(crate) fn check(&mut self, world: &World) -> Result<(), String> {
        let state = world.state();
        for index in self.read..state.audit.len() {
            let event = &state.audit[index];
            if event.process == STRANGER {
                continue;
            }
            self.check_event(&state, index, event).map_err(|problem| {
                format!(
                    "{problem} (process {}, event {index}: {:?})",
                    event.process, event.what
                )
            })?;
        }
        self.read = state.audit.len();
        check_written_once(&state, &self.location)
    }

    fn check_event(&mut self, state: &State, index: usize, event: &Event) -> Result<(), String> {
        let view = self.views.entry(event.process.clone()).or_default();
        match &event.what {
            What::Seen {
                bucket,
                key,
                version,
            } => {
                if let Some(head) = self.heads.get(version).filter(|_| is_head(key)) {
                    view.head = Some(head.clone());
                    view.head_read_at = index;
                }
                view.told.entry(version.clone()).or_insert(index);
                self.seen
                    .insert((bucket.clone(), key.clone(), version.clone()));
                Ok(())
            }
            What::Marked {
                bucket,
                key,
                hidden,
            } => self.check_marker(state, index, event, (bucket, key), hidden.as_deref()),
            What::Written {
                bucket,
                key,
                version,
                condition,
                replaced,
            } => {
                if is_head(key) {
                    return self.check_head(state, event, (bucket, key, version), condition);
                }
                if key.contains("/segments/") && !key.ends_with("/gone.parquet") {
                    return self.check_segment(state, key, version);
                }
                if key.starts_with("data/") {
                    return self.check_data(state, event, condition, replaced.as_deref());
                }
                let may_be_blind = key.ends_with("/lease") || key.contains("/probe");
                if *condition != Condition::Absent && !may_be_blind {
                    return Err("P5: a catalog object is written without If-None-Match".to_owned());
                }
                Ok(())
            }
        }
    }

    /// P3 and I2.
    fn check_head(
        &mut self,
        state: &State,
        event: &Event,
        (bucket, key, version): (&str, &str, &str),
        condition: &Condition,
    ) -> Result<(), String> {
        let object = state
            .find(bucket, key, Some(version))
            .map_err(|error| error.to_string())?;
        let head: Head = serde_json::from_slice(&object.body)
            .map_err(|error| format!("P3: HEAD cannot be read: {error}"))?;
        if *condition == Condition::None {
            return Err("P3: HEAD is written without a condition".to_owned());
        }
        if !self.nonces.insert(head.nonce) {
            return Err("P3: HEAD's nonce was used before".to_owned());
        }
        if let Some(before) = &self.current {
            let opener = self.opener.as_deref();
            check_step(
                state,
                &self.location,
                before,
                &head,
                (&event.process, opener),
            )?;
            if head.epoch > before.epoch {
                self.opener = Some(event.process.clone());
                let view = self.views.entry(event.process.clone()).or_default();
                view.own.clone_from(&head.writer);
            }
        }
        let last = self
            .current
            .as_ref()
            .and_then(|before| before.commit.as_ref());
        if let Some(at) = head.commit.as_ref().filter(|at| Some(*at) != last) {
            self.committed_by.insert(event.process.clone(), at.sequence);
        }
        self.heads.insert(version.to_owned(), head.clone());
        self.current = Some(head);
        Ok(())
    }

    /// P1 and P2.
    fn check_segment(&mut self, state: &State, key: &str, version: &str) -> Result<(), String> {
        for row in self.catalog.segment(state, key, version)?.iter() {
            let Some(pin) = &row.pin else { continue };
            let name = (pin.bucket.clone(), pin.key.clone(), pin.version.clone());
            if !self.seen.contains(&name) {
                return Err(format!(
                    "P1: nobody was told of the pinned version {name:?}"
                ));
            }
            reader::content(state, row).map_err(|problem| format!("P1: {problem}"))?;
            let is_own = |prefix: &String| data_key(prefix, &row.path) == pin.key;
            if !self.prefixes.iter().any(is_own) {
                return Err(format!("P2: {:?} pins {}", row.path, pin.key));
            }
            let writer = key.rsplit('/').nth(1).unwrap_or_default().to_owned();
            let place = (pin.bucket.clone(), pin.key.clone(), pin.etag.clone());
            self.journals.entry(writer).or_default().insert(place);
        }
        Ok(())
    }

    /// P4 for an overwrite, and the window that HEAD tells of.
    fn check_data(
        &mut self,
        state: &State,
        event: &Event,
        condition: &Condition,
        replaced: Option<&str>,
    ) -> Result<(), String> {
        let What::Written { bucket, key, .. } = &event.what else {
            return Ok(());
        };
        let (etag, replaced) = match (condition, replaced) {
            (Condition::None, _) => {
                return Err("P4: data is written without a condition".to_owned());
            }
            (Condition::Absent, _) | (_, None) => return Ok(()),
            (Condition::Matches(etag), Some(replaced)) => (etag, replaced),
        };
        let head = self.current.as_ref();
        let is_writer = head.is_some_and(|head| self.views[&event.process].writes(head));
        let is_announced = head.is_some_and(|head| head.superseding_since.is_some());
        if event.is_late || !is_writer {
            self.known_losses.insert(replaced.to_owned());
        } else if !is_announced && self.is_pinned_by_head(state, (bucket, key, replaced))? {
            return Err("window: HEAD does not say that its versions are superseded".to_owned());
        }
        if event.is_late || self.is_expected(state, &event.process, (bucket, key, etag))? {
            return Ok(());
        }
        let view = &self.views[&event.process];
        let told_at = view.told.get(replaced);
        let has_read_again = told_at.is_some_and(|told_at| view.head_read_at > *told_at);
        if has_read_again && view.is_writer() {
            return Ok(());
        }
        Err("P4: an unexpected version is overwritten without reading HEAD again".to_owned())
    }

    /// P4 for a marker.
    fn check_marker(
        &mut self,
        state: &State,
        index: usize,
        event: &Event,
        (bucket, key): (&str, &str),
        hidden: Option<&str>,
    ) -> Result<(), String> {
        if !key.starts_with("data/") {
            return Err("P5: a marker hides an object that is none of a file".to_owned());
        }
        let view = self.views.entry(event.process.clone()).or_default();
        let is_writer = self.current.as_ref().is_some_and(|head| view.writes(head));
        if let Some(hidden) = hidden {
            if event.is_late || !is_writer {
                self.known_losses.insert(hidden.to_owned());
            } else if self.is_pinned_by_head(state, (bucket, key, hidden))? {
                return Err("P4: a marker hides a version that HEAD pins".to_owned());
            }
        }
        if event.is_late {
            return Ok(());
        }
        let view = self.views.entry(event.process.clone()).or_default();
        let is_same_batch = view.marked_in == Some(event.request);
        if !is_same_batch && view.head_read_at < view.marked_at {
            return Err("P4: a batch of markers without reading HEAD again".to_owned());
        }
        view.marked_in = Some(event.request);
        view.marked_at = index;
        if view.is_writer() {
            return Ok(());
        }
        Err("P4: a marker by a process that did not find itself HEAD's writer".to_owned())
    }

    fn is_pinned_by_head(
        &mut self,
        state: &State,
        (bucket, key, version): (&str, &str, &str),
    ) -> Result<bool, String> {
        let Some(at) = self.current.as_ref().and_then(|head| head.commit.clone()) else {
            return Ok(false);
        };
        let newest = self.catalog.point(state, &at)?;
        Ok(newest.pins(|pin| pin.bucket == bucket && pin.key == key && pin.version == version))
    }

    /// Whether the process overwrites what the commit has that it found when it opened, or what
    /// a dead run's journal has.
    fn is_expected(
        &mut self,
        state: &State,
        process: &str,
        (bucket, key, etag): (&str, &str, &str),
    ) -> Result<bool, String> {
        let Some(head) = self.views.get(process).and_then(|view| view.head.as_ref()) else {
            return Ok(false);
        };
        let place = (bucket.to_owned(), key.to_owned(), etag.to_owned());
        let is_in = |writer: &String| {
            self.journals
                .get(writer)
                .is_some_and(|places| places.contains(&place))
        };
        if head.dead.iter().any(is_in) {
            return Ok(true);
        }
        let Some(at) = head.commit.clone() else {
            return Ok(false);
        };
        let parent = self.catalog.point(state, &at)?;
        Ok(parent.pins(|pin| pin.bucket == bucket && pin.key == key && pin.etag == etag))
    }
}

impl View {
    fn is_writer(&self) -> bool {
        self.head.as_ref().is_some_and(|head| self.writes(head))
    }

    /// Whether this very process is HEAD's writer.
    fn writes(&self, head: &Head) -> bool {
        let (Some(own), Some(writer)) = (&self.own, &head.writer) else {
            return false;
        };
        own.run == writer.run && own.epoch == writer.epoch
    }
}

/// The run that a process carries out: what stands before `#` in its name.
pub(crate) fn run_of(process: &str) -> &str {
    process.split('#').next().unwrap_or(process)
}

fn writes(head: &Head, process: &str) -> bool {
    head.writer
        .as_ref()
        .is_some_and(|writer| writer.run == run_of(process))
}

fn is_head(key: &str) -> bool {
    key.ends_with("/HEAD")
}
