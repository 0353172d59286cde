//! The simulated store keeps S3's promises, and its faults do what they say.

use backstay::adapters::store::{
    Attributes, Complete, Condition, Get, Marked, Part, Put, Store, StoreError, Written,
};
use bytes::Bytes;

use crate::process::{Fault, Handle, Nth, SimStore};
use crate::world::{Settings, World, crc64};

fn world() -> World {
    let settings = Settings {
        page_keys: 2,
        part_min_bytes: 4,
        ..Settings::default()
    };
    let world = World::new(settings);
    world.create_bucket("b");
    world
}

fn store(world: &World) -> SimStore {
    world.process("p", 1, Vec::new()).0
}

fn faulty(world: &World, fault: Fault) -> (SimStore, Handle) {
    world.process("p", 1, vec![(Nth::Any(0), fault)])
}

fn put(key: &str, body: &str, condition: Condition) -> Put {
    Put {
        bucket: "b".to_owned(),
        key: key.to_owned(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        crc64: crc64(body.as_bytes()),
        condition,
        attributes: Attributes::default(),
    }
}

fn get(key: &str, version: Option<&str>) -> Get {
    Get {
        bucket: "b".to_owned(),
        key: key.to_owned(),
        version: version.map(ToOwned::to_owned),
        range: None,
    }
}

async fn body(store: &SimStore, key: &str, version: Option<&str>) -> Result<Bytes, StoreError> {
    Ok(store.get(get(key, version)).await?.body)
}

async fn write(store: &SimStore, key: &str, body: &str) -> Written {
    store.put(put(key, body, Condition::None)).await.unwrap()
}

fn is_failed_condition<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::ConditionFailed { .. }))
}

fn is_lost<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable { .. }))
}

fn is_missing<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::NotFound { .. }))
}

#[tokio::test]
async fn every_version_stays() {
    let store = store(&world());
    let first = write(&store, "k", "one").await;
    let second = write(&store, "k", "two").await;
    assert_ne!(first.version, second.version);
    assert_eq!(body(&store, "k", None).await.unwrap(), "two");
    let marked = Marked {
        key: "k".to_owned(),
        etag: second.etag,
    };
    assert!(store.delete("b", vec![marked]).await.unwrap().is_empty());
    assert!(is_missing(&body(&store, "k", None).await));
    assert_eq!(
        body(&store, "k", Some(&first.version)).await.unwrap(),
        "one"
    );
    assert_eq!(
        body(&store, "k", Some(&second.version)).await.unwrap(),
        "two"
    );
}

#[tokio::test]
async fn conditions_hold_or_nothing_happens() {
    let store = store(&world());
    let first = store.put(put("k", "one", Condition::Absent)).await.unwrap();
    let again = store.put(put("k", "two", Condition::Absent)).await;
    assert!(is_failed_condition(&again));
    let other = store
        .put(put("k", "two", Condition::Matches("other".to_owned())))
        .await;
    assert!(is_failed_condition(&other));
    assert_eq!(body(&store, "k", None).await.unwrap(), "one");
    store
        .put(put("k", "two", Condition::Matches(first.etag.clone())))
        .await
        .unwrap();
    let missing = store
        .put(put("none", "x", Condition::Matches(first.etag)))
        .await;
    assert!(is_failed_condition(&missing));
}

#[tokio::test]
async fn a_marker_counts_as_absent() {
    let store = store(&world());
    let first = write(&store, "k", "one").await;
    store
        .delete(
            "b",
            vec![Marked {
                key: "k".to_owned(),
                etag: first.etag,
            }],
        )
        .await
        .unwrap();
    store.put(put("k", "two", Condition::Absent)).await.unwrap();
    assert_eq!(body(&store, "k", None).await.unwrap(), "two");
}

#[tokio::test]
async fn a_delete_checks_the_etag_where_the_store_does() {
    for deletes_ignore_etags in [false, true] {
        let world = World::new(Settings {
            deletes_ignore_etags,
            ..Settings::default()
        });
        world.create_bucket("b");
        let store = store(&world);
        write(&store, "k", "one").await;
        let stale = Marked {
            key: "k".to_owned(),
            etag: "stale".to_owned(),
        };
        let refused = store.delete("b", vec![stale]).await.unwrap();
        assert_eq!(refused.is_empty(), deletes_ignore_etags);
        assert_eq!(
            is_missing(&body(&store, "k", None).await),
            deletes_ignore_etags
        );
    }
}

