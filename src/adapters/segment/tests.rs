use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::api::catalog::{
    Compressed, Flags, Gone, Identity, Kind, Nanoseconds, Ownership, Pin, Row, SegmentRef, Sha256,
};
use crate::api::policy::CompressionAlgorithm;
use crate::plan::key;

fn sha256(bytes: &[u8]) -> Sha256 {
    super::encode::sha256(bytes)
}

fn batch_of(rows: &[Row]) -> Batch {
    let mut batch = Batch::new();
    for row in rows {
        batch.push(row).expect("the row is good");
    }
    batch
}

fn rows_of(batch: &Batch) -> Vec<Row> {
    (0..batch.len()).map(|index| batch.row(index)).collect()
}

fn written(rows: &[Row]) -> (Encoded, SegmentRef) {
    let encoded = encode(&batch_of(rows)).expect("the rows are in order");
    let reference = encoded.reference("segments/1.parquet".to_owned(), "v1".to_owned());
    (encoded, reference)
}

fn split(encoded: &Encoded, reference: &SegmentRef) -> (Bytes, Bytes) {
    let deciding = usize::try_from(reference.deciding.length).expect("it is short");
    let footer = usize::try_from(reference.footer.length).expect("it is short");
    let start = encoded.bytes.len() - footer;
    (
        encoded.bytes.slice(..deciding),
        encoded.bytes.slice(start..),
    )
}

fn file(path: &str) -> Row {
    Row {
        path: path.as_bytes().to_vec(),
        identity: Identity {
            kind: Kind::File,
            size: 1234,
            inode: 42,
            mtime: Nanoseconds(1_767_225_600_000_000_000),
            ctime: Nanoseconds(1_767_225_600_000_000_001),
        },
        layout: u64::MAX,
        flags: Flags::default(),
        ownership: Ownership {
            mode: 0o644,
            uid: 1000,
            gid: 1000,
        },
        category: "documents".to_owned(),
        pin: Some(Pin {
            bucket: "bucket".to_owned(),
            key: key::data_key("team/claim", path.as_bytes()),
            version: "3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo".to_owned(),
            etag: "\"9b2cf535f27731c974343645a3985328\"".to_owned(),
            crc64: 0x0123_4567_89ab_cdef,
            sha256: Some(Sha256([7; 32])),
            compressed: None,
        }),
        link_target: Vec::new(),
        link_group: 0,
        device: 0,
        xattrs: Vec::new(),
    }
}

/// Rows of all kinds whose names, times and attributes are as odd as a file system allows.
fn awkward_rows() -> impl Strategy<Value = Vec<Row>> {
    vec(awkward_row(), 1..40).prop_map(|mut rows| {
        rows.sort_by_cached_key(|row| key::order_key(&row.path, row.identity.kind).into_owned());
        rows.dedup_by_key(|row| key::order_key(&row.path, row.identity.kind).into_owned());
        rows
    })
}

fn awkward_row() -> impl Strategy<Value = Row> {
    let identity = (
        awkward_kind(),
        0..=i64::MAX.unsigned_abs(),
        any::<u64>(),
        any::<[i64; 2]>(),
    );
    let rest = (
        any::<u64>(),
        0..8,
        any::<[u32; 3]>(),
        "[a-z]{0,3}",
        any::<[bool; 2]>(),
    );
    let links = (
        vec(1..=255_u8, 0..4),
        any::<u64>(),
        any::<u64>(),
        awkward_attributes(),
    );
    let row = (
        awkward_path(),
        identity,
        rest,
        proptest::option::of(awkward_pin()),
        links,
    );
    row.prop_map(|(path, identity, rest, pin, links)| Row {
        identity: Identity {
            kind: identity.0,
            size: identity.1,
            inode: identity.2,
            mtime: Nanoseconds(identity.3[0]),
            ctime: Nanoseconds(identity.3[1]),
        },
        layout: rest.0,
        flags: Flags::from_bits(rest.1),
        ownership: Ownership {
            mode: rest.2[0],
            uid: rest.2[1],
            gid: rest.2[2],
        },
        category: rest.3,
        pin: pin.map(|(pin, is_derived)| Pin {
            key: if is_derived {
                key::data_key("p/q", &path)
            } else {
                pin.key
            },
            ..pin
        }),
        link_target: links.0,
        link_group: if rest.4[0] { links.1 } else { 0 },
        device: if rest.4[1] { links.2 } else { 0 },
        xattrs: links.3,
        path,
    })
}

fn awkward_kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(vec![
        Kind::File,
        Kind::Directory,
        Kind::Symlink,
        Kind::Fifo,
        Kind::Socket,
        Kind::CharacterDevice,
        Kind::BlockDevice,
    ])
}

