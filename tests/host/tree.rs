//! Making trees of files, and waiting until they are settled.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

/// A file with all the directories above it.
pub(crate) fn file(root: &Path, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

/// An office's files: every kind of entry that is kept, and every kind of metadata.
pub(crate) fn office(root: &Path) {
    let contract = file(root, "contracts/2026/lease.pdf", "%PDF-1.7 a lease");
    let dump = file(root, "database/dump.sql", "create table t (a int);\n");
    file(root, "photos/IMG_0001.JPG", [0xff, 0xd8, 0xff, 0xe0]);
    file(root, "photos/notes.txt", "taken in May");
    file(root, "export.csv", "a,b\n1,2\n");
    file(root, "empty.txt", "");
    let script = file(root, "bin/run.sh", "#!/bin/sh\n");
    fs::create_dir_all(root.join("empty/also empty")).unwrap();
    symlink("contracts/2026/lease.pdf", root.join("newest")).unwrap();
    symlink("/nowhere/at\u{a0}all", root.join("dangling")).unwrap();
    fs::hard_link(&contract, root.join("contracts/copy.pdf")).unwrap();
    fs::hard_link(&contract, root.join("a first name.pdf")).unwrap();
    fifo(&root.join("pipe"));
    attribute(&contract, "user.origin", b"scanner \xff\0 3");
    attribute(&root.join("photos"), "user.album", b"2026");
    mode(&script, 0o750);
    mode(&dump, 0o600);
    mode(&root.join("empty"), 0o2770);
    if is_root() {
        chown(&dump, Some(1000), Some(2000)).unwrap();
        chown(root.join("empty"), Some(33), Some(33)).unwrap();
        rustix::fs::chownat(
            CWD,
            root.join("newest"),
            Some(rustix::fs::Uid::from_raw(1000)),
            None,
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .unwrap();
        // Taking a file's owner away takes some of its mode along.
        mode(&root.join("empty"), 0o2770);
    }
    date(&contract, 1_000_000_000, 123_456_789);
    date(&root.join("newest"), -1, 1);
    date(&root.join("pipe"), 86_400, 999_999_999);
    date(&root.join("empty"), 5_000_000_000, 5);
    date(&root.join("photos"), 1, 0);
}

pub(crate) fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
}

pub(crate) fn attribute(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

/// Dates an entry, and not what it links to.
pub(crate) fn date(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Waits until no change is so young that the next run reads the file again to be sure.
pub(crate) fn settle(root: &Path) {
    const RACY: Duration = Duration::from_secs(2);
    let settled = newest_change(root) + RACY;
    while let Ok(left) = settled.duration_since(SystemTime::now()) {
        std::thread::sleep(left + Duration::from_millis(1));
    }
}

fn newest_change(path: &Path) -> SystemTime {
    let metadata = path.symlink_metadata().unwrap();
    let seconds = u64::try_from(metadata.ctime()).unwrap();
    let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap();
    let own = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    if !metadata.is_dir() {
        return own;
    }
    let beneath = fs::read_dir(path).unwrap();
    beneath.fold(own, |newest, entry| {
        newest.max(newest_change(&entry.unwrap().path()))
    })
}
