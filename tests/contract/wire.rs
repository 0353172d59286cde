//! What is sent.

use backstay::adapters::credentials::Credentials;
use backstay::adapters::s3::{S3Store, Timeouts};
use backstay::adapters::store::{Condition, Store, StoreError, Written};

use super::parrot::{answer, parrot};
use super::server::{encryption, secret, storage, store_with_keys};
use super::{copy_part, get, marked, put};

pub(crate) async fn a_write_says_all_that_it_must_and_no_other_checksum() {
    let headers = "x-amz-version-id: v\r\netag: \"e\"\r\n";
    let (endpoint, asked) = parrot(answer("200 OK", headers, "")).await;
    let store = store_with_keys(&endpoint, "id", "key");
    store
        .put(put("bucket", "a b", b"123456789", Condition::Absent))
        .await
        .unwrap();
    let request = &asked.requests()[0];
    for said in [
        "PUT /bucket/a%20b",
        "x-amz-checksum-crc64nvme: rosUhgp5mIg=",
        "if-none-match: *",
        "x-amz-meta-sha256: 15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
        "x-amz-meta-token: a-token",
        "x-amz-server-side-encryption: AES256",
        "content-length: 9",
        "app/backstay",
    ] {
        assert!(request.contains(said), "{said} in {request}");
    }
    for unsaid in ["crc32", "content-md5", "aws-chunked", "x-amz-trailer"] {
        assert!(!request.contains(unsaid), "{unsaid} in {request}");
    }
}

pub(crate) async fn b04_a_deletion_names_no_version() {
    let deleted = "<DeleteResult><Deleted><Key>k</Key><DeleteMarker>true</DeleteMarker></Deleted>\
                   </DeleteResult>";
    let (endpoint, asked) = parrot(answer("200 OK", "", deleted)).await;
    let store = store_with_keys(&endpoint, "id", "key");
    assert_eq!(
        store.delete("bucket", vec![marked("k", "\"e\"")]).await,
        Ok(vec![])
    );
    let request = &asked.requests()[0];
    assert!(
        request.contains("<Key>k</Key><ETag>&quot;e&quot;</ETag>"),
        "{request}"
    );
    assert!(!request.to_lowercase().contains("versionid"), "{request}");
}

pub(crate) async fn a_copy_says_what_it_is_of() {
    let copied = "<CopyPartResult><ETag>&quot;p&quot;</ETag><ChecksumCRC64NVME>rosUhgp5mIg=\
                  </ChecksumCRC64NVME></CopyPartResult>";
    let (endpoint, asked) = parrot(answer("200 OK", "", copied)).await;
    let store = store_with_keys(&endpoint, "id", "key");
    let original = Written {
        version: "v+1".to_owned(),
        etag: "\"e\"".to_owned(),
    };
    let part = copy_part(("bucket", "a b.sql"), &original, "upload", 5..100);
    let copied = store.copy_part(part).await.unwrap();
    assert_eq!(copied.etag, "\"p\"");
    assert_eq!(copied.crc64, Some(0xae8b_1486_0a79_9888));
    let request = &asked.requests()[0];
    for said in [
        "PUT /bucket/copy?",
        "partNumber=1&uploadId=upload",
        "x-amz-copy-source: bucket/a%20b.sql?versionId=v%2B1\r\n",
        "x-amz-copy-source-if-match: \"e\"",
        "x-amz-copy-source-range: bytes=5-99",
    ] {
        assert!(request.contains(said), "{said} in {request}");
    }
}

/// A Secret may lose a key while a run is under way.
pub(crate) async fn credentials_that_are_gone_are_told() {
    let directory = secret("id", "key");
    let credentials = Credentials::Files {
        directory: directory.clone(),
    };
    let storage = storage("http://127.0.0.1:1", encryption("s3"));
    let store = S3Store::new(&storage, &credentials, Timeouts::default()).unwrap();
    std::fs::remove_file(directory.join("AWS_SECRET_ACCESS_KEY")).unwrap();
    let error = store.get(get("bucket", "k")).await.unwrap_err();
    let StoreError::CredentialsMissing { detail } = &error else {
        panic!("{error:?}")
    };
    assert!(detail.contains("AWS_SECRET_ACCESS_KEY"), "{detail}");
    assert!(store.requests().is_empty());
}
