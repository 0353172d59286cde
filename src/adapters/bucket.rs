//! A bucket as a tree: its listing is the walk, and an object's content is read as it arrives.
//!
//! An object is replaced as a whole, so that what is read is always one version of it, and its
//! `ETag` tells every change. A hash of that stands where a file has its inode number.
//!
//! # Caveats
//! A key that is no path, such as one with `//` in it, has no place among rows in S3's order; it is
//! told, and not captured.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::str::Utf8Error;
use std::vec;

use bytes::{Buf, Bytes};
use futures::{StreamExt, stream};
use sha2::Digest;
use tokio::runtime::Handle;

use super::s3::S3Store;
use super::store::{self, Body, Facts, Get, Original, Store, StoreError};
use super::tree::{Listed, Listing, Names, Stat, Stored, Tree};
use crate::api::catalog::{Identity, Kind, Nanoseconds, Ownership};
use crate::api::policy::Storage;
use crate::api::run::BucketOrder;
use crate::plan::headers;
use crate::plan::key;
use crate::plan::named::Named;

/// How often an object is asked for again whose bytes stop coming.
const RESUMES_MAX: u32 = 3;

/// How many named objects are looked at at once.
const LOOKS_AT_ONCE: usize = 32;

/// What a restore gives to a file that had no permissions.
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;

/// A bucket, or what lies under a prefix of it.
///
/// Its methods wait for the store, and so belong on threads that may block.
#[derive(Debug)]
pub struct BucketTree {
    store: S3Store,
    name: String,
    prefix: String,
    /// Whether the store that a backup goes to reads it with the same identity.
    is_within_reach: bool,
    runtime: Handle,
}

impl BucketTree {
    /// A bucket that is reached through this store, and backed up into `storage`. It must be called
    /// within a runtime.
    #[must_use]
    pub fn new(store: S3Store, order: &BucketOrder, storage: &Storage) -> Self {
        Self {
            store,
            name: order.name.clone(),
            prefix: order.prefix.clone(),
            is_within_reach: order.is_within_reach_of(storage),
            runtime: Handle::current(),
        }
    }

    fn open(&self, get: Get) -> Result<(Facts, Body), StoreError> {
        self.runtime.block_on(self.store.open_object(get))
    }

    /// What a key is now; nothing where it is not there.
    async fn look_at(&self, key: &str) -> Result<Option<Listed>, StoreError> {
        let name = format!("{}{key}", self.prefix);
        // No bucket has such a key, whatever a message says.
        if name.len() > key::KEY_MAX_BYTES {
            return Ok(None);
        }
        match self.store.head(&self.name, &name, None).await {
            Ok(facts) => Ok(listed(&self.prefix, object(name, facts))),
            Err(StoreError::NotFound { .. }) => Ok(None),
            // The store has no such keys, or it would have listed them.
            Err(StoreError::Refused { .. }) if !is_path(key.strip_suffix('/').unwrap_or(key)) => {
                Ok(None)
            }
            // Of this one object. Where it is of all, each of them says so.
            Err(error @ (StoreError::AccessDenied { .. } | StoreError::Refused { .. })) => {
                Ok(Some(Listed::Unreadable {
                    path: key.strip_suffix('/').unwrap_or(key).as_bytes().to_vec(),
                    detail: error.to_string(),
                }))
            }
            Err(error) => Err(error),
        }
    }

    fn key(&self, path: &[u8]) -> Result<String, Utf8Error> {
        let path = str::from_utf8(path)?;
        Ok(format!("{}{path}", self.prefix))
    }

    fn page(&self, start_after: Option<&str>) -> Result<store::Page, StoreError> {
        let page = self.store.list(&self.name, &self.prefix, start_after);
        self.runtime.block_on(page)
    }
}

impl Tree for BucketTree {
    type Directory = ();
    type File = ObjectFile;

    fn root(&self) -> io::Result<((), Stat)> {
        let place = format!("{}/{}", self.name, self.prefix);
        Ok(((), stat(Kind::Directory, 0, &place, Nanoseconds(0))))
    }

    fn names(&self, (): &(), _: &mut Names) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn stat(&self, (): &(), _: &[u8]) -> io::Result<Stat> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open_directory(&self, (): &(), name: &[u8]) -> io::Result<((), Stat)> {
        let place = String::from_utf8_lossy(name);
        Ok(((), stat(Kind::Directory, 0, &place, Nanoseconds(0))))
    }