fn awkward_path() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        Just(b'/'),
        Just(b'.'),
        Just(b'%'),
        Just(b'a'),
        Just(0xE2),
        Just(0x80),
        Just(0xAE),
        1..=255_u8,
    ];
    vec(byte, 1..12).prop_filter("it is a path", |path| check::path(path).is_ok())
}

fn awkward_pin() -> impl Strategy<Value = (Pin, bool)> {
    let texts = (
        "[a-z]{1,3}",
        "(data/)?[a-z%/]{1,5}",
        "[!-~]{1,4}",
        "[\"0-9a-f]{0,4}",
    );
    let algorithms = [CompressionAlgorithm::Zstd, CompressionAlgorithm::Gzip];
    let compressed = (
        proptest::sample::select(algorithms.to_vec()),
        0..=i64::MAX.unsigned_abs(),
    )
        .prop_map(|(algorithm, size)| Compressed { algorithm, size });
    let numbers = (
        any::<u64>(),
        proptest::option::of(any::<[u8; 32]>()),
        any::<bool>(),
        proptest::option::of(compressed),
    );
    (texts, numbers).prop_map(
        |((bucket, key, version, etag), (crc64, sha256, is_derived, compressed))| {
            (
                Pin {
                    bucket,
                    key,
                    version,
                    etag,
                    crc64,
                    sha256: sha256.map(Sha256),
                    compressed: compressed.filter(|_| sha256.is_some()),
                },
                is_derived,
            )
        },
    )
}

fn awkward_attributes() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let attributes =
        proptest::collection::btree_map(vec(1..=255_u8, 1..4), vec(any::<u8>(), 0..4), 0..3);
    attributes.prop_map(|attributes| attributes.into_iter().collect())
}

proptest! {
    #[test]
    fn rows_come_back(rows in awkward_rows()) {
        let (encoded, reference) = written(&rows);
        let batch = decode(&reference, encoded.bytes.clone()).expect("it was just written");
        prop_assert_eq!(rows_of(&batch), &rows[..]);
        let again = encode(&batch).expect("it was just read");
        prop_assert_eq!(again.bytes, encoded.bytes);
    }

    #[test]
    fn what_decides_comes_back_from_two_ranges(rows in awkward_rows()) {
        let (encoded, reference) = written(&rows);
        let (deciding, footer) = split(&encoded, &reference);
        let found = decode_deciding(&reference, deciding, footer).expect("it was just written");
        prop_assert_eq!(found.len(), rows.len());
        prop_assert_eq!(found.totals(), encoded.totals);
        for (index, row) in rows.iter().enumerate() {
            prop_assert_eq!(found.path(index), &row.path[..]);
            prop_assert_eq!(found.identity(index), row.identity);
            prop_assert_eq!(found.layout(index), row.layout);
            prop_assert_eq!(found.flags(index), row.flags);
        }
    }

    #[test]
    fn a_row_can_be_copied_between_batches(rows in awkward_rows()) {
        let batch = batch_of(&rows);
        let mut copy = batch_of(&rows[..1]);
        copy.clear();
        for index in 0..batch.len() {
            copy.push_from(&batch, index).expect("there is room");
        }
        prop_assert_eq!(rows_of(&copy), &rows[..]);
        prop_assert_eq!(encode(&copy).expect("in order").bytes, written(&rows).0.bytes);
    }

    #[test]
    fn order_is_that_of_the_order_keys(mut rows in vec(awkward_row(), 2)) {
        let keys = [0, 1].map(|i| key::order_key(&rows[i].path, rows[i].identity.kind));
        let is_in_order = keys[0] < keys[1];
        prop_assert_eq!(encode(&batch_of(&rows)).is_ok(), is_in_order);
        rows.truncate(1);
        prop_assert!(encode(&batch_of(&[rows[0].clone(), rows[0].clone()])).is_err());
    }
}

#[test]
fn rows_out_of_order_are_not_written() {
    let error = encode(&batch_of(&[file("b"), file("a")])).expect_err("b is before a");
    assert!(
        matches!(error, SegmentError::OrderViolated { row: 1, .. }),
        "{error}"
    );
    assert!(matches!(encode(&Batch::new()), Err(SegmentError::Empty)));
}

