//! What a tree is: content and metadata of every entry, to be compared.

use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A tree's entries by their paths; the root's is empty.
pub(crate) type Image = BTreeMap<PathBuf, Entry>;

/// Everything about one entry that a restore brings back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: (i64, i64),
    content: Content,
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    File {
        size: u64,
        sha256: String,
        /// Where the file has several names: the first of them.
        first_name: Option<PathBuf>,
    },
    Link(PathBuf),
    Other,
}

pub(crate) fn image(root: &Path) -> Image {
    let mut image = Image::new();
    let mut names = HashMap::new();
    add(root, Path::new(""), &mut names, &mut image);
    image
}

/// That two trees do not differ in anything.
#[track_caller]
pub(crate) fn check_equal(expected: &Path, actual: &Path) {
    check_image(&image(expected), &image(actual));
}

#[track_caller]
pub(crate) fn check_image(expected: &Image, actual: &Image) {
    let missing = expected.keys().filter(|path| !actual.contains_key(*path));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "missing: {missing:#?}");
    let added = actual.keys().filter(|path| !expected.contains_key(*path));
    let added: Vec<_> = added.collect();
    assert!(added.is_empty(), "too many: {added:#?}");
    for (path, entry) in expected {
        assert_eq!(&actual[path], entry, "{}", path.display());
    }
}

fn add(root: &Path, path: &Path, names: &mut HashMap<(u64, u64), PathBuf>, image: &mut Image) {
    let at = root.join(path);
    let metadata = at.symlink_metadata().unwrap();
    let mut beneath = Vec::new();
    let content = if metadata.is_file() {
        let bytes = fs::read(&at).unwrap();
        let first = names.entry((metadata.dev(), metadata.ino()));
        let first = first.or_insert_with(|| path.to_owned()).clone();
        Content::File {
            size: metadata.len(),
            sha256: hex::encode(Sha256::digest(&bytes)),
            first_name: (metadata.nlink() > 1).then_some(first),
        }
    } else if metadata.is_symlink() {
        Content::Link(fs::read_link(&at).unwrap())
    } else {
        if metadata.is_dir() {
            let entries = fs::read_dir(&at).unwrap();
            beneath.extend(entries.map(|entry| path.join(entry.unwrap().file_name())));
        }
        Content::Other
    };
    let entry = Entry {
        mode: metadata.mode(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: (metadata.mtime(), metadata.mtime_nsec()),
        content,
        attributes: attributes(&at),
    };
    image.insert(path.to_owned(), entry);
    beneath.sort();
    for path in beneath {
        add(root, &path, names, image);
    }
}

/// The attributes of the `user.` namespace.
fn attributes(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut listed = vec![0; 1 << 16];
    let length = rustix::fs::llistxattr(path, listed.as_mut_slice()).unwrap_or(0);
    let names = listed[..length].split(|byte| *byte == 0);
    let mut attributes: Vec<_> = names
        .filter(|name| name.starts_with(b"user."))
        .map(|name| {
            let mut value = vec![0; 1 << 16];
            let c_name = CString::new(name).unwrap();
            let length = rustix::fs::lgetxattr(path, &c_name, value.as_mut_slice()).unwrap();
            value.truncate(length);
            (name.to_owned(), value)
        })
        .collect();
    attributes.sort();
    attributes
}

/// The path as bytes, as names that are not text need it.
pub(crate) fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
