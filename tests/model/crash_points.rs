//! One small history, with a fault at every single request of a run, each in turn.
//!
//! Whatever happened, the next run succeeds without help, and every restore point restores (I6).

use std::sync::Arc;

use crate::engine;
use crate::files::{Body, Files};
use crate::history::Failure;
use crate::process::{Fault, Nth};
use crate::scene::{Ended, LEASE_SECONDS, Scene};
use crate::world::Settings;

/// What befalls the request.
const FAULTS: [Fault; 9] = [
    Fault::KillBefore,
    Fault::KillAfter,
    Fault::LostReply,
    Fault::Unavailable,
    Fault::Late(1),
    Fault::Late(12),
    Fault::Conflict,
    Fault::Stop,
    Fault::Partition,
];

/// Which run of the history meets the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The first one, which makes the repository.
    First,
    /// The second one, which finds something of every kind: changed, new, gone, touched.
    Second,
    /// The one after a second run that died before its commit, and left a journal.
    AfterCrash,
    /// The one after a second run that died behind its commit, and owes deletions.
    AfterCommit,
}

/// Meets every fault at every request of one stage. Answers with how many there were.
pub(crate) async fn enumerate(stage: Stage) -> Result<u64, Failure> {
    let mut points = 0;
    for fault in FAULTS {
        let mut at = 0;
        while meet(stage, at, fault).await? {
            at += 1;
        }
        points += at;
    }
    Ok(points)
}

/// Lets a run stand still at every request of one stage, while another one takes over.
pub(crate) async fn overtake_everywhere(stage: Stage) -> Result<u64, Failure> {
    let mut at = 0;
    while overtake(stage, at).await? {
        at += 1;
    }
    Ok(at)
}

/// Two deaths in a row, at every pair of requests of the second run and of the one after it,
/// `step` apart.
pub(crate) async fn die_twice(step: u64) -> Result<u64, Failure> {
    let mut points = 0;
    let mut first = 0;
    loop {
        let mut second = first % step;
        loop {
            let mut scene = before(Stage::Second).await?;
            let played = die_at(&mut scene, first, second).await;
            match played.map_err(|problem| failed(&scene, problem))? {
                Deaths::None => return Ok(points),
                Deaths::One => break,
                Deaths::Two => points += 1,
            }
            second += step;
        }
        first += 1;
    }
}

/// How often somebody died.
enum Deaths {
    None,
    One,
    Two,
}

async fn die_at(scene: &mut Scene, first: u64, second: u64) -> Result<Deaths, String> {
    let ended = scene
        .run("first", vec![(Nth::Any(first), Fault::KillAfter)])
        .await?;
    if !matches!(ended, Ended::Killed) {
        return Ok(Deaths::None);
    }
    scene.world.advance(LEASE_SECONDS);
    change_again(scene);
    let ended = scene
        .run("second", vec![(Nth::Any(second), Fault::KillAfter)])
        .await?;
    if !matches!(ended, Ended::Killed) {
        return Ok(Deaths::One);
    }
    finish(scene).await?;
    Ok(Deaths::Two)
}

/// Whether the run made so many requests.
async fn meet(stage: Stage, at: u64, fault: Fault) -> Result<bool, Failure> {
    let mut scene = before(stage).await?;
    let met = meet_at(&mut scene, at, fault).await;
    met.map_err(|problem| failed(&scene, format!("{stage:?} {fault:?} at {at}: {problem}")))
}

async fn meet_at(scene: &mut Scene, at: u64, fault: Fault) -> Result<bool, String> {
    let ended = scene.run("faulty", vec![(Nth::Any(at), fault)]).await?;
    let met = matches!(ended, Ended::Killed) || scene.last_requests.len() as u64 > at;
    if met {
        finish(scene).await?;
    }
    Ok(met)
}

async fn overtake(stage: Stage, at: u64) -> Result<bool, Failure> {
    let mut scene = before(stage).await?;
    let met = overtake_at(&mut scene, at).await;
    met.map_err(|problem| failed(&scene, format!("{stage:?} paused at {at}: {problem}")))
}

