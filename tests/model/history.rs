//! One random history: decided by its seed alone.

use backstay::api::outcome::{Outcome, Reason};
use backstay::api::policy::CompressionAlgorithm::{Gzip, Zstd};
use backstay::api::policy::DeletionPolicy;

use crate::engine;
use crate::files::Files;
use crate::invariants::run_of;
use crate::mutations;
use crate::process::{Fault, Nth};
use crate::scene::{Ended, LEASE_SECONDS, Scene};
use crate::world::Settings;

/// Of how many requests a run is thought to consist when a fault is placed by chance.
const REQUESTS: u64 = 60;

/// Of how many calls a walk is thought to consist when a change is placed by chance.
const OPERATIONS: u64 = 150;

/// What a history came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Statistics {
    /// Runs that were started.
    pub(crate) runs: u64,
    /// Runs that were killed.
    pub(crate) killed: u64,
    /// Runs that reported a failure.
    pub(crate) failed: u64,
    /// Runs that stood still while another one ran.
    pub(crate) overtaken: u64,
    /// Restore points.
    pub(crate) points: u64,
    /// Pinned versions that were superseded unseen.
    pub(crate) known_losses: u64,
}

impl std::ops::AddAssign for Statistics {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.killed += other.killed;
        self.failed += other.failed;
        self.overtaken += other.overtaken;
        self.points += other.points;
        self.known_losses += other.known_losses;
    }
}

/// A failure: what was violated, and what led to it.
pub(crate) struct Failure {
    /// What was violated.
    pub(crate) problem: String,
    /// What led to it.
    pub(crate) log: String,
}

/// Plays the history of a seed.
pub(crate) async fn play(seed: u64) -> Result<Statistics, Failure> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut scene = scene(&mut rng);
    let mut statistics = Statistics::default();
    let played = play_runs(&mut scene, &mut rng, &mut statistics).await;
    match played {
        Ok(()) => {
            statistics.points = scene.points.len() as u64;
            statistics.known_losses = scene.known_losses();
            Ok(statistics)
        }
        Err(problem) => Err(Failure {
            problem,
            log: scene.log.text(),
        }),
    }
}

fn scene(rng: &mut fastrand::Rng) -> Scene {
    let ticks = [1, 4_000_000, 1_000_000_000, 2_000_000_000];
    let mut files = Files::new(rng.choice(ticks).unwrap_or(1));
    files.rename_keeps_ctime = rng.bool();
    mutations::populate(&mut files, rng);
    let settings = Settings {
        deletes_ignore_etags: rng.bool(),
        page_keys: rng.choice([1, 2, 3, 1000]).unwrap_or(1000),
        request_milliseconds: rng.choice([1, 20, 900]).unwrap_or(1),
        lease_seconds: LEASE_SECONDS,
        ..Settings::default()
    };
    let has_foreign_clock = rng.bool();
    let mut scene = Scene::new(rng.u64(..), settings, files, has_foreign_clock);
    if has_foreign_clock {
        scene.host_clock_ahead = rng.choice([-7200, -3, 0, 3, 7200]).unwrap_or(0);
    }
    match rng.u8(0..6) {
        0..3 => scene.cuts = engine::small_cuts(),
        3 => scene.cuts = engine::cuts_by_time(),
        _ => {}
    }
    scene.spec.deletions.max_percent = rng.choice([50, 100]).unwrap_or(50);
    scene.spec.concurrency = rng.choice([1, 2, 8]).unwrap_or(1);
    scene
}

async fn play_runs(
    scene: &mut Scene,
    rng: &mut fastrand::Rng,
    statistics: &mut Statistics,
) -> Result<(), String> {
    let mut name = String::new();
    for number in 1..=rng.u64(2..=8) {
        between_runs(scene, rng);
        // A Job starts a pod again for the same run. Not so if another run has committed since:
        // HEAD then remembers neither it nor its attempts.
        let is_retried = number > 1 && rng.u8(0..5) == 0;
        if is_retried {
            name = format!("{}#{number}", run_of(&name));
        } else {
            change_policy(scene, rng);
            name = format!("run-{number}");
        }
        if rng.u8(0..5) == 0 {
            name = overtake(scene, rng, &name, statistics).await?;
        } else {
            let faults = faults(rng);
            schedule_changes(scene, rng);
            let ended = scene.run(&name, faults).await?;
            after(scene, rng, &ended, statistics);
        }
    }
    finish(scene, rng, statistics).await
}

/// People work, and time passes or does not.
fn between_runs(scene: &mut Scene, rng: &mut fastrand::Rng) {
    let mut living = scene.tree.living();
    living.schedule.clear();
    living.meddling = 0;
    for _ in 0..rng.u8(0..6) {
        living.change();
    }
    if rng.bool() {
        living.files.advance(rng.i64(0..20_000_000_000));
    }
}