#[test]
fn c07_rows_that_no_catalog_may_have_are_refused() {
    let mut batch = batch_of(&[file("a")]);
    let change = |change: fn(&mut Row)| {
        let mut row = file("b");
        change(&mut row);
        row
    };
    let refused = [
        change(|row| row.path = b"/b".to_vec()),
        change(|row| row.path = b"b//c".to_vec()),
        change(|row| row.path = b"b/".to_vec()),
        change(|row| row.path = b"".to_vec()),
        change(|row| row.path = b"./b".to_vec()),
        change(|row| row.path = b"b/../c".to_vec()),
        change(|row| row.path = b"b\0".to_vec()),
        change(|row| row.path = vec![b'b'; PATH_MAX_BYTES + 1]),
        change(|row| row.identity.size = 1 << 63),
        change(|row| row.pin.as_mut().unwrap().bucket.clear()),
        change(|row| row.pin.as_mut().unwrap().version.clear()),
        change(|row| row.pin.as_mut().unwrap().key = "k".repeat(KEY_MAX_BYTES + 1)),
        change(|row| {
            let pin = row.pin.as_mut().unwrap();
            let algorithm = CompressionAlgorithm::Zstd;
            (pin.sha256, pin.compressed) = (None, Some(Compressed { algorithm, size: 1 }));
        }),
        change(|row| row.link_target = b"b\0".to_vec()),
        change(|row| row.xattrs = vec![(b"user.b".to_vec(), vec![0; XATTRS_MAX_BYTES])]),
    ];
    for row in refused {
        let error = batch.push(&row).expect_err("it is not a row");
        assert!(
            matches!(error, SegmentError::BadValue { row: 1, .. }),
            "{error}"
        );
        assert_eq!(rows_of(&batch), [file("a")]);
    }
}

#[test]
fn a_key_that_follows_from_its_path_takes_no_room() {
    let key = |row: Row| batch_of(&[row]).keys.byte_count();
    assert_eq!(key(file("plain/path")), 0);
    assert_eq!(key(file("Übersicht")), 0);
    assert_eq!(key(file("100%")), "data/team/claim/100%25".len());
    assert_eq!(
        key(file(&"x".repeat(300))),
        "data/team/claim/.long/".len() + 64
    );
}

#[test]
fn c07_every_flipped_bit_is_seen() {
    let rows: Vec<Row> = (0..50)
        .map(|number| file(&format!("d/{number:02}")))
        .collect();
    let (encoded, reference) = written(&rows);
    let (deciding, footer) = split(&encoded, &reference);
    for position in 0..encoded.bytes.len() {
        let mut bytes = encoded.bytes.to_vec();
        bytes[position] ^= 1 << (position % 8);
        let error = decode(&reference, bytes.clone().into()).expect_err("a bit is wrong");
        assert!(
            matches!(error, SegmentError::HashMismatch { .. }),
            "{position}: {error}"
        );
        let (start, end) = (deciding.len(), bytes.len() - footer.len());
        if position < start || position >= end {
            let bytes = Bytes::from(bytes);
            let found = decode_deciding(&reference, bytes.slice(..start), bytes.slice(end..));
            assert!(
                matches!(found, Err(SegmentError::HashMismatch { .. })),
                "{position}"
            );
        }
    }
    let cut = encoded.bytes.slice(1..);
    assert!(matches!(
        decode(&reference, cut),
        Err(SegmentError::LengthMismatch { .. })
    ));
}

/// A forged segment has the hash that its forger gives it. Whatever is in it, reading ends with
/// an error or with rows that a catalog may have.
#[test]
fn b01_forged_bytes_never_escape_the_parser() {
    // Few rows are not compressed, and many are.
    for (rows, step) in [(20, 2), (300, 31)] {
        let (encoded, _) = written(&golden_rows(rows));
        for position in (0..encoded.bytes.len()).step_by(step) {
            let mut bytes = encoded.bytes.to_vec();
            bytes[position] ^= 1 << (position % 8);
            if let Ok(batch) = decode_hashed(sha256(&bytes), bytes.into()) {
                encode(&batch).expect("what is read can be written");
            }
        }
    }
}

/// Rows with something in each column, always the same.
fn golden_rows(count: u32) -> Vec<Row> {
    let mut rows: Vec<Row> = (0..count).map(golden_row).collect();
    rows.sort_by_cached_key(|row| key::order_key(&row.path, row.identity.kind).into_owned());
    rows
}

fn golden_row(number: u32) -> Row {
    let mut path = format!("share/{:02}/entry {number:03}", number / 40).into_bytes();
    path.extend_from_slice(match number % 10 {
        3 => "\u{00fc}.txt".as_bytes(),
        6 => b" 100%.txt",
        9 => b"\xff\xfe.txt",
        _ => b".txt",
    });
    let mut row = file("x");
    let kinds = [
        Kind::Directory,
        Kind::Symlink,
        Kind::Fifo,
        Kind::Socket,
        Kind::CharacterDevice,
    ];
    if let Some(&kind) = kinds.get(number as usize % 20) {
        row.identity.kind = kind;
        row.identity.size = 0;
        row.category = String::new();
        row.pin = None;
        row.link_target = if kind == Kind::Symlink {
            path.clone()
        } else {
            Vec::new()
        };
        row.device = if kind == Kind::CharacterDevice {
            0x0103
        } else {
            0
        };
    } else {
        let pin = row.pin.as_mut().expect("a file has one");
        pin.key = key::data_key(
            if number.is_multiple_of(2) {
                "team/2026-01-01"
            } else {
                "team"
            },
            &path,
        );
        pin.version = format!("version-{number}");
        pin.sha256 = Some(sha256(&number.to_be_bytes()));
        row.link_group = u64::from(number % 3);
        row.xattrs = vec![(b"user.number".to_vec(), number.to_be_bytes().to_vec())];
    }
    row.identity.inode = u64::from(number) * 7;
    row.identity.mtime.0 += i64::from(number) * 1_000_000_007;
    row.flags = Flags::from_bits(i32::try_from(number % 8).expect("it is small"));
    row.path = path;
    row
}

