//! What a restore writes into a target, and what it never does.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use backstay::adapters::mounted::MountedTree;
use backstay::adapters::target::{
    Attribute, Found, Metadata, Placement, SetIds, TEMPORARY_PREFIX, Target, TargetError,
};
use backstay::adapters::tree::Tree;
use backstay::api::catalog::{Kind, Nanoseconds, Ownership};
use rustix::fs::{CWD, RenameFlags};

use crate::mounts::Mount;

const MTIME: Nanoseconds = Nanoseconds(-1_234_567_890_123_456_789);

fn open(root: &Path) -> Target {
    Target::open(root, SetIds::Withheld).unwrap().0
}

/// The target as the kernel resolves it, and as it is resolved without `openat2`.
fn in_both_ways(check: impl Fn(&Path, Target)) {
    for without_openat2 in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let target = open(root.path());
        let target = if without_openat2 {
            target.without_openat2().unwrap()
        } else {
            target
        };
        check(root.path(), target);
    }
}

fn put(
    target: &Target,
    path: &[u8],
    content: &[u8],
    placement: Placement,
) -> Result<u64, TargetError> {
    let mut file = target.create_file(path)?;
    file.write(content)?;
    Ok(file.place(placement)?.identity.inode)
}

fn metadata(mode: u32) -> Metadata {
    Metadata {
        ownership: Ownership {
            mode,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        },
        mtime: MTIME,
        xattrs: Vec::new(),
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[track_caller]
fn assert_occupied<T>(done: Result<T, TargetError>, expected: Kind) {
    match done {
        Err(TargetError::Occupied { kind, .. }) => assert_eq!(kind, expected),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[test]
fn the_root_is_made_or_taken_as_it_is() {
    let above = tempfile::tempdir().unwrap();
    let root = above.path().join("a/b");
    let found = |path: &Path| Target::open(path, SetIds::Withheld).unwrap().1;
    assert_eq!(found(&root), Found::Absent);
    assert_eq!(found(&root), Found::Empty);
    fs::write(root.join("file"), "").unwrap();
    assert_eq!(found(&root), Found::Occupied);
    let error = Target::open(&root.join("file"), SetIds::Withheld).unwrap_err();
    assert!(matches!(error, TargetError::MakeRoot { .. }));
}

#[test]
fn two_restores_into_one_target_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let first = open(root.path());
    let second = Target::open(root.path(), SetIds::Withheld);
    assert!(matches!(second, Err(TargetError::Busy { .. })));
    drop(first);
    open(root.path());
}

#[test]
fn content_and_metadata_come_back() {
    in_both_ways(|root, target| {
        assert!(target.make_directory(b"d", Placement::New).unwrap());
        assert!(!target.make_directory(b"d", Placement::New).unwrap());
        let mut file = target.create_file(b"d/\xff\n").unwrap();
        file.write(b"one ").unwrap();
        file.write(b"two").unwrap();
        assert!(names(&root.join("d"))[0].starts_with(TEMPORARY_PREFIX));
        assert_eq!(file.set_metadata(&metadata(0o640)), []);
        file.sync().unwrap();
        let inode = file.place(Placement::New).unwrap().identity.inode;
        target
            .make_hard_link(b"twin", b"d/\xff\n", inode, Placement::New)
            .unwrap();
        let unset = target
            .make_symlink(b"d/link", b"../\xfe", &metadata(0o777), Placement::New)
            .unwrap();
        assert_eq!(unset, []);
        target
            .make_fifo(b"d/fifo", &metadata(0o604), Placement::New)
            .unwrap();
        assert_eq!(
            target
                .set_directory_metadata(b"d", &metadata(0o1750))
                .unwrap(),
            []
        );
        target.sync().unwrap();

        let tree = MountedTree::open(root).unwrap();
        for (path, kind, mode, links) in [
            (b"d".as_slice(), Kind::Directory, 0o1750, 2),
            (b"d/\xff\n", Kind::File, 0o640, 2),
            (b"d/fifo", Kind::Fifo, 0o604, 1),
            (b"d/link", Kind::Symlink, 0o777, 1),
            (b"twin", Kind::File, 0o640, 2),
        ] {
            let stat = target.stat(path).unwrap().unwrap();
            assert_eq!((stat.identity.kind, stat.ownership.mode), (kind, mode));
            assert_eq!((stat.identity.mtime, stat.links), (MTIME, links));
        }
        let content = io::read_to_string(tree.open_file(b"twin").unwrap()).unwrap();
        assert_eq!(content, "one two");
        let (directory, _) = tree.open_directory_path(b"d").unwrap();
        assert_eq!(tree.read_link(&directory, b"link").unwrap(), b"../\xfe");
        assert_eq!(names(root), ["d", "twin"]);
    });
}

#[test]
fn xattrs_and_acls_come_back_and_others_are_refused() {
    // Version 2; owner rwx, user 1 r--, group r--, mask r--, others none.
    let acl: [&[u8]; 6] = [
        &2_u32.to_le_bytes(),
        &[1, 0, 7, 0, 255, 255, 255, 255],
        &[2, 0, 4, 0, 1, 0, 0, 0],
        &[4, 0, 4, 0, 255, 255, 255, 255],
        &[16, 0, 4, 0, 255, 255, 255, 255],
        &[32, 0, 0, 0, 255, 255, 255, 255],
    ];
    let kept = vec![
        (b"system.posix_acl_access".to_vec(), acl.concat()),
        (b"user.note".to_vec(), b"\0\xff".to_vec()),
    ];
    in_both_ways(|root, target| {
        let file = target.create_file(b"file").unwrap();
        let with = |xattrs| Metadata {
            xattrs,
            ..metadata(0o740)
        };
        let unset = file.set_metadata(&with(kept.clone()));
        if unset
            .iter()
            .any(|unset| matches!(unset.what, Attribute::Xattr(_)))
        {
            println!("skipped: no ACLs or extended attributes here");
            return;
        }
        let foreign = b"security.capability".to_vec();
        let unset = file.set_metadata(&with(vec![(foreign.clone(), b"x".to_vec())]));
        assert_eq!(unset[0].what, Attribute::Xattr(foreign));
        file.place(Placement::New).unwrap();
        let tree = MountedTree::open(root).unwrap();
        assert_eq!(
            tree.xattrs(&tree.open_file(b"file").unwrap()).unwrap(),
            kept
        );
        assert_eq!(target.stat(b"file").unwrap().unwrap().ownership.mode, 0o740);
    });
}

#[test]
fn a07_set_ids_are_withheld_from_files_unless_asked_for() {
    let root = tempfile::tempdir().unwrap();
    for (set_ids, mode) in [(SetIds::Withheld, 0o755), (SetIds::Restored, 0o6755)] {
        let (target, _) = Target::open(root.path(), set_ids).unwrap();
        let file = target.create_file(b"file").unwrap();
        let unset = file.set_metadata(&metadata(0o6755));
        file.place(Placement::Replace).unwrap();
        let told: Vec<Attribute> = unset.into_iter().map(|unset| unset.what).collect();
        let withheld = [Attribute::SetIds];
        assert_eq!(told, withheld[..usize::from(set_ids == SetIds::Withheld)]);
        assert_eq!(target.stat(b"file").unwrap().unwrap().ownership.mode, mode);
        target.make_directory(b"d", Placement::New).unwrap();
        assert_eq!(
            target
                .set_directory_metadata(b"d", &metadata(0o2755))
                .unwrap(),
            []
        );
        assert_eq!(target.stat(b"d").unwrap().unwrap().ownership.mode, 0o2755);
    }
}

#[test]
fn a07_set_ids_never_come_back_without_their_owner() {
    let root = tempfile::tempdir().unwrap();
    let (target, _) = Target::open(root.path(), SetIds::Restored).unwrap();
    let file = target.create_file(b"file").unwrap();
    let mut wanted = metadata(0o4755);
    wanted.ownership.uid = u32::MAX;
    let told: Vec<Attribute> = file
        .set_metadata(&wanted)
        .into_iter()
        .map(|unset| unset.what)
        .collect();
    assert_eq!(told, [Attribute::Owner, Attribute::SetIds]);
    file.place(Placement::New).unwrap();
    assert_eq!(target.stat(b"file").unwrap().unwrap().ownership.mode, 0o755);
}

#[test]
fn r02_links_and_other_names_are_replaced_and_never_written_through() {
    in_both_ways(|root, target| {
        let outside = tempfile::tempdir().unwrap();
        let victim = outside.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        symlink(&victim, root.join("link")).unwrap();
        fs::hard_link(&victim, root.join("name")).unwrap();
        rustix::fs::mknodat(
            CWD,
            root.join("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        for (path, kind) in [
            (b"link".as_slice(), Kind::Symlink),
            (b"name", Kind::File),
            (b"fifo", Kind::Fifo),
        ] {
            assert_occupied(put(&target, path, b"new", Placement::New), kind);
            put(&target, path, b"new", Placement::Replace).unwrap();
            assert_eq!(target.stat(path).unwrap().unwrap().identity.size, 3);
        }
        assert_eq!(fs::read(&victim).unwrap(), b"untouched");
        assert_eq!(fs::metadata(&victim).unwrap().nlink(), 1);
        assert_eq!(names(root), ["fifo", "link", "name"]);
    });
}

#[test]
fn r02_a_directory_in_the_way_is_a_conflict_whatever_is_in_it() {
    in_both_ways(|root, target| {
        fs::create_dir(root.join("empty")).unwrap();
        fs::create_dir(root.join("full")).unwrap();
        fs::write(root.join("full/file"), "").unwrap();
        for path in [b"empty".as_slice(), b"full"] {
            for placement in [Placement::New, Placement::Replace] {
                let all = metadata(0o777);
                assert_occupied(put(&target, path, b"", placement), Kind::Directory);
                let link = target.make_symlink(path, b"x", &all, placement);
                assert_occupied(link, Kind::Directory);
                assert_occupied(target.make_fifo(path, &all, placement), Kind::Directory);
            }
        }
        assert_eq!(names(root), ["empty", "full"]);
    });
}

#[test]
fn r02_a_directory_takes_no_links_place_unless_it_may_and_then_is_a_directory() {
    in_both_ways(|root, target| {
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.join("d")).unwrap();
        assert_occupied(target.make_directory(b"d", Placement::New), Kind::Symlink);
        assert!(put(&target, b"d/file", b"x", Placement::Replace).is_err());
        assert!(
            target
                .set_directory_metadata(b"d", &metadata(0o777))
                .is_err()
        );
        assert!(target.remove_leftovers(b"d").is_err());
        assert!(target.stat(b"d/file").unwrap().is_none());
        assert!(target.make_directory(b"d", Placement::Replace).unwrap());
        put(&target, b"d/file", b"x", Placement::New).unwrap();
        assert!(names(outside.path()).is_empty());
    });
}

#[test]
fn b01_paths_that_lead_elsewhere_are_refused() {
    in_both_ways(|root, target| {
        let paths: [&[u8]; 12] = [
            b"",
            b".",
            b"..",
            b"/",
            b"/etc/x",
            b"../x",
            b"a/../../x",
            b"a/..",
            b"a//b",
            b"a/",
            b"./a",
            b"a\0b",
        ];
        fs::create_dir(root.join("a")).unwrap();
        let inode = put(&target, b"file", b"", Placement::New).unwrap();
        for path in paths {
            let all = metadata(0o777);
            let refused = [
                target.stat(path).err(),
                target.make_directory(path, Placement::Replace).err(),
                target.create_file(path).err(),
                target
                    .make_symlink(path, b"x", &all, Placement::Replace)
                    .err(),
                target
                    .make_hard_link(path, b"file", inode, Placement::Replace)
                    .err(),
                target
                    .make_hard_link(b"new", path, inode, Placement::Replace)
                    .err(),
                target.make_fifo(path, &all, Placement::Replace).err(),
            ];
            for error in refused {
                assert!(
                    matches!(error, Some(TargetError::InvalidPath { .. })),
                    "{error:?}"
                );
            }
        }
        assert_eq!(names(root), ["a", "file"]);
    });
}

#[test]
fn r03_a_directory_swapped_for_a_link_leads_nowhere() {
    const SWAPS: usize = 100_000;
    in_both_ways(|root, target| {
        let outside = tempfile::tempdir().unwrap();
        fs::set_permissions(outside.path(), fs::Permissions::from_mode(0o711)).unwrap();
        symlink(outside.path(), root.join("link")).unwrap();
        target.make_directory(b"d", Placement::New).unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (one, other) = (root.join("d"), root.join("link"));
                for _ in 0..SWAPS {
                    rustix::fs::renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE)
                        .unwrap();
                }
                is_over.store(true, Ordering::Relaxed);
            });
            while !is_over.load(Ordering::Relaxed) {
                let all = metadata(0o777);
                // Each may fail, and none may reach the other side.
                let _ = put(&target, b"d/file", b"x", Placement::Replace);
                let _ = target.make_directory(b"d/e", Placement::Replace);
                let _ = target.make_symlink(b"d/l", b"x", &all, Placement::Replace);
                let _ = target.make_fifo(b"d/p", &all, Placement::Replace);
                let _ = target.set_directory_metadata(b"d", &metadata(0o700));
                let _ = target.remove_leftovers(b"d");
            }
        });
        assert!(names(outside.path()).is_empty());
        let mode = fs::metadata(outside.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o711);
        assert_ne!(
            fs::metadata(outside.path()).unwrap().mtime(),
            MTIME.to_parts().0
        );
    });
}

