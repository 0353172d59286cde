//! Single histories, each for one row of the list of faults.

use std::sync::Arc;
use std::time::Duration;

use backstay::adapters::store::{Attributes, Condition, Put, Store};
use backstay::api::outcome::{Outcome, Reason};
use backstay::api::report::RunReport;
use backstay::api::run::SourceIdentity;
use bytes::Bytes;

use crate::engine;
use crate::files::{Body, EACCES, Files, NodeId};
use crate::invariants::STRANGER;
use crate::process::{Fault, Nth};
use crate::scene::{Ended, LEASE_SECONDS, Scene};
use crate::world::{Copies, Settings, Version, crc64};

const MEBIBYTE: usize = 1 << 20;

/// A source with ten files of some kind, backed up once and long at rest.
async fn backed_up() -> Scene {
    let mut scene = with_files(10, b"content");
    scene.run_cleanly("first").await.unwrap();
    wait(&scene);
    scene
}

fn with_files(count: usize, bytes: &[u8]) -> Scene {
    let mut files = Files::new(1);
    let root = files.root();
    for number in 0..count {
        let name = format!("file-{number}");
        files.create(root, name.as_bytes(), Body::File(Arc::new(bytes.to_vec())));
    }
    files.advance(10_000_000_000);
    Scene::new(1, Settings::default(), files, false)
}

fn wait(scene: &Scene) {
    scene.world.advance(LEASE_SECONDS);
    let mut living = scene.tree.living();
    living.files.advance(10_000_000_000);
    living.keep();
}

fn alter(scene: &Scene, act: impl FnOnce(&mut Files)) {
    act(&mut scene.tree.living().files);
    wait(scene);
}

async fn reported(scene: &mut Scene, name: &str) -> RunReport {
    match scene.run(name, Vec::new()).await.unwrap() {
        Ended::Reported(report) => *report,
        Ended::Killed => panic!("nobody killed it"),
    }
}

/// Writes an object as somebody who knows nothing of us.
async fn write_over(scene: &Scene, key: &str, bytes: &'static [u8]) {
    let (stranger, _) = scene.world.process(STRANGER, 1, Vec::new());
    let put = Put {
        bucket: engine::REST_BUCKET.to_owned(),
        key: key.to_owned(),
        body: Bytes::from_static(bytes),
        crc64: crc64(bytes),
        condition: Condition::None,
        attributes: Attributes::default(),
    };
    stranger.put(put).await.unwrap();
}

fn data_key(name: &str) -> String {
    format!("data/{}/{name}", engine::PREFIX)
}

#[tokio::test]
async fn a_run_without_changes_makes_three_writes() {
    let mut scene = backed_up().await;
    let report = scene.run_cleanly("unchanged").await.unwrap();
    let is_write = |(operation, _): &&(&str, String)| *operation == "PutObject";
    assert_eq!(scene.last_requests.iter().filter(is_write).count(), 3);
    assert_eq!(report.files.unchanged, 10);
    assert_eq!(scene.points.len(), 1);
}

/// What is newest where change times are stamped by another machine's clock is read each time.
#[tokio::test]
async fn what_is_read_again_and_is_as_it_was_makes_no_restore_point() {
    let mut files = Files::new(1);
    let root = files.root();
    files.create(root, b"newest", Body::File(Arc::new(b"content".to_vec())));
    let mut scene = Scene::new(1, Settings::default(), files, true);
    for name in ["first", "second", "third"] {
        wait(&scene);
        let report = scene.run_cleanly(name).await.unwrap();
        assert_eq!((report.bytes.read, scene.points.len()), (7, 1));
    }
}

