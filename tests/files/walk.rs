//! The walk, and reading what it found.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backstay::adapters::mounted::MountedTree;
use backstay::adapters::tree::Tree;
use backstay::api::catalog::Kind;
use backstay::plan::filter::Filter;
use backstay::plan::key;
use backstay::worker::walk::{self, Entry, Unreadable, Walk, WalkError, Walked};
use rustix::fs::{CWD, FileType, Mode, OFlags, RenameFlags};

use crate::faulty::{Call, FaultyTree};
use crate::mounts::Mount;

const EACCES: i32 = rustix::io::Errno::ACCESS.raw_os_error();
const EIO: i32 = rustix::io::Errno::IO.raw_os_error();
const EMFILE: i32 = rustix::io::Errno::MFILE.raw_os_error();
const ENOENT: i32 = rustix::io::Errno::NOENT.raw_os_error();

fn at(root: &Path, path: &[u8]) -> PathBuf {
    root.join(OsStr::from_bytes(path))
}

fn write(root: &Path, path: &[u8], content: &[u8]) {
    let path = at(root, path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn everything() -> Filter {
    Filter::new(&[], &[]).unwrap()
}

fn walked<T: Tree>(tree: &T) -> Vec<Walked> {
    Walk::new(tree, &everything()).unwrap().collect()
}

/// One line for each: `path`, `path/`, `path -> target`, `path? cause`, `path//`.
fn lines<T: Tree>(tree: &T) -> Vec<String> {
    lines_of(&walked(tree))
}

fn lines_of(walked: &[Walked]) -> Vec<String> {
    let line = |walked: &Walked| match walked {
        Walked::Entry(Entry {
            path,
            stat,
            link_target,
        }) => {
            let path = key::display(path);
            match stat.identity.kind {
                Kind::Directory => format!("{path}/"),
                Kind::Symlink => format!("{path} -> {}", key::display(link_target)),
                Kind::File => path,
                special => format!("{path} {}", special.as_str()),
            }
        }
        Walked::Unreadable(Unreadable {
            path,
            is_directory,
            cause,
        }) => {
            let slash = if *is_directory { "/" } else { "" };
            format!("{}{slash}? {cause}", key::display(path))
        }
        Walked::Crossing { path } => format!("{}//", key::display(path)),
        Walked::Nameless { name, reason } => format!("{name}: {reason}"),
    };
    walked.iter().map(line).collect()
}

fn open(root: &Path) -> MountedTree {
    MountedTree::open(root).unwrap()
}

/// The tree as the kernel resolves it, and as it is resolved without `openat2`.
fn both_ways(root: &Path) -> [MountedTree; 2] {
    [open(root), MountedTree::open_without_openat2(root).unwrap()]
}

fn content<T: Tree>(tree: &T, path: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    tree.open_file(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[test]
fn w01_a_root_that_is_missing_or_no_directory_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), b"file", b"");
    for path in ["missing", "file"] {
        let error = MountedTree::open(&root.path().join(path)).unwrap_err();
        assert!(error.to_string().contains(path));
    }
}

#[test]
fn entries_come_in_the_order_of_their_keys() {
    let root = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let letters = [
        b"a".as_slice(),
        b"b",
        b"!",
        b"0",
        b"%",
        b".",
        "ü".as_bytes(),
        b"\xff",
        b"\n",
    ];
    let mut directories = vec![Vec::new()];
    for _ in 0..2000 {
        let above = &directories[random.usize(..directories.len())];
        let name: Vec<u8> = (0..random.usize(1..4))
            .flat_map(|_| letters[random.usize(..letters.len())])
            .copied()
            .collect();
        let path = if above.is_empty() {
            name
        } else {
            [above.as_slice(), &name].join(&b'/')
        };
        if random.bool() {
            if fs::create_dir(at(root.path(), &path)).is_ok() {
                directories.push(path);
            }
        } else {
            // The names `.` and `..`, and those that are directories by now, are refused.
            let _ = fs::write(at(root.path(), &path), b"");
        }
    }
    for tree in both_ways(root.path()) {
        let keys: Vec<Vec<u8>> = walked(&tree)
            .iter()
            .map(|walked| match walked {
                Walked::Entry(entry) => {
                    key::order_key(&entry.path, entry.stat.identity.kind).into_owned()
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(keys.len() > 1000);
        assert!(keys.is_sorted_by(|one, next| one < next));
    }
}

#[test]
fn w23_names_of_any_bytes_are_walked_and_read() {
    let root = tempfile::tempdir().unwrap();
    let longest = [b'x'; 255];
    let names: [&[u8]; 16] = [
        b"\xff\xfe\x80",
        b"new\nline",
        b"\r",
        b"\x1b[31mred",
        b"100%",
        b"%41",
        b"-rf",
        b"..a",
        b"...",
        b" space ",
        b"dot.",
        "gpj.\u{202E}exe".as_bytes(),
        "\u{e9}".as_bytes(),
        "e\u{301}".as_bytes(),
        b".long",
        &longest,
    ];
    for name in names {
        write(root.path(), name, name);
        write(root.path(), &[b"d\n", name].join(&b'/'), name);
    }
    for tree in both_ways(root.path()) {
        let files: Vec<Vec<u8>> = walked(&tree)
            .into_iter()
            .filter_map(|walked| match walked {
                Walked::Entry(entry) if entry.stat.identity.kind == Kind::File => Some(entry.path),
                _ => None,
            })
            .collect();
        assert_eq!(files.len(), names.len() * 2);
        for path in files {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap();
            assert_eq!(content(&tree, &path).unwrap(), name);
        }
    }
}

#[test]
fn w17_what_is_no_file_is_told_and_never_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let make = |name: &str, kind, device| {
        rustix::fs::mknodat(CWD, root.path().join(name), kind, Mode::RUSR, device)
    };
    make("fifo", FileType::Fifo, 0).unwrap();
    make("socket", FileType::Socket, 0).unwrap();
    let has_device = make("null", FileType::CharacterDevice, rustix::fs::makedev(1, 3)).is_ok();
    for tree in both_ways(root.path()) {
        let mut expected = vec!["fifo fifo", "null character-device", "socket socket"];
        expected.retain(|line| has_device || !line.starts_with("null"));
        assert_eq!(lines(&tree), expected);
        for name in [b"fifo".as_slice(), b"socket", b"null"] {
            assert!(tree.open_file(name).is_err());
        }
        for walked in walked(&tree) {
            let Walked::Entry(entry) = walked else {
                panic!("{walked:?}")
            };
            let is_null = entry.stat.identity.kind == Kind::CharacterDevice;
            let expected = if is_null {
                rustix::fs::makedev(1, 3)
            } else {
                0
            };
            assert_eq!((entry.stat.device, entry.stat.identity.size), (expected, 0));
        }
    }
}

#[test]
fn w18_links_are_told_and_never_followed() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), b"secret", b"foreign");
    let root = tempfile::tempdir().unwrap();
    write(root.path(), b"d/file", b"own");
    symlink("../d", root.path().join("d/loop")).unwrap();
    symlink("self", root.path().join("self")).unwrap();
    symlink("/", root.path().join("slash")).unwrap();
    symlink(outside.path(), root.path().join("out")).unwrap();
    symlink(OsStr::from_bytes(b"\xff\n"), root.path().join("z")).unwrap();
    for tree in both_ways(root.path()) {
        let out = format!("out -> {}", outside.path().display());
        let expected = [
            "d/",
            "d/file",
            "d/loop -> ../d",
            &out,
            "self -> self",
            "slash -> /",
            "z -> %FF%0A",
        ];
        let shown: Vec<String> = lines(&tree)
            .iter()
            .map(|line| line.replace("%2E%2E", ".."))
            .collect();
        assert_eq!(shown, expected);
        let behind: [&[u8]; 6] = [
            b"out/secret",
            b"d/loop/file",
            b"self",
            b"out",
            b"slash/etc/passwd",
            b"z",
        ];
        for path in behind {
            assert!(tree.open_file(path).is_err(), "{}", key::display(path));
        }
        let (directory, _) = tree.root().unwrap();
        let error = tree.open_directory(&directory, b"out").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }
}

