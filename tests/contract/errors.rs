//! What a real server's refusals and a bad line become.

use backstay::adapters::store::{Condition, Store, StoreError};

use super::environment::variable;
use super::line::{Fault, line};
use super::server::Deviation::TakesWrongKeys;
use super::server::{Server, encryption, store, store_with_keys};
use super::{get, get_version, marked, put};

pub(crate) async fn what_is_missing_is_told(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let missing = StoreError::NotFound {
        bucket: bucket.clone(),
        key: "k".to_owned(),
    };
    assert_eq!(store.get(get(&bucket, "k")).await.unwrap_err(), missing);
    assert_eq!(store.head(&bucket, "k", None).await.unwrap_err(), missing);
    store
        .put(put(&bucket, "k", b"x", Condition::Absent))
        .await
        .unwrap();
    let version = uuid::Uuid::new_v4().to_string();
    let other = store
        .get(get_version(&bucket, "k", &version))
        .await
        .unwrap_err();
    assert_eq!(other, missing);

    let bucket = format!("no-{bucket}");
    let no_bucket = StoreError::NoSuchBucket {
        bucket: bucket.clone(),
    };
    assert_eq!(store.get(get(&bucket, "k")).await.unwrap_err(), no_bucket);
    assert_eq!(
        store
            .put(put(&bucket, "k", b"x", Condition::Absent))
            .await
            .unwrap_err(),
        no_bucket
    );
    assert_eq!(store.list(&bucket, "", None).await.unwrap_err(), no_bucket);
    assert_eq!(
        store
            .delete(&bucket, vec![marked("k", "e")])
            .await
            .unwrap_err(),
        no_bucket
    );
    assert_eq!(store.bucket_promises(&bucket).await.unwrap_err(), no_bucket);
}

pub(crate) async fn s14_wrong_keys_are_told(server: &Server) {
    if server.has(TakesWrongKeys) {
        let store = store_with_keys(&server.endpoint, "nobody", "nothing");
        store.list(&server.bucket().await, "", None).await.unwrap();
        return;
    }
    let bucket = server.bucket().await;
    let right = variable("AWS_ACCESS_KEY_ID");
    for (access_key, secret_key, expected) in [
        ("nobody", "nothing", "InvalidAccessKeyId"),
        (right.as_str(), "nothing", "SignatureDoesNotMatch"),
    ] {
        let store = store_with_keys(&server.endpoint, access_key, secret_key);
        let error = store
            .put(put(&bucket, "k", b"x", Condition::Absent))
            .await
            .unwrap_err();
        assert_eq!(
            error,
            StoreError::AccessDenied {
                operation: "PutObject",
                resource: format!("{bucket}/k"),
                code: expected.to_owned(),
            }
        );
        assert_eq!(
            store.requests()["PutObject"],
            1,
            "a refusal is not asked again"
        );
    }
}

pub(crate) async fn requests_are_counted_and_answers_dated(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    assert_eq!(store.last_answer(), None);
    assert!(store.requests().is_empty());
    store
        .put(put(&bucket, "k", b"x", Condition::Absent))
        .await
        .unwrap();
    let first = store.last_answer().unwrap();
    store
        .put(put(&bucket, "k", b"x", Condition::Absent))
        .await
        .unwrap_err();
    store.head(&bucket, "k", None).await.unwrap();
    let counted: Vec<_> = store.requests().into_iter().collect();
    let expected = [("HeadObject", 1), ("PutObject", 2)];
    assert_eq!(
        counted,
        expected.map(|(operation, count)| (operation.to_owned(), count))
    );
    assert!(store.clone().last_answer().unwrap() >= first);
}

pub(crate) async fn s05_a_body_that_breaks_off_is_asked_for_again(server: &Server) {
    let bucket = server.bucket().await;
    let body = vec![7; 2_000_000];
    server
        .store()
        .put(put(&bucket, "k", &body, Condition::Absent))
        .await
        .unwrap();
    let near = line(&server.endpoint, Fault::CutAnswerAfter(1_000_000)).await;
    let store = store(&near, encryption("s3"));
    assert_eq!(store.get(get(&bucket, "k")).await.unwrap().body, body);
    assert_eq!(store.requests()["GetObject"], 2);
}

pub(crate) async fn a11_a_lost_answer_is_not_taken_for_a_refusal(server: &Server) {
    let bucket = server.bucket().await;
    let near = line(&server.endpoint, Fault::LoseAnswer).await;
    let store = store(&near, encryption("s3"));
    let error = store
        .put(put(&bucket, "k", b"mine", Condition::Absent))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(error.is_retryable());
    assert_eq!(
        &store.get(get(&bucket, "k")).await.unwrap().body[..],
        b"mine"
    );
}