/// A directory that stays unreadable makes one restore point, and is named each time.
#[tokio::test]
async fn w04_what_stays_unreadable_makes_no_new_restore_point() {
    let mut scene = backed_up().await;
    alter(&scene, |files| {
        let root = files.root();
        let body = Body::Directory(std::collections::BTreeMap::new());
        let id = files.create(root, b"directory", body);
        files.node_mut(id).broken.open = Some(EACCES);
    });
    for name in ["second", "third", "fourth"] {
        let report = reported(&mut scene, name).await;
        assert_eq!(report.outcome, Some(Outcome::Partial));
        assert_eq!((report.files.not_captured, scene.points.len()), (1, 2));
        wait(&scene);
    }
}

#[tokio::test]
async fn what_is_only_touched_is_not_sent() {
    let mut scene = backed_up().await;
    alter(&scene, |files| {
        let id = files.find(b"file-3").unwrap();
        files.set_mtime(id, 7);
    });
    let report = scene.run_cleanly("touched").await.unwrap();
    assert_eq!((report.files.uploaded, report.files.metadata_only), (0, 1));
    scene.check_current().unwrap();
}

/// What a dead run has sent is sent once: its segments are the journal.
#[tokio::test]
async fn c01_a_run_goes_on_from_what_a_dead_one_has_sent() {
    let (small, by_time) = (engine::small_cuts(), engine::cuts_by_time());
    let ends = [
        (
            small,
            Nth::Of("PutObject", "/commits/", 0),
            Fault::KillBefore,
            10,
        ),
        (
            small,
            Nth::Of("PutObject", "/segments/", 2),
            Fault::KillAfter,
            9,
        ),
        (small, Nth::Of("PutObject", "data/", 5), Fault::Stop, 5),
        // Which segments stand after so many files is a matter of luck: the segments themselves
        // are counted. Ten files make more than one only where time cuts.
        (
            by_time,
            Nth::Of("PutObject", "/segments/", 2),
            Fault::KillAfter,
            3,
        ),
    ];
    for (cuts, nth, fault, at_least) in ends {
        let mut scene = with_files(10, b"content");
        scene.cuts = cuts;
        scene.spec.concurrency = 1;
        scene.run("dead", vec![(nth, fault)]).await.unwrap();
        let report = scene.run_cleanly("next").await.unwrap();
        let (resumed, uploaded) = (report.files.resumed, report.files.uploaded);
        assert_eq!(resumed + uploaded, 10, "{fault:?}");
        assert!(resumed >= at_least, "{fault:?}: {resumed}");
        scene.check_current().unwrap();
    }
}

/// A process that was stopped for long wakes up after another run has committed: it may not
/// supersede what that one pins, even where it finds the version that it expects.
#[tokio::test]
async fn p05_a_run_that_slept_too_long_writes_nothing_more() {
    let mut scene = backed_up().await;
    scene.spec.concurrency = 1;
    // With a dead run behind it, a run asks for each file whether its pin is still current.
    let die = vec![(Nth::Of("PutObject", "/HEAD", 0), Fault::KillAfter)];
    scene.run("dead", die).await.unwrap();
    let of_all = |scene: &Scene, act: fn(&mut Files, NodeId)| {
        alter(scene, |files| {
            for number in 0..10 {
                let id = files.find(format!("file-{number}").as_bytes()).unwrap();
                act(files, id);
            }
        });
    };
    of_all(&scene, |files, id| files.set_mtime(id, 7));
    alter(&scene, |files| {
        let id = files.find(b"file-0").unwrap();
        files.write(id, b"written".to_vec());
    });
    let sleep = vec![(Nth::Of("HeadObject", "data/", 3), Fault::Pause)];
    let sleeper = scene.start("sleeper", sleep);
    let sleeper = scene.until_paused(sleeper).await.unwrap().err().unwrap();
    wait(&scene);
    let other = reported(&mut scene, "other").await;
    assert_eq!((other.files.uploaded, other.files.metadata_only), (1, 9));
    of_all(&scene, |files, id| files.write(id, b"changed".to_vec()));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(LEASE_SECONDS.unsigned_abs())).await;
    tokio::time::resume();
    let Ended::Reported(report) = scene.resume(sleeper).await.unwrap() else {
        panic!("killed")
    };
    assert_eq!(report.reason, Some(Reason::Fenced));
    for number in 1..10 {
        let key = data_key(&format!("file-{number}"));
        let state = scene.world.state();
        let bucket = state.bucket(engine::REST_BUCKET).unwrap();
        assert_eq!(bucket.keys[&key].len(), 1, "{key} was superseded");
    }
    scene.check_all_restore().unwrap();
}

