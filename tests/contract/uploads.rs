//! Uploads in parts.

use backstay::adapters::store::{Complete, Condition, Store, StoreError};

use super::server::Deviation::{
    FailsOnUploadsGivenUp, ForgetsChecksumsOfCopies, ForgetsChecksumsOfUploads,
    IgnoresMatchAtComplete, IgnoresMatchAtCopy, RefusesCheckedCopies, TakesOtherBytes,
};
use super::server::Server;
use super::{PART_MIN_BYTES, attributes, check_facts, copy_part, crc64, get, put, uploaded};

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

/// A copy is of the version that was named, and its checksum is told.
pub(crate) async fn a_part_is_copied_by_version(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let key = "a key/100% \u{fc}.sql";
    let original = store
        .put(put(&bucket, key, b"original", Condition::Absent))
        .await
        .unwrap();
    store
        .put(put(&bucket, key, b"another!", Condition::None))
        .await
        .unwrap();
    let upload = store
        .create_upload(&bucket, "copy", attributes(b"origin"))
        .await
        .unwrap();
    let copied = store
        .copy_part(copy_part((&bucket, key), &original, &upload, 0..6))
        .await;
    if server.has(RefusesCheckedCopies) {
        assert!(
            matches!(copied, Err(StoreError::Refused { .. })),
            "{copied:?}"
        );
        return;
    }
    let copied = copied.unwrap();
    let told = (!server.has(ForgetsChecksumsOfCopies)).then_some(crc64(b"origin"));
    assert_eq!(copied.crc64, told);
    let complete = Complete {
        bucket: bucket.clone(),
        key: "copy".to_owned(),
        upload,
        parts: vec![(copied.etag, crc64(b"origin"))],
        size: 6,
        crc64: crc64(b"origin"),
        condition: Condition::Absent,
    };
    let written = store.complete_upload(complete).await.unwrap();
    let object = store.get(get(&bucket, "copy")).await.unwrap();
    assert_eq!(&object.body[..], b"origin");
    check_facts(&object.facts, &written, b"origin");
}

pub(crate) async fn an_original_that_is_another_one_is_not_copied(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let mut original = store
        .put(put(&bucket, "k", b"original", Condition::Absent))
        .await
        .unwrap();
    let upload = store
        .create_upload(&bucket, "copy", attributes(b"original"))
        .await
        .unwrap();
    original.etag = "\"15e2b0d3c33891ebb0f1ef609ec41942\"".to_owned();
    let copied = store
        .copy_part(copy_part((&bucket, "k"), &original, &upload, 0..8))
        .await;
    if server.has(IgnoresMatchAtCopy) {
        copied.unwrap();
        return;
    }
    assert!(
        matches!(copied, Err(StoreError::ConditionFailed { .. })),
        "{copied:?}"
    );
}
