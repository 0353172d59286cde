//! What is in the buckets, read with other tools than ours.

use std::fs;

use crate::host::{Host, key};
use crate::tree::office;

#[test]
fn an_object_is_the_file() {
    let host = Host::new();
    office(&host.root());
    host.backup().expect(0);
    for (path, category) in [
        ("contracts/2026/lease.pdf", "documents"),
        ("photos/IMG_0001.JPG", "photos"),
        ("database/dump.sql", "database"),
        ("empty.txt", "documents"),
    ] {
        let object = host.store.get(&host.bucket(category), &key(path));
        assert_eq!(object, fs::read(host.root().join(path)).unwrap(), "{path}");
    }
}
