//! Trees of files, and what is compared of them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Writes a file and the directories above it.
pub(crate) fn write(root: &Path, path: &str, content: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// A directory that is not there yet.
pub(crate) fn fresh() -> PathBuf {
    tempfile::tempdir().unwrap().keep().join("tree")
}

/// A copy with all metadata.
pub(crate) fn copy(root: &Path) -> PathBuf {
    let copy = fresh();
    let done = std::process::Command::new("cp")
        .arg("-a")
        .arg(root)
        .arg(&copy)
        .status()
        .unwrap();
    assert!(done.success());
    copy
}

/// Every entry with its kind, mode, owner, time, and content or target. The root itself and the
/// times of directories that a copy has touched are the copy's own business.
pub(crate) fn facts(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut facts = BTreeMap::new();
    collect(root, root, &mut facts);
    facts
}

fn collect(root: &Path, directory: &Path, facts: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let meta = std::fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_symlink() {
            std::fs::read_link(&path).unwrap().display().to_string()
        } else if meta.is_file() {
            crc_fast::checksum(
                crc_fast::CrcAlgorithm::Crc64Nvme,
                &std::fs::read(&path).unwrap(),
            )
            .to_string()
        } else {
            String::new()
        };
        let time = (meta.mtime(), meta.mtime_nsec());
        let mode = meta.mode();
        let fact = format!("{mode:o} {}:{} {time:?} {content}", meta.uid(), meta.gid());
        facts.insert(path.strip_prefix(root).unwrap().to_owned(), fact);
        if meta.is_dir() {
            collect(root, &path, facts);
        }
    }
}
