//! Keys: any that a path becomes, in byte order, hidden and not removed.

use backstay::adapters::store::{Condition, DELETE_KEYS_MAX, Store, StoreError};
use backstay::plan::key::data_key;
use futures::StreamExt;
use futures::stream;

use super::server::Deviation::{HidesKeysBeneathKeys, IgnoresMatchAtDelete};
use super::server::Server;
use super::{get, get_version, list_all, marked, put};

/// How many writes are under way at once while many keys are made.
const WRITES: usize = 16;

/// Names that people and programs give to files.
fn awkward_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "plain.txt",
        "with space",
        " lead",
        "trail ",
        "trail.",
        "plus+plus",
        "100%",
        "%41",
        "a&b",
        "a=b;c",
        "<tag>",
        "q?x=1#f",
        "quote'\"",
        "back\\slash",
        "tilde~",
        "star*",
        "colon:x",
        "new\nline",
        "car\rriage",
        "esc\u{1b}[0m",
        "tab\tx",
        "-rf",
        "...",
        ".hidden",
        ".long",
        "\u{202e}gpj.exe",
        "Übersicht",
        "ąść",
        "日本語",
        "🙂",
        "e\u{301}",
        "\u{e9}",
        "A",
        "a",
        "\u{feff}bom",
        "\u{ffff}",
        "\u{fffd}",
        "\u{2028}",
        "f",
        "dir/.long/x",
        "@!$,()",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.extend([
        vec![b'\xff'],
        b"half\xc3".to_vec(),
        vec![b'x'; 255],
        vec![b'x'; 256],
    ]);
    names.push(
        [
            vec![b'd'; 250],
            vec![b'e'; 250],
            vec![b'f'; 250],
            vec![b'g'; 200],
        ]
        .join(&b'/'),
    );
    names.push(vec![vec![b'd'; 200]; 6].join(&b'/'));
    names
}

pub(crate) async fn w23_awkward_names_survive(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let mut keys: Vec<_> = awkward_names()
        .iter()
        .map(|name| data_key("acme/office", name))
        .collect();
    for key in &keys {
        let body = key.as_bytes();
        let written = store.put(put(&bucket, key, body, Condition::Absent)).await;
        let written = written.unwrap_or_else(|error| panic!("{key:?}: {error}"));
        let object = store
            .get(get_version(&bucket, key, &written.version))
            .await
            .unwrap();
        assert_eq!(object.body, body, "{key:?}");
    }
    keys.sort();
    let listed = list_all(&store, &bucket, "data/acme/office/").await;
    assert_eq!(
        listed.iter().map(|listed| &listed.key).collect::<Vec<_>>(),
        Vec::from_iter(&keys)
    );

    let marks = listed
        .iter()
        .map(|listed| marked(&listed.key, &listed.etag))
        .collect();
    assert_eq!(store.delete(&bucket, marks).await, Ok(vec![]));
    assert_eq!(list_all(&store, &bucket, "").await, []);
}

async fn bucket_with_many_keys(server: &Server, count: usize) -> (String, Vec<String>) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let keys: Vec<_> = (0..count)
        .map(|number| format!("many/{number:05}"))
        .collect();
    stream::iter(&keys)
        .map(|key| store.put(put(&bucket, key, b"x", Condition::None)))
        .buffer_unordered(WRITES)
        .for_each(|written| async {
            written.unwrap();
        })
        .await;
    (bucket, keys)
}

pub(crate) async fn s22_many_keys_are_listed_in_order(server: &Server) {
    let (bucket, keys) = bucket_with_many_keys(server, 1_203).await;
    let store = server.store();
    for other in ["mane", "many0", "z"] {
        store
            .put(put(&bucket, other, b"x", Condition::None))
            .await
            .unwrap();
    }
    let listed = list_all(&store, &bucket, "many/").await;
    assert_eq!(
        listed
            .into_iter()
            .map(|listed| listed.key)
            .collect::<Vec<_>>(),
        keys
    );
    assert_eq!(list_all(&store, &bucket, "").await.len(), keys.len() + 3);
    assert!(
        store.requests()["ListObjectsV2"] >= 4,
        "more than a page each time"
    );
}

pub(crate) async fn a_listing_starts_after_any_key(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let keys = [
        "p/a b", "p/a!b", "p/a%2Fb", "p/a+b", "p/a.b", "p/a/b", "p/a0", "p/ü", "p/日",
    ];
    for key in keys {
        store
            .put(put(&bucket, key, b"x", Condition::Absent))
            .await
            .unwrap();
    }
    for (index, key) in keys.iter().enumerate() {
        let page = store.list(&bucket, "p/", Some(key)).await.unwrap();
        let listed: Vec<_> = page.keys.iter().map(|listed| listed.key.as_str()).collect();
        assert_eq!(listed, keys[index + 1..], "after {key}");
    }
    let page = store.list(&bucket, "p/", Some("p/a")).await.unwrap();
    assert_eq!(page.keys.len(), keys.len());
    assert_eq!(store.list(&bucket, "q/", None).await.unwrap().keys, []);
}