#[test]
fn a03_paths_that_lead_elsewhere_are_refused() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), b"d/file", b"");
    for tree in both_ways(root.path()) {
        let paths: [&[u8]; 9] = [
            b"",
            b".",
            b"..",
            b"/etc/passwd",
            b"../x",
            b"d/../d/file",
            b"d//file",
            b"d/file/",
            b"d/file\0",
        ];
        for path in paths {
            assert!(tree.open_file(path).is_err(), "{}", key::display(path));
        }
        let (directory, _) = tree.root().unwrap();
        for name in [b"..".as_slice(), b".", b"", b"d/..", b"/"] {
            assert!(tree.open_directory(&directory, name).is_err());
        }
        assert!(tree.open_file(b"d/file").is_ok());
    }
}

#[test]
fn excluded_directories_are_not_opened() {
    let root = tempfile::tempdir().unwrap();
    for path in [b"a/kept".as_slice(), b"b/c/left", b"b/x.tmp", b"z.tmp"] {
        write(root.path(), path, b"");
    }
    let tree = FaultyTree::new(open(root.path()), |_, path| {
        assert!(!path.starts_with(b"b/c") && !path.ends_with(b".tmp"));
        Ok(())
    });
    let filter = Filter::new(&[], &["c/".to_owned(), "*.tmp".to_owned()]).unwrap();
    let walked: Vec<Walked> = Walk::new(&tree, &filter).unwrap().collect();
    assert_eq!(lines_of(&walked), ["a/", "a/kept", "b/"]);
}