    fn read_link(&self, (): &(), _: &[u8]) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open_file(&self, path: &[u8]) -> io::Result<ObjectFile> {
        let mut get = Get {
            bucket: self.name.clone(),
            key: self.key(path).map_err(io::Error::other)?,
            ..Get::default()
        };
        let (facts, body) = self.open(get.clone()).map_err(failed)?;
        get.version = version(&facts);
        Ok(ObjectFile {
            store: self.store.clone(),
            runtime: self.runtime.clone(),
            get,
            facts,
            body,
            piece: Bytes::new(),
            position: 0,
            resumes: 0,
        })
    }

    fn stat_file(&self, file: &ObjectFile) -> io::Result<Stat> {
        Ok(stat_of(&file.facts))
    }

    fn xattrs(&self, file: &ObjectFile) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        Ok(headers::to_attributes(&file.facts.headers))
    }

    fn directory_xattrs(&self, (): &()) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        Ok(Vec::new())
    }

    fn stored(&self, path: &[u8]) -> Option<Stored> {
        if !self.is_within_reach {
            return None;
        }
        let (bucket, key) = (self.name.clone(), self.key(path).ok()?);
        let asked = self.store.head(&bucket, &key, None);
        // Whoever opens the file is told why it cannot be asked for.
        let facts = self.runtime.block_on(asked).ok()?;
        Some(Stored {
            stat: stat_of(&facts),
            crc64: facts.crc64?,
            xattrs: headers::to_attributes(&facts.headers),
            original: Original {
                bucket,
                key,
                version: version(&facts),
                etag: facts.etag,
            },
        })
    }

    fn has_foreign_clock(&self) -> bool {
        true
    }

    fn tells_every_change(&self) -> bool {
        true
    }

    fn requests(&self) -> BTreeMap<String, u64> {
        self.store.requests()
    }

    fn listing(&self) -> Option<Listing<'_>> {
        let pages = Pages {
            tree: self,
            page: Vec::new().into_iter(),
            last: None,
            is_last: false,
        };
        Some(Box::new(pages))
    }

    fn listing_of<'a>(&'a self, named: &'a Named) -> Option<Listing<'a>> {
        let mut looks = stream::iter(named.keys())
            .map(|key| self.look_at(key))
            .buffered(LOOKS_AT_ONCE)
            .filter_map(async |looked| looked.transpose())
            .boxed();
        let next = move || self.runtime.block_on(looks.next());
        Some(Box::new(std::iter::from_fn(next)))
    }
}

fn object(key: String, facts: Facts) -> store::Listed {
    store::Listed {
        key,
        size: facts.size,
        etag: facts.etag,
        modified: facts.modified,
    }
}

/// The bucket's keys, page by page.
struct Pages<'a> {
    tree: &'a BucketTree,
    page: vec::IntoIter<store::Listed>,
    last: Option<String>,
    is_last: bool,
}