#[test]
fn r04_a_full_disk_leaves_no_half_file() {
    let root = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::memory(root.path(), "size=64k") else {
        return;
    };
    let target = open(root.path());
    assert!(target.capacity().unwrap().free_bytes <= 64 * 1024);
    let mut file = target.create_file(b"file").unwrap();
    let error = loop {
        if let Err(error) = file.write(&[1; 10_000]) {
            break error;
        }
    };
    assert!(error.is_full(), "{error}");
    drop(file);
    assert!(names(root.path()).is_empty());
    drop(target);
}

#[test]
fn r05_what_a_dead_restore_left_is_removed_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let target = open(root.path());
    target.make_directory(b"d", Placement::New).unwrap();
    std::mem::forget(target.create_file(b"d/file").unwrap());
    assert_eq!(
        target.remove_leftovers(b"d").unwrap(),
        0,
        "its own are in use"
    );
    drop(target);
    for name in [
        "notes",
        "0123456789abcdef0123456789abcdeg",
        "0123456789abcdef0123456789abcde",
    ] {
        fs::write(
            root.path()
                .join("d")
                .join(format!("{TEMPORARY_PREFIX}{name}")),
            "",
        )
        .unwrap();
    }
    let target = open(root.path());
    assert_eq!(target.remove_leftovers(b"d").unwrap(), 1);
    assert_eq!(target.remove_leftovers(b"").unwrap(), 0);
    assert_eq!(names(&root.path().join("d")).len(), 3);
}

