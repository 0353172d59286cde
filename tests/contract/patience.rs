//! How long is waited, and for what.

use std::time::Duration;

use backstay::adapters::credentials::Credentials;
use backstay::adapters::s3::{S3Store, Timeouts};
use backstay::adapters::store::{Condition, Store, StoreError};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::parrot::{answer, request};
use super::server::{encryption, secret, storage};
use super::{get, put};

/// Short enough for a test, and far apart enough to tell which one ran out.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(1),
    attempt: Duration::from_millis(200),
    stall: Duration::from_secs(1),
};

/// A store whose server does the same on every connection.
async fn store<F>(timeouts: Timeouts, serve: impl Fn(TcpStream) -> F + Send + 'static) -> S3Store
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client));
        }
    });
    let credentials = Credentials::Files {
        directory: secret("id", "key"),
    };
    S3Store::new(
        &storage(&endpoint, encryption("s3")),
        &credentials,
        timeouts,
    )
    .unwrap()
}

fn detail(error: StoreError) -> String {
    match error {
        StoreError::Unavailable { detail, .. } => detail,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn s03_silence_ends_in_an_error() {
    let silent = async |mut client: TcpStream| {
        request(&mut client).await;
        std::future::pending::<()>().await;
    };
    let store = store(TIMEOUTS, silent).await;
    let error = store.get(get("bucket", "k")).await.unwrap_err();
    assert_eq!(detail(error), "no answer in time");
    assert_eq!(store.requests()["GetObject"], 4);
}

pub(crate) async fn a_body_that_stalls_ends_in_an_error() {
    let stalls = async |mut client: TcpStream| {
        request(&mut client).await;
        let facts = "etag: \"e\"\r\nlast-modified: Wed, 12 Oct 2022 17:50:00 GMT\r\n";
        let whole = answer("200 OK", facts, &"x".repeat(1000));
        client
            .write_all(&whole.as_bytes()[..whole.len() - 500])
            .await
            .unwrap();
        std::future::pending::<()>().await;
    };
    let store = store(TIMEOUTS, stalls).await;
    let error = store.get(get("bucket", "k")).await.unwrap_err();
    assert!(detail(error).starts_with("the body broke off"));
    assert_eq!(store.requests()["GetObject"], 3);
}

pub(crate) async fn an_upload_that_stalls_ends_in_an_error() {
    let never_reads = async |client: TcpStream| {
        std::future::pending::<()>().await;
        drop(client);
    };
    let timeouts = Timeouts {
        attempt: Duration::from_mins(10),
        ..TIMEOUTS
    };
    let store = store(timeouts, never_reads).await;
    let body = vec![0; 32 * 1024 * 1024];
    let error = store
        .put(put("bucket", "k", &body, Condition::None))
        .await
        .unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

/// A store may be busy for longer than a line may be idle.
pub(crate) async fn an_answer_that_takes_its_time_is_awaited() {
    let thinks = async |mut client: TcpStream| {
        request(&mut client).await;
        tokio::time::sleep(TIMEOUTS.stall * 3).await;
        let written = answer("200 OK", "x-amz-version-id: v\r\netag: \"e\"\r\n", "");
        client.write_all(written.as_bytes()).await.unwrap();
    };
    let timeouts = Timeouts {
        attempt: Duration::from_mins(10),
        ..TIMEOUTS
    };
    let store = store(timeouts, thinks).await;
    let body = vec![0; 1024 * 1024];
    store
        .put(put("bucket", "k", &body, Condition::Absent))
        .await
        .unwrap();
    assert_eq!(store.requests()["PutObject"], 1);
}
