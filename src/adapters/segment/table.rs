//! A Parquet file as columns of values, through the library and not trusting it.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::TypePtr;

use super::columns::Strings;
use super::error::{SegmentError, bad_value, check_limit};
use super::pages::{self, CountedPages};
use super::sparse::Sparse;
use super::{ROWS_MAX, footer};

/// How many values are taken from the library at once.
const CHUNK_MAX_ROWS: usize = 4096;

/// How much memory these may take.
const CHUNK_MAX_BYTES: usize = 64 << 20;

/// The most memory that is set aside for a column of strings before it is read.
const STRINGS_HINT_MAX_BYTES: usize = 16 << 20;

/// Runs what calls the library, and makes an error of its panics.
pub(super) fn guarded<T>(
    parse: impl FnOnce() -> Result<T, SegmentError>,
) -> Result<T, SegmentError> {
    // What a panic leaves half done is dropped here: nothing outside is mutated by `parse`.
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|panic| {
        let detail = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(SegmentError::Panicked {
            detail: detail.to_owned(),
        })
    })
}

/// A Parquet file whose columns are those that were expected.
pub(super) struct Table {
    bytes: Sparse,
    reader: SerializedFileReader<Sparse>,
}

impl Table {
    pub(super) fn open(bytes: Sparse, schema: &TypePtr) -> Result<Self, SegmentError> {
        footer::check(&bytes, schema)?;
        let reader =
            SerializedFileReader::new(bytes.clone()).map_err(|error| failed("footer", error))?;
        footer::check_schema(reader.metadata().file_metadata().schema(), schema)?;
        Ok(Self { bytes, reader })
    }

    pub(super) fn row_groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    /// One row group, if it has no more rows than a segment may.
    pub(super) fn row_group(&self, index: usize) -> Result<RowGroup<'_>, SegmentError> {
        let rows = self.reader.metadata().row_group(index).num_rows();
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        check_limit("rows", rows, ROWS_MAX)?;
        let reader = self
            .reader
            .get_row_group(index)
            .map_err(|error| failed("row group", error))?;
        Ok(RowGroup {
            bytes: &self.bytes,
            reader,
            rows,
        })
    }
}

/// Columns of the same number of rows.
pub(super) struct RowGroup<'a> {
    bytes: &'a Sparse,
    reader: Box<dyn RowGroupReader + 'a>,
    pub(super) rows: usize,
}

impl RowGroup<'_> {
    /// A column by its name, from its first row.
    pub(super) fn column<T: DataType>(
        &self,
        name: &'static str,
    ) -> Result<Column<T>, SegmentError> {
        let columns = self.reader.metadata().columns();
        let index = columns
            .iter()
            .position(|column| column.column_descr().name() == name)
            .ok_or_else(|| SegmentError::OtherColumns {
                detail: format!("lacks {name}"),
            })?;
        let (start, length) = columns[index].byte_range();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = self
            .bytes
            .get_bytes(start, length)
            .map_err(|error| failed(name, error))?;
        let largest_page =
            pages::largest(&bytes, self.rows).map_err(|detail| wrong(name, detail))?;
        let descriptor = columns[index].column_descr_ptr();
        let is_optional = descriptor.max_def_level() > 0;
        let inner = self
            .reader
            .get_column_page_reader(index)
            .map_err(|error| failed(name, error))?;
        let pages = Box::new(CountedPages { inner, is_optional });
        Ok(Column {
            name,
            chunk_rows: chunk_rows(largest_page),
            string_bytes: string_bytes(&columns[index]),
            reader: ColumnReaderImpl::new(descriptor, pages),
            is_optional,
            values: Vec::new(),
            levels: Vec::new(),
        })
    }

    /// What `convert` makes of each value of a column; it is given the row and `None` for null.
    pub(super) fn collect<T: DataType, V>(
        &self,
        name: &'static str,
        mut convert: impl FnMut(usize, Option<&T::T>) -> Result<V, &'static str>,
    ) -> Result<Vec<V>, SegmentError> {
        let mut collected = Vec::with_capacity(self.rows);
        let mut column = self.column::<T>(name)?;
        for chunk in self.chunks(column.chunk_rows) {
            for (row, value) in chunk.clone().zip(column.next(chunk.len())?) {
                let converted = convert(row, value);
                collected.push(converted.map_err(|detail| bad_value(row, name, detail))?);
            }
        }
        column.finish()?;
        Ok(collected)
    }

    /// A column of strings that `check` finds good; it is given the row and `None` for null,
    /// which becomes empty.
    pub(super) fn strings(
        &self,
        name: &'static str,
        mut check: impl FnMut(usize, Option<&[u8]>) -> Result<(), &'static str>,
    ) -> Result<Strings, SegmentError> {
        let mut column = self.column::<ByteArrayType>(name)?;
        let mut strings = Strings::with_capacity(self.rows, column.string_bytes);
        for chunk in self.chunks(column.chunk_rows) {
            for (row, value) in chunk.clone().zip(column.next(chunk.len())?) {
                let value = value.map(ByteArray::data);
                check(row, value).map_err(|detail| bad_value(row, name, detail))?;
                strings.push(value.unwrap_or_default())?;
            }
        }
        column.finish()?;
        Ok(strings)
    }

    /// Strings of any bytes, which stand as text in one column, and exactly in another where
    /// they are not text.
    pub(super) fn exact_strings(
        &self,
        name: &'static str,
        exact_name: &'static str,
        check: impl Fn(&[u8]) -> Result<(), &'static str>,
    ) -> Result<Strings, SegmentError> {
        let mut texts = self.column::<ByteArrayType>(name)?;
        let mut strings = Strings::with_capacity(self.rows, texts.string_bytes);
        let mut exacts = self.column::<ByteArrayType>(exact_name)?;
        for chunk in self.chunks(texts.chunk_rows.min(exacts.chunk_rows)) {
            let pairs = texts.next(chunk.len())?.zip(exacts.next(chunk.len())?);
            for (row, (text, exact)) in chunk.zip(pairs) {
                let value = exact_of(text, exact)
                    .and_then(|value| check(value).map(|()| value))
                    .map_err(|detail| bad_value(row, name, detail))?;
                strings.push(value)?;
            }
        }
        texts.finish()?;
        exacts.finish()?;
        Ok(strings)
    }

    fn chunks(&self, chunk_rows: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = self.rows;
        (0..rows)
            .step_by(chunk_rows)
            .map(move |start| start..rows.min(start + chunk_rows))
    }
}