fn small_tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for path in [b"a".as_slice(), b"d/e/f", b"d/g", b"z"] {
        write(root.path(), path, b"");
    }
    root
}

#[track_caller]
fn check_failing(call: Call, path: &'static [u8], code: i32, expected: &[&str]) {
    let root = small_tree();
    assert_eq!(
        lines(&FaultyTree::failing(open(root.path()), call, path, code)),
        expected
    );
}

#[test]
fn w03_a_listing_that_fails_midway_hides_the_directory_and_nothing_else() {
    let broken = "d/? Input/output error (os error 5)";
    check_failing(Call::Names, b"d", EIO, &["a", "d/", broken, "z"]);
}

#[test]
fn w04_a_directory_that_may_not_be_opened_is_told_as_such() {
    check_failing(
        Call::OpenDirectory,
        b"d",
        EACCES,
        &["a", "d/", "d/? permission denied", "z"],
    );
}

#[test]
fn w05_a_directory_that_vanishes_is_passed_over() {
    check_failing(Call::OpenDirectory, b"d", ENOENT, &["a", "z"]);
    check_failing(Call::Names, b"d/e", ENOENT, &["a", "d/", "d/g", "z"]);
}

#[test]
fn w06_a_file_that_vanishes_is_passed_over() {
    check_failing(
        Call::Stat,
        b"d/g",
        ENOENT,
        &["a", "d/", "d/e/", "d/e/f", "z"],
    );
}

#[test]
fn w08_a_file_that_cannot_be_looked_at_is_told_as_such() {
    check_failing(
        Call::Stat,
        b"a",
        EACCES,
        &["a? permission denied", "d/", "d/e/", "d/e/f", "d/g", "z"],
    );
}

#[test]
fn a_root_that_cannot_be_listed_is_an_error() {
    let root = small_tree();
    let tree = FaultyTree::failing(open(root.path()), Call::Names, b"", EIO);
    assert!(matches!(
        Walk::new(&tree, &everything()),
        Err(WalkError::ListRoot(_))
    ));
}

#[test]
fn w16_what_becomes_something_else_between_two_looks_is_told_as_replaced() {
    let root = small_tree();
    let path = root.path().to_owned();
    let tree = FaultyTree::new(open(root.path()), move |call, now| {
        match (call, now) {
            (Call::OpenDirectory, b"d/e") => {
                fs::remove_dir_all(path.join("d/e")).unwrap();
                symlink("/etc", path.join("d/e")).unwrap();
            }
            (Call::Stat, b"d/g") => {
                fs::remove_file(path.join("d/g")).unwrap();
                fs::create_dir(path.join("d/g")).unwrap();
                fs::write(path.join("d/g/h"), "").unwrap();
            }
            _ => {}
        }
        Ok(())
    });
    let replaced = "replaced while it was looked at";
    let expected = [
        "a",
        "d/",
        &format!("d/e/? {replaced}"),
        &format!("d/g? {replaced}"),
        "z",
    ];
    assert_eq!(lines(&tree), expected);
}

