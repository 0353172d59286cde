//! Conditions: the store checks and writes in one step.

use aws_sdk_s3::types::BucketVersioningStatus;
use backstay::adapters::store::{Condition, Store, StoreError};
use futures::future::join_all;

use super::server::Server;
use super::{get, marked, put};

fn matching(etag: &str) -> Condition {
    Condition::Matches(etag.to_owned())
}

fn does_not_hold<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::ConditionFailed { key, .. }) if key == "k")
}

pub(crate) async fn a_key_that_is_there_is_not_absent(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    store
        .put(put(&bucket, "k", b"first", Condition::Absent))
        .await
        .unwrap();
    assert!(does_not_hold(
        &store
            .put(put(&bucket, "k", b"second", Condition::Absent))
            .await
    ));
    assert_eq!(
        &store.get(get(&bucket, "k")).await.unwrap().body[..],
        b"first"
    );
}

pub(crate) async fn an_overwrite_needs_the_etag_of_the_current_version(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let first = store
        .put(put(&bucket, "k", b"1", Condition::Absent))
        .await
        .unwrap();
    let second = store
        .put(put(&bucket, "k", b"2", matching(&first.etag)))
        .await
        .unwrap();
    let late = store
        .put(put(&bucket, "k", b"3", matching(&first.etag)))
        .await;
    assert!(does_not_hold(&late));
    assert_eq!(
        store.head(&bucket, "k", None).await.unwrap().version,
        second.version
    );
}

pub(crate) async fn a_match_on_a_missing_key_does_not_hold(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let etag = "\"00000000000000000000000000000000\"";
    assert!(does_not_hold(
        &store.put(put(&bucket, "k", b"1", matching(etag))).await
    ));
}

pub(crate) async fn a_marked_key_counts_as_absent(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let first = store
        .put(put(&bucket, "k", b"1", Condition::Absent))
        .await
        .unwrap();
    store
        .delete(&bucket, vec![marked("k", &first.etag)])
        .await
        .unwrap();
    let over_marker = store
        .put(put(&bucket, "k", b"2", matching(&first.etag)))
        .await;
    assert!(does_not_hold(&over_marker));
    store
        .put(put(&bucket, "k", b"2", Condition::Absent))
        .await
        .unwrap();
}

pub(crate) async fn only_one_of_many_writers_creates_a_key(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let bodies: Vec<_> = (0..8_u8).map(|writer| [writer; 1000]).collect();
    let writes = bodies
        .iter()
        .map(|body| store.put(put(&bucket, "k", body, Condition::Absent)));
    let written: Vec<_> = join_all(writes)
        .await
        .into_iter()
        .filter_map(Result::ok)
        .collect();
    assert_eq!(written.len(), 1);
    assert_eq!(
        store.head(&bucket, "k", None).await.unwrap().version,
        written[0].version
    );
}

pub(crate) async fn s12_a_bucket_without_versions_is_noticed(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket_without_versions().await);
    let missing = Err(StoreError::VersionMissing {
        bucket: bucket.clone(),
    });
    assert_eq!(
        store.put(put(&bucket, "a", b"1", Condition::Absent)).await,
        missing
    );

    server
        .set_versioning(&bucket, BucketVersioningStatus::Enabled)
        .await;
    store
        .put(put(&bucket, "b", b"1", Condition::Absent))
        .await
        .unwrap();
    server
        .set_versioning(&bucket, BucketVersioningStatus::Suspended)
        .await;
    assert_eq!(
        store.put(put(&bucket, "c", b"1", Condition::Absent)).await,
        missing
    );
}
