//! Rows with all that is known of them.

use std::borrow::Cow;

use crate::api::catalog::{Compressed, Flags, Identity, Kind, Ownership, Pin, Row, Sha256, Totals};

use super::columns::{Strings, Words};
use super::deciding::Deciding;
use super::error::{SegmentError, check_limit};
use super::{HEAP_MAX_BYTES, ROWS_MAX, check, xattrs};

/// Rows with everything that a catalog knows of them. Methods that take a row's number panic
/// where there is no such row, as a slice does.
///
/// Rows may be pushed in any order, but only rows in order can be encoded.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(super) deciding: Deciding,
    pub(super) ownerships: Vec<Ownership>,
    pub(super) categories: Words,
    /// Empty where the row pins nothing.
    pub(super) buckets: Words,
    pub(super) crc64s: Vec<u64>,
    pub(super) sha256s: Vec<Option<Sha256>>,
    /// Where the key is `data/<prefix>/<path>`, letter for letter, the prefix.
    pub(super) prefixes: Words,
    /// Empty where the prefix is there.
    pub(super) keys: Strings,
    pub(super) versions: Strings,
    pub(super) etags: Strings,
    pub(super) compressed: Vec<Option<Compressed>>,
    pub(super) link_targets: Strings,
    pub(super) link_groups: Vec<u64>,
    pub(super) devices: Vec<u64>,
    pub(super) xattrs: Strings,
}

impl Batch {
    /// No rows yet, and no room for any.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No rows yet, and room for so many of ordinary length: columns that grow as rows come
    /// leave twice their size behind for the allocator to give back.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        let strings = |bytes| Strings::with_capacity(rows, rows * bytes);
        Self {
            deciding: Deciding::with_capacity(rows),
            ownerships: Vec::with_capacity(rows),
            categories: Words::with_capacity(rows),
            buckets: Words::with_capacity(rows),
            crc64s: Vec::with_capacity(rows),
            sha256s: Vec::with_capacity(rows),
            prefixes: Words::with_capacity(rows),
            keys: strings(0),
            versions: strings(40),
            etags: strings(40),
            compressed: Vec::with_capacity(rows),
            link_targets: strings(0),
            link_groups: Vec::with_capacity(rows),
            devices: Vec::with_capacity(rows),
            xattrs: strings(0),
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.deciding.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deciding.is_empty()
    }

    /// The columns that decide.
    #[must_use]
    pub fn deciding(&self) -> &Deciding {
        &self.deciding
    }

    /// The exact bytes of a row's path.
    #[must_use]
    pub fn path(&self, index: usize) -> &[u8] {
        self.deciding.path(index)
    }

    /// What a row is about.
    #[must_use]
    pub fn kind(&self, index: usize) -> Kind {
        self.deciding.kind(index)
    }

    /// What decides whether a row's entry has changed.
    #[must_use]
    pub fn identity(&self, index: usize) -> Identity {
        self.deciding.identity(index)
    }

    /// Where a row's object belongs.
    #[must_use]
    pub fn layout(&self, index: usize) -> u64 {
        self.deciding.layout(index)
    }

    /// How far a row can be trusted.
    #[must_use]
    pub fn flags(&self, index: usize) -> Flags {
        self.deciding.flags(index)
    }

    /// The category that took a row; empty for what has no object.
    #[must_use]
    pub fn category(&self, index: usize) -> &str {
        self.categories.get(index)
    }

    /// Whether a row pins an object. Only then have it a bucket, key, version, `ETag` and checksum.
    #[must_use]
    pub fn is_pinned(&self, index: usize) -> bool {
        !self.buckets.get(index).is_empty()
    }

    /// The bucket of a row's object.
    #[must_use]
    pub fn bucket(&self, index: usize) -> Option<&str> {
        Some(self.buckets.get(index)).filter(|bucket| !bucket.is_empty())
    }