#[test]
fn r05_the_same_entries_can_be_put_again() {
    in_both_ways(|root, target| {
        for round in [Placement::New, Placement::Replace, Placement::Replace] {
            target.make_directory(b"d", round).unwrap();
            let inode = put(&target, b"d/file", b"x", round).unwrap();
            target
                .make_hard_link(b"d/twin", b"d/file", inode, round)
                .unwrap();
            // Once more: a rename between two names of one file does nothing by itself.
            target
                .make_hard_link(b"d/twin", b"d/file", inode, Placement::Replace)
                .unwrap();
            target
                .make_symlink(b"d/link", b"file", &metadata(0o777), round)
                .unwrap();
            assert_eq!(names(&root.join("d")), ["file", "link", "twin"]);
        }
    });
}

#[test]
fn a_name_that_someone_else_took_over_is_not_linked_to() {
    in_both_ways(|root, target| {
        let inode = put(&target, b"file", b"x", Placement::New).unwrap();
        fs::rename(root.join("file"), root.join("moved")).unwrap();
        symlink("moved", root.join("file")).unwrap();
        assert!(
            target
                .make_hard_link(b"twin", b"file", inode, Placement::New)
                .is_err()
        );
        assert!(target.stat(b"twin").unwrap().is_none());
        assert_eq!(names(root), ["file", "moved"]);
    });
}

