//! Bytes to rows.

use bytes::Bytes;
use parquet::data_type::{
    ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};

use crate::api::catalog::{Compressed, Flags, Kind, Nanoseconds, Ownership, SegmentRef, Sha256};
use crate::api::policy::CompressionAlgorithm;

use super::batch::{Batch, DATA, prefix_of};
use super::check::{self, KEY_MAX_BYTES, Order};
use super::columns::Words;
use super::deciding::Deciding;
use super::encode::sha256;
use super::error::SegmentError;
use super::sparse::Sparse;
use super::table::{RowGroup, Table, guarded};
use super::{schema, xattrs};

/// Reads the columns that decide, from the two ranges that [`SegmentRef`] describes.
///
/// # Errors
/// Every error is an integrity failure: the bytes are not those that the commit names, or no
/// catalog may have what is in them.
pub fn decode_deciding(
    reference: &SegmentRef,
    deciding: Bytes,
    footer: Bytes,
) -> Result<Deciding, SegmentError> {
    let ranges = [
        ("deciding range", &reference.deciding, &deciding),
        ("footer", &reference.footer, &footer),
    ];
    for (part, range, bytes) in ranges {
        check_length(part, range.length, bytes)?;
        check_hash(part, range.sha256, bytes)?;
    }
    let sparse = Sparse::ends(reference.object.size, deciding, footer);
    let rows = guarded(|| read_deciding(&open(sparse)?.row_group(0)?))?;
    check_reference(reference, &rows)?;
    Ok(rows)
}

/// Reads a whole segment that a commit names.
///
/// # Errors
/// Every error is an integrity failure: the bytes are not those that the commit names, or no
/// catalog may have what is in them.
pub fn decode(reference: &SegmentRef, bytes: Bytes) -> Result<Batch, SegmentError> {
    check_length("object", reference.object.size, &bytes)?;
    let batch = decode_hashed(reference.object.sha256, bytes)?;
    check_reference(reference, batch.deciding())?;
    Ok(batch)
}

/// Reads a whole segment of which only the hash is known: one that a dead run has left behind.
///
/// # Errors
/// Every error is an integrity failure.
pub fn decode_hashed(expected: Sha256, bytes: Bytes) -> Result<Batch, SegmentError> {
    check_hash("object", expected, &bytes)?;
    guarded(|| {
        let table = open(Sparse::whole(bytes))?;
        let group = table.row_group(0)?;
        let deciding = read_deciding(&group)?;
        read_others(&group, deciding)
    })
}

pub(super) fn check_hash(
    part: &'static str,
    expected: Sha256,
    bytes: &[u8],
) -> Result<(), SegmentError> {
    let found = sha256(bytes);
    if found == expected {
        return Ok(());
    }
    Err(SegmentError::HashMismatch {
        part,
        expected,
        found,
    })
}

fn check_length(part: &'static str, expected: u64, bytes: &[u8]) -> Result<(), SegmentError> {
    let found = bytes.len() as u64;
    if found == expected {
        return Ok(());
    }
    Err(SegmentError::LengthMismatch {
        part,
        expected,
        found,
    })
}

/// Whether the rows are those that the commit announces.
fn check_reference(reference: &SegmentRef, rows: &Deciding) -> Result<(), SegmentError> {
    let mismatch = |fact| Err(SegmentError::FactMismatch { fact });
    if rows.len() as u64 != reference.rows {
        return mismatch("number of rows");
    }
    if *rows.order_key(0) != *reference.first {
        return mismatch("first order key");
    }
    if *rows.order_key(rows.len() - 1) != *reference.last {
        return mismatch("last order key");
    }
    Ok(())
}

fn open(bytes: Sparse) -> Result<Table, SegmentError> {
    let table = Table::open(bytes, &schema::segment())?;
    if table.row_groups() != 1 {
        return Err(SegmentError::OtherColumns {
            detail: "not one row group".to_owned(),
        });
    }
    Ok(table)
}