#[tokio::test]
async fn w02_a_mass_deletion_waits_for_a_person() {
    let mut scene = backed_up().await;
    alter(&scene, |files| {
        let root = files.root();
        for number in 0..6 {
            files.remove(root, format!("file-{number}").as_bytes());
        }
    });
    let refused = reported(&mut scene, "refused").await;
    assert_eq!(refused.reason, Some(Reason::SourceSuspicious));
    assert_eq!(scene.points.len(), 1);
    // Repetition is no approval, and neither is that of another run.
    scene.spec.approved_run = Some("first".to_owned());
    let again = reported(&mut scene, "again").await;
    assert_eq!(again.reason, Some(Reason::SourceSuspicious));
    scene.spec.approved_run = Some(refused.writer());
    let approved = reported(&mut scene, "approved").await;
    assert_eq!(approved.outcome, Some(Outcome::Succeeded));
    assert_eq!(scene.points.len(), 2);
    scene.check_current().unwrap();
}

#[tokio::test]
async fn k12_another_source_under_the_same_name_waits_for_a_person() {
    let mut scene = backed_up().await;
    scene.spec.identity = SourceIdentity::Claim {
        uid: "another".to_owned(),
    };
    let refused = reported(&mut scene, "refused").await;
    assert_eq!(refused.reason, Some(Reason::SourceSuspicious));
    scene.spec.approved_run = Some(refused.writer());
    let adopted = reported(&mut scene, "adopted").await;
    assert_eq!(adopted.outcome, Some(Outcome::Succeeded));
    assert_eq!(
        adopted.bytes.read, 70,
        "an adopted source is read in full once"
    );
    scene.spec.approved_run = None;
    let next = reported(&mut scene, "next").await;
    assert_eq!(
        (next.outcome, next.bytes.read),
        (Some(Outcome::Succeeded), 0)
    );
}

#[tokio::test]
async fn s12_versioning_is_suspended_while_a_run_goes_on() {
    let mut scene = backed_up().await;
    alter(&scene, |files| {
        let id = files.find(b"file-3").unwrap();
        files.write(id, b"changed".to_vec());
    });
    let pause = vec![(Nth::Of("PutObject", "data/", 0), Fault::Pause)];
    let run = scene.start("unlucky", pause);
    let run = scene.until_paused(run).await.unwrap().err().unwrap();
    set_versioning(&scene, false);
    let Ended::Reported(report) = scene.resume(run).await.unwrap() else {
        panic!("killed")
    };
    assert_eq!(report.reason, Some(Reason::PreflightRefused));
    assert_eq!(scene.points.len(), 1);
    let refused = reported(&mut scene, "refused").await;
    assert_eq!(refused.reason, Some(Reason::PreflightRefused));
    set_versioning(&scene, true);
    scene.run_cleanly("last").await.unwrap();
    scene.check_current().unwrap();
}

fn set_versioning(scene: &Scene, enabled: bool) {
    for bucket in scene.world.state().buckets.values_mut() {
        bucket.promises.versioning = enabled;
    }
}

#[tokio::test]
async fn c05_a_lost_head_is_not_made_anew() {
    let scene = backed_up().await;
    if let Some(bucket) = scene.world.state().buckets.get_mut(engine::REST_BUCKET) {
        let marker = Version {
            id: "marker".to_owned(),
            object: None,
        };
        bucket
            .keys
            .get_mut(&engine::location().head())
            .unwrap()
            .push(marker);
    }
    let process = scene.world.process("unlucky", 1, Vec::new());
    let report = engine::run_unwatched(&scene, process).await;
    assert_eq!(report.reason, Some(Reason::IntegrityFailure));
    let state = scene.world.state();
    let bucket = state.bucket(engine::REST_BUCKET).unwrap();
    assert!(bucket.current(&engine::location().head()).is_none());
}