#[test]
fn r08_names_that_the_target_takes_for_one_are_a_conflict() {
    let root = tempfile::tempdir().unwrap();
    assert!(open(root.path()).tells_cases_apart().unwrap());
    let Some(_mount) = Mount::memory(root.path(), "size=1m,casefold") else {
        return;
    };
    let folding = root.path().join("folding");
    fs::create_dir(&folding).unwrap();
    let done = std::process::Command::new("chattr")
        .arg("+F")
        .arg(&folding)
        .status();
    if !done.is_ok_and(|status| status.success()) {
        println!("skipped: no directory here folds case");
        return;
    }
    let target = open(&folding);
    assert!(!target.tells_cases_apart().unwrap());
    put(&target, b"Readme", b"one", Placement::New).unwrap();
    assert_occupied(
        put(&target, b"README", b"other", Placement::New),
        Kind::File,
    );
    assert_eq!(fs::read(folding.join("Readme")).unwrap(), b"one");
    drop(target);
}

#[test]
fn r08_the_longest_name_is_told_and_longer_ones_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let target = open(root.path());
    let longest = usize::try_from(target.capacity().unwrap().name_max_bytes).unwrap();
    put(&target, &vec![b'x'; longest], b"", Placement::New).unwrap();
    assert!(put(&target, &vec![b'x'; longest + 1], b"", Placement::New).is_err());
    assert_eq!(names(root.path()).len(), 1);
}

#[test]
fn w21_paths_beyond_the_systems_limit_are_written() {
    in_both_ways(|root, target| {
        let mut path = Vec::new();
        for _ in 0..60 {
            path.extend_from_slice(&[b'd'; 100]);
            target.make_directory(&path, Placement::New).unwrap();
            path.push(b'/');
        }
        path.extend_from_slice(b"file");
        put(&target, &path, b"deep", Placement::New).unwrap();
        let tree = MountedTree::open(root).unwrap();
        assert_eq!(
            io::read_to_string(tree.open_file(&path).unwrap()).unwrap(),
            "deep"
        );
    });
}