fn read_deciding(group: &RowGroup<'_>) -> Result<Deciding, SegmentError> {
    if group.rows == 0 {
        return Err(SegmentError::Empty);
    }
    let rows = Deciding {
        paths: group.exact_strings("path", "path_bytes", check::path)?,
        kinds: group.collect::<ByteArrayType, _>("type", |_, word| kind(word))?,
        sizes: group.collect::<Int64Type, _>("size", |_, size| {
            let size = bits(size);
            check::size(size).map(|()| size)
        })?,
        inodes: group.collect::<Int64Type, _>("inode", |_, inode| Ok(bits(inode)))?,
        mtimes: group.collect::<Int64Type, _>("mtime", |_, time| Ok(nanoseconds(time)))?,
        ctimes: group.collect::<Int64Type, _>("ctime", |_, time| Ok(nanoseconds(time)))?,
        layouts: group.collect::<Int64Type, _>("layout", |_, layout| Ok(bits(layout)))?,
        flags: group.collect::<Int32Type, _>("flags", |_, bits| flags(bits))?,
    };
    let mut order = Order::default();
    for row in 0..rows.len() {
        order.next(rows.path(row), rows.kind(row))?;
    }
    Ok(rows)
}

fn read_others(group: &RowGroup<'_>, deciding: Deciding) -> Result<Batch, SegmentError> {
    let buckets = words(group, "bucket", check::bucket)?;
    let prefixes = words(group, "prefix", check::key)?;
    let keys = group.strings("key", |row, key| {
        let (bucket, prefix) = (buckets.get(row), prefixes.get(row));
        if bucket.is_empty() && !prefix.is_empty() {
            return Err("has a prefix without a bucket");
        }
        check_key(deciding.path(row), prefix, key)?;
        needed(!bucket.is_empty() && prefix.is_empty(), key).map(drop)
    })?;
    let pinned = |row: usize| !buckets.get(row).is_empty();
    let compressed = compressed(group, &pinned)?;
    Ok(Batch {
        ownerships: ownerships(group)?,
        categories: words(group, "category", check::category)?,
        crc64s: group.collect::<FixedLenByteArrayType, _>("crc64", |row, crc| {
            needed(pinned(row), crc)
                .and_then(fixed)
                .map(u64::from_be_bytes)
        })?,
        sha256s: group.collect::<FixedLenByteArrayType, _>("sha256", |row, digest| {
            let Some(digest) = digest else {
                check::without_sha256(compressed[row])?;
                return Ok(None);
            };
            needed(pinned(row), Some(digest))
                .and_then(fixed)
                .map(|digest| Some(Sha256(digest)))
        })?,
        versions: group.strings("version", |row, version| {
            needed(pinned(row), version)?.map_or(Ok(()), check::version)
        })?,
        etags: group.strings("etag", |row, etag| {
            needed(pinned(row), etag)?.map_or(Ok(()), check::etag)
        })?,
        compressed,
        link_targets: group.exact_strings(
            "link_target",
            "link_target_bytes",
            check::link_target,
        )?,
        link_groups: group.collect::<Int64Type, _>("link_group", |_, group| Ok(bits(group)))?,
        devices: group.collect::<Int64Type, _>("device", |_, device| Ok(bits(device)))?,
        xattrs: group.strings("xattrs", |_, value| {
            xattrs::check(value.unwrap_or_default())
        })?,
        deciding,
        buckets,
        prefixes,
        keys,
    })
}

