//! Uploads in parts.

use backstay::adapters::store::{Condition, Store, StoreError};

use super::server::Deviation::{
    FailsOnUploadsGivenUp, ForgetsChecksumsOfUploads, IgnoresMatchAtComplete, TakesOtherBytes,
};
use super::server::Server;
use super::{PART_MIN_BYTES, check_facts, crc64, get, put, uploaded};

pub(crate) async fn parts_become_one_object(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let (first, last) = (vec![1; PART_MIN_BYTES], vec![2; 7]);
    let parts = [&first[..], &last[..]];
    let upload = uploaded(&store, &bucket, "k", &parts, Condition::Absent).await;
    let written = store.complete_upload(upload).await.unwrap();

    let facts = store.head(&bucket, "k", None).await.unwrap();
    check_facts(&facts, &written, &parts.concat());
    let told = (!server.has(ForgetsChecksumsOfUploads)).then_some(crc64(&parts.concat()));
    assert_eq!(facts.crc64, told);
    assert_eq!(
        store.get(get(&bucket, "k")).await.unwrap().body,
        parts.concat()
    );
}

pub(crate) async fn an_upload_that_is_not_absent_any_more_is_refused(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let upload = uploaded(&store, &bucket, "k", &[b"mine"], Condition::Absent).await;
    store
        .put(put(&bucket, "k", b"theirs", Condition::Absent))
        .await
        .unwrap();
    let late = store.complete_upload(upload).await;
    assert!(
        matches!(late, Err(StoreError::ConditionFailed { .. })),
        "{late:?}"
    );
    assert_eq!(
        &store.get(get(&bucket, "k")).await.unwrap().body[..],
        b"theirs"
    );
}

pub(crate) async fn an_upload_over_a_version_needs_its_etag(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let first = store
        .put(put(&bucket, "k", b"first", Condition::Absent))
        .await
        .unwrap();
    let over_first = Condition::Matches(first.etag);
    let upload = uploaded(&store, &bucket, "k", &[b"second"], over_first.clone()).await;
    store.complete_upload(upload).await.unwrap();

    let upload = uploaded(&store, &bucket, "k", &[b"third"], over_first.clone()).await;
    let late = store.complete_upload(upload).await;
    if server.has(IgnoresMatchAtComplete) {
        late.unwrap();
        return;
    }
    assert!(
        matches!(late, Err(StoreError::ConditionFailed { .. })),
        "{late:?}"
    );
    let upload = uploaded(&store, &bucket, "missing", &[b"fourth"], over_first).await;
    let missing = store.complete_upload(upload).await;
    assert!(
        matches!(missing, Err(StoreError::ConditionFailed { .. })),
        "{missing:?}"
    );
}

pub(crate) async fn s07_an_upload_of_other_bytes_is_refused(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let mut upload = uploaded(&store, &bucket, "k", &[b"body"], Condition::Absent).await;
    upload.crc64 = crc64(b"other");
    let completed = store.complete_upload(upload).await;
    if server.has(TakesOtherBytes) {
        completed.unwrap();
    } else {
        assert!(
            matches!(completed, Err(StoreError::ChecksumMismatch { .. })),
            "{completed:?}"
        );
    }
}

pub(crate) async fn an_upload_is_given_up_once_or_twice(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let upload = uploaded(&store, &bucket, "k", &[b"body"], Condition::Absent).await;
    store
        .abort_upload(&bucket, "k", &upload.upload)
        .await
        .unwrap();
    store
        .abort_upload(&bucket, "k", &upload.upload)
        .await
        .unwrap();
    let completed = store.complete_upload(upload).await;
    if server.has(FailsOnUploadsGivenUp) {
        assert!(
            matches!(completed, Err(StoreError::Unavailable { .. })),
            "{completed:?}"
        );
    } else {
        assert!(
            matches!(completed, Err(StoreError::NotFound { .. })),
            "{completed:?}"
        );
    }
}
