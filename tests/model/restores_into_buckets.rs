//! The worker's own restore into a bucket, compared with the simulated tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use backstay::api::catalog::Kind;
use backstay::api::outcome::Outcome;
use backstay::api::restore::RestoreReport;
use backstay::plan::destination::{Destination, Origin};
use backstay::plan::filter::Filter;
use backstay::plan::key::KEY_MAX_BYTES;
use backstay::worker::repository::Point;
use backstay::worker::restore::{self, Bucket, Conflict, Order};

use crate::engine::{self, on_a_runtime};
use crate::process::{Fault, Nth, SimStore};
use crate::restores::{change, grown};
use crate::scene::Scene;
use crate::tree::Snapshot;

/// What every key begins with.
const PREFIX: &str = "in/";

/// Objects by key.
type Objects = BTreeMap<String, Vec<u8>>;

#[tokio::test]
async fn every_restore_point_comes_back_as_objects() {
    for seed in 0..25 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut scene = grown(&mut rng);
        for number in 1..=3 {
            change(&scene, &mut rng);
            scene.run_cleanly(&format!("run-{number}")).await.unwrap();
            let bucket = format!("out-{number}");
            scene.world.create_bucket(&bucket);
            let (store, _) = scene.world.process("restore", seed, Vec::new());
            let report = restore_to(&bucket, store, Conflict::Fail).await;
            assert!(is_all(&report), "seed {seed}: {report:?}");
            compare(&scene, &bucket, seed);
        }
    }
}

#[test]
fn r05_a_restore_into_a_bucket_that_dies_anywhere_is_ended_by_the_next_one() {
    let scene = backed_up(21);
    for fault in [Fault::KillBefore, Fault::KillAfter] {
        for at in 0.. {
            let bucket = format!("out-{fault:?}-{at}");
            scene.world.create_bucket(&bucket);
            if !on_a_runtime(dies(&scene, &bucket, (Nth::Any(at), fault))) {
                break;
            }
            goes_on(&scene, &bucket, at);
        }
    }
}

#[test]
fn s05_a_restore_into_a_bucket_meets_a_lost_answer_and_is_whole_in_the_end() {
    let scene = backed_up(22);
    for fault in [
        Fault::LostReply,
        Fault::Unavailable,
        Fault::Conflict,
        Fault::Late(1),
        Fault::Late(3),
    ] {
        for at in 0.. {
            let bucket = format!("out-{fault:?}-{at}");
            scene.world.create_bucket(&bucket);
            let faults = vec![(Nth::Any(at), fault)];
            let (store, handle) = scene.world.process("unlucky", at, faults);
            let report = on_a_runtime(restore_to(&bucket, store, Conflict::Fail));
            if handle.faults_left() == 1 {
                break;
            }
            scene.world.deliver();
            if is_all(&report) {
                compare(&scene, &bucket, at);
            }
            goes_on(&scene, &bucket, at);
        }
    }
}

fn backed_up(seed: u64) -> Scene {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut scene = grown(&mut rng);
    on_a_runtime(scene.run_cleanly("run")).unwrap();
    scene
}

/// Whether a restore died of its fault, or else never met it.
async fn dies(scene: &Scene, bucket: &str, fault: (Nth, Fault)) -> bool {
    let (store, handle) = scene.world.process("dies", 0, vec![fault]);
    tokio::select! {
        biased;
        () = handle.killed() => true,
        report = restore_to(bucket, store, Conflict::Fail) => {
            assert!(is_all(&report), "{report:?}");
            false
        }
    }
}

/// The next restore goes on, and all is there.
#[track_caller]
fn goes_on(scene: &Scene, bucket: &str, seed: u64) {
    let (store, _) = scene.world.process("next", seed, Vec::new());
    let report = on_a_runtime(restore_to(bucket, store, Conflict::Skip));
    assert!(is_all(&report), "{report:?}");
    compare(scene, bucket, seed);
}

async fn restore_to(bucket: &str, store: SimStore, conflict: Conflict) -> RestoreReport {
    let order = Order {
        storage: engine::spec().storage,
        location: engine::location(),
        point: Point::Newest,
        filter: Filter::new(&[], &[]).unwrap(),
        is_whole: true,
        conflict,
        stop: backstay::worker::stop::Stop::default(),
        tally: Arc::default(),
    };
    let destination = Destination {
        bucket: bucket.to_owned(),
        prefix: PREFIX.to_owned(),
        region: "eu-south-1".to_owned(),
        endpoint: None,
        origin: Origin::Files,
    };
    let to = Bucket {
        store: store.clone(),
        destination,
    };
    restore::into_bucket(order, Arc::new(store), to).await
}

/// Whether all is there of which a key can be made.
fn is_all(report: &RestoreReport) -> bool {
    let has_no_key = |reason: &str| reason.contains("UTF-8") || reason.contains("its key would");
    report.outcome != Outcome::Failed && report.failed.iter().all(|entry| has_no_key(&entry.reason))
}

#[track_caller]
fn compare(scene: &Scene, bucket: &str, seed: u64) {
    let tree = scene.tree.living().snapshots.last().cloned().unwrap();
    let state = scene.world.state();
    let bucket = state.bucket(bucket).unwrap();
    let current = |key: &String| Some((key.clone(), bucket.current(key)?.body.to_vec()));
    let found: Objects = bucket.keys.keys().filter_map(current).collect();
    assert_eq!(found, expected(&tree), "seed {seed}");
    // What stood already was not written again.
    let versions = bucket.keys.values().map(Vec::len);
    assert_eq!(versions.max().unwrap_or(1), 1, "seed {seed}");
}

fn expected(tree: &Snapshot) -> Objects {
    let mut expected = Objects::new();
    for (path, entry) in tree {
        let Ok(path) = str::from_utf8(path) else {
            continue;
        };
        let key = format!("{PREFIX}{path}");
        let beneath = [path.as_bytes(), b"/"].concat();
        let is_empty = !tree.keys().any(|other| other.starts_with(&beneath));
        if key.len() + usize::from(is_empty) > KEY_MAX_BYTES {
            continue;
        }
        match entry.identity.kind {
            Kind::File => expected.insert(key, entry.content.to_vec()),
            Kind::Directory if is_empty => expected.insert(format!("{key}/"), Vec::new()),
            _ => None,
        };
    }
    expected
}