fn compressed(
    group: &RowGroup<'_>,
    pinned: &impl Fn(usize) -> bool,
) -> Result<Vec<Option<Compressed>>, SegmentError> {
    let algorithms = group.collect::<ByteArrayType, _>("encoding", |row, word| {
        let Some(word) = word else { return Ok(None) };
        needed(pinned(row), Some(word))?;
        let word = word.as_utf8().map_err(|_| "is not UTF-8")?;
        CompressionAlgorithm::parse(word)
            .map(Some)
            .ok_or("is unknown")
    })?;
    group.collect::<Int64Type, _>("stored_size", |row, size| {
        let Some(size) = needed(algorithms[row].is_some(), size)? else {
            return Ok(None);
        };
        let size = bits(Some(size));
        check::size(size)?;
        Ok(algorithms[row].map(|algorithm| Compressed { algorithm, size }))
    })
}

fn ownerships(group: &RowGroup<'_>) -> Result<Vec<Ownership>, SegmentError> {
    let number = |_, value: Option<&i64>| {
        u32::try_from(value.copied().unwrap_or_default()).map_err(|_| "is out of range")
    };
    let modes = group.collect::<Int64Type, _>("mode", number)?;
    let uids = group.collect::<Int64Type, _>("uid", number)?;
    let gids = group.collect::<Int64Type, _>("gid", number)?;
    let owners = uids.into_iter().zip(gids);
    Ok(modes
        .into_iter()
        .zip(owners)
        .map(|(mode, (uid, gid))| Ownership { mode, uid, gid })
        .collect())
}

fn words(
    group: &RowGroup<'_>,
    name: &'static str,
    check: fn(&[u8]) -> Result<(), &'static str>,
) -> Result<Words, SegmentError> {
    let mut words = Words::with_capacity(group.rows);
    group.collect::<ByteArrayType, _>(name, |_, word| {
        let word = word.map(ByteArray::data);
        word.map_or(Ok(()), check)?;
        words.push(std::str::from_utf8(word.unwrap_or_default()).map_err(|_| "is not UTF-8")?);
        Ok(())
    })?;
    Ok(words)
}

/// A value that is there if, and only if, it must be.
fn needed<T>(is_needed: bool, value: Option<T>) -> Result<Option<T>, &'static str> {
    match (is_needed, value.is_some()) {
        (true, false) => Err("is missing"),
        (false, true) => Err("is there where it must not be"),
        (true, true) | (false, false) => Ok(value),
    }
}

/// Whether a row's key is written in the one way that it can be.
fn check_key(path: &[u8], prefix: &str, key: Option<&[u8]>) -> Result<(), &'static str> {
    let Some(key) = key else {
        let length = DATA.len() + prefix.len() + 1 + path.len();
        let is_derivable =
            prefix.is_empty() || (length <= KEY_MAX_BYTES && std::str::from_utf8(path).is_ok());
        return if is_derivable {
            Ok(())
        } else {
            Err("does not follow from its prefix")
        };
    };
    check::key(key)?;
    let key = std::str::from_utf8(key).map_err(|_| "is not UTF-8")?;
    if prefix_of(path, key).is_some() {
        Err("follows from a prefix")
    } else {
        Ok(())
    }
}

fn fixed<const N: usize>(value: Option<&FixedLenByteArray>) -> Result<[u8; N], &'static str> {
    let Some(value) = value else {
        return Ok([0; N]);
    };
    value.data().try_into().map_err(|_| "has another length")
}

fn bits(value: Option<&i64>) -> u64 {
    value.copied().unwrap_or_default().cast_unsigned()
}

fn nanoseconds(value: Option<&i64>) -> Nanoseconds {
    Nanoseconds(value.copied().unwrap_or_default())
}

fn kind(word: Option<&ByteArray>) -> Result<Kind, &'static str> {
    let word = word
        .and_then(|word| word.as_utf8().ok())
        .ok_or("is not UTF-8")?;
    Kind::parse(word).ok_or("is unknown")
}

fn flags(value: Option<&i32>) -> Result<Flags, &'static str> {
    let bits = value.copied().unwrap_or_default();
    let flags = Flags::from_bits(bits);
    if flags.bits() == bits {
        Ok(flags)
    } else {
        Err("is unknown")
    }
}
