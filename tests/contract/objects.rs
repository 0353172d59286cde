//! Objects: what is written is what is read.

use aws_sdk_s3::types::StorageClass;
use backstay::adapters::store::{Condition, Get, Store, StoreError};
use futures::TryStreamExt;

use super::server::Deviation::{LacksStorageClasses, TakesOtherBytes};
use super::server::{Server, encryption, store};
use super::{check_facts, crc64, get, get_version, list_all, put};

pub(crate) async fn a_write_is_read_back_with_its_facts(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let body = b"123456789";
    let written = store
        .put(put(&bucket, "a/b", body, Condition::Absent))
        .await
        .unwrap();

    let object = store.get(get(&bucket, "a/b")).await.unwrap();
    assert_eq!(&object.body[..], body);
    check_facts(&object.facts, &written, body);

    let facts = store.head(&bucket, "a/b", None).await.unwrap();
    check_facts(&facts, &written, body);
    assert_eq!(facts.crc64, Some(crc64(body)));
    let age = store.last_answer().unwrap().duration_since(facts.modified);
    assert!(
        age.as_secs().abs() < 60,
        "written {age} ago by the store's own clock"
    );
}

pub(crate) async fn a_version_is_read_after_it_was_overwritten(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let old = store
        .put(put(&bucket, "k", b"old", Condition::Absent))
        .await
        .unwrap();
    let new = store
        .put(put(&bucket, "k", b"newer", Condition::None))
        .await
        .unwrap();
    assert_ne!(old.version, new.version);

    let object = store
        .get(get_version(&bucket, "k", &old.version))
        .await
        .unwrap();
    assert_eq!(&object.body[..], b"old");
    check_facts(&object.facts, &old, b"old");
    check_facts(
        &store.head(&bucket, "k", Some(&old.version)).await.unwrap(),
        &old,
        b"old",
    );
    check_facts(
        &store.head(&bucket, "k", None).await.unwrap(),
        &new,
        b"newer",
    );
}

pub(crate) async fn nothing_is_an_object_too(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let written = store
        .put(put(&bucket, "empty", b"", Condition::Absent))
        .await
        .unwrap();
    let object = store.get(get(&bucket, "empty")).await.unwrap();
    assert!(object.body.is_empty());
    check_facts(&object.facts, &written, b"");
}

pub(crate) async fn a_range_is_read(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let written = store
        .put(put(&bucket, "k", b"0123456789", Condition::Absent))
        .await
        .unwrap();
    let range = |range| Get {
        range: Some(range),
        ..get(&bucket, "k")
    };

    for (asked, expected) in [
        (2..5, "234"),
        (0..1, "0"),
        (9..10, "9"),
        (8..99, "89"),
        (4..4, ""),
    ] {
        let object = store.get(range(asked.clone())).await.unwrap();
        assert_eq!(&object.body[..], expected.as_bytes(), "{asked:?}");
        check_facts(&object.facts, &written, b"0123456789");
    }
    let beyond = store.get(range(10..12)).await;
    assert!(
        matches!(beyond, Err(StoreError::Refused { .. })),
        "{beyond:?}"
    );
}

pub(crate) async fn a_body_is_read_in_pieces(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let body: Vec<u8> = (0..3_000_000_u32)
        .map(|byte| u8::try_from(byte % 251).unwrap())
        .collect();
    store
        .put(put(&bucket, "k", &body, Condition::Absent))
        .await
        .unwrap();
    let pieces = store.read(get(&bucket, "k")).await.unwrap();
    let pieces: Vec<_> = pieces.try_collect().await.unwrap();
    assert!(pieces.len() > 1);
    assert_eq!(pieces.concat(), body);
}

pub(crate) async fn an_etag_is_the_same_wherever_it_is_told(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let written = store
        .put(put(&bucket, "k", b"body", Condition::Absent))
        .await
        .unwrap();
    assert_eq!(list_all(&store, &bucket, "").await[0].etag, written.etag);
    assert_eq!(
        store.head(&bucket, "k", None).await.unwrap().etag,
        written.etag
    );
    let condition = Condition::Matches(written.etag);
    store
        .put(put(&bucket, "k", b"other", condition))
        .await
        .unwrap();
}

pub(crate) async fn encryption_is_asked_for_as_configured(server: &Server) {
    let bucket = server.bucket().await;
    for (kind, expected) in [
        ("s3", Some("AES256")),
        ("kms", Some("aws:kms")),
        ("none", None),
    ] {
        let store = store(&server.endpoint, encryption(kind));
        store
            .put(put(&bucket, kind, b"body", Condition::Absent))
            .await
            .unwrap();
        let client = server.client();
        let answer = client
            .head_object()
            .bucket(&bucket)
            .key(kind)
            .send()
            .await
            .unwrap();
        // A server may encrypt what it was not asked to encrypt, as S3 itself does.
        let told = answer
            .server_side_encryption()
            .map(|algorithm| algorithm.as_str().to_owned());
        if expected.is_some() {
            assert_eq!(told.as_deref(), expected);
        }
    }
}

pub(crate) async fn a_storage_class_is_asked_for(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let mut request = put(&bucket, "k", b"body", Condition::Absent);
    request.attributes.storage_class = Some("STANDARD_IA");
    let written = store.put(request).await;
    if server.has(LacksStorageClasses) {
        assert!(matches!(
            written,
            Err(StoreError::Refused { operation: "PutObject", code, .. })
                if code == "InvalidStorageClass"
        ));
        return;
    }
    written.unwrap();
    let answer = server
        .client()
        .head_object()
        .bucket(&bucket)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.storage_class().map(StorageClass::as_str),
        Some("STANDARD_IA")
    );
}

pub(crate) async fn s07_other_bytes_than_announced_are_refused(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let mut request = put(&bucket, "k", b"body", Condition::Absent);
    request.crc64 = crc64(b"other");
    let written = store.put(request).await;
    if server.has(TakesOtherBytes) {
        written.unwrap();
        return;
    }
    let (bucket, key) = (bucket, "k".to_owned());
    assert_eq!(
        written,
        Err(StoreError::ChecksumMismatch {
            bucket: bucket.clone(),
            key: key.clone()
        })
    );
    assert_eq!(
        store.head(&bucket, "k", None).await,
        Err(StoreError::NotFound { bucket, key })
    );
}
