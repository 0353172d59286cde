//! What a value of the catalog may be, for those that write it and for those that read it.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::api::catalog::{Compressed, Kind, Row};
use crate::plan;

use super::error::{SegmentError, bad_value};
use super::xattrs;

/// The longest path in bytes. One system call takes 4,096, but trees can be deeper.
pub const PATH_MAX_BYTES: usize = 65_535;

/// The longest target of a symbolic link in bytes.
pub const LINK_TARGET_MAX_BYTES: usize = 65_535;

/// The longest key of an object in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
pub const KEY_MAX_BYTES: usize = 1024;

/// The longest version id in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html>
pub const VERSION_MAX_BYTES: usize = 1024;

/// The longest `ETag` in bytes: stores document none; theirs have 34 to 70.
pub const ETAG_MAX_BYTES: usize = 1024;

/// The longest name of a bucket or a category in bytes.
const WORD_MAX_BYTES: usize = 255;

/// Whether a catalog may have a row, and its attributes as they are written.
pub(super) fn row(row: &Row, number: usize) -> Result<Vec<u8>, SegmentError> {
    let bad = |column, detail: &str| bad_value(number, column, detail);
    path(&row.path).map_err(|detail| bad("path", detail))?;
    size(row.identity.size).map_err(|detail| bad("size", detail))?;
    category(row.category.as_bytes()).map_err(|detail| bad("category", detail))?;
    if let Some(pin) = &row.pin {
        bucket(pin.bucket.as_bytes()).map_err(|detail| bad("bucket", detail))?;
        key(pin.key.as_bytes()).map_err(|detail| bad("key", detail))?;
        version(pin.version.as_bytes()).map_err(|detail| bad("version", detail))?;
        etag(pin.etag.as_bytes()).map_err(|detail| bad("etag", detail))?;
        if pin.sha256.is_none() {
            without_sha256(pin.compressed).map_err(|detail| bad("sha256", detail))?;
        }
    }
    link_target(&row.link_target).map_err(|detail| bad("link_target", detail))?;
    xattrs::encode(&row.xattrs).map_err(|detail| bad("xattrs", detail))
}

/// How many bytes a row takes in columns of strings, its attributes apart.
pub(super) fn string_bytes(row: &Row) -> usize {
    let pin = row.pin.as_ref();
    let pinned = pin.map_or(0, |pin| pin.key.len() + pin.version.len() + pin.etag.len());
    row.path.len() + row.link_target.len() + pinned
}

/// Whether bytes are a path beneath a root: relative, and made of components that name something.
pub(super) fn path(path: &[u8]) -> Result<(), &'static str> {
    if path.len() > PATH_MAX_BYTES {
        return Err("is too long");
    }
    if path.contains(&0) {
        return Err("has a NUL");
    }
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" => return Err("is absolute, or has an empty component"),
            b"." | b".." => return Err("has a component that leads elsewhere"),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a size is one that a file can have.
pub(super) fn size(size: u64) -> Result<(), &'static str> {
    if i64::try_from(size).is_err() {
        Err("is more than a file can have")
    } else {
        Ok(())
    }
}

/// Whether bytes can be a category's name, or none.
pub(super) fn category(name: &[u8]) -> Result<(), &'static str> {
    text(name, 0, WORD_MAX_BYTES)
}

/// Whether bytes can be a bucket's name.
pub(super) fn bucket(name: &[u8]) -> Result<(), &'static str> {
    text(name, 1, WORD_MAX_BYTES)
}

/// Whether bytes can be an object's key.
pub(super) fn key(key: &[u8]) -> Result<(), &'static str> {
    text(key, 1, KEY_MAX_BYTES)
}

/// Whether bytes can be a version id.
pub(super) fn version(version: &[u8]) -> Result<(), &'static str> {
    text(version, 1, VERSION_MAX_BYTES)
}

/// Whether bytes can be an `ETag`.
pub(super) fn etag(etag: &[u8]) -> Result<(), &'static str> {
    text(etag, 0, ETAG_MAX_BYTES)
}

/// Whether content may do without its SHA-256: where its CRC64NVME, which every pin has, is that of
/// the very content. Of what is compressed it is not, and whoever compressed it has seen its bytes.
pub(super) fn without_sha256(compressed: Option<Compressed>) -> Result<(), &'static str> {
    if compressed.is_some() {
        return Err("is missing");
    }
    Ok(())
}

/// Whether bytes can be what a link points to, or nothing.
pub(super) fn link_target(target: &[u8]) -> Result<(), &'static str> {
    length(target, 0, LINK_TARGET_MAX_BYTES)
}

fn text(value: &[u8], least: usize, most: usize) -> Result<(), &'static str> {
    length(value, least, most)?;
    std::str::from_utf8(value)
        .map(drop)
        .map_err(|_| "is not UTF-8")
}

fn length(value: &[u8], least: usize, most: usize) -> Result<(), &'static str> {
    if value.len() < least {
        return Err("is missing");
    }
    if value.len() > most {
        return Err("is too long");
    }
    if value.contains(&0) {
        return Err("has a NUL");
    }
    Ok(())
}

/// The order keys of rows as they come: an error for one that does not increase.
#[derive(Default)]
pub(super) struct Order<'a> {
    last: Option<(Cow<'a, str>, Kind)>,
    rows: usize,
}

impl<'a> Order<'a> {
    pub(super) fn next(&mut self, path: &'a [u8], kind: Kind) -> Result<(), SegmentError> {
        let next = (plan::key::encode(path), kind);
        if let Some(last) = &self.last
            && compare((&last.0, last.1), (&next.0, next.1)) != Ordering::Less
        {
            return Err(SegmentError::OrderViolated {
                row: self.rows,
                path: next.0.into_owned(),
            });
        }
        self.last = Some(next);
        self.rows += 1;
        Ok(())
    }
}

/// How two order keys compare, given the encoded paths, without making the keys.
fn compare((a, a_kind): (&str, Kind), (b, b_kind): (&str, Kind)) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let common = a.len().min(b.len());
    let next = |path: &[u8], kind| match path.get(common) {
        Some(&byte) => Some(byte),
        None => (kind == Kind::Directory).then_some(b'/'),
    };
    a[..common]
        .cmp(&b[..common])
        .then_with(|| next(a, a_kind).cmp(&next(b, b_kind)))
        .then_with(|| a.len().cmp(&b.len()))
}
