//! The reference model notices what a restore point has wrong, and allows what may differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use backstay::adapters::store::{Attributes, Condition, Put};
use backstay::api::catalog::{
    Commit, CommitRef, FORMAT_VERSION, Flags, Kind, Pin, Root, Row, Sha256, Totals,
};
use backstay::api::outcome::Outcome;
use backstay::api::report::NotCaptured;
use backstay::plan::key::data_key;
use backstay::plan::layout::layout;

use crate::audit::Log;
use crate::engine;
use crate::files::{Body, Broken, Files};
use crate::reader::{RestorePoint, sha256};
use crate::reference;
use crate::tree::{Entry, SimTree, Snapshot};
use crate::world::{Settings, World, crc64};

/// A tree, and the restore point of it as it should be.
struct Case {
    world: World,
    tree: SimTree,
    point: RestorePoint,
    parent: Option<RestorePoint>,
}

impl Case {
    fn new() -> Self {
        let mut files = Files::new(1);
        let root = files.root();
        let one = files.create(root, b"one", Body::File(Arc::new(b"content".to_vec())));
        files.link(one, root, b"twin");
        files.create(root, b"other", Body::File(Arc::new(b"content".to_vec())));
        let folder = files.create(root, b"folder", Body::Directory(BTreeMap::new()));
        files.create(folder, b"table.csv", Body::File(Arc::new(b"1,2".to_vec())));
        files.create(folder, b"link", Body::Symlink(b"../one".to_vec()));
        let world = World::new(Settings::default());
        world.create_bucket(engine::REST_BUCKET);
        world.create_bucket(engine::TABLES_BUCKET);
        let tree = SimTree::new(files, 1, false, Log::default());
        let now = tree.living().snapshots.last().cloned().unwrap();
        let point = restore_point(&world, &now);
        Self {
            world,
            tree,
            point,
            parent: None,
        }
    }

    fn row(&mut self, path: &[u8]) -> &mut Row {
        self.point.rows.get_mut(path).unwrap()
    }

    fn name(&mut self, path: &str) {
        let (path, reason) = (path.to_owned(), String::new());
        self.point.commit.not_captured.push(NotCaptured {
            path,
            reason,
            stale: true,
        });
    }

    fn set_broken(&self, path: &[u8]) {
        let mut living = self.tree.living();
        let id = living.files.find(path).unwrap();
        living.files.node_mut(id).broken = Broken {
            open: Some(13),
            ..Broken::default()
        };
        living.snapshots.clear();
        living.keep();
    }

    fn write(&self, path: &[u8], bytes: &[u8]) {
        let mut living = self.tree.living();
        living.files.advance(5);
        let id = living.files.find(path).unwrap();
        living.files.write(id, bytes.to_vec());
        living.keep();
    }

    #[track_caller]
    fn check(&self, expected: Option<&str>) {
        let states = self.tree.living().snapshots.clone();
        let state = self.world.state();
        let parent = self.parent.as_ref();
        let checked = reference::check(&state, &self.point, parent, &states, &engine::spec()).err();
        match (&checked, expected) {
            (None, None) => {}
            (Some(found), Some(expected)) if found.contains(expected) => {}
            _ => panic!("{expected:?} expected, found {checked:?}"),
        }
    }
}

fn restore_point(world: &World, tree: &Snapshot) -> RestorePoint {
    let rows: BTreeMap<_, _> = tree
        .iter()
        .map(|(path, entry)| (path.clone(), row(world, path, entry)))
        .collect();
    let time = jiff::Timestamp::UNIX_EPOCH;
    let at = CommitRef {
        sequence: 2,
        key: "k".to_owned(),
        version: "v".to_owned(),
        sha256: Sha256([0; 32]),
        time,
    };
    let commit = Commit {
        format: FORMAT_VERSION,
        repository: uuid::Uuid::nil(),
        run: "r".to_owned(),
        sequence: 2,
        time,
        ancestors: Vec::new(),
        outcome: Outcome::Succeeded,
        segments: Vec::new(),
        gone: None,
        buckets: Vec::new(),
        root: Root::default(),
        totals: Totals::default(),
        not_captured: Vec::new(),
    };
    RestorePoint { at, commit, rows }
}