/// The parser's panics can only be caught where they unwind.
#[test]
fn panics_unwind_in_every_profile() {
    assert!(!include_str!("../../../Cargo.toml").contains("panic = \"abort\""));
}

fn fixture(name: &str, current: &[u8]) -> Bytes {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, current).expect("the fixtures are there");
    }
    std::fs::read(&path)
        .expect("the fixture is there; UPDATE=1 writes it")
        .into()
}

/// The promise of format 1: this file was written once and is read by every later build.
#[test]
fn segments_of_format_1_are_still_read() {
    let rows = golden_rows(300);
    let bytes = fixture("segment-1.parquet", &written(&rows).0.bytes);
    let batch = decode_hashed(sha256(&bytes), bytes).expect("it was written once");
    assert_eq!(rows_of(&batch), rows);
}

#[test]
fn lists_of_dropped_paths_of_format_1_are_still_read() {
    let all: Vec<Gone> = (0..300).map(gone).collect();
    let mut writer = GoneWriter::new().expect("nothing is wrong yet");
    for gone in &all {
        writer.push(gone.clone()).expect("it is good");
    }
    let bytes = fixture("gone-1.parquet", &writer.finish().expect("it is in memory"));
    let mut reader = GoneReader::open(sha256(&bytes), bytes).expect("it was written once");
    assert_eq!(reader.next(1000).expect("it was written once"), all);
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let rows = golden_rows(5000);
    let (encoded, reference) = written(&rows);
    assert_eq!(written(&rows).0.bytes, encoded.bytes);
    let again = decode(&reference, encoded.bytes.clone()).expect("it was just written");
    assert_eq!(
        encode(&again).expect("it was just read").bytes,
        encoded.bytes
    );
}

#[test]
fn c07_facts_that_the_commit_does_not_announce_are_refused() {
    let (encoded, reference) = written(&[file("a"), file("b"), file("c")]);
    let check = |change: fn(&mut SegmentRef), expected| {
        let mut reference = reference.clone();
        change(&mut reference);
        let error = decode(&reference, encoded.bytes.clone()).expect_err("another fact");
        assert!(
            matches!(error, SegmentError::FactMismatch { fact } if fact == expected),
            "{error}"
        );
    };
    check(|reference| reference.rows = 2, "number of rows");
    check(
        |reference| reference.first = b"b".to_vec(),
        "first order key",
    );
    check(|reference| reference.last = b"b".to_vec(), "last order key");
}

fn gone(number: usize) -> Gone {
    Gone {
        path: if number.is_multiple_of(100) {
            vec![0xff]
        } else {
            format!("d/{number}").into_bytes()
        },
        bucket: "bucket".to_owned(),
        key: format!("data/p/d/{number}"),
        etag: format!("\"{number}\""),
    }
}

#[test]
fn dropped_paths_come_back_in_batches() {
    let all: Vec<Gone> = (0..45_000).map(gone).collect();
    let mut writer = GoneWriter::new().expect("nothing is wrong yet");
    for gone in &all {
        writer.push(gone.clone()).expect("it is good");
    }
    assert_eq!(writer.rows(), 45_000);
    let bytes = writer.finish().expect("it is in memory");
    let mut reader = GoneReader::open(sha256(&bytes), bytes.clone()).expect("just written");
    let mut found = Vec::new();
    loop {
        let batch = reader.next(1000).expect("just written");
        if batch.is_empty() {
            break;
        }
        assert!(batch.len() <= 1000);
        found.extend(batch);
    }
    assert_eq!(found, all);
    assert!(GoneReader::open(Sha256([0; 32]), bytes).is_err());
}

#[test]
fn nothing_dropped_is_an_empty_list() {
    let bytes = GoneWriter::new()
        .and_then(GoneWriter::finish)
        .expect("nothing is wrong");
    let mut reader = GoneReader::open(sha256(&bytes), bytes).expect("just written");
    assert_eq!(reader.next(1000).expect("just written"), []);
}
