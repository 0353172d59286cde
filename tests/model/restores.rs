//! The worker's own restore, into a real directory, compared with the simulated tree.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use backstay::adapters::target::{SetIds, Target};
use backstay::api::catalog::Kind;
use backstay::api::outcome::Outcome;
use backstay::api::restore::RestoreReport;
use backstay::plan::filter::Filter;
use backstay::worker::repository::Point;
use backstay::worker::restore::{self, Conflict, Order};

use crate::engine::{self, on_a_runtime};
use crate::files::Files;
use crate::mutations;
use crate::process::{Fault, Nth, SimStore};
use crate::scene::Scene;
use crate::tree::Snapshot;
use crate::world::Settings;

/// What a restore is measured by: kind, mode, mtime, content or target, and who shares a file.
#[derive(Debug, PartialEq, Eq)]
struct Restored {
    kind: Kind,
    mode: u32,
    mtime: i64,
    bytes: Vec<u8>,
    /// The first path of the same file.
    twin: Option<Vec<u8>>,
}

#[tokio::test]
async fn every_restore_point_comes_back_as_the_tree_was() {
    for seed in 0..25 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut scene = grown(&mut rng);
        let mut trees = Vec::new();
        for number in 1..=3 {
            change(&scene, &mut rng);
            let report = scene.run_cleanly(&format!("run-{number}")).await.unwrap();
            let point = report.restore_point.unwrap();
            trees.push((
                point,
                scene.tree.living().snapshots.last().cloned().unwrap(),
            ));
        }
        for (point, tree) in trees {
            let target = tempfile::tempdir().unwrap();
            let (store, _) = scene.world.process("restore", seed, Vec::new());
            let at = Point::AsOf(point.time);
            let report = restore_to(target.path(), store, at, Conflict::Fail).await;
            assert!(is_whole(&report), "seed {seed}: {report:?}");
            compare(target.path(), &tree, seed);
        }
    }
}

#[test]
fn r05_a_restore_that_dies_anywhere_is_ended_by_the_next_one() {
    let mut rng = fastrand::Rng::with_seed(11);
    let mut scene = grown(&mut rng);
    on_a_runtime(scene.run_cleanly("run")).unwrap();
    let tree = scene.tree.living().snapshots.last().cloned().unwrap();
    for at in 0.. {
        let target = tempfile::tempdir().unwrap();
        // What a dead process held is gone with its runtime.
        if !on_a_runtime(dies(&scene, target.path(), at)) {
            return;
        }
        let (store, _) = scene.world.process("restore", at, Vec::new());
        let next = restore_to(target.path(), store, Point::Newest, Conflict::Skip);
        let report = on_a_runtime(next);
        assert!(is_whole(&report), "{report:?}");
        compare(target.path(), &tree, at);
    }
}

/// Whether a restore died at its n-th request, or else made fewer.
async fn dies(scene: &Scene, target: &Path, at: u64) -> bool {
    let faults = vec![(Nth::Any(at), Fault::KillAfter)];
    let (store, handle) = scene.world.process("dies", at, faults);
    tokio::select! {
        biased;
        () = handle.killed() => true,
        report = restore_to(target, store, Point::Newest, Conflict::Fail) => {
            assert!(is_whole(&report));
            false
        }
    }
}

#[tokio::test]
async fn s05_a_restore_meets_a_lost_request_and_reports_no_loss_as_success() {
    let mut rng = fastrand::Rng::with_seed(12);
    let mut scene = grown(&mut rng);
    scene.run_cleanly("run").await.unwrap();
    let tree = scene.tree.living().snapshots.last().cloned().unwrap();
    for at in 0.. {
        let target = tempfile::tempdir().unwrap();
        let (store, handle) =
            scene
                .world
                .process("unlucky", at, vec![(Nth::Any(at), Fault::Unavailable)]);
        let report = restore_to(target.path(), store, Point::Newest, Conflict::Fail).await;
        if is_whole(&report) {
            compare(target.path(), &tree, at);
        }
        if handle.faults_left() == 1 {
            return;
        }
    }
}

pub(crate) fn grown(rng: &mut fastrand::Rng) -> Scene {
    let mut files = Files::new(1);
    mutations::populate(&mut files, rng);
    let mut scene = Scene::new(rng.u64(..), Settings::default(), files, false);
    scene.cuts = engine::small_cuts();
    scene.spec.deletions.max_percent = 100;
    scene
}