/// What was a file yesterday is a directory today: its key and those beneath it live side by side.
pub(crate) async fn keys_beneath_a_key_are_listed(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let file = store
        .put(put(&bucket, "f", b"x", Condition::Absent))
        .await
        .unwrap();
    store
        .put(put(&bucket, "f/child", b"y", Condition::Absent))
        .await
        .unwrap();
    assert_eq!(
        &store.get(get(&bucket, "f/child")).await.unwrap().body[..],
        b"y"
    );
    let listed = |prefix| {
        let (store, bucket) = (&store, &bucket);
        async move {
            let listed = list_all(store, bucket, prefix).await;
            listed
                .into_iter()
                .map(|listed| listed.key)
                .collect::<Vec<_>>()
        }
    };
    let is_hidden = server.has(HidesKeysBeneathKeys);
    let beneath: &[&str] = if is_hidden { &[] } else { &["f/child"] };
    let both: &[&str] = if is_hidden { &["f"] } else { &["f", "f/child"] };
    assert_eq!(listed("").await, both);
    assert_eq!(listed("f/").await, beneath);

    store
        .delete(&bucket, vec![marked("f", &file.etag)])
        .await
        .unwrap();
    assert_eq!(listed("").await, beneath);
    assert_eq!(listed("f/").await, beneath);
}

pub(crate) async fn markers_hide_keys_and_nothing_else(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let written = store
        .put(put(&bucket, "k", b"body", Condition::Absent))
        .await
        .unwrap();
    store
        .put(put(&bucket, "other", b"x", Condition::Absent))
        .await
        .unwrap();
    assert_eq!(
        store
            .delete(&bucket, vec![marked("k", &written.etag)])
            .await,
        Ok(vec![])
    );

    let hidden = StoreError::NotFound {
        bucket: bucket.clone(),
        key: "k".to_owned(),
    };
    assert_eq!(store.head(&bucket, "k", None).await, Err(hidden.clone()));
    assert_eq!(store.get(get(&bucket, "k")).await.unwrap_err(), hidden);
    let listed = list_all(&store, &bucket, "").await;
    assert_eq!(
        listed
            .iter()
            .map(|listed| listed.key.as_str())
            .collect::<Vec<_>>(),
        ["other"]
    );
    let version = store
        .get(get_version(&bucket, "k", &written.version))
        .await
        .unwrap();
    assert_eq!(&version.body[..], b"body");
    // The marker itself is a version, and it holds nothing.
    let versions = server
        .client()
        .list_object_versions()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    let marker = versions.delete_markers()[0].version_id().unwrap();
    assert_eq!(
        store
            .get(get_version(&bucket, "k", marker))
            .await
            .unwrap_err(),
        hidden
    );
}

pub(crate) async fn more_keys_are_marked_than_fit_one_request(server: &Server) {
    let count = DELETE_KEYS_MAX + 5;
    let (bucket, _) = bucket_with_many_keys(server, count).await;
    let store = server.store();
    let listed = list_all(&store, &bucket, "").await;
    let marks = listed
        .iter()
        .map(|listed| marked(&listed.key, &listed.etag))
        .collect();
    assert_eq!(store.delete(&bucket, marks).await, Ok(vec![]));
    assert_eq!(list_all(&store, &bucket, "").await, []);
    assert_eq!(store.requests()["DeleteObjects"], 2);
    assert_eq!(store.delete(&bucket, vec![]).await, Ok(vec![]));
    assert_eq!(store.requests()["DeleteObjects"], 2);
}

pub(crate) async fn a_marker_for_another_etag(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket().await);
    let old = store
        .put(put(&bucket, "k", b"old", Condition::Absent))
        .await
        .unwrap();
    store
        .put(put(&bucket, "k", b"new", Condition::None))
        .await
        .unwrap();
    let refused = store
        .delete(&bucket, vec![marked("k", &old.etag)])
        .await
        .unwrap();
    let expected: &[&str] = if server.has(IgnoresMatchAtDelete) {
        &[]
    } else {
        &["k"]
    };
    assert_eq!(refused, expected);
}

pub(crate) async fn s13_a_deletion_in_a_bucket_without_versions_is_noticed(server: &Server) {
    let (store, bucket) = (server.store(), server.bucket_without_versions().await);
    let client = server.client();
    client
        .put_object()
        .bucket(&bucket)
        .key("k")
        .send()
        .await
        .unwrap();
    let deleted = store.delete(&bucket, vec![marked("k", "\"e\"")]).await;
    assert_eq!(deleted, Err(StoreError::VersionMissing { bucket }));
}
