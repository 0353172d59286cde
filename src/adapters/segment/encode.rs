//! Rows to bytes.

use bytes::Bytes;
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaDataPtr;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use sha2::Digest;

use crate::api::catalog::{ObjectRef, RangeRef, SegmentRef, Sha256, Totals};

use super::batch::Batch;
use super::check::Order;
use super::error::SegmentError;
use super::schema;

/// How many values are handed to the library at once.
const CHUNK_ROWS: usize = 4096;

/// A segment as it goes to the store, and what its commit says of it.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The object.
    pub bytes: Bytes,
    /// The hash of the whole.
    pub sha256: Sha256,
    /// The columns that decide: the bytes from the start.
    pub deciding: RangeRef,
    /// The footer: the bytes up to the end.
    pub footer: RangeRef,
    /// Sums over the rows.
    pub totals: Totals,
    /// The order key of the first row.
    pub first: Vec<u8>,
    /// The order key of the last row.
    pub last: Vec<u8>,
}

impl Encoded {
    /// What the commit says of the segment, once it has been written under a key and the store
    /// has answered with a version id.
    #[must_use]
    pub fn reference(&self, key: String, version: String) -> SegmentRef {
        SegmentRef {
            object: ObjectRef {
                key,
                version,
                size: self.bytes.len() as u64,
                sha256: self.sha256,
            },
            rows: self.totals.rows,
            totals: self.totals.clone(),
            first: self.first.clone(),
            last: self.last.clone(),
            deciding: self.deciding.clone(),
            footer: self.footer.clone(),
        }
    }
}

/// Encodes rows as a segment. The same rows give the same bytes.
///
/// # Errors
/// [`SegmentError::OrderViolated`] when the rows' order keys do not strictly increase, and
/// [`SegmentError::Empty`] when there is none.
pub fn encode(batch: &Batch) -> Result<Encoded, SegmentError> {
    let deciding = batch.deciding();
    if deciding.is_empty() {
        return Err(SegmentError::Empty);
    }
    let mut order = Order::default();
    for index in 0..deciding.len() {
        order.next(deciding.path(index), deciding.kind(index))?;
    }
    let file = write(batch).map_err(|error| SegmentError::Encode {
        what: "segment",
        source: error.into(),
    })?;
    Ok(Encoded {
        sha256: sha256(&file.bytes),
        deciding: range(&file.bytes[..file.deciding_end]),
        footer: range(&file.bytes[file.footer_start..]),
        totals: deciding.totals(),
        first: deciding.order_key(0).into_owned(),
        last: deciding.order_key(deciding.len() - 1).into_owned(),
        bytes: Bytes::from(file.bytes),
    })
}

pub(super) fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

fn range(bytes: &[u8]) -> RangeRef {
    RangeRef {
        length: bytes.len() as u64,
        sha256: sha256(bytes),
    }
}

struct File {
    bytes: Vec<u8>,
    deciding_end: usize,
    footer_start: usize,
}

fn write(batch: &Batch) -> Result<File, ParquetError> {
    let properties = schema::segment_properties(batch.len()).into();
    let buffer = Vec::with_capacity(batch.heap_bytes() / 2);
    let mut writer = SerializedFileWriter::new(buffer, schema::segment(), properties)?;
    let mut group = RowGroup {
        inner: writer.next_row_group()?,
        rows: batch.len(),
    };
    write_deciding(batch, &mut group)?;
    write_others(batch, &mut group)?;
    let metadata = group.close()?;
    let (start, length) = metadata.column(schema::DECIDING_COLUMNS - 1).byte_range();
    let footer_start = writer.bytes_written();
    Ok(File {
        deciding_end: usize::try_from(start + length)?,
        footer_start,
        bytes: writer.into_inner()?,
    })
}

fn write_deciding(batch: &Batch, group: &mut RowGroup<'_>) -> Result<(), ParquetError> {
    let rows = &batch.deciding;
    group.strings("path", |row, value| push_text(rows.path(row), value))?;
    group.strings("type", |row, value| {
        push(rows.kind(row).as_str().as_bytes(), value)
    })?;
    group.integers("size", |row| Some(rows.sizes[row].cast_signed()))?;
    group.integers("inode", |row| Some(rows.inodes[row].cast_signed()))?;
    group.integers("mtime", |row| Some(rows.mtimes[row].0))?;
    group.integers("ctime", |row| Some(rows.ctimes[row].0))?;
    group.integers("layout", |row| Some(rows.layouts[row].cast_signed()))?;
    group.column::<Int32Type>("flags", |row| Some(rows.flags[row].bits()))?;
    group.strings("path_bytes", |row, value| {
        push_unless_text(rows.path(row), value)
    })
}