async fn overtake_at(scene: &mut Scene, at: u64) -> Result<bool, String> {
    let slow = scene.start("slow", vec![(Nth::Any(at), Fault::Pause)]);
    let Err(slow) = scene.until_paused(slow).await? else {
        return Ok(false);
    };
    scene.world.advance(LEASE_SECONDS);
    change_again(scene);
    scene.run("fast", Vec::new()).await?;
    scene.resume(slow).await?;
    finish(scene).await?;
    Ok(true)
}

/// The history up to the run that meets the fault.
async fn before(stage: Stage) -> Result<Scene, Failure> {
    let mut files = Files::new(1);
    populate(&mut files);
    let settings = Settings {
        lease_seconds: LEASE_SECONDS,
        ..Settings::default()
    };
    let mut scene = Scene::new(1, settings, files, true);
    scene.cuts = engine::small_cuts();
    scene.spec.concurrency = 1;
    let led = lead_to(&mut scene, stage).await;
    led.map_err(|problem| failed(&scene, problem))?;
    Ok(scene)
}

async fn lead_to(scene: &mut Scene, stage: Stage) -> Result<(), String> {
    if stage == Stage::First {
        return Ok(());
    }
    scene.run_cleanly("clean").await?;
    change(scene);
    let dies_at = match stage {
        Stage::First | Stage::Second => return Ok(()),
        Stage::AfterCrash => Nth::Of("PutObject", "/commits/", 0),
        Stage::AfterCommit => Nth::Of("DeleteObjects", "", 0),
    };
    let ended = scene
        .run("dead", vec![(dies_at, Fault::KillBefore)])
        .await?;
    if !matches!(ended, Ended::Killed) {
        return Err("the run before did not die".to_owned());
    }
    scene.world.advance(LEASE_SECONDS);
    change_again(scene);
    Ok(())
}

async fn finish(scene: &mut Scene) -> Result<(), String> {
    scene.run_cleanly("last").await?;
    scene.check_current()?;
    scene.check_all_restore()?;
    scene.check_all_found().await
}

fn populate(files: &mut Files) {
    let root = files.root();
    let folder = files.create(
        root,
        b"folder",
        Body::Directory(std::collections::BTreeMap::new()),
    );
    let kept: [(_, &[u8], &[u8]); 7] = [
        (root, b"changed.csv", b"one"),
        (root, b"deleted.csv", b"two"),
        (root, b"reverted", b"three"),
        (root, b"same", b"four"),
        (folder, b"deleted", b"five"),
        (folder, b"touched", b"six"),
        (root, b"z-kept", b"seven"),
    ];
    for (directory, name, bytes) in kept {
        files.create(directory, name, Body::File(Arc::new(bytes.to_vec())));
        files.advance(10_000_000_000);
    }
}

fn change(scene: &Scene) {
    alter(scene, |files| {
        let root = files.root();
        let found = |files: &Files, path: &[u8]| files.find(path).expect("it was made above");
        let id = found(files, b"changed.csv");
        files.write(id, b"longer".to_vec());
        let id = found(files, b"reverted");
        files.write(id, b"other".to_vec());
        let id = found(files, b"folder/touched");
        files.set_mtime(id, 1);
        let folder = found(files, b"folder");
        files.remove(folder, b"deleted");
        files.remove(root, b"deleted.csv");
        files.create(root, b"new", Body::File(Arc::new(b"new".to_vec())));
    });
}

/// After a death: what was changed is as it was again, what was new is gone, what was gone is new.
fn change_again(scene: &Scene) {
    alter(scene, |files| {
        let root = files.root();
        if let Ok(id) = files.find(b"reverted") {
            files.write(id, b"three".to_vec());
        }
        files.remove(root, b"new");
        if files.find(b"deleted.csv").is_err() {
            files.create(root, b"deleted.csv", Body::File(Arc::new(b"two".to_vec())));
        }
    });
}

fn alter(scene: &Scene, act: impl FnOnce(&mut Files)) {
    let mut living = scene.tree.living();
    living.files.advance(10_000_000_000);
    act(&mut living.files);
    living.files.advance(10_000_000_000);
    living.keep();
}

fn failed(scene: &Scene, problem: String) -> Failure {
    Failure {
        problem,
        log: scene.log.text(),
    }
}
