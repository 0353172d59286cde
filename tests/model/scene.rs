//! One source, its repository, and the runs between them.

mod checks;

use std::collections::BTreeMap;
use std::sync::Arc;

use backstay::api::outcome::{Outcome, Reason};
use backstay::api::report::RunReport;
use backstay::api::run::RunSpec;
use backstay::plan::location::Location;
use backstay::plan::place;
use backstay::worker::backup::{Cuts, Order};

use crate::audit::Log;
use crate::engine;
use crate::files::Files;
use crate::invariants::{Invariants, run_of};
use crate::process::{Fault, Handle, Nth};
use crate::reader::RestorePoint;
use crate::tree::{SimTree, Snapshot};
use crate::world::{Settings, World};

/// Longer than a silent writer is waited for.
pub(crate) const LEASE_SECONDS: i64 = 10 * 60;

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    /// With a last word.
    Reported(Box<RunReport>),
    /// Killed.
    Killed,
}

/// The states that the tree had while a run's attempts went on, and what they were told.
#[derive(Clone)]
struct Period {
    spec: RunSpec,
    begin: usize,
    end: usize,
    /// How many attempts go on.
    active: u32,
}

/// A run under way.
pub(crate) struct Running {
    name: String,
    handle: Handle,
    task: tokio::task::JoinHandle<RunReport>,
}

/// Everything that one history is about.
pub(crate) struct Scene {
    /// The store.
    pub(crate) world: World,
    /// The source.
    pub(crate) tree: SimTree,
    /// What the runs are told.
    pub(crate) spec: RunSpec,
    /// Where segments are cut.
    pub(crate) cuts: Cuts,
    /// What happens, in words.
    pub(crate) log: Log,
    /// The restore points by sequence.
    pub(crate) points: BTreeMap<u64, Arc<RestorePoint>>,
    /// The requests that the last run made: operation and key.
    pub(crate) last_requests: Vec<(&'static str, String)>,
    /// Whether a policy ever was to keep in sight what is gone.
    pub(crate) keeps_deleted: bool,
    /// How far the host's clock is from the file system's, in seconds.
    pub(crate) host_clock_ahead: i64,
    invariants: Invariants,
    location: Location,
    periods: BTreeMap<String, Period>,
    rng: fastrand::Rng,
}

impl Scene {
    /// A source without a repository.
    pub(crate) fn new(seed: u64, settings: Settings, files: Files, foreign_clock: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let world = World::new(settings);
        for bucket in [engine::TABLES_BUCKET, engine::REST_BUCKET] {
            world.create_bucket(bucket);
        }
        let spec = engine::spec();
        let log = world.state().log.clone();
        let location = engine::location();
        Self {
            world,
            tree: SimTree::new(files, rng.u64(..), foreign_clock, log.clone()),
            spec,
            cuts: Cuts::default(),
            log,
            points: BTreeMap::new(),
            last_requests: Vec::new(),
            keeps_deleted: false,
            host_clock_ahead: 0,
            invariants: Invariants::new(location.clone()),
            location,
            periods: BTreeMap::new(),
            rng,
        }
    }

    /// Starts a run.
    pub(crate) fn start(&mut self, name: &str, faults: Vec<(Nth, Fault)>) -> Running {
        self.log
            .note(format!("run {name} starts, faults {faults:?}"));
        let (store, handle) = self.world.process(name, self.rng.u64(..), faults);
        let run = run_of(name).to_owned();
        self.begin_period(&run);
        let template = self.spec.storage.key_prefix.as_deref().unwrap_or_default();
        let prefix = place::resolve_date(template, self.host_clock(), "UTC");
        self.invariants
            .prefixes
            .insert(prefix.expect("UTC is known"));
        let order = Order {
            spec: self.spec.clone(),
            run,
            started: self.host_clock(),
            stop: handle.stop(),
            progress: Arc::default(),
            cuts: self.cuts,
            patience: None,
            prices: None,
            named: None,
            left: None,
        };
        let task = tokio::spawn(engine::backup(order, store, self.tree.clone()));
        Running {
            name: name.to_owned(),
            handle,
            task,
        }
    }

    fn host_clock(&self) -> jiff::Timestamp {
        let ahead = jiff::SignedDuration::from_secs(self.host_clock_ahead);
        self.tree.living().files.clock() + ahead
    }