#[tokio::test]
async fn c09_a_stranger_writes_over_our_objects() {
    let mut scene = backed_up().await;
    write_over(&scene, &data_key("file-3"), b"strange").await;
    write_over(&scene, &data_key("file-4"), b"strange").await;
    alter(&scene, |files| {
        let id = files.find(b"file-3").unwrap();
        files.write(id, b"changed".to_vec());
    });
    let report = scene.run_cleanly("second").await.unwrap();
    assert_eq!((report.files.uploaded, report.files.foreign), (1, 1));
    scene.check_all_restore().unwrap();
}

#[tokio::test]
async fn p05_a_living_writer_is_waited_for_until_the_deadline() {
    let mut scene = backed_up().await;
    let slow = scene.start(
        "slow",
        vec![(Nth::Of("PutObject", "/HEAD", 1), Fault::Pause)],
    );
    let slow = scene.until_paused(slow).await.unwrap().err().unwrap();
    let (store, handle) = scene.world.process("hasty", 1, Vec::new());
    handle.stop().request(Reason::DeadlineExceeded);
    let report = engine::run_unwatched(&scene, (store, handle)).await;
    assert_eq!(report.reason, Some(Reason::Locked));
    scene.resume(slow).await.unwrap();
    scene.check_current().unwrap();
}

/// Every request of a run that sends a file in parts, with each of these faults.
#[tokio::test]
async fn s10_parts_of_a_large_file_meet_every_fault() {
    for fault in [Fault::KillAfter, Fault::LostReply, Fault::Late(2)] {
        // Before that the repository is made, as in every other run.
        for at in 20.. {
            let large = vec![b'p'; 9 * MEBIBYTE];
            let mut scene = with_files(1, &large);
            let ended = scene
                .run("faulty", vec![(Nth::Any(at), fault)])
                .await
                .unwrap();
            if !matches!(ended, Ended::Killed) && scene.last_requests.len() as u64 <= at {
                break;
            }
            scene.run_cleanly("last").await.unwrap();
            scene.check_current().unwrap();
        }
    }
}

/// A large file that changes at any moment while it is read is torn only where its row says so.
#[tokio::test]
async fn w12_a_large_file_shrinks_grows_or_changes_while_it_is_read() {
    for operation in [8, 40, 200] {
        for size in [0, 9 * MEBIBYTE, 17 * MEBIBYTE, 18 * MEBIBYTE] {
            let mut scene = with_files(1, &vec![b'p'; 17 * MEBIBYTE]);
            scene.tree.living().plan(operation, move |files| {
                let id = files.find(b"file-0").unwrap();
                files.advance(1);
                files.write(id, vec![b'q'; size]);
            });
            reported(&mut scene, "faulty").await;
            wait(&scene);
            scene.run_cleanly("last").await.unwrap();
            scene.check_current().unwrap();
        }
    }
}

/// One large object of the very store, and one small one.
fn with_objects(copies: Copies) -> Scene {
    let scene = with_files(1, &vec![b'p'; 17 * MEBIBYTE]);
    scene.world.state().settings.copies = copies;
    scene.tree.live_in(&scene.world);
    let mut living = scene.tree.living();
    let root = living.files.root();
    let small = Body::File(Arc::new(b"small".to_vec()));
    living.files.create(root, b"small", small);
    drop(living);
    wait(&scene);
    scene
}

fn count(scene: &Scene, operation: &str) -> usize {
    let is_such = |(found, _): &&(&str, String)| *found == operation;
    scene.last_requests.iter().filter(is_such).count()
}