fn row(world: &World, path: &[u8], entry: &Entry) -> Row {
    let is_file = entry.identity.kind == Kind::File;
    let is_table = path.ends_with(b".csv");
    let bucket = if is_table {
        engine::TABLES_BUCKET
    } else {
        engine::REST_BUCKET
    };
    Row {
        path: path.to_vec(),
        identity: entry.identity,
        layout: if is_file {
            layout(bucket, engine::PREFIX)
        } else {
            0
        },
        flags: Flags::default(),
        ownership: entry.ownership,
        category: if is_table { "tables" } else { "rest" }.to_owned(),
        pin: is_file.then(|| pin(world, bucket, path, &entry.content)),
        link_target: entry.link_target.clone(),
        link_group: if entry.links > 1 {
            entry.identity.inode
        } else {
            0
        },
        device: 0,
        xattrs: entry.xattrs.clone(),
    }
}

fn pin(world: &World, bucket: &str, path: &[u8], bytes: &[u8]) -> Pin {
    let put = Put {
        bucket: bucket.to_owned(),
        key: data_key(engine::PREFIX, path),
        body: bytes.to_vec().into(),
        crc64: crc64(bytes),
        condition: Condition::None,
        attributes: Attributes::default(),
    };
    let key = put.key.clone();
    let written = world.state().put("p", put).unwrap();
    Pin {
        bucket: bucket.to_owned(),
        key,
        version: written.version,
        etag: written.etag,
        crc64: crc64(bytes),
        sha256: Some(sha256(bytes)),
        compressed: None,
    }
}

#[test]
fn the_tree_itself_is_right() {
    Case::new().check(None);
}

#[test]
fn a_missing_row_is_noticed() {
    let mut case = Case::new();
    case.point.rows.remove(b"one".as_slice());
    case.check(Some("one: it is missing"));
}

#[test]
fn a_row_too_many_is_noticed() {
    let mut case = Case::new();
    let row = Row {
        path: b"ghost".to_vec(),
        ..case.row(b"one").clone()
    };
    case.point.rows.insert(row.path.clone(), row);
    case.check(Some("ghost: it was never there"));
}

#[test]
fn other_facts_are_noticed() {
    let mut case = Case::new();
    case.row(b"folder").ownership.mode = 0;
    case.check(Some("folder: it is"));
    let mut case = Case::new();
    case.row(b"one").identity.ctime.0 += 1;
    case.check(Some("one: it is"));
    let mut case = Case::new();
    case.row(b"folder/link").link_target = b"elsewhere".to_vec();
    case.check(Some("folder/link: it is"));
}

#[test]
fn other_content_is_noticed() {
    let mut case = Case::new();
    let pin = pin(&case.world, engine::REST_BUCKET, b"one", b"CONTENT");
    case.row(b"one").pin = Some(pin);
    case.check(Some("one: it is"));
}

#[test]
fn a_pin_that_leads_nowhere_is_noticed() {
    let mut case = Case::new();
    if let Some(pin) = &mut case.row(b"one").pin {
        pin.version = "gone".to_owned();
    }
    case.check(Some("no such object"));
}

#[test]
fn another_category_is_noticed() {
    let mut case = Case::new();
    case.row(b"folder/table.csv").category = "rest".to_owned();
    case.check(Some("another category"));
}

#[test]
fn torn_links_are_noticed() {
    let mut case = Case::new();
    case.row(b"twin").link_group = 999;
    case.check(Some("another link group"));
    let mut case = Case::new();
    case.row(b"other").link_group = 3;
    case.check(Some("has 1 names"));
}

#[test]
fn a_state_of_before_is_right_while_things_change() {
    let case = Case::new();
    case.write(b"other", b"CONTENT");
    case.check(None);
}

#[test]
fn a_mixture_is_right_only_where_the_row_says_so() {
    let mut case = Case::new();
    case.write(b"other", b"CONTENT");
    let pin = pin(&case.world, engine::REST_BUCKET, b"other", b"CONtent");
    case.row(b"other").pin = Some(pin);
    case.check(Some("other: it is"));
    case.row(b"other").flags.fuzzy = true;
    case.check(None);
}

#[test]
fn an_older_copy_is_right_where_nothing_could_be_read_and_somebody_is_told() {
    let mut case = Case::new();
    case.parent = Some(case.point.clone());
    case.row(b"other").flags.stale = true;
    case.check(Some("nothing says so"));
    case.name("other");
    case.check(Some("nothing kept it from being read"));
    case.set_broken(b"other");
    case.check(None);
    case.point.rows.remove(b"other".as_slice());
    case.check(Some("its older copy was dropped"));
}

#[test]
fn what_lies_beneath_an_unreadable_directory_is_covered_by_its_name() {
    let mut case = Case::new();
    case.parent = Some(case.point.clone());
    case.set_broken(b"folder");
    case.row(b"folder/table.csv").flags.stale = true;
    case.name("folder");
    case.check(None);
}