    /// Waits until a run has ended or stands still; answers with it if it stands still.
    pub(crate) async fn until_paused(
        &mut self,
        mut run: Running,
    ) -> Result<Result<Ended, Running>, String> {
        tokio::select! {
            biased;
            () = run.handle.paused() => Ok(Err(run)),
            () = run.handle.killed() => Ok(Ok(self.ended(&run, None)?)),
            report = &mut run.task => {
                let report = report.map_err(|error| format!("the run panicked: {error}"))?;
                Ok(Ok(self.ended(&run, Some(report))?))
            }
        }
    }

    /// Carries a run out, from start to end.
    pub(crate) async fn run(
        &mut self,
        name: &str,
        faults: Vec<(Nth, Fault)>,
    ) -> Result<Ended, String> {
        let run = self.start(name, faults);
        match self.until_paused(run).await? {
            Ok(ended) => Ok(ended),
            Err(run) => self.resume(run).await,
        }
    }

    /// Lets a run that stands still go on to its end.
    pub(crate) async fn resume(&mut self, run: Running) -> Result<Ended, String> {
        self.log.note(format!("run {} goes on", run.name));
        run.handle.release();
        match self.until_paused(run).await? {
            Ok(ended) => Ok(ended),
            Err(run) => Err(format!("run {} was paused twice", run.name)),
        }
    }

    /// A run without faults and without change meanwhile: it must succeed, without human help.
    pub(crate) async fn run_cleanly(&mut self, name: &str) -> Result<RunReport, String> {
        // What a dead run has sent arrives before, or it would fence this one, and rightly so.
        self.world.deliver();
        self.world.advance(LEASE_SECONDS);
        let Ended::Reported(report) = self.run(name, Vec::new()).await? else {
            return Err("I6: a run without faults was killed".to_owned());
        };
        if report.reason == Some(Reason::SourceSuspicious) && self.spec.approved_run.is_none() {
            self.spec.approved_run = Some(report.writer());
            let again = Box::pin(self.run_cleanly(&format!("{name}-approved"))).await;
            self.spec.approved_run = None;
            return again;
        }
        match report.outcome {
            Some(Outcome::Succeeded) => Ok(*report),
            Some(Outcome::Partial | Outcome::Failed | Outcome::Unclear) | None => Err(format!(
                "I6: a run without faults ended with {:?} {:?}: {}",
                report.outcome, report.reason, report.message
            )),
        }
    }

    fn ended(&mut self, run: &Running, report: Option<RunReport>) -> Result<Ended, String> {
        run.task.abort();
        self.last_requests = run.handle.log();
        let ended = report.map_or(Ended::Killed, |report| Ended::Reported(Box::new(report)));
        self.log
            .note(format!("run {} ended: {}", run.name, describe(&ended)));
        self.end_period(run_of(&run.name));
        self.check()?;
        if let Ended::Reported(report) = &ended {
            self.check_report(&run.name, report)?;
        }
        Ok(ended)
    }

    fn begin_period(&mut self, run: &str) {
        let begin = self.tree.living().snapshots.len() - 1;
        let new = Period {
            spec: self.spec.clone(),
            begin,
            end: usize::MAX,
            active: 0,
        };
        let period = self
            .periods
            .entry(run.to_owned())
            .or_insert_with(|| new.clone());
        if period.active == 0 {
            *period = new;
        }
        period.active += 1;
    }

    fn end_period(&mut self, run: &str) {
        let end = self.tree.living().snapshots.len() - 1;
        if let Some(period) = self.periods.get_mut(run) {
            period.active -= 1;
            if period.active == 0 {
                period.end = end;
            }
        }
    }

    fn period(&self, run: &str) -> Result<&Period, String> {
        self.periods
            .get(run)
            .ok_or_else(|| format!("nobody ran {run}"))
    }

    fn states(&self, period: &Period) -> Vec<Snapshot> {
        let living = self.tree.living();
        let end = period.end.min(living.snapshots.len() - 1);
        living.snapshots[period.begin..=end].to_vec()
    }
}

fn describe(ended: &Ended) -> String {
    match ended {
        Ended::Killed => "killed".to_owned(),
        Ended::Reported(report) => {
            format!(
                "{:?} {:?} {}",
                report.outcome, report.reason, report.message
            )
        }
    }
}