    /// The key of a row's object.
    #[must_use]
    pub fn key(&self, index: usize) -> Option<Cow<'_, str>> {
        let prefix = self.prefixes.get(index);
        if !prefix.is_empty() {
            let path = text(self.path(index));
            return Some(Cow::Owned(format!("{DATA}{prefix}/{path}")));
        }
        self.is_pinned(index)
            .then(|| Cow::Borrowed(text(self.keys.get(index))))
    }

    /// The `ETag` of a row's object.
    #[must_use]
    pub fn etag(&self, index: usize) -> Option<&str> {
        self.is_pinned(index).then(|| text(self.etags.get(index)))
    }

    /// The version id of a row's object.
    #[must_use]
    pub fn version(&self, index: usize) -> Option<&str> {
        self.is_pinned(index)
            .then(|| text(self.versions.get(index)))
    }

    /// The digest of the original content of a row's object, where it is known.
    #[must_use]
    pub fn sha256(&self, index: usize) -> Option<Sha256> {
        self.sha256s[index]
    }

    /// Everything that a row pins.
    #[must_use]
    pub fn pin(&self, index: usize) -> Option<Pin> {
        Some(Pin {
            bucket: self.bucket(index)?.to_owned(),
            key: self.key(index)?.into_owned(),
            version: self.version(index)?.to_owned(),
            etag: self.etag(index)?.to_owned(),
            crc64: self.crc64s[index],
            sha256: self.sha256(index),
            compressed: self.compressed[index],
        })
    }

    /// A row.
    #[must_use]
    pub fn row(&self, index: usize) -> Row {
        Row {
            path: self.path(index).to_vec(),
            identity: self.identity(index),
            layout: self.layout(index),
            flags: self.flags(index),
            ownership: self.ownerships[index],
            category: self.category(index).to_owned(),
            pin: self.pin(index),
            link_target: self.link_targets.get(index).to_vec(),
            link_group: self.link_groups[index],
            device: self.devices[index],
            xattrs: xattrs::decode(self.xattrs.get(index)),
        }
    }

    /// Sums over the rows.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.deciding.totals()
    }

    /// About how much memory the rows take.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let words = [&self.categories, &self.buckets, &self.prefixes].map(Words::heap_bytes);
        let strings = self.strings().map(Strings::heap_bytes);
        self.deciding.heap_bytes()
            + size_of_val(self.ownerships.as_slice())
            + size_of_val(self.sha256s.as_slice())
            + 3 * size_of_val(self.crc64s.as_slice())
            + size_of_val(self.compressed.as_slice())
            + words.iter().sum::<usize>()
            + strings.iter().sum::<usize>()
    }

    /// Appends a row.
    ///
    /// # Errors
    /// [`SegmentError::BadValue`] for a row that no catalog may have, such as a path that leads
    /// out of the tree or a value over its bound; [`SegmentError::TooLarge`] when the batch holds
    /// all that a segment may. The batch is then as it was.
    pub fn push(&mut self, row: &Row) -> Result<(), SegmentError> {
        let xattrs = check::row(row, self.len())?;
        self.check_room(check::string_bytes(row) + xattrs.len())?;
        self.deciding
            .push(&row.path, row.identity, row.layout, row.flags)?;
        self.ownerships.push(row.ownership);
        self.categories.push(&row.category);
        self.push_pin(&row.path, row.pin.as_ref())?;
        self.link_targets.push(&row.link_target)?;
        self.link_groups.push(row.link_group);
        self.devices.push(row.device);
        self.xattrs.push(&xattrs)
    }

    /// Appends a row of another batch.
    ///
    /// # Errors
    /// [`SegmentError::TooLarge`] when the batch holds all that a segment may; it is then as it
    /// was.
    pub fn push_from(&mut self, other: &Self, index: usize) -> Result<(), SegmentError> {
        let strings = other.strings().map(|strings| strings.get(index).len());
        self.check_room(other.path(index).len() + strings.iter().sum::<usize>())?;
        self.deciding.push(
            other.path(index),
            other.identity(index),
            other.layout(index),
            other.flags(index),
        )?;
        self.ownerships.push(other.ownerships[index]);
        self.categories.push(other.categories.get(index));
        self.buckets.push(other.buckets.get(index));
        self.crc64s.push(other.crc64s[index]);
        self.sha256s.push(other.sha256s[index]);
        self.prefixes.push(other.prefixes.get(index));
        self.keys.push(other.keys.get(index))?;
        self.versions.push(other.versions.get(index))?;
        self.etags.push(other.etags.get(index))?;
        self.compressed.push(other.compressed[index]);
        self.link_targets.push(other.link_targets.get(index))?;
        self.link_groups.push(other.link_groups[index]);
        self.devices.push(other.devices[index]);
        self.xattrs.push(other.xattrs.get(index))
    }

    fn push_pin(&mut self, path: &[u8], pin: Option<&Pin>) -> Result<(), SegmentError> {
        let prefix = pin.and_then(|pin| prefix_of(path, &pin.key));
        let key = pin.filter(|_| prefix.is_none()).map_or("", |pin| &pin.key);
        self.buckets.push(pin.map_or("", |pin| &pin.bucket));
        self.crc64s.push(pin.map_or(0, |pin| pin.crc64));
        self.sha256s.push(pin.and_then(|pin| pin.sha256));
        self.prefixes.push(prefix.unwrap_or_default());
        self.compressed.push(pin.and_then(|pin| pin.compressed));
        self.keys.push(key.as_bytes())?;
        self.versions
            .push(pin.map_or("", |pin| &pin.version).as_bytes())?;
        self.etags.push(pin.map_or("", |pin| &pin.etag).as_bytes())
    }

    /// Whether a segment can take a row with so many bytes of strings in its columns.
    fn check_room(&self, more: usize) -> Result<(), SegmentError> {
        let strings = self
            .strings()
            .map(Strings::byte_count)
            .iter()
            .sum::<usize>();
        let found = self.deciding.paths.byte_count() + strings + more;
        check_limit("rows", self.len() + 1, ROWS_MAX)?;
        check_limit("bytes", found, HEAP_MAX_BYTES)
    }

    fn strings(&self) -> [&Strings; 5] {
        [
            &self.keys,
            &self.versions,
            &self.etags,
            &self.link_targets,
            &self.xattrs,
        ]
    }

    /// Forgets the rows and keeps the memory for others.
    pub fn clear(&mut self) {
        self.deciding.clear();
        self.ownerships.clear();
        self.crc64s.clear();
        self.sha256s.clear();
        self.compressed.clear();
        self.link_groups.clear();
        self.devices.clear();
        for words in [&mut self.categories, &mut self.buckets, &mut self.prefixes] {
            words.clear();
        }
        for strings in [
            &mut self.keys,
            &mut self.versions,
            &mut self.etags,
            &mut self.link_targets,
            &mut self.xattrs,
        ] {
            strings.clear();
        }
    }
}

/// What every key begins with.
pub(super) const DATA: &str = "data/";

/// The prefix of a key that is `data/<prefix>/<path>`, letter for letter.
pub(super) fn prefix_of<'a>(path: &[u8], key: &'a str) -> Option<&'a str> {
    let path = std::str::from_utf8(path).ok()?;
    let prefix = key
        .strip_prefix(DATA)?
        .strip_suffix(path)?
        .strip_suffix('/')?;
    Some(prefix).filter(|prefix| !prefix.is_empty())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("only text is pushed into columns of text")
}