#[tokio::test]
async fn a_large_object_of_the_same_store_is_copied_there() {
    let mut scene = with_objects(Copies::Checked);
    let report = scene.run_cleanly("first").await.unwrap();
    assert_eq!(report.bytes.read, "small".len() as u64);
    assert_eq!(report.bytes.uploaded, 17 * MEBIBYTE as u64 + 5);
    let requests = ["UploadPartCopy", "UploadPart"].map(|operation| count(&scene, operation));
    assert_eq!(requests, [1, 0]);
    let rows = &scene.points[&1].rows;
    let is_hashed = |path: &[u8]| rows[path].pin.as_ref().unwrap().sha256.is_some();
    assert!(!is_hashed(b"file-0") && is_hashed(b"small"));
    scene.check_current().unwrap();

    wait(&scene);
    let report = scene.run_cleanly("unchanged").await.unwrap();
    assert_eq!((report.files.unchanged, scene.points.len()), (2, 1));
    alter(&scene, |files| {
        let id = files.find(b"file-0").unwrap();
        files.write(id, vec![b'q'; 17 * MEBIBYTE]);
    });
    let report = scene.run_cleanly("same-size").await.unwrap();
    assert_eq!((report.files.uploaded, report.bytes.read), (1, 0));
    scene.check_current().unwrap();
    scene.check_all_restore().unwrap();
}

/// What cannot be proved is read and sent, and the store is asked once.
#[tokio::test]
async fn a_store_that_proves_no_copy_is_not_asked_for_more() {
    for (copies, warnings) in [
        (Copies::Unchecked, 0),
        (Copies::Damaged, 0),
        (Copies::Refused, 0),
        (Copies::Forbidden, 1),
    ] {
        let mut scene = with_objects(copies);
        scene.spec.concurrency = 1;
        alter(&scene, |files| {
            let root = files.root();
            let body = Body::File(Arc::new(vec![b'r'; 9 * MEBIBYTE]));
            files.create(root, b"second", body);
        });
        let report = scene.run_cleanly("first").await.unwrap();
        assert_eq!(report.bytes.read, 26 * MEBIBYTE as u64 + 5, "{copies:?}");
        assert_eq!(report.warnings.len(), warnings, "{:?}", report.warnings);
        assert_eq!(count(&scene, "UploadPartCopy"), 1, "{copies:?}");
        assert!(scene.points[&1].pins(|pin| pin.sha256.is_some()));
        assert!(!scene.points[&1].pins(|pin| pin.sha256.is_none()));
        assert_eq!(scene.world.state().uploads_under_way(), 0);
        scene.check_current().unwrap();
    }
}

#[tokio::test]
async fn an_object_that_is_another_one_by_now_is_read() {
    let mut scene = with_objects(Copies::Late);
    let report = scene.run_cleanly("first").await.unwrap();
    assert_eq!(report.bytes.read, 17 * MEBIBYTE as u64 + 5);
    assert!(!scene.points[&1].pins(|pin| pin.sha256.is_none()));
    scene.check_current().unwrap();
}

/// Whatever befalls a copy, the next run has the object.
#[tokio::test]
async fn a_copy_survives_whatever_befalls_its_requests() {
    let operations = [
        "CreateMultipartUpload",
        "UploadPartCopy",
        "CompleteMultipartUpload",
    ];
    let faults = [
        Fault::KillBefore,
        Fault::KillAfter,
        Fault::LostReply,
        Fault::Late(3),
        Fault::Conflict,
        Fault::Stop,
    ];
    for operation in operations {
        for fault in faults {
            let mut scene = with_objects(Copies::Checked);
            let nth = Nth::Of(operation, "data/", 0);
            scene.run("faulty", vec![(nth, fault)]).await.unwrap();
            wait(&scene);
            scene.run_cleanly("last").await.unwrap();
            scene.check_current().unwrap();
            scene.check_all_restore().unwrap();
        }
    }
}
