//! The checker notices each violation, on repositories forged by hand.

use backstay::adapters::segment::{Batch, encode};
use backstay::adapters::store::{Attributes, Condition, Get, Marked, Put, Store, Written};
use backstay::api::catalog::{
    Commit, CommitRef, FORMAT_VERSION, Flags, Head, Identity, Kind, Nanoseconds, Ownership, Pin,
    Repository, Root, Row, SegmentRef, Totals, Writer,
};
use backstay::api::outcome::Outcome;
use backstay::api::run::SourceIdentity;
use backstay::plan::head;
use backstay::plan::location::Location;
use bytes::Bytes;
use uuid::Uuid;

use crate::invariants::Invariants;
use crate::process::SimStore;
use crate::reader::sha256;
use crate::world::{Settings, World, crc64};

const BUCKET: &str = "b";
const ROOT: &str = "catalog/c/n/p/s";
const PREFIX: &str = "p";

/// A process that writes a repository by hand, well or badly.
struct Forger {
    store: SimStore,
    name: String,
}

/// A world, the checker, and the first process, which has opened the repository.
async fn opened() -> (World, Invariants, Forger, Head) {
    let world = World::new(Settings::default());
    world.create_bucket(BUCKET);
    let location = Location::new(BUCKET, "c", "n", "p", "s");
    let mut invariants = Invariants::new(location);
    invariants.prefixes.insert(PREFIX.to_owned());
    let first = forger(&world, "r1");
    let initial = initial();
    let empty = first.head(&initial, Condition::Absent).await;
    let head = first.open(&initial, &empty).await;
    (world, invariants, first, head)
}

fn forger(world: &World, name: &str) -> Forger {
    Forger {
        store: world.process(name, 1, Vec::new()).0,
        name: name.to_owned(),
    }
}

fn initial() -> Head {
    let repository = Repository {
        format: FORMAT_VERSION,
        uuid: Uuid::nil(),
        identity: SourceIdentity::Claim {
            uid: "u".to_owned(),
        },
        created: jiff::Timestamp::UNIX_EPOCH,
    };
    head::initial(&repository, Uuid::new_v4())
}

impl Forger {
    async fn put(&self, key: &str, body: Bytes, condition: Condition) -> Written {
        let (bucket, key, crc64) = (BUCKET.to_owned(), key.to_owned(), crc64(&body));
        let attributes = Attributes::default();
        let put = Put {
            bucket,
            key,
            body,
            crc64,
            condition,
            attributes,
        };
        self.store.put(put).await.unwrap()
    }

    async fn head(&self, head: &Head, condition: Condition) -> Written {
        let body = serde_json::to_vec(head).unwrap();
        self.put(&format!("{ROOT}/HEAD"), body.into(), condition)
            .await
    }

    async fn swap(&self, next: &Head) -> Written {
        let etag = self.look().await;
        self.head(next, Condition::Matches(etag)).await
    }

    async fn open(&self, before: &Head, written: &Written) -> Head {
        let since = jiff::Timestamp::UNIX_EPOCH;
        let writer = Writer {
            run: self.name.clone(),
            epoch: before.epoch + 1,
            since,
            process: None,
        };
        let next = Head {
            epoch: before.epoch + 1,
            writer: Some(writer),
            nonce: Uuid::new_v4(),
            ..before.clone()
        };
        self.head(&next, Condition::Matches(written.etag.clone()))
            .await;
        next
    }

    /// Reads HEAD, and answers with its ETag.
    async fn look(&self) -> String {
        let request = Get {
            bucket: BUCKET.to_owned(),
            key: format!("{ROOT}/HEAD"),
            ..Get::default()
        };
        self.store.get(request).await.unwrap().facts.etag
    }

    async fn file(&self, path: &str, body: &'static str, condition: Condition) -> Row {
        let key = format!("data/{PREFIX}/{path}");
        let written = self
            .put(&key, Bytes::from_static(body.as_bytes()), condition)
            .await;
        row(path, body, key, written)
    }

    async fn segment(&self, number: u32, rows: &[Row]) -> SegmentRef {
        let mut batch = Batch::new();
        for row in rows {
            batch.push(row).unwrap();
        }
        let encoded = encode(&batch).unwrap();
        let key = format!("{ROOT}/segments/{}/{number}.parquet", self.name);
        let written = self
            .put(&key, encoded.bytes.clone(), Condition::Absent)
            .await;
        encoded.reference(key, written.version)
    }

    async fn commit(&self, before: &Head, segments: Vec<SegmentRef>) -> CommitRef {
        let sequence = before
            .commit
            .as_ref()
            .map_or(1, |commit| commit.sequence + 1);
        let time = jiff::Timestamp::from_second(i64::try_from(sequence).unwrap()).unwrap();
        let commit = Commit {
            format: FORMAT_VERSION,
            repository: Uuid::nil(),
            run: self.name.clone(),
            sequence,
            time,
            ancestors: before.commit.iter().cloned().collect(),
            outcome: Outcome::Succeeded,
            totals: Totals {
                rows: segments.iter().map(|segment| segment.rows).sum(),
                ..Totals::default()
            },
            segments,
            gone: None,
            buckets: vec![BUCKET.to_owned()],
            root: Root::default(),
            not_captured: Vec::new(),
        };
        let body = Bytes::from(serde_json::to_vec(&commit).unwrap());
        let key = format!("{ROOT}/commits/{sequence}-{}.json", self.name);
        let sha256 = sha256(&body);
        let written = self.put(&key, body, Condition::Absent).await;
        CommitRef {
            sequence,
            key,
            version: written.version,
            sha256,
            time,
        }
    }