impl Iterator for Pages<'_> {
    type Item = Result<Listed, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(object) = self.page.next() {
                let prefix = &self.tree.prefix;
                match listed(prefix, object) {
                    Some(listed) => return Some(Ok(listed)),
                    None => continue,
                }
            }
            if self.is_last {
                return None;
            }
            match self.tree.page(self.last.as_deref()) {
                Ok(page) => {
                    self.is_last = !page.more || page.keys.is_empty();
                    self.last = page.keys.last().map(|object| object.key.clone());
                    self.page = page.keys.into_iter();
                }
                Err(error) => {
                    self.is_last = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// An object as an entry; `None` for the marker of the prefix itself.
fn listed(prefix: &str, object: store::Listed) -> Option<Listed> {
    let name = object.key.strip_prefix(prefix)?;
    if name.is_empty() {
        return None;
    }
    let modified = nanoseconds(object.modified);
    // What consoles make of a new folder.
    let folder = name.strip_suffix('/').filter(|_| object.size == 0);
    let (path, kind) = match folder {
        Some(path) => (path, Kind::Directory),
        None => (name, Kind::File),
    };
    if !is_path(path) {
        let path = path.as_bytes().to_vec();
        let name = object.key;
        let reason = "its key is no path: an empty, `.` or `..` part, or control characters";
        return Some(Listed::Nameless { path, name, reason });
    }
    Some(Listed::Entry {
        path: path.as_bytes().to_vec(),
        stat: stat(kind, object.size, &object.etag, modified),
    })
}

/// Whether a key is a path whose rows stand in the order in which S3 lists the keys.
fn is_path(key: &str) -> bool {
    let has_parts = key.split('/').all(|part| !part.is_empty());
    has_parts && key::keeps_order(key)
}

/// The version of an object in a bucket that keeps versions.
fn version(facts: &Facts) -> Option<String> {
    Some(facts.version.clone()).filter(|version| version != "null")
}

fn stat_of(facts: &Facts) -> Stat {
    let modified = nanoseconds(facts.modified);
    stat(Kind::File, facts.size, &facts.etag, modified)
}

fn stat(kind: Kind, size: u64, etag: &str, modified: Nanoseconds) -> Stat {
    let digest: [u8; 32] = sha2::Sha256::digest(etag).into();
    let (first, _) = digest.split_first_chunk().unwrap_or((&[0; 8], &[]));
    let mode = match kind {
        Kind::Directory => DIRECTORY_MODE,
        _ => FILE_MODE,
    };
    Stat {
        identity: Identity {
            kind,
            size,
            inode: u64::from_be_bytes(*first),
            mtime: modified,
            ctime: modified,
        },
        ownership: Ownership {
            mode,
            ..Ownership::default()
        },
        links: 1,
        file_system: 0,
        device: 0,
        birth: None,
    }
}

fn nanoseconds(time: jiff::Timestamp) -> Nanoseconds {
    Nanoseconds::from_parts(time.as_second(), 0)
}

fn failed(error: StoreError) -> io::Error {
    match error {
        StoreError::NotFound { .. } => io::Error::new(io::ErrorKind::NotFound, error),
        other => io::Error::other(other),
    }
}

/// An object of which the bytes arrive.
pub struct ObjectFile {
    store: S3Store,
    runtime: Handle,
    get: Get,
    facts: Facts,
    body: Body,
    piece: Bytes,
    position: u64,
    resumes: u32,
}

impl ObjectFile {
    /// The next piece; none at the end. Where the bytes stop coming they are asked for again,
    /// from there, and of the same version.
    fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let error = match self.runtime.block_on(self.body.next()) {
                Some(Ok(piece)) => return Ok(Some(piece)),
                None => return Ok(None),
                Some(Err(error)) => error,
            };
            self.resumes += 1;
            if self.resumes > RESUMES_MAX {
                return Err(failed(error));
            }
            let rest = Get {
                range: Some(self.position..self.facts.size),
                ..self.get.clone()
            };
            let (facts, body) = self
                .runtime
                .block_on(self.store.open_object(rest))
                .map_err(failed)?;
            if facts.etag != self.facts.etag {
                return Err(io::Error::other("it was replaced while it was read"));
            }
            self.body = body;
        }
    }
}

impl Read for ObjectFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.next_piece()? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str, size: u64) -> Option<Listed> {
        let object = store::Listed {
            key: key.to_owned(),
            size,
            etag: "\"e\"".to_owned(),
            modified: jiff::Timestamp::UNIX_EPOCH,
        };
        listed("in/", object)
    }

    fn check(key: &str, size: u64, path: &str, kind: Kind) {
        match of(key, size) {
            Some(Listed::Entry { path: found, stat }) => {
                assert_eq!(
                    (found.as_slice(), stat.identity.kind),
                    (path.as_bytes(), kind)
                );
            }
            other => panic!("{key}: {other:?}"),
        }
    }

    #[test]
    fn a_key_is_a_path_below_the_prefix() {
        check("in/a/b.pdf", 1, "a/b.pdf", Kind::File);
        check("in/100%/ü ?.txt", 0, "100%/ü ?.txt", Kind::File);
        check("in/folder/", 0, "folder", Kind::Directory);
        assert_eq!(of("in/", 0), None);
    }

    #[test]
    fn a_key_that_is_no_path_is_told() {
        for key in [
            "in/a//b",
            "in//a",
            "in/a/../b",
            "in/./b",
            "in/full/",
            "in/a\n",
            "in/.long/x",
        ] {
            let told = of(key, 1);
            assert!(
                matches!(told, Some(Listed::Nameless { .. })),
                "{key}: {told:?}"
            );
        }
    }

    #[test]
    fn rows_stand_in_the_order_in_which_keys_are_listed() {
        let mut keys = [
            "a%", "a%b", "a&", "a/b", "a b", "a0", "ü", "%", "a%/b", "a%!",
        ];
        keys.sort_unstable();
        let rows: Vec<_> = keys
            .iter()
            .map(|key| key::order_key(key.as_bytes(), Kind::File).into_owned())
            .collect();
        assert!(keys.iter().all(|key| is_path(key)));
        assert!(rows.is_sorted());
    }
}