fn write_others(batch: &Batch, group: &mut RowGroup<'_>) -> Result<(), ParquetError> {
    group.integers("mode", |row| Some(batch.ownerships[row].mode.into()))?;
    group.integers("uid", |row| Some(batch.ownerships[row].uid.into()))?;
    group.integers("gid", |row| Some(batch.ownerships[row].gid.into()))?;
    group.strings("category", |row, value| {
        push_some(batch.categories.get(row), value)
    })?;
    group.strings("bucket", |row, value| {
        push_some(batch.buckets.get(row), value)
    })?;
    group.bytes::<FixedLenByteArrayType>("crc64", |row, value| {
        batch.is_pinned(row) && push(&batch.crc64s[row].to_be_bytes(), value)
    })?;
    group.bytes::<FixedLenByteArrayType>("sha256", |row, value| {
        batch.sha256s[row].is_some_and(|digest| push(&digest.0, value))
    })?;
    group.strings("prefix", |row, value| {
        push_some(batch.prefixes.get(row), value)
    })?;
    group.strings("key", |row, value| push_some(batch.keys.get(row), value))?;
    group.strings("version", |row, value| {
        batch.is_pinned(row) && push(batch.versions.get(row), value)
    })?;
    group.strings("etag", |row, value| {
        batch.is_pinned(row) && push(batch.etags.get(row), value)
    })?;
    group.strings("encoding", |row, value| {
        batch.compressed[row]
            .is_some_and(|compressed| push(compressed.algorithm.as_str().as_bytes(), value))
    })?;
    group.integers("stored_size", |row| {
        batch.compressed[row].map(|compressed| compressed.size.cast_signed())
    })?;
    let targets = &batch.link_targets;
    group.strings("link_target", |row, value| {
        !targets.get(row).is_empty() && push_text(targets.get(row), value)
    })?;
    group.strings("link_target_bytes", |row, value| {
        push_unless_text(targets.get(row), value)
    })?;
    group.integers("link_group", |row| unless_zero(batch.link_groups[row]))?;
    group.integers("device", |row| unless_zero(batch.devices[row]))?;
    group.strings("xattrs", |row, value| {
        push_some(batch.xattrs.get(row), value)
    })
}

fn unless_zero(value: u64) -> Option<i64> {
    (value != 0).then_some(value.cast_signed())
}

/// Appends a value; true, because there is one.
pub(super) fn push(value: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value);
    true
}

/// Appends bytes as text, with replacement characters for what is none.
pub(super) fn push_text(value: &[u8], out: &mut Vec<u8>) -> bool {
    push(String::from_utf8_lossy(value).as_bytes(), out)
}

/// Appends the exact bytes of what [`push_text`] had to replace.
pub(super) fn push_unless_text(value: &[u8], out: &mut Vec<u8>) -> bool {
    std::str::from_utf8(value).is_err() && push(value, out)
}

fn push_some<T: AsRef<[u8]> + ?Sized>(value: &T, out: &mut Vec<u8>) -> bool {
    !value.as_ref().is_empty() && push(value.as_ref(), out)
}

/// A row group whose columns are written one after the other.
pub(super) struct RowGroup<'a> {
    pub(super) inner: SerializedRowGroupWriter<'a, Vec<u8>>,
    pub(super) rows: usize,
}

impl RowGroup<'_> {
    /// Ends the row group, when all columns have been written.
    pub(super) fn close(self) -> Result<RowGroupMetaDataPtr, ParquetError> {
        self.inner.close()
    }

    /// Writes a column of strings. `value` appends the string of a row and says whether it has
    /// one.
    pub(super) fn strings(
        &mut self,
        name: &'static str,
        value: impl FnMut(usize, &mut Vec<u8>) -> bool,
    ) -> Result<(), ParquetError> {
        self.bytes::<ByteArrayType>(name, value)
    }

    fn integers(
        &mut self,
        name: &'static str,
        value: impl Fn(usize) -> Option<i64>,
    ) -> Result<(), ParquetError> {
        self.column::<Int64Type>(name, value)
    }

    fn column<T: DataType>(
        &mut self,
        name: &'static str,
        value: impl Fn(usize) -> Option<T::T>,
    ) -> Result<(), ParquetError> {
        self.write::<T>(name, |rows, values, levels| {
            for row in rows {
                let value = value(row);
                levels.push(i16::from(value.is_some()));
                values.extend(value);
            }
        })
    }

    fn bytes<T: DataType>(
        &mut self,
        name: &'static str,
        mut value: impl FnMut(usize, &mut Vec<u8>) -> bool,
    ) -> Result<(), ParquetError>
    where
        T::T: From<ByteArray>,
    {
        // One allocation for the values of a chunk, not one for each value.
        let mut ends = Vec::with_capacity(CHUNK_ROWS);
        self.write::<T>(name, |rows, values, levels| {
            let mut bytes = Vec::new();
            ends.clear();
            for row in rows {
                let is_some = value(row, &mut bytes);
                levels.push(i16::from(is_some));
                if is_some {
                    ends.push(bytes.len());
                }
            }
            let bytes = Bytes::from(bytes);
            let mut start = 0;
            for &end in &ends {
                values.push(ByteArray::from(bytes.slice(start..end)).into());
                start = end;
            }
        })
    }

    /// Writes the next column: `fill` appends the values of some rows, and for each row whether
    /// it has one.
    fn write<T: DataType>(
        &mut self,
        name: &'static str,
        mut fill: impl FnMut(std::ops::Range<usize>, &mut Vec<T::T>, &mut Vec<i16>),
    ) -> Result<(), ParquetError> {
        let mut column = self
            .inner
            .next_column()?
            .ok_or(ParquetError::General(format!(
                "the schema ends before the column {name}"
            )))?;
        let writer: &mut ColumnWriterImpl<'_, T> = column.typed();
        debug_assert_eq!(
            writer.get_descriptor().name(),
            name,
            "columns come in schema's order"
        );
        let is_optional = writer.get_descriptor().max_def_level() > 0;
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        for start in (0..self.rows).step_by(CHUNK_ROWS) {
            values.clear();
            levels.clear();
            fill(
                start..self.rows.min(start + CHUNK_ROWS),
                &mut values,
                &mut levels,
            );
            writer.write_batch(&values, is_optional.then_some(&levels), None)?;
        }
        column.close()
    }
}