    async fn mark(&self, row: &Row) {
        let pin = row.pin.as_ref().unwrap();
        let marked = Marked {
            key: pin.key.clone(),
            etag: pin.etag.clone(),
        };
        self.store.delete(BUCKET, vec![marked]).await.unwrap();
    }
}

fn row(path: &str, body: &str, key: String, written: Written) -> Row {
    Row {
        path: path.as_bytes().to_vec(),
        identity: Identity {
            kind: Kind::File,
            size: body.len() as u64,
            inode: 1,
            mtime: Nanoseconds(1),
            ctime: Nanoseconds(1),
        },
        layout: 1,
        flags: Flags::default(),
        ownership: Ownership::default(),
        category: "rest".to_owned(),
        pin: Some(Pin {
            bucket: BUCKET.to_owned(),
            key,
            version: written.version,
            etag: written.etag,
            crc64: crc64(body.as_bytes()),
            sha256: Some(sha256(body.as_bytes())),
            compressed: None,
        }),
        link_target: Vec::new(),
        link_group: 0,
        device: 0,
        xattrs: Vec::new(),
    }
}

fn committed(head: &Head, commit: CommitRef) -> Head {
    Head {
        commit: Some(commit),
        writer: None,
        superseding_since: None,
        nonce: Uuid::new_v4(),
        ..head.clone()
    }
}

fn violation(invariants: &mut Invariants, world: &World) -> String {
    invariants.check(world).err().unwrap_or_default()
}

#[track_caller]
fn assert_violates(invariants: &mut Invariants, world: &World, rule: &str) {
    let found = violation(invariants, world);
    assert!(found.starts_with(rule), "{rule} expected, found: {found:?}");
}

#[tokio::test]
async fn a_run_as_it_should_be_violates_nothing() {
    let (world, mut invariants, first, head) = opened().await;
    let row = first.file("a", "one", Condition::Absent).await;
    let segment = first.segment(0, std::slice::from_ref(&row)).await;
    let commit = first.commit(&head, vec![segment]).await;
    let done = committed(&head, commit);
    let written = first.swap(&done).await;
    let second = forger(&world, "r2");
    let head = second.open(&done, &written).await;
    let head = Head {
        superseding_since: Some(jiff::Timestamp::UNIX_EPOCH),
        nonce: Uuid::new_v4(),
        ..head
    };
    second.swap(&head).await;
    let etag = row.pin.as_ref().unwrap().etag.clone();
    let changed = second.file("a", "two", Condition::Matches(etag)).await;
    let segment = second.segment(0, &[changed]).await;
    let commit = second.commit(&head, vec![segment]).await;
    second.swap(&committed(&head, commit)).await;
    assert_eq!(violation(&mut invariants, &world), "");
}

#[tokio::test]
async fn a_version_is_superseded_and_head_does_not_say_so() {
    let (world, mut invariants, first, head) = opened().await;
    let row = first.file("a", "one", Condition::Absent).await;
    let segment = first.segment(0, std::slice::from_ref(&row)).await;
    let commit = first.commit(&head, vec![segment]).await;
    let done = committed(&head, commit);
    let written = first.swap(&done).await;
    let second = forger(&world, "r2");
    second.open(&done, &written).await;
    let etag = row.pin.as_ref().unwrap().etag.clone();
    second.file("a", "two", Condition::Matches(etag)).await;
    assert_violates(&mut invariants, &world, "window");
}

#[tokio::test]
async fn p1_a_pin_that_nobody_was_told_of() {
    let (world, mut invariants, first, _) = opened().await;
    let mut row = first.file("a", "one", Condition::Absent).await;
    row.pin.as_mut().unwrap().version = "v999".to_owned();
    first.segment(0, &[row]).await;
    assert_violates(&mut invariants, &world, "P1");
}

#[tokio::test]
async fn p1_a_pin_of_other_content() {
    let (world, mut invariants, first, _) = opened().await;
    let mut row = first.file("a", "one", Condition::Absent).await;
    row.pin.as_mut().unwrap().sha256 = Some(sha256(b"other"));
    first.segment(0, &[row]).await;
    assert_violates(&mut invariants, &world, "P1");
}

#[tokio::test]
async fn p2_a_pin_of_another_path() {
    let (world, mut invariants, first, _) = opened().await;
    let mut row = first.file("a", "one", Condition::Absent).await;
    row.path = b"b".to_vec();
    first.segment(0, &[row]).await;
    assert_violates(&mut invariants, &world, "P2");
}

