//! `gone.parquet`: the paths that a commit drops, and the objects that markers shall hide.
//!
//! A commit may drop every path that it has, so neither side holds all of them: they are written
//! as they come, and read in batches.

use bytes::Bytes;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;

use crate::api::catalog::{Gone, Sha256};

use super::decode::check_hash;
use super::encode::{RowGroup, push, push_text, push_unless_text};
use super::error::{SegmentError, bad_value};
use super::sparse::Sparse;
use super::table::{Column, Table, exact_of, guarded};
use super::{check, schema};

/// How many dropped paths are held until they are written.
const GROUP_ROWS: usize = 20_000;

/// Writes dropped paths in the order in which they come.
pub struct GoneWriter {
    writer: SerializedFileWriter<Vec<u8>>,
    held: Vec<Gone>,
    rows: u64,
}

impl GoneWriter {
    /// Nothing dropped yet.
    ///
    /// # Errors
    /// When the Parquet library refuses.
    pub fn new() -> Result<Self, SegmentError> {
        let properties = schema::gone_properties().into();
        let writer =
            SerializedFileWriter::new(Vec::new(), schema::gone(), properties).map_err(failed)?;
        Ok(Self {
            writer,
            held: Vec::new(),
            rows: 0,
        })
    }

    /// How many paths have been dropped.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends a path.
    ///
    /// # Errors
    /// [`SegmentError::BadValue`] for what no catalog may have.
    pub fn push(&mut self, gone: Gone) -> Result<(), SegmentError> {
        let row = usize::try_from(self.rows).unwrap_or(usize::MAX);
        check_gone(row, &gone)?;
        self.held.push(gone);
        self.rows += 1;
        if self.held.len() == GROUP_ROWS {
            self.write().map_err(failed)
        } else {
            Ok(())
        }
    }

    /// The object as it goes to the store. The same paths give the same bytes.
    ///
    /// # Errors
    /// When the Parquet library refuses.
    pub fn finish(mut self) -> Result<Bytes, SegmentError> {
        self.write().map_err(failed)?;
        self.writer.into_inner().map(Bytes::from).map_err(failed)
    }

    fn write(&mut self) -> Result<(), ParquetError> {
        let held = &self.held;
        if held.is_empty() {
            return Ok(());
        }
        let mut group = RowGroup {
            inner: self.writer.next_row_group()?,
            rows: held.len(),
        };
        group.strings("path", |row, value| push_text(&held[row].path, value))?;
        group.strings("path_bytes", |row, value| {
            push_unless_text(&held[row].path, value)
        })?;
        group.strings("bucket", |row, value| {
            push(held[row].bucket.as_bytes(), value)
        })?;
        group.strings("key", |row, value| push(held[row].key.as_bytes(), value))?;
        group.strings("etag", |row, value| push(held[row].etag.as_bytes(), value))?;
        group.close()?;
        self.held.clear();
        Ok(())
    }
}

/// Reads dropped paths in the order in which they were written.
pub struct GoneReader {
    table: Table,
    next_group: usize,
    columns: Option<Columns>,
    row: usize,
}

impl GoneReader {
    /// Opens the object that a commit names.
    ///
    /// # Errors
    /// Every error is an integrity failure.
    pub fn open(expected: Sha256, bytes: Bytes) -> Result<Self, SegmentError> {
        check_hash("object", expected, &bytes)?;
        let table = guarded(|| Table::open(Sparse::whole(bytes), &schema::gone()))?;
        Ok(Self {
            table,
            next_group: 0,
            columns: None,
            row: 0,
        })
    }

    /// The next paths, `most` of them at most; none when all have been read.
    ///
    /// # Errors
    /// Every error is an integrity failure, after which nothing more is read.
    pub fn next(&mut self, most: usize) -> Result<Vec<Gone>, SegmentError> {
        let batch = guarded(|| self.read(most));
        if batch.is_err() {
            self.columns = None;
            self.next_group = self.table.row_groups();
        }
        batch
    }

    fn read(&mut self, most: usize) -> Result<Vec<Gone>, SegmentError> {
        let mut columns = match self.columns.take() {
            Some(columns) => columns,
            None if self.next_group == self.table.row_groups() => return Ok(Vec::new()),
            None => {
                self.next_group += 1;
                Columns::open(&self.table, self.next_group - 1)?
            }
        };
        let batch = columns.read(
            most.min(columns.rows)
                .min(columns.path.chunk_rows)
                .min(columns.key.chunk_rows),
            self.row,
        )?;
        self.row += batch.len();
        columns.rows -= batch.len();
        if columns.rows > 0 {
            self.columns = Some(columns);
        } else {
            columns.finish()?;
        }
        Ok(batch)
    }
}

/// The columns of one row group, read in step.
struct Columns {
    rows: usize,
    path: Column<ByteArrayType>,
    path_bytes: Column<ByteArrayType>,
    bucket: Column<ByteArrayType>,
    key: Column<ByteArrayType>,
    etag: Column<ByteArrayType>,
}

impl Columns {
    fn open(table: &Table, index: usize) -> Result<Self, SegmentError> {
        let group = table.row_group(index)?;
        if group.rows == 0 {
            return Err(SegmentError::Empty);
        }
        Ok(Self {
            rows: group.rows,
            path: group.column("path")?,
            path_bytes: group.column("path_bytes")?,
            bucket: group.column("bucket")?,
            key: group.column("key")?,
            etag: group.column("etag")?,
        })
    }

    fn read(&mut self, rows: usize, first: usize) -> Result<Vec<Gone>, SegmentError> {
        let mut batch = Vec::with_capacity(rows);
        let mut paths = self.path.next(rows)?.zip(self.path_bytes.next(rows)?);
        let mut buckets = self.bucket.next(rows)?;
        let mut keys = self.key.next(rows)?;
        let mut etags = self.etag.next(rows)?;
        for row in first..first + rows {
            let (text, exact) = paths.next().unwrap_or_default();
            let path = exact_of(text, exact).map_err(|detail| bad_value(row, "path", detail))?;
            let gone = Gone {
                path: path.to_vec(),
                bucket: text_of(row, "bucket", buckets.next().flatten())?,
                key: text_of(row, "key", keys.next().flatten())?,
                etag: text_of(row, "etag", etags.next().flatten())?,
            };
            check_gone(row, &gone)?;
            batch.push(gone);
        }
        Ok(batch)
    }

    fn finish(self) -> Result<(), SegmentError> {
        self.path.finish()?;
        self.path_bytes.finish()?;
        self.bucket.finish()?;
        self.key.finish()?;
        self.etag.finish()
    }
}

fn check_gone(row: usize, gone: &Gone) -> Result<(), SegmentError> {
    check::path(&gone.path).map_err(|detail| bad_value(row, "path", detail))?;
    check::bucket(gone.bucket.as_bytes()).map_err(|detail| bad_value(row, "bucket", detail))?;
    check::key(gone.key.as_bytes()).map_err(|detail| bad_value(row, "key", detail))?;
    check::etag(gone.etag.as_bytes()).map_err(|detail| bad_value(row, "etag", detail))
}

fn text_of(
    row: usize,
    column: &'static str,
    value: Option<&ByteArray>,
) -> Result<String, SegmentError> {
    let text = value.and_then(|value| value.as_utf8().ok());
    text.map(str::to_owned)
        .ok_or_else(|| bad_value(row, column, "is not UTF-8"))
}

fn failed(error: ParquetError) -> SegmentError {
    SegmentError::Encode {
        what: "list of dropped paths",
        source: error.into(),
    }
}