/// How many values may be asked for at once, so that they take no more than [`CHUNK_MAX_BYTES`].
/// A value that shares the start of the one before it can be as large as a page, and as small as
/// a byte there.
fn chunk_rows(largest_page: usize) -> usize {
    (CHUNK_MAX_BYTES / largest_page.max(1)).clamp(1, CHUNK_MAX_ROWS)
}

/// How many bytes of strings a column has: what the footer says, in so far as it is plausible.
fn string_bytes(column: &ColumnChunkMetaData) -> usize {
    let bytes = column
        .unencoded_byte_array_data_bytes()
        .unwrap_or_else(|| column.uncompressed_size());
    usize::try_from(bytes).map_or(0, |bytes| bytes.min(STRINGS_HINT_MAX_BYTES))
}

/// The exact bytes of a string: in one column if they are text, in both if they are not.
pub(super) fn exact_of<'a>(
    text: Option<&'a ByteArray>,
    exact: Option<&'a ByteArray>,
) -> Result<&'a [u8], &'static str> {
    let text = text.map_or(&b""[..], ByteArray::data);
    let Some(exact) = exact else {
        return std::str::from_utf8(text)
            .map(str::as_bytes)
            .map_err(|_| "is not UTF-8");
    };
    let exact = exact.data();
    if std::str::from_utf8(exact).is_ok() || String::from_utf8_lossy(exact).as_bytes() != text {
        return Err("is not what its exact bytes say");
    }
    Ok(exact)
}

/// The values of a column, from first to last.
pub(super) struct Column<T: DataType> {
    name: &'static str,
    /// How many values may be asked for at once.
    pub(super) chunk_rows: usize,
    /// About how many bytes of strings there are.
    string_bytes: usize,
    reader: ColumnReaderImpl<T>,
    is_optional: bool,
    values: Vec<T::T>,
    levels: Vec<i16>,
}

impl<T: DataType> Column<T> {
    /// The next `rows` values; `None` for null.
    pub(super) fn next(
        &mut self,
        rows: usize,
    ) -> Result<impl Iterator<Item = Option<&T::T>>, SegmentError> {
        if self.read(rows)? != rows {
            return Err(wrong(self.name, "has too few values"));
        }
        let mut values = self.values.iter();
        let (is_optional, levels) = (self.is_optional, &self.levels);
        Ok((0..rows).map(move |row| {
            let is_some = !is_optional || levels.get(row) == Some(&1);
            if is_some { values.next() } else { None }
        }))
    }

    /// An error if there are more values.
    pub(super) fn finish(mut self) -> Result<(), SegmentError> {
        match self.read(1)? {
            0 => Ok(()),
            _ => Err(wrong(self.name, "has too many values")),
        }
    }

    fn read(&mut self, rows: usize) -> Result<usize, SegmentError> {
        self.values.clear();
        self.levels.clear();
        let levels = self.is_optional.then_some(&mut self.levels);
        self.reader
            .read_records(rows, levels, None, &mut self.values)
            .map(|(records, _, _)| records)
            .map_err(|error| failed(self.name, error))
    }
}

fn wrong(column: &'static str, detail: &'static str) -> SegmentError {
    SegmentError::Decode {
        what: column,
        source: detail.into(),
    }
}

fn failed(what: &'static str, error: ParquetError) -> SegmentError {
    SegmentError::Decode {
        what,
        source: error.into(),
    }
}