#[tokio::test]
async fn p3_head_without_a_condition() {
    let (world, mut invariants, first, head) = opened().await;
    first
        .head(
            &Head {
                nonce: Uuid::new_v4(),
                ..head
            },
            Condition::None,
        )
        .await;
    assert_violates(&mut invariants, &world, "P3");
}

#[tokio::test]
async fn p3_head_with_an_old_nonce() {
    let (world, mut invariants, first, head) = opened().await;
    let superseding_since = Some(jiff::Timestamp::UNIX_EPOCH);
    first
        .swap(&Head {
            superseding_since,
            ..head
        })
        .await;
    assert_violates(&mut invariants, &world, "P3");
}

#[tokio::test]
async fn p3_head_by_somebody_who_did_not_open() {
    let (world, mut invariants, _, head) = opened().await;
    forger(&world, "r2")
        .swap(&Head {
            nonce: Uuid::new_v4(),
            ..head
        })
        .await;
    assert_violates(&mut invariants, &world, "P3");
}

#[tokio::test]
async fn p4_an_overwrite_of_what_was_not_expected() {
    let (world, mut invariants, first, _) = opened().await;
    let foreign = forger(&world, "someone")
        .file("a", "foreign", Condition::Absent)
        .await;
    let etag = foreign.pin.unwrap().etag;
    first.file("a", "one", Condition::Matches(etag)).await;
    assert_violates(&mut invariants, &world, "P4");
}

#[tokio::test]
async fn p4_an_overwrite_after_reading_head_again() {
    let (world, mut invariants, first, _) = opened().await;
    let foreign = forger(&world, "someone")
        .file("a", "foreign", Condition::Absent)
        .await;
    let pin = foreign.pin.unwrap();
    first.store.head(BUCKET, &pin.key, None).await.unwrap();
    first.look().await;
    first.file("a", "one", Condition::Matches(pin.etag)).await;
    assert_eq!(violation(&mut invariants, &world), "");
}

#[tokio::test]
async fn p4_a_marker_by_who_was_fenced() {
    let (world, mut invariants, first, head) = opened().await;
    let row = first.file("a", "one", Condition::Absent).await;
    let second = forger(&world, "r2");
    let etag = second.look().await;
    let written = Written {
        version: String::new(),
        etag,
    };
    second.open(&head, &written).await;
    first.look().await;
    first.mark(&row).await;
    assert_violates(&mut invariants, &world, "P4");
}

#[tokio::test]
async fn p4_two_batches_after_one_look() {
    let (world, mut invariants, first, _) = opened().await;
    let one = first.file("a", "one", Condition::Absent).await;
    let two = first.file("b", "two", Condition::Absent).await;
    first.look().await;
    first.mark(&one).await;
    assert_eq!(violation(&mut invariants, &world), "");
    first.mark(&two).await;
    assert_violates(&mut invariants, &world, "P4");
}

#[tokio::test]
async fn p4_a_marker_over_what_head_pins() {
    let (world, mut invariants, first, head) = opened().await;
    let row = first.file("a", "one", Condition::Absent).await;
    let segment = first.segment(0, std::slice::from_ref(&row)).await;
    let commit = first.commit(&head, vec![segment]).await;
    let done = committed(&head, commit);
    let written = first.swap(&done).await;
    first.open(&done, &written).await;
    first.look().await;
    first.mark(&row).await;
    assert_violates(&mut invariants, &world, "P4");
}

#[tokio::test]
async fn p5_a_catalog_object_written_twice() {
    let (world, mut invariants, first, _) = opened().await;
    let key = format!("{ROOT}/runs/r1/report.json");
    let written = first.put(&key, Bytes::new(), Condition::Absent).await;
    assert_eq!(violation(&mut invariants, &world), "");
    first
        .put(
            &key,
            Bytes::from_static(b"x"),
            Condition::Matches(written.etag),
        )
        .await;
    assert_violates(&mut invariants, &world, "P5");
}

#[tokio::test]
async fn i2_a_commit_with_another_parent() {
    let (world, mut invariants, first, head) = opened().await;
    let row = first.file("a", "one", Condition::Absent).await;
    let one = first.segment(0, std::slice::from_ref(&row)).await;
    let commit = first.commit(&head, vec![one]).await;
    let done = committed(&head, commit);
    let written = first.swap(&done).await;
    let second = forger(&world, "r2");
    let head = second.open(&done, &written).await;
    let orphan = second
        .commit(
            &Head {
                commit: None,
                ..head.clone()
            },
            Vec::new(),
        )
        .await;
    second
        .swap(&committed(
            &head,
            CommitRef {
                sequence: 2,
                ..orphan
            },
        ))
        .await;
    assert_violates(&mut invariants, &world, "I2");
}

#[tokio::test]
async fn i2_an_epoch_that_jumps() {
    let (world, mut invariants, first, head) = opened().await;
    first
        .swap(&Head {
            epoch: 9,
            nonce: Uuid::new_v4(),
            ..head
        })
        .await;
    assert_violates(&mut invariants, &world, "I2");
}
