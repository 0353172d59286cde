//! Copies within a store as AWS makes them, on behalf of one that does not.

use std::collections::BTreeMap;

use crate::store::Store;

/// The header by which a request is one.
pub(crate) const SOURCE: &str = "x-amz-copy-source: ";

/// Copies what the head of a request names; answers as AWS does.
pub(crate) fn copy(head: &str) -> Vec<u8> {
    let mut lines = head.lines();
    let first = lines.next().unwrap();
    let headers: BTreeMap<&str, &str> = lines.filter_map(|line| line.split_once(": ")).collect();
    let (path, query) = first.split(' ').nth(1).unwrap().split_once('?').unwrap();
    let query: BTreeMap<_, _> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let (original, version) = headers["x-amz-copy-source"]
        .split_once("?versionId=")
        .unwrap();
    let (etag, crc64) = Store::new().copy_part(
        &place(original),
        version,
        headers["x-amz-copy-source-if-match"],
        headers["x-amz-copy-source-range"],
        &place(path.trim_start_matches('/')),
        &decoded(query["uploadId"]),
        query["partNumber"].parse().unwrap(),
    );
    let body = format!(
        "<CopyPartResult><ETag>{}</ETag><ChecksumCRC64NVME>{crc64}</ChecksumCRC64NVME>\
         </CopyPartResult>",
        etag.replace('"', "&quot;")
    );
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// Bucket and key.
fn place(path: &str) -> (String, String) {
    let (bucket, key) = path.split_once('/').unwrap();
    (bucket.to_owned(), decoded(key))
}

fn decoded(text: &str) -> String {
    let mut decoded = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let escaped = [bytes.next().unwrap(), bytes.next().unwrap()];
            decoded.extend(hex::decode(escaped).unwrap());
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).unwrap()
}