pub(crate) fn change(scene: &Scene, rng: &mut fastrand::Rng) {
    let mut living = scene.tree.living();
    for _ in 0..rng.u8(0..12) {
        living.change();
    }
    mutations::mend(&mut living.files);
    living.files.advance(10_000_000_000);
    living.keep();
    drop(living);
    // Restore points are found by a time in milliseconds of the store's clock.
    scene.world.advance(1);
}

async fn restore_to(
    target: &Path,
    store: SimStore,
    point: Point,
    conflict: Conflict,
) -> RestoreReport {
    let (target, found) = Target::open(target, SetIds::Restored).unwrap();
    let order = Order {
        storage: engine::spec().storage,
        location: engine::location(),
        point,
        filter: Filter::new(&[], &[]).unwrap(),
        is_whole: true,
        conflict,
        stop: backstay::worker::stop::Stop::default(),
        tally: Arc::default(),
    };
    restore::into_directory(order, Arc::new(store), target, found).await
}

fn is_whole(report: &RestoreReport) -> bool {
    report.outcome == Outcome::Succeeded && report.entries.failed == 0
}

#[track_caller]
fn compare(target: &Path, tree: &Snapshot, seed: u64) {
    let expected = expected(tree);
    let mut found = BTreeMap::new();
    read(target, Path::new(""), &mut found, &mut BTreeMap::new());
    assert_eq!(found, expected, "seed {seed}");
}

fn expected(tree: &Snapshot) -> BTreeMap<Vec<u8>, Restored> {
    let mut first: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut expected = BTreeMap::new();
    for (path, entry) in tree {
        let kind = entry.identity.kind;
        if matches!(
            kind,
            Kind::Socket | Kind::CharacterDevice | Kind::BlockDevice
        ) {
            continue;
        }
        let twin = first
            .entry(entry.identity.inode)
            .or_insert_with(|| path.clone())
            .clone();
        let restored = Restored {
            kind,
            mode: if kind == Kind::Symlink {
                0o777
            } else {
                entry.ownership.mode
            },
            mtime: entry.identity.mtime.0,
            bytes: [entry.content.as_slice(), &entry.link_target].concat(),
            twin: (entry.links > 1).then_some(twin),
        };
        expected.insert(path.clone(), restored);
    }
    expected
}

fn read(
    target: &Path,
    below: &Path,
    found: &mut BTreeMap<Vec<u8>, Restored>,
    first: &mut BTreeMap<u64, Vec<u8>>,
) {
    let mut names: Vec<_> = std::fs::read_dir(target.join(below))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort_by(|left, right| left.as_bytes().cmp(right.as_bytes()));
    for name in names {
        let below = below.join(OsStr::from_bytes(name.as_bytes()));
        let path = target.join(&below);
        let facts = std::fs::symlink_metadata(&path).unwrap();
        let kind = kind(facts.file_type());
        let bytes = match kind {
            Kind::File => std::fs::read(&path).unwrap(),
            Kind::Symlink => std::fs::read_link(&path)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .to_vec(),
            Kind::Directory
            | Kind::Fifo
            | Kind::Socket
            | Kind::CharacterDevice
            | Kind::BlockDevice => Vec::new(),
        };
        let path = below.as_os_str().as_bytes().to_vec();
        let has_twin = kind == Kind::File && facts.nlink() > 1;
        let twin = first
            .entry(facts.ino())
            .or_insert_with(|| path.clone())
            .clone();
        let restored = Restored {
            kind,
            mode: facts.mode() & 0o7777,
            mtime: facts.mtime() * 1_000_000_000 + facts.mtime_nsec(),
            bytes,
            twin: has_twin.then_some(twin),
        };
        found.insert(path, restored);
        if kind == Kind::Directory {
            read(target, &below, found, first);
        }
    }
}

fn kind(file_type: std::fs::FileType) -> Kind {
    if file_type.is_dir() {
        Kind::Directory
    } else if file_type.is_symlink() {
        Kind::Symlink
    } else if file_type.is_fifo() {
        Kind::Fifo
    } else {
        Kind::File
    }
}
