//! Compression on the way, and presets.

use std::fmt::Write;
use std::fs;

use backstay::api::policy::CompressionAlgorithm;

use crate::host::{Host, key};
use crate::tree::{file, settle};

const MEBIBYTE: usize = 1 << 20;

pub(crate) fn squeezed() -> Host {
    let host = Host::new();
    host.write_policy(&crate::store::minio(), |policy| {
        policy
            .replace("extensions: [sql, csv]", "preset: Database")
            .replace("match: {extensions: [jpg]", "match: {preset: Photos")
            .replace(
                "-database}",
                "-database, compression: {algorithm: Zstd, extensions: [csv], minimumSize: 1Ki}}",
            )
            .replace(
                "-documents}\n",
                "-documents, compression: {algorithm: Gzip}}\n",
            )
    });
    host
}

/// Lines as a database exports them: about `size` bytes.
pub(crate) fn table(size: usize) -> String {
    let mut table = String::from("id,name,total\n");
    for id in 0_u64.. {
        let (customer, total) = (id * 7919 % 4096, id % 977);
        writeln!(table, "{id},customer {customer},{total}.50").unwrap();
        if table.len() >= size {
            break;
        }
    }
    table
}

#[test]
fn what_shrinks_is_stored_compressed_and_comes_back_as_it_was() {
    let host = squeezed();
    let root = host.root();
    file(&root, "export.csv", table(300_000));
    file(&root, "large.csv", table(40 * MEBIBYTE));
    file(&root, "small.csv", "id\n");
    file(&root, "dump.BAK", table(9000));
    file(&root, "photos/picture.heic", table(9000));
    file(&root, "letter.txt", table(9000));
    let mut random = fastrand::Rng::with_seed(1);
    let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
        .take(20_000)
        .collect();
    fs::write(root.join("noise.bin"), noise).unwrap();
    settle(&root);
    let report = host.backup().expect(0);
    assert_eq!(report.files.uploaded, 7);
    assert!(report.bytes.uploaded < report.bytes.read / 2, "{report:?}");

    for (path, category, algorithm) in [
        ("export.csv", "database", Some(CompressionAlgorithm::Zstd)),
        ("large.csv", "database", Some(CompressionAlgorithm::Zstd)),
        ("small.csv", "database", None),
        ("dump.BAK", "database", None),
        ("photos/picture.heic", "photos", None),
        ("letter.txt", "documents", Some(CompressionAlgorithm::Gzip)),
        ("noise.bin", "documents", None),
    ] {
        let bucket = host.bucket(category);
        let encoding = host.store.encoding(&bucket, &key(path));
        assert_eq!(
            encoding.as_deref(),
            algorithm.map(CompressionAlgorithm::as_str),
            "{path}"
        );
        let stored = host.store.get(&bucket, &key(path));
        let content = match algorithm {
            None => stored,
            Some(CompressionAlgorithm::Zstd) => zstd::decode_all(&stored[..]).unwrap(),
            Some(CompressionAlgorithm::Gzip) => {
                let unpacked = flate2::read::GzDecoder::new(&stored[..]);
                std::io::read_to_string(unpacked).unwrap().into_bytes()
            }
        };
        assert!(content == fs::read(root.join(path)).unwrap(), "{path}");
    }
    host.check_restore();
}

#[test]
fn a_change_of_compression_sends_nothing_again() {
    let host = squeezed();
    file(&host.root(), "export.csv", table(9000));
    settle(&host.root());
    host.backup().expect(0);
    host.write_policy(&crate::store::minio(), |policy| policy);
    let second = host.backup().expect(0);
    assert_eq!((second.files.uploaded, second.files.unchanged), (0, 1));
    host.check_restore();
}