#[test]
fn w16_a_file_that_became_something_else_is_not_read() {
    for tree_of in [MountedTree::open, MountedTree::open_without_openat2] {
        let root = tempfile::tempdir().unwrap();
        let tree = tree_of(root.path()).unwrap();
        let replace = |with: &dyn Fn(&Path)| {
            write(root.path(), b"d/file", b"own");
            assert_eq!(content(&tree, b"d/file").unwrap(), b"own");
            fs::remove_file(root.path().join("d/file")).unwrap();
            with(&root.path().join("d/file"));
            assert!(tree.open_file(b"d/file").is_err());
            fs::remove_file(root.path().join("d/file")).unwrap();
        };
        replace(&|path| symlink("/etc/passwd", path).unwrap());
        replace(&|path| {
            rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
        });
        fs::rename(root.path().join("d"), root.path().join("moved")).unwrap();
        symlink("moved", root.path().join("d")).unwrap();
        write(root.path(), b"moved/file", b"own");
        assert!(tree.open_file(b"d/file").is_err());
        assert!(tree.open_file(b"moved").is_err());
    }
}

#[test]
fn w07_an_open_file_that_is_unlinked_is_read_to_its_end() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), b"file", b"whole");
    let mut file = open(root.path()).open_file(b"file").unwrap();
    fs::remove_file(root.path().join("file")).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"whole");
}

#[test]
fn a_file_is_described_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), b"file", b"12345");
    fs::hard_link(root.path().join("file"), root.path().join("twin")).unwrap();
    let tree = open(root.path());
    let Walked::Entry(entry) = walked(&tree).remove(0) else {
        panic!("no entry")
    };
    let known = fs::metadata(root.path().join("file")).unwrap();
    let stat = entry.stat;
    assert_eq!(stat.identity.size, 5);
    assert_eq!(stat.identity.inode, known.ino());
    assert_eq!(
        stat.identity.mtime.0,
        known.mtime() * 1_000_000_000 + known.mtime_nsec()
    );
    assert_eq!(
        stat.identity.ctime.0,
        known.ctime() * 1_000_000_000 + known.ctime_nsec()
    );
    assert_eq!(stat.ownership.mode, known.mode() & 0o7777);
    assert_eq!(
        (stat.ownership.uid, stat.ownership.gid),
        (known.uid(), known.gid())
    );
    assert_eq!((stat.links, stat.file_system), (2, known.dev()));
    assert_eq!(
        tree.stat_file(&tree.open_file(b"file").unwrap()).unwrap(),
        stat
    );
}

#[test]
fn w20_a_directory_that_contains_itself_is_told_and_left() {
    let root = small_tree();
    let tree = FaultyTree::with_cycle(open(root.path()), b"d/e");
    let expected = ["a", "d/", "d/e/? directory contains itself", "d/g", "z"];
    assert_eq!(lines(&tree), expected);
}

#[test]
fn w19_a_directory_mounted_into_itself_is_told_and_not_entered() {
    let root = small_tree();
    let second = root.path().join("d/e/again");
    fs::create_dir(&second).unwrap();
    let Some(_mount) = Mount::bind(&root.path().join("d"), &second) else {
        return;
    };
    for tree in both_ways(root.path()) {
        let expected = [
            "a",
            "d/",
            "d/e/",
            "d/e/again/",
            "d/e/again//",
            "d/e/f",
            "d/g",
            "z",
        ];
        assert_eq!(lines(&tree), expected);
    }
}

#[test]
fn w19_another_file_system_is_told_and_not_entered() {
    let root = small_tree();
    let Some(_mount) = Mount::memory(&root.path().join("d"), "size=1m") else {
        return;
    };
    write(root.path(), b"d/foreign", b"foreign");
    for tree in both_ways(root.path()) {
        assert_eq!(lines(&tree), ["a", "d/", "d//", "z"]);
        let error = tree.open_file(b"d/foreign").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::CrossesDevices);
    }
    let within = open(&root.path().join("d"));
    assert_eq!(lines(&within), ["foreign"]);
}