#[tokio::test]
async fn a_listing_has_current_keys_in_byte_order_and_pages() {
    let store = store(&world());
    for key in ["p/b", "p/a/x", "p/a!", "p/a", "q", "p/gone"] {
        write(&store, key, key).await;
    }
    let etag = store.head("b", "p/gone", None).await.unwrap().etag;
    store
        .delete(
            "b",
            vec![Marked {
                key: "p/gone".to_owned(),
                etag,
            }],
        )
        .await
        .unwrap();
    let first = store.list("b", "p/", None).await.unwrap();
    let keys = |page: &backstay::adapters::store::Page| -> Vec<String> {
        page.keys.iter().map(|listed| listed.key.clone()).collect()
    };
    assert_eq!(keys(&first), ["p/a", "p/a!"]);
    assert!(first.more);
    let second = store.list("b", "p/", Some("p/a!")).await.unwrap();
    assert_eq!(keys(&second), ["p/a/x", "p/b"]);
    assert!(!second.more);
}

#[tokio::test]
async fn other_bytes_than_announced_are_refused() {
    let store = store(&world());
    let wrong = Put {
        crc64: 1,
        ..put("k", "one", Condition::None)
    };
    assert!(matches!(
        store.put(wrong).await,
        Err(StoreError::ChecksumMismatch { .. })
    ));
    assert!(is_missing(&body(&store, "k", None).await));
}

#[tokio::test]
async fn a_range_is_a_part_of_the_whole() {
    let store = store(&world());
    write(&store, "k", "0123456789").await;
    let range = Get {
        range: Some(2..5),
        ..get("k", None)
    };
    let object = store.get(range).await.unwrap();
    assert_eq!(object.body, "234");
    assert_eq!(object.facts.size, 10);
    let beyond = Get {
        range: Some(10..11),
        ..get("k", None)
    };
    assert!(store.get(beyond).await.is_err());
}

#[tokio::test]
async fn parts_are_put_together_under_a_condition() {
    let world = world();
    let store = store(&world);
    let complete = async |key: &str, parts: &[&str], condition: Condition| {
        let upload = store
            .create_upload("b", key, Attributes::default())
            .await
            .unwrap();
        let mut sent = Vec::new();
        for (number, body) in (1..).zip(parts) {
            let part = Part {
                bucket: "b".to_owned(),
                key: key.to_owned(),
                upload: upload.clone(),
                number,
                body: Bytes::copy_from_slice(body.as_bytes()),
                crc64: crc64(body.as_bytes()),
            };
            let crc64 = part.crc64;
            sent.push((store.upload_part(part).await.unwrap(), crc64));
        }
        let whole = parts.concat();
        let request = Complete {
            bucket: "b".to_owned(),
            key: key.to_owned(),
            upload,
            parts: sent,
            size: whole.len() as u64,
            crc64: crc64(whole.as_bytes()),
            condition,
        };
        (store.complete_upload(request.clone()).await, request)
    };
    let (written, request) = complete("k", &["0123", "4"], Condition::Absent).await;
    assert!(written.unwrap().etag.ends_with("-2"));
    assert_eq!(body(&store, "k", None).await.unwrap(), "01234");
    assert!(is_missing(&store.complete_upload(request).await));
    let (taken, request) = complete("k", &["0123", "4"], Condition::Absent).await;
    assert!(is_failed_condition(&taken));
    assert_eq!(world.state().uploads_under_way(), 1);
    store.abort_upload("b", "k", &request.upload).await.unwrap();
    store.abort_upload("b", "k", &request.upload).await.unwrap();
    assert_eq!(world.state().uploads_under_way(), 0);
    let (too_small, _) = complete("l", &["0", "1"], Condition::Absent).await;
    assert!(matches!(too_small, Err(StoreError::Refused { .. })));
}

