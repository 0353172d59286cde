//! What the clauses of the contract share.

pub(crate) mod answers;
pub(crate) mod buckets;
pub(crate) mod conditions;
pub(crate) mod environment;
pub(crate) mod errors;
pub(crate) mod keys;
pub(crate) mod line;
pub(crate) mod objects;
pub(crate) mod parrot;
pub(crate) mod patience;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod uploads;
pub(crate) mod wire;

use backstay::adapters::store::{
    Attributes, Complete, Condition, CopyPart, Facts, Get, Headers, Listed, Marked, Original, Part,
    Put, Store, Written,
};
use backstay::api::catalog::Sha256;
use bytes::Bytes;
use sha2::Digest;

/// The smallest part but the last.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
pub(crate) const PART_MIN_BYTES: usize = 5 * 1024 * 1024;

pub(crate) fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

/// A write of a body with all that belongs to it.
pub(crate) fn put(bucket: &str, key: &str, body: &[u8], condition: Condition) -> Put {
    Put {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        body: Bytes::copy_from_slice(body),
        crc64: crc64(body),
        condition,
        attributes: attributes(body),
    }
}

pub(crate) fn attributes(body: &[u8]) -> Attributes {
    Attributes {
        sha256: Some(sha256(body)),
        token: Some("a-token".to_owned()),
        storage_class: None,
        content_encoding: None,
        headers: headers(),
    }
}

/// Everything that an object can say of its content.
pub(crate) fn headers() -> Headers {
    [
        ("cache-control", "max-age=60"),
        ("content-disposition", "inline"),
        ("content-encoding", "gzip"),
        ("content-language", "it"),
        ("content-type", "text/csv"),
        ("x-amz-meta-owner", "office"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

pub(crate) fn get(bucket: &str, key: &str) -> Get {
    Get {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        version: None,
        range: None,
    }
}

pub(crate) fn get_version(bucket: &str, key: &str, version: &str) -> Get {
    Get {
        version: Some(version.to_owned()),
        ..get(bucket, key)
    }
}

pub(crate) fn marked(key: &str, etag: &str) -> Marked {
    Marked {
        key: key.to_owned(),
        etag: etag.to_owned(),
    }
}

/// Every key under a prefix, page by page.
pub(crate) async fn list_all(store: &impl Store, bucket: &str, prefix: &str) -> Vec<Listed> {
    let mut keys: Vec<Listed> = Vec::new();
    loop {
        let after = keys.last().map(|last| last.key.clone());
        let page = store.list(bucket, prefix, after.as_deref()).await.unwrap();
        keys.extend(page.keys);
        if !page.more {
            return keys;
        }
    }
}

/// An upload whose parts are all there.
pub(crate) async fn uploaded(
    store: &impl Store,
    bucket: &str,
    key: &str,
    parts: &[&[u8]],
    condition: Condition,
) -> Complete {
    let whole = parts.concat();
    let upload = store
        .create_upload(bucket, key, attributes(&whole))
        .await
        .unwrap();
    let mut done = Vec::new();
    for (number, body) in (1..).zip(parts) {
        let part = Part {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            upload: upload.clone(),
            number,
            body: Bytes::copy_from_slice(body),
            crc64: crc64(body),
        };
        done.push((store.upload_part(part).await.unwrap(), crc64(body)));
    }
    Complete {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        upload,
        parts: done,
        size: u64::try_from(whole.len()).unwrap(),
        crc64: crc64(&whole),
        condition,
    }
}

/// A copy of an object's first bytes into an upload.
pub(crate) fn copy_part(
    (bucket, key): (&str, &str),
    written: &Written,
    upload: &str,
    range: std::ops::Range<u64>,
) -> CopyPart {
    CopyPart {
        bucket: bucket.to_owned(),
        key: "copy".to_owned(),
        upload: upload.to_owned(),
        number: 1,
        original: Original {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: Some(written.version.clone()),
            etag: written.etag.clone(),
        },
        range,
    }
}

/// What must be true of an object after a write of a body.
pub(crate) fn check_facts(facts: &Facts, written: &Written, body: &[u8]) {
    assert_eq!(facts.version, written.version);
    assert_eq!(facts.etag, written.etag);
    assert_eq!(facts.size, u64::try_from(body.len()).unwrap());
    assert_eq!(facts.sha256, Some(sha256(body)));
    assert_eq!(facts.token.as_deref(), Some("a-token"));
    for header in headers() {
        assert!(facts.headers.contains(&header), "{:?}", facts.headers);
    }
}