/// Makes `depth` directories named `d`, one in another, each with a file `z` next to the next.
fn dig(root: &Path, depth: usize) {
    let open = |directory: &OwnedFd| {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        rustix::fs::openat(directory, "d", flags, Mode::empty()).unwrap()
    };
    let mut here = OwnedFd::from(fs::File::open(root).unwrap());
    for _ in 0..depth {
        rustix::fs::mkdirat(&here, "d", Mode::RWXU).unwrap();
        let flags = OFlags::CREATE | OFlags::WRONLY;
        rustix::fs::openat(&here, "z", flags, Mode::RUSR).unwrap();
        here = open(&here);
    }
}

/// Removes what [`dig`] made, from the top down: a recursion would not survive it.
fn fill_in(root: &Path) {
    let (here, aside) = (root.join("d"), root.join("aside"));
    while here.exists() {
        let _ = fs::remove_file(here.join("z"));
        let is_last = fs::rename(here.join("d"), &aside).is_err();
        fs::remove_dir(&here).unwrap();
        if is_last {
            return;
        }
        fs::rename(&aside, &here).unwrap();
    }
}

#[test]
fn w21_a_tree_ten_thousand_levels_deep_is_walked_and_read() {
    const DEPTH: usize = 10_000;
    let root = tempfile::tempdir().unwrap();
    // In memory the digging takes a second, on a disk half a minute.
    let _mount = Mount::memory(root.path(), "size=256m");
    dig(root.path(), DEPTH);
    let tree = open(root.path());
    let walked = walked(&tree);
    assert_eq!(walked.len(), DEPTH * 2);
    assert!(
        walked
            .iter()
            .all(|walked| matches!(walked, Walked::Entry(_)))
    );
    let deepest = walked
        .iter()
        .rfind(|walked| walked.path().ends_with(b"d"))
        .unwrap();
    let (directory, _) = tree.open_directory_path(deepest.path()).unwrap();
    assert!(tree.directory_xattrs(&directory).unwrap().is_empty());
    let file = walked
        .iter()
        .find(|walked| walked.path().ends_with(b"z"))
        .unwrap();
    assert!(file.path().len() > 4096);
    assert_eq!(content(&tree, file.path()).unwrap(), b"");
    let componentwise = MountedTree::open_without_openat2(root.path()).unwrap();
    assert_eq!(content(&componentwise, file.path()).unwrap(), b"");
    fill_in(root.path());
}

#[test]
fn p12_sixty_four_descriptors_are_enough() {
    let name = "walk::w21_a_tree_ten_thousand_levels_deep_is_walked_and_read";
    let this = std::env::current_exe().unwrap();
    let script = "ulimit -n 64 && exec \"$0\" --exact \"$1\"";
    let done = Command::new("sh")
        .args(["-c", script])
        .arg(this)
        .arg(name)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && output.contains("1 passed"),
        "{output}"
    );
}

#[test]
fn w34_without_descriptors_left_the_walk_gives_up_its_own() {
    let root = small_tree();
    let is_first = AtomicBool::new(true);
    let tree = FaultyTree::new(open(root.path()), move |call, path| {
        if (call, path) == (Call::OpenDirectory, b"d/e") && is_first.swap(false, Ordering::Relaxed)
        {
            return Err(io::Error::from_raw_os_error(EMFILE));
        }
        Ok(())
    });
    assert_eq!(lines(&tree), ["a", "d/", "d/e/", "d/e/f", "d/g", "z"]);
}

#[test]
fn a_directory_moved_away_while_it_was_closed_is_not_taken_for_the_one_that_was_read() {
    let root = tempfile::tempdir().unwrap();
    dig(root.path(), 40);
    let path = root.path().to_owned();
    let tree = FaultyTree::new(open(root.path()), move |call, now| {
        // At the bottom: those at the top are closed by now.
        if call == Call::Names && now.len() == 79 {
            fs::rename(path.join("d"), path.join("moved")).unwrap();
            write(&path, b"d/d/z", b"another");
        }
        Ok(())
    });
    let lines = lines(&tree);
    let replaced = lines
        .iter()
        .filter(|line| line.ends_with("? replaced while it was looked at"));
    let seen = lines.iter().filter(|line| line.ends_with('z'));
    // Fifteen of those with a file were still open, the root is the root, and the others are
    // another tree by now.
    assert_eq!((seen.count(), replaced.count()), (16, 24));
    fill_in(root.path());
    fs::rename(root.path().join("moved"), root.path().join("d")).unwrap();
    fill_in(root.path());
}