/// Sometimes somebody wants something else.
fn change_policy(scene: &mut Scene, rng: &mut fastrand::Rng) {
    let spec = &mut scene.spec;
    match rng.u8(0..32) {
        0 if spec.exclude.is_empty() => {
            spec.exclude = vec!["docs".to_owned(), "*.csv".to_owned()];
        }
        0 => spec.exclude.clear(),
        1 => {
            let extensions = rng.choice([&["csv", "txt"][..], &["csv"]]).unwrap_or(&[]);
            spec.categories[0] = engine::tables(extensions);
        }
        2 => {
            spec.storage.key_prefix = rng
                .choice([engine::PREFIX, engine::DATED_PREFIX])
                .map(ToOwned::to_owned);
        }
        3 => {
            spec.deletions.policy = DeletionPolicy::Keep;
            scene.keeps_deleted = true;
        }
        4 => spec.deletions.policy = DeletionPolicy::Mirror,
        5 | 6 => {
            let category = rng.usize(0..spec.categories.len());
            let kinds = [Some(Zstd), Some(Gzip), None].map(|kind| kind.map(engine::compressed));
            spec.categories[category].compression = rng.choice(kinds).flatten();
        }
        _ => return,
    }
    scene.log.note("the policy changes".to_owned());
}

/// While a run goes on, people work.
fn schedule_changes(scene: &mut Scene, rng: &mut fastrand::Rng) {
    let mut living = scene.tree.living();
    if rng.u8(0..5) > 1 {
        return;
    }
    living.meddling = rng.u8(0..5);
    let from = living.operations;
    let mut due: Vec<u64> = (0..rng.u8(1..8))
        .map(|_| from + rng.u64(0..OPERATIONS))
        .collect();
    due.sort_unstable();
    living.schedule = due.into();
}

fn faults(rng: &mut fastrand::Rng) -> Vec<(Nth, Fault)> {
    let count = rng.choice([0, 0, 1, 1, 1, 2, 3]).unwrap_or(0);
    (0..count).map(|_| (nth(rng), fault(rng))).collect()
}

fn nth(rng: &mut fastrand::Rng) -> Nth {
    match rng.u8(0..6) {
        0 => Nth::Of("PutObject", "/HEAD", rng.u64(0..4)),
        1 => Nth::Of("PutObject", "data/", rng.u64(0..4)),
        2 => Nth::Of("PutObject", "catalog/", rng.u64(0..6)),
        3 => Nth::Of("DeleteObjects", "", 0),
        _ => Nth::Any(rng.u64(0..REQUESTS)),
    }
}

fn fault(rng: &mut fastrand::Rng) -> Fault {
    match rng.u8(0..10) {
        8 => Fault::Stop,
        9 => Fault::Partition,
        0 | 1 => Fault::KillBefore,
        2 | 3 => Fault::KillAfter,
        4 => Fault::LostReply,
        5 => Fault::Unavailable,
        6 => Fault::Late(rng.u64(1..40)),
        _ => Fault::Conflict,
    }
}

/// A run stands still somewhere; another one, or another attempt of it, takes over; then the first
/// one goes on. Answers with who was the last to open.
async fn overtake(
    scene: &mut Scene,
    rng: &mut fastrand::Rng,
    name: &str,
    statistics: &mut Statistics,
) -> Result<String, String> {
    schedule_changes(scene, rng);
    let first = scene.start(name, vec![(nth(rng), Fault::Pause)]);
    let first = match scene.until_paused(first).await? {
        Ok(ended) => {
            after(scene, rng, &ended, statistics);
            return Ok(name.to_owned());
        }
        Err(first) => first,
    };
    statistics.overtaken += 1;
    scene.world.advance(LEASE_SECONDS);
    between_runs(scene, rng);
    let is_same_run = rng.bool();
    let twin = if is_same_run {
        format!("{}#twin", run_of(name))
    } else {
        format!("{name}-other")
    };
    let second = scene.run(&twin, faults(rng)).await?;
    after(scene, rng, &second, statistics);
    between_runs(scene, rng);
    let ended = scene.resume(first).await?;
    after(scene, rng, &ended, statistics);
    Ok(twin)
}

fn after(scene: &mut Scene, rng: &mut fastrand::Rng, ended: &Ended, statistics: &mut Statistics) {
    statistics.runs += 1;
    scene.spec.approved_run = None;
    scene.world.advance(LEASE_SECONDS);
    match ended {
        Ended::Killed => {
            statistics.killed += 1;
        }
        Ended::Reported(report) => {
            if report.outcome == Some(Outcome::Failed) {
                statistics.failed += 1;
            }
            if report.reason == Some(Reason::SourceSuspicious) && rng.bool() {
                scene.spec.approved_run = Some(report.writer());
            }
        }
    }
}

/// In the end everything is mended, and one run must make it good.
async fn finish(
    scene: &mut Scene,
    rng: &mut fastrand::Rng,
    statistics: &mut Statistics,
) -> Result<(), String> {
    mend(scene, rng);
    scene.run_cleanly("last").await?;
    scene.check_current()?;
    // Time passes; then nothing that was read can have changed unnoticed, and nothing is sent.
    scene.tree.living().files.advance(10_000_000_000);
    scene.run_cleanly("settle").await?;
    let report = scene.run_cleanly("unchanged").await?;
    statistics.runs += 3;
    if report.files.uploaded != 0 {
        return Err(format!(
            "{} files were sent though nothing changed",
            report.files.uploaded
        ));
    }
    scene.check_current()?;
    scene.check_all_restore()?;
    scene.check_all_found().await
}

fn mend(scene: &mut Scene, rng: &mut fastrand::Rng) {
    scene.spec.approved_run = None;
    let mut living = scene.tree.living();
    living.schedule.clear();
    living.meddling = 0;
    mutations::mend(&mut living.files);
    living.keep();
    if rng.bool() {
        living.files.advance(10_000_000_000);
    }
}
