//! A Parquet file as columns of values, through the library and not trusting it.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::TypePtr;

use super::columns::Strings;
use super::error::{SegmentError, bad_value, check_limit};
use super::sparse::Sparse;
use super::{HEAP_MAX_BYTES, ROWS_MAX};

/// How many values are taken from the library at once.
const CHUNK_ROWS: usize = 4096;

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
    reader: SerializedFileReader<Sparse>,
}

impl Table {
    pub(super) fn open(bytes: Sparse, schema: &TypePtr) -> Result<Self, SegmentError> {
        let reader = SerializedFileReader::new(bytes).map_err(|error| failed("footer", error))?;
        let found = reader.metadata().file_metadata().schema();
        if found != schema.as_ref() {
            return Err(SegmentError::OtherColumns {
                detail: difference(found, schema),
            });
        }
        Ok(Self { reader })
    }

    pub(super) fn row_groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    /// One row group, if it has no more rows and bytes than a segment may.
    pub(super) fn row_group(&self, index: usize) -> Result<RowGroup<'_>, SegmentError> {
        let metadata = self.reader.metadata().row_group(index);
        let rows = usize::try_from(metadata.num_rows()).unwrap_or(usize::MAX);
        check_limit("rows", rows, ROWS_MAX)?;
        check_limit("bytes", uncompressed_bytes(metadata), HEAP_MAX_BYTES)?;
        let reader = self
            .reader
            .get_row_group(index)
            .map_err(|error| failed("row group", error))?;
        Ok(RowGroup { reader, rows })
    }
}

/// Columns of the same number of rows.
pub(super) struct RowGroup<'a> {
    reader: Box<dyn RowGroupReader + 'a>,
    pub(super) rows: usize,
}

impl RowGroup<'_> {
    /// A column by its name, from its first row.
    pub(super) fn column<T: DataType>(
        &self,
        name: &'static str,
    ) -> Result<Column<T>, SegmentError> {
        let schema = self.reader.metadata().schema_descr();
        let index = schema
            .columns()
            .iter()
            .position(|column| column.name() == name)
            .ok_or_else(|| SegmentError::OtherColumns {
                detail: format!("no {name}"),
            })?;
        let reader = self
            .reader
            .get_column_reader(index)
            .map_err(|error| failed(name, error))?;
        Ok(Column {
            name,
            reader: get_typed_column_reader(reader),
            is_optional: schema.column(index).max_def_level() > 0,
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
        for chunk in self.chunks() {
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
        let mut strings = Strings::default();
        let mut column = self.column::<ByteArrayType>(name)?;
        for chunk in self.chunks() {
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
        let mut strings = Strings::default();
        let mut texts = self.column::<ByteArrayType>(name)?;
        let mut exacts = self.column::<ByteArrayType>(exact_name)?;
        for chunk in self.chunks() {
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

    fn chunks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = self.rows;
        (0..rows)
            .step_by(CHUNK_ROWS)
            .map(move |start| start..rows.min(start + CHUNK_ROWS))
    }
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
            return Err(self.wrong("has too few values"));
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
        if self.read(1)? == 0 {
            Ok(())
        } else {
            Err(self.wrong("has too many values"))
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

    fn wrong(&self, detail: &'static str) -> SegmentError {
        SegmentError::Decode {
            what: self.name,
            source: detail.into(),
        }
    }
}

fn failed(what: &'static str, error: ParquetError) -> SegmentError {
    SegmentError::Decode {
        what,
        source: error.into(),
    }
}

fn uncompressed_bytes(metadata: &RowGroupMetaData) -> usize {
    metadata
        .columns()
        .iter()
        .map(|column| usize::try_from(column.uncompressed_size()).unwrap_or(usize::MAX))
        .fold(0, usize::saturating_add)
}

fn difference(found: &parquet::schema::types::Type, expected: &TypePtr) -> String {
    let names = |schema: &parquet::schema::types::Type| match schema {
        parquet::schema::types::Type::GroupType { fields, .. } => fields.clone(),
        parquet::schema::types::Type::PrimitiveType { .. } => Vec::new(),
    };
    let expected = names(expected);
    let found = names(found);
    let different = found.iter().find(|field| !expected.contains(field));
    let missing = expected.iter().find(|field| !found.contains(field));
    match (different, missing) {
        (Some(field), _) => format!("has {}", field.name()),
        (None, Some(field)) => format!("lacks {}", field.name()),
        (None, None) => "another order".to_owned(),
    }
}