#[tokio::test]
async fn a_bucket_without_versioning_writes_and_answers_no_version() {
    let world = world();
    let store = store(&world);
    if let Some(bucket) = world.state().buckets.get_mut("b") {
        bucket.promises.versioning = false;
    }
    let written = store.put(put("k", "one", Condition::Absent)).await;
    assert!(matches!(written, Err(StoreError::VersionMissing { .. })));
    let nowhere = store
        .put(Put {
            bucket: "c".to_owned(),
            ..put("k", "", Condition::None)
        })
        .await;
    assert!(matches!(nowhere, Err(StoreError::NoSuchBucket { .. })));
}

#[tokio::test]
async fn the_clock_moves_with_requests_and_on_command() {
    let world = world();
    let store = store(&world);
    assert_eq!(store.last_answer(), None);
    write(&store, "k", "one").await;
    let first = store.last_answer().unwrap();
    world.advance(60);
    write(&store, "k", "two").await;
    let passed = store.last_answer().unwrap().duration_since(first);
    assert_eq!(passed.as_secs(), 60);
    assert_eq!(store.requests()["PutObject"], 2);
}

#[tokio::test]
async fn a_lost_reply_has_taken_effect_and_a_lost_request_has_not() {
    let world = world();
    for (fault, happens) in [(Fault::LostReply, true), (Fault::Unavailable, false)] {
        let (store, handle) = faulty(&world, fault);
        let key = format!("{fault:?}");
        assert!(is_lost(
            &store.put(put(&key, "one", Condition::Absent)).await
        ));
        assert_eq!(body(&store, &key, None).await.is_ok(), happens);
        assert_eq!(handle.faults_left(), 0);
    }
}

#[tokio::test]
async fn a_late_write_takes_effect_after_its_retry_under_its_own_condition() {
    let world = world();
    let (store, _) = faulty(&world, Fault::Late(2));
    assert!(is_lost(
        &store.put(put("k", "late", Condition::Absent)).await
    ));
    assert!(is_missing(&body(&store, "k", None).await));
    assert_eq!(body(&store, "k", None).await.unwrap(), "late");
    let (store, _) = faulty(&world, Fault::Late(2));
    assert!(is_lost(
        &store.put(put("l", "late", Condition::Absent)).await
    ));
    write(&store, "l", "retried").await;
    assert_eq!(body(&store, "l", None).await.unwrap(), "retried");
}

#[tokio::test]
async fn a_conflict_writes_nothing_and_passes() {
    let (store, _) = faulty(&world(), Fault::Conflict);
    let answer = store.put(put("k", "one", Condition::Absent)).await;
    assert!(matches!(answer, Err(StoreError::Conflict { .. })));
    store.put(put("k", "one", Condition::Absent)).await.unwrap();
}

#[tokio::test]
async fn a_killed_process_is_never_answered() {
    let world = world();
    for (fault, happens) in [(Fault::KillAfter, true), (Fault::KillBefore, false)] {
        let (victim, handle) = faulty(&world, fault);
        let key = format!("{fault:?}");
        let request = put(&key, "one", Condition::Absent);
        tokio::select! {
            biased;
            answer = victim.put(request) => panic!("it was answered: {answer:?}"),
            () = handle.killed() => {}
        }
        let witness = store(&world);
        assert_eq!(body(&witness, &key, None).await.is_ok(), happens);
    }
}

#[tokio::test]
async fn a_paused_process_goes_on_where_it_stood() {
    let world = world();
    let (zombie, handle) = faulty(&world, Fault::Pause);
    let request = put("k", "zombie", Condition::Absent);
    let write_late = tokio::spawn(async move { zombie.put(request).await });
    handle.paused().await;
    write(&store(&world), "k", "other").await;
    handle.release();
    assert!(is_failed_condition(&write_late.await.unwrap()));
}

#[tokio::test]
async fn a_process_that_is_cut_off_reaches_nothing() {
    let (store, handle) = faulty(&world(), Fault::Partition);
    for _ in 0..3 {
        assert!(is_lost(
            &store.put(put("k", "one", Condition::Absent)).await
        ));
    }
    assert_eq!(handle.log().len(), 3);
}
