//! The simulated tree behaves as a file system does, where a backup could be misled.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use backstay::adapters::tree::Tree;
use backstay::api::catalog::{Kind, Ownership};

use crate::audit::Log;
use crate::files::{Body, Broken, EACCES, EIO, ELOOP, ENOENT, Files};
use crate::mutations;
use crate::tree::SimTree;

const SECOND: i64 = 1_000_000_000;

fn file(bytes: &[u8]) -> Body {
    Body::File(Arc::new(bytes.to_vec()))
}

fn directory() -> Body {
    Body::Directory(BTreeMap::new())
}

fn errno<T>(answer: std::io::Result<T>) -> Option<i32> {
    answer.err().and_then(|error| error.raw_os_error())
}

#[test]
fn a_write_within_one_tick_shows_in_no_time() {
    let mut files = Files::new(SECOND);
    let id = files.create(files.root(), b"f", file(b"one"));
    let before = files.stat(id);
    files.write(id, b"two".to_vec());
    assert_eq!(files.stat(id), before);
    files.advance(SECOND);
    files.write(id, b"six".to_vec());
    assert_ne!(files.stat(id).identity.ctime, before.identity.ctime);
}

#[test]
fn mtime_can_be_restored_and_ctime_tells() {
    let mut files = Files::new(1);
    let id = files.create(files.root(), b"f", file(b"one"));
    let before = files.stat(id).identity;
    files.advance(SECOND);
    files.write(id, b"two".to_vec());
    files.set_mtime(id, before.mtime.0);
    let after = files.stat(id).identity;
    assert_eq!(after.mtime, before.mtime);
    assert!(after.ctime > before.ctime);
}

#[test]
fn links_share_an_inode_and_the_last_one_frees_it() {
    let mut files = Files::new(1);
    let root = files.root();
    let id = files.create(root, b"a", file(b"x"));
    files.link(id, root, b"b");
    assert_eq!(files.stat(id).links, 2);
    files.remove(root, b"a");
    assert_eq!(files.stat(files.find(b"b").unwrap()).links, 1);
    let inode = files.stat(id).identity.inode;
    files.remove(root, b"b");
    let next = files.create(root, b"c", file(b"y"));
    assert_eq!(files.stat(next).identity.inode, inode);
}

#[test]
fn a_directory_goes_with_everything_below() {
    let mut files = Files::new(1);
    let root = files.root();
    let outer = files.create(root, b"d", directory());
    let inner = files.create(outer, b"e", directory());
    files.create(inner, b"f", file(b"x"));
    assert_eq!(files.paths().len(), 3);
    files.rename((outer, b"e"), (root, b"moved"));
    assert_eq!(
        files.find(b"d/e").err().and_then(|e| e.raw_os_error()),
        Some(ENOENT)
    );
    assert!(files.find(b"moved/f").is_ok());
    files.remove(root, b"moved");
    assert_eq!(files.paths().len(), 1);
}

#[test]
fn w18_no_link_is_followed() {
    let mut files = Files::new(1);
    let root = files.root();
    let secret = files.create(root, b"d", directory());
    files.create(secret, b"f", file(b"x"));
    files.create(root, b"l", Body::Symlink(b"d".to_vec()));
    let tree = SimTree::new(files, 1, false, Log::default());
    assert_eq!(errno(tree.open_file(b"l")), Some(ELOOP));
    assert_eq!(errno(tree.open_file(b"l/f")), Some(ELOOP));
    let (root, _) = tree.root().unwrap();
    assert_eq!(tree.read_link(&root, b"l").unwrap(), b"d");
    assert!(tree.open_directory(&root, b"l").is_err());
}

#[test]
fn w07_what_is_unlinked_is_still_read() {
    let mut files = Files::new(1);
    let root = files.root();
    files.create(root, b"f", file(b"content"));
    let tree = SimTree::new(files, 1, false, Log::default());
    let mut open = tree.open_file(b"f").unwrap();
    tree.living().files.remove(root, b"f");
    let mut bytes = Vec::new();
    open.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"content");
    assert_eq!(errno(tree.open_file(b"f")), Some(ENOENT));
}

#[test]
fn w09_reading_fails_where_the_disk_is_broken() {
    let mut files = Files::new(1);
    let root = files.root();
    let id = files.create(root, b"f", file(b"content"));
    files.node_mut(id).broken = Broken {
        read: Some(3),
        ..Broken::default()
    };
    let tree = SimTree::new(files, 1, false, Log::default());
    let mut bytes = Vec::new();
    let answer = tree.open_file(b"f").unwrap().read_to_end(&mut bytes);
    assert_eq!(errno(answer), Some(EIO));
    assert_eq!(bytes, b"con");
    tree.living().files.node_mut(id).broken = Broken {
        open: Some(EACCES),
        ..Broken::default()
    };
    assert_eq!(errno(tree.open_file(b"f")), Some(EACCES));
}

#[test]
fn a_scheduled_change_happens_between_two_calls() {
    let mut files = Files::new(1);
    files.create(files.root(), b"f", file(b"content"));
    let tree = SimTree::new(files, 1, false, Log::default());
    tree.living().schedule.extend([1, 1, 3]);
    for expected in [1, 3, 3, 4] {
        tree.root().unwrap();
        assert_eq!(tree.living().snapshots.len(), expected);
    }
}

#[test]
fn one_seed_gives_one_tree() {
    let grow = |seed: u64| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut files = Files::new(4_000_000);
        mutations::populate(&mut files, &mut rng);
        let log = Log::default();
        let tree = SimTree::new(files, rng.u64(..), false, log.clone());
        for _ in 0..300 {
            tree.living().change();
        }
        let living = tree.living();
        (log.text(), living.snapshots.clone())
    };
    assert_eq!(grow(7), grow(7));
    assert_ne!(grow(7).0, grow(8).0);
}

#[test]
fn chance_brings_every_kind_of_change() {
    let mut files = Files::new(4_000_000);
    let mut rng = fastrand::Rng::with_seed(1);
    mutations::populate(&mut files, &mut rng);
    let said: Vec<String> = (0..2000)
        .map(|_| mutations::change(&mut files, &mut rng))
        .collect();
    for verb in [
        "create file",
        "create directory",
        "create symlink",
        "create fifo",
        "write",
        "touch",
        "chmod",
        "setfattr",
        "remove",
        "rename",
        "link",
        "make",
        "break",
        "mend",
    ] {
        assert!(said.iter().any(|said| said.starts_with(verb)), "{verb}");
    }
    let has_file = files
        .paths()
        .iter()
        .any(|(_, id)| files.stat(*id).identity.kind == Kind::File);
    assert!(has_file);
}

#[test]
fn ownership_moves_ctime_only() {
    let mut files = Files::new(1);
    let id = files.create(files.root(), b"f", file(b"x"));
    let before = files.stat(id).identity;
    files.advance(5);
    files.set_ownership(
        id,
        Ownership {
            mode: 0o600,
            uid: 0,
            gid: 0,
        },
    );
    let after = files.stat(id).identity;
    assert_eq!(after.mtime, before.mtime);
    assert_eq!(after.ctime.0, before.ctime.0 + 5);
}