#[test]
fn xattrs_are_read_by_descriptor() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), b"d/file", b"");
    let file = root.path().join("d/file");
    let flags = rustix::fs::XattrFlags::empty();
    let large = vec![7; 3000];
    let wanted: [(&str, &[u8]); 3] = [
        ("user.a", b""),
        ("user.b", &large),
        ("user.\u{e9}", b"\0\xff"),
    ];
    for (name, value) in wanted.iter().rev() {
        if rustix::fs::setxattr(&file, *name, value, flags).is_err() {
            println!("skipped: no extended attributes here");
            return;
        }
    }
    let _ = rustix::fs::setxattr(&file, "trusted.x", b"left", flags);
    rustix::fs::setxattr(root.path().join("d"), "user.d", b"1", flags).unwrap();
    let tree = open(root.path());
    let found = tree.xattrs(&tree.open_file(b"d/file").unwrap()).unwrap();
    let expected = wanted.map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()));
    assert_eq!(found, expected);
    let (directory, _) = tree.open_directory_path(b"d").unwrap();
    let found = tree.directory_xattrs(&directory).unwrap();
    assert_eq!(found, [(b"user.d".to_vec(), b"1".to_vec())]);
}

#[test]
fn a01_a_directory_swapped_for_a_link_leads_nowhere() {
    const SWAPS: usize = 200_000;
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), b"token", b"foreign");
    for tree_of in [MountedTree::open, MountedTree::open_without_openat2] {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), b"d/token", b"own");
        symlink(outside.path(), root.path().join("link")).unwrap();
        let inode = open(root.path());
        let inode = inode
            .stat_file(&inode.open_file(b"d/token").unwrap())
            .unwrap()
            .identity
            .inode;
        let tree = tree_of(root.path()).unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (one, other) = (root.path().join("d"), root.path().join("link"));
                for _ in 0..SWAPS {
                    rustix::fs::renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE)
                        .unwrap();
                }
                is_over.store(true, Ordering::Relaxed);
            });
            while !is_over.load(Ordering::Relaxed) {
                if let Ok(bytes) = content(&tree, b"d/token") {
                    assert_eq!(bytes, b"own");
                }
                for walked in walked(&tree) {
                    if let Walked::Entry(entry) = walked
                        && entry.path.ends_with(b"/token")
                    {
                        assert_eq!(entry.stat.identity.inode, inode);
                    }
                }
            }
        });
    }
}

#[tokio::test]
async fn a_walk_on_its_own_thread_sends_everything_and_then_ends() {
    let root = tempfile::tempdir().unwrap();
    for index in 0..1000 {
        write(
            root.path(),
            format!("{}/{index:04}", index % 7).as_bytes(),
            b"",
        );
    }
    let tree = Arc::new(open(root.path()));
    let mut walking = walk::spawn(Arc::clone(&tree), Arc::new(everything()), None);
    let mut received = Vec::new();
    while let Some(batch) = walking.next().await.unwrap() {
        received.extend(batch);
    }
    assert_eq!(received, walked(&*tree));
    assert!(walking.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_walk_that_breaks_off_is_never_taken_for_one_that_ended() {
    let root = small_tree();
    let tree = FaultyTree::new(open(root.path()), |call, path| {
        assert!((call, path) != (Call::Stat, b"d/g"), "on purpose");
        Ok(())
    });
    let mut walking = walk::spawn(Arc::new(tree), Arc::new(everything()), None);
    let error = loop {
        match walking.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, WalkError::BrokeOff(_)));
}

#[tokio::test]
async fn a_walk_nobody_listens_to_ends() {
    let root = tempfile::tempdir().unwrap();
    for index in 0..3000 {
        write(root.path(), format!("{index}").as_bytes(), b"");
    }
    let tree = Arc::new(open(root.path()));
    let mut walking = walk::spawn(Arc::clone(&tree), Arc::new(everything()), None);
    walking.next().await.unwrap();
    drop(walking);
    // The runtime waits for its threads when it is dropped: a walk that went on would hang here.
}
