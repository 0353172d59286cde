//! Answers that no S3 server in the tests gives, and no answer at all.

use backstay::adapters::s3::S3Store;
use backstay::adapters::store::{Complete, Condition, Store, StoreError};

use super::parrot::{answer, parrot};
use super::server::store_with_keys;
use super::{get, put};

fn store(endpoint: &str) -> S3Store {
    store_with_keys(endpoint, "id", "key")
}

pub(crate) async fn nobody_there_is_told_after_all_attempts() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = store(&endpoint);
    let error = store.get(get("bucket", "k")).await.unwrap_err();
    let StoreError::Unavailable {
        operation,
        resource,
        detail,
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!((*operation, resource.as_str()), ("GetObject", "bucket/k"));
    assert!(detail.contains("refused"), "{detail}");
    assert_eq!(store.requests()["GetObject"], 4);
    assert_eq!(store.last_answer(), None);
}

pub(crate) async fn s18_a_redirect_is_not_followed() {
    let (elsewhere, visited) = parrot(answer("200 OK", "", "")).await;
    let location = format!("location: {elsewhere}/bucket/k\r\n");
    for status in ["301 Moved Permanently", "307 Temporary Redirect"] {
        let (endpoint, _) = parrot(answer(status, &location, "")).await;
        let error = store(&endpoint).get(get("bucket", "k")).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    }
    assert_eq!(visited.requests().len(), 0);
}

pub(crate) async fn s25_an_archived_object_is_no_missing_right() {
    let body = "<Error><Code>InvalidObjectState</Code><Message>no</Message></Error>";
    let (endpoint, asked) = parrot(answer("403 Forbidden", "", body)).await;
    let error = store(&endpoint).get(get("bucket", "k")).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("restore-object"), "{error}");
    assert_eq!(asked.requests().len(), 1);
}

pub(crate) async fn t08_an_answer_that_is_not_s3s_is_not_repeated() {
    for status in [
        "200 OK",
        "403 Forbidden",
        "404 Not Found",
        "418 I'm a teapot",
    ] {
        for body in [
            "inner-secret",
            "<html>inner-secret</html>",
            "<Error><Code>inner-secret",
        ] {
            let (endpoint, _) = parrot(answer(status, "x-internal: inner-secret\r\n", body)).await;
            let store = store(&endpoint);
            let listed = store.list("bucket", "", None).await.unwrap_err();
            assert!(
                !listed.to_string().contains("inner-secret"),
                "{status}: {listed}"
            );
        }
    }
}

pub(crate) async fn s09_an_error_that_says_200_is_an_error() {
    let body = "<Error><Code>InternalError</Code><Message>try again</Message></Error>";
    let (endpoint, asked) = parrot(answer("200 OK", "", body)).await;
    let complete = Complete {
        bucket: "bucket".to_owned(),
        key: "k".to_owned(),
        upload: "upload".to_owned(),
        parts: vec![("\"e\"".to_owned(), 1)],
        size: 1,
        crc64: 1,
        condition: Condition::Absent,
    };
    let error = store(&endpoint)
        .complete_upload(complete)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert_eq!(asked.requests().len(), 4);
}

pub(crate) async fn s01_a_store_that_is_not_well_is_asked_again() {
    let body = "<Error><Code>SlowDown</Code><Message>Reduce your\nrequest rate.</Message></Error>";
    let (endpoint, _) = parrot(answer("503 Slow Down", "", body)).await;
    let store = store(&endpoint);
    let error = store
        .put(put("bucket", "k", b"x", Condition::None))
        .await
        .unwrap_err();
    let detail = "SlowDown: Reduce your request rate.".to_owned();
    assert_eq!(
        error,
        StoreError::Unavailable {
            operation: "PutObject",
            resource: "bucket/k".to_owned(),
            detail
        }
    );
    assert_eq!(store.requests()["PutObject"], 4);
}

pub(crate) async fn s16_a_clock_that_is_off_is_told_at_once() {
    let body = "<Error><Code>RequestTimeTooSkewed</Code><Message>no</Message></Error>";
    let date = "date: Wed, 12 Oct 2022 17:50:00 GMT\r\n";
    let (endpoint, asked) = parrot(answer("403 Forbidden", date, body)).await;
    let store = store(&endpoint);
    assert_eq!(
        store.get(get("bucket", "k")).await.unwrap_err(),
        StoreError::ClockSkew
    );
    assert_eq!(asked.requests().len(), 1);
    assert_eq!(
        store.last_answer().unwrap().to_string(),
        "2022-10-12T17:50:00Z"
    );
}

pub(crate) async fn s22_an_empty_page_without_end_is_refused() {
    let body = "<ListBucketResult><IsTruncated>true</IsTruncated>\
                <NextContinuationToken>same</NextContinuationToken></ListBucketResult>";
    let (endpoint, asked) = parrot(answer("200 OK", "", body)).await;
    let error = store(&endpoint).list("bucket", "", None).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Refused { code, .. } if code == "DisorderedListing"),
        "{error:?}"
    );
    assert_eq!(asked.requests().len(), 2);
}
