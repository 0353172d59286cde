//! What must hold at any time, after a clean run, and of what a run says.

use std::collections::BTreeMap;
use std::sync::Arc;

use backstay::api::catalog::CommitRef;
use backstay::api::outcome::Outcome;
use backstay::api::report::RunReport;
use backstay::worker::repository::{self, Point, require_head};

use super::Scene;
use crate::reader::{self, RestorePoint};
use crate::reference;
use crate::world::State;

impl Scene {
    /// Checks everything that must hold at any time.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        self.invariants.check(&self.world)?;
        let world = self.world.clone();
        let state = world.state();
        let Some(head) = reader::head_of(&state, &self.location) else {
            return if self.points.is_empty() {
                Ok(())
            } else {
                Err("HEAD is gone".to_owned())
            };
        };
        for point in self.new_points(&state, head.commit)? {
            let parent = self.points.get(&(point.at.sequence - 1)).map(AsRef::as_ref);
            let period = self.period(&point.commit.run)?;
            reference::check(&state, &point, parent, &self.states(period), &period.spec)?;
            self.points.insert(point.at.sequence, point);
        }
        Ok(())
    }

    /// What HEAD leads to and was not there before, oldest first. It leads to all the others.
    fn new_points(
        &mut self,
        state: &State,
        newest: Option<CommitRef>,
    ) -> Result<Vec<Arc<RestorePoint>>, String> {
        let last = self
            .points
            .last_key_value()
            .map(|(_, point)| point.at.clone());
        let mut new = Vec::new();
        let mut next = newest;
        while next != last {
            let Some(at) = next else {
                return Err("I2: a restore point is not reached any more".to_owned());
            };
            let point = self.invariants.catalog.point(state, &at)?;
            next = point.commit.ancestors.first().cloned();
            new.push(point);
        }
        new.reverse();
        Ok(new)
    }

    /// I1 and I5: every restore point that there ever was still restores.
    pub(crate) fn check_all_restore(&self) -> Result<(), String> {
        let state = self.world.state();
        for point in self.points.values() {
            for row in point.rows.values().filter(|row| row.pin.is_some()) {
                reader::content(&state, row).map_err(|problem| format!("I1: {problem}"))?;
            }
        }
        Ok(())
    }

    /// Every restore point is found by its time and by its run, and no other one is.
    pub(crate) async fn check_all_found(&self) -> Result<(), String> {
        let (store, handle) = self.world.process("finder", 0, Vec::new());
        let held = require_head(&store, &self.location)
            .await
            .map_err(|error| error.to_string())?;
        let find = async |point: Point| {
            let found = repository::find(&store, &self.location, &held.head, &point).await;
            found.map(|(at, _)| at.sequence).ok()
        };
        for point in self.points.values() {
            let sequence = point.at.sequence;
            let before = point.at.time - jiff::SignedDuration::from_millis(1);
            // A run that was started again after others may have made two.
            let is_of_run = |other: &&Arc<RestorePoint>| other.commit.run == point.commit.run;
            let of_run = self
                .points
                .values()
                .rfind(is_of_run)
                .map(|point| point.at.sequence);
            let earlier = (sequence > 1).then(|| sequence - 1);
            let found = [
                find(Point::AsOf(point.at.time)).await == Some(sequence),
                find(Point::AsOf(before)).await == earlier,
                find(Point::Run(point.commit.run.clone())).await == of_run,
            ];
            if found.contains(&false) {
                return Err(format!("restore point {sequence} is not found: {found:?}"));
            }
        }
        // A logarithmic number by time, a linear one by run.
        let points = self.points.len() as u64;
        let allowed = points * (2 * (u64::from(points.ilog2()) * 2 + 2) + points) + 1;
        let made = handle.log().len() as u64;
        if made > allowed {
            return Err(format!("{made} requests to find {points} restore points"));
        }
        Ok(())
    }

    /// How many pinned versions of the newest restore point were superseded unseen.
    pub(crate) fn known_losses(&self) -> u64 {
        let losses = &self.invariants.known_losses;
        let newest = self.points.last_key_value().map(|(_, point)| &point.rows);
        let pins = newest
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter_map(|row| row.pin.as_ref());
        pins.filter(|pin| losses.contains(&pin.version)).count() as u64
    }

    /// After a clean run: every pin of the newest restore point is current, so that no lifecycle
    /// rule takes it; and what was dropped is hidden.
    pub(crate) fn check_current(&self) -> Result<(), String> {
        let state = self.world.state();
        let Some((_, newest)) = self.points.last_key_value() else {
            return Ok(());
        };
        for pin in newest.rows.values().filter_map(|row| row.pin.as_ref()) {
            let bucket = state
                .bucket(&pin.bucket)
                .map_err(|error| error.to_string())?;
            let current = bucket.current(&pin.key).map(|object| &object.facts.version);
            let is_known = self.invariants.known_losses.contains(&pin.version);
            if current != Some(&pin.version) && !is_known {
                return Err(format!(
                    "currency: {} is pinned as {}, and {current:?} is current",
                    pin.key, pin.version
                ));
            }
        }
        if self.keeps_deleted {
            return Ok(());
        }
        for older in self.points.values() {
            for pin in older.rows.values().filter_map(|row| row.pin.as_ref()) {
                let is_kept = newest.pins(|kept| kept.bucket == pin.bucket && kept.key == pin.key);
                let bucket = state
                    .bucket(&pin.bucket)
                    .map_err(|error| error.to_string())?;
                // What a run sent and died before it could say so is not what was dropped.
                let is_in_sight = bucket
                    .current(&pin.key)
                    .is_some_and(|object| object.facts.version == pin.version);
                if !is_kept && is_in_sight {
                    return Err(format!(
                        "mirror: {} was dropped and is still in sight",
                        pin.key
                    ));
                }
            }
        }
        Ok(())
    }

    /// I4 and I7: a report says what is.
    pub(super) fn check_report(&self, process: &str, report: &RunReport) -> Result<(), String> {
        let sequence = self.invariants.committed_by.get(process);
        let of_run = sequence.and_then(|sequence| self.points.get(sequence));
        match (report.outcome, of_run) {
            (Some(Outcome::Failed), Some(_)) => Err("I7: a failed run has committed".to_owned()),
            (Some(Outcome::Succeeded | Outcome::Partial), Some(point)) => {
                if report.outcome != Some(point.commit.outcome) {
                    return Err("I7: report and commit differ in the outcome".to_owned());
                }
                if report.files.total != point.rows.len() as u64 {
                    return Err("I7: report and commit differ in the number of entries".to_owned());
                }
                let is_named = point.commit.not_captured.is_empty();
                if is_named != (point.commit.outcome == Outcome::Succeeded) {
                    return Err("I4: what is not captured and the outcome disagree".to_owned());
                }
                Ok(())
            }
            (Some(Outcome::Succeeded | Outcome::Partial), None) => self.check_unchanged(report),
            (Some(Outcome::Failed | Outcome::Unclear) | None, _) => Ok(()),
        }
    }

    /// A run that found nothing changed: the newest restore point is the tree, as it is.
    fn check_unchanged(&self, report: &RunReport) -> Result<(), String> {
        let Some((_, newest)) = self.points.last_key_value() else {
            return Err("I4: a run without a restore point reports one".to_owned());
        };
        if newest.commit.run == report.run {
            // An earlier attempt made it.
            return Ok(());
        }
        let parent = self
            .points
            .get(&(newest.at.sequence - 1))
            .map(AsRef::as_ref);
        let period = self.period(&report.run)?;
        reference::check(
            &self.world.state(),
            newest,
            parent,
            &self.states(period),
            &period.spec,
        )
        .map_err(|problem| format!("I4: nothing changed, says the run; but {problem}"))
    }
}
