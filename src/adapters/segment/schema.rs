//! The columns, and how each is written. `docs/catalog.md` says what each means.
//!
//! Whoever reads a segment with DuckDB, Athena or pandas sees these: a name keeps its meaning for
//! ever, and a new column is a new format. The key of a row's object is, in SQL,
//! `coalesce(key, 'data/' || prefix || '/' || path)`. There is no unsigned annotation (Athena has none) and
//! no `BYTE_STREAM_SPLIT` (DuckDB 1.1 reads it for floating point only).

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};

/// A segment. The columns up to `path_bytes` are those that decide.
const SEGMENT: &str = "
    message segment {
        required binary path (STRING);
        required binary type (STRING);
        required int64 size;
        required int64 inode;
        required int64 mtime (TIMESTAMP(NANOS,true));
        required int64 ctime (TIMESTAMP(NANOS,true));
        required int64 layout;
        required int32 flags;
        optional binary path_bytes;
        required int64 mode;
        required int64 uid;
        required int64 gid;
        optional binary category (STRING);
        optional binary bucket (STRING);
        optional fixed_len_byte_array(8) crc64;
        optional fixed_len_byte_array(32) sha256;
        optional binary prefix (STRING);
        optional binary key (STRING);
        optional binary version (STRING);
        optional binary etag (STRING);
        optional binary encoding (STRING);
        optional int64 stored_size;
        optional binary link_target (STRING);
        optional binary link_target_bytes;
        optional int64 link_group;
        optional int64 device;
        optional binary xattrs;
    }";

/// How many columns decide, from the first.
pub(super) const DECIDING_COLUMNS: usize = 9;

/// The list of paths that a commit drops.
const GONE: &str = "
    message gone {
        required binary path (STRING);
        optional binary path_bytes;
        required binary bucket (STRING);
        required binary key (STRING);
        required binary etag (STRING);
    }";

/// Columns of few distinct values.
const DICTIONARY: [&str; 7] = [
    "type", "layout", "flags", "category", "bucket", "prefix", "encoding",
];

/// Columns of integers that resemble their neighbours.
const DELTA: [&str; 5] = ["size", "inode", "mtime", "ctime", "stored_size"];

/// Columns that compression makes no smaller.
const INCOMPRESSIBLE: [&str; 2] = ["crc64", "sha256"];

/// Columns of which the least and the greatest value say nothing.
const WITHOUT_STATISTICS: [&str; 5] = ["crc64", "sha256", "version", "etag", "xattrs"];

/// From how many rows on compression pays. A segment of fewer has less to save than it costs to
/// set up and drop two contexts for each column: 1.8 of 1.9 ms at 20 rows, on a virtual machine.
const COMPRESSED_MIN_ROWS: usize = 256;

/// The most rows of a page, and the most bytes before compression at which a page ends.
const PAGE_MAX_ROWS: usize = 20_000;
const PAGE_MAX_BYTES: usize = 1 << 20;

/// Fixed, because the bytes of a segment are a function of its rows. It has the form that readers
/// take apart.
const CREATED_BY: &str = "backstay version 1";

/// The columns of a segment.
pub(super) fn segment() -> TypePtr {
    parse(SEGMENT)
}

/// The columns of a list of dropped paths.
pub(super) fn gone() -> TypePtr {
    parse(GONE)
}

fn parse(text: &str) -> TypePtr {
    Arc::new(parse_message_type(text).expect("the text is constant, and a test parses it"))
}

/// How a segment of so many rows is written.
pub(super) fn segment_properties(rows: usize) -> WriterProperties {
    if rows < COMPRESSED_MIN_ROWS {
        return properties(Compression::UNCOMPRESSED, &["path"]);
    }
    properties(zstd(), &["path"])
}

/// How a list of dropped paths is written.
pub(super) fn gone_properties() -> WriterProperties {
    properties(zstd(), &["path", "key"])
}

fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(1).expect("zstd has a level 1"))
}

fn properties(compression: Compression, sorted: &[&str]) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(compression)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_data_page_row_count_limit(PAGE_MAX_ROWS)
        .set_data_page_size_limit(PAGE_MAX_BYTES);
    for name in DICTIONARY.map(ColumnPath::from) {
        properties = properties.set_column_dictionary_enabled(name, true);
    }
    for name in DELTA.map(ColumnPath::from) {
        properties = properties.set_column_encoding(name, Encoding::DELTA_BINARY_PACKED);
    }
    for name in sorted.iter().copied().map(ColumnPath::from) {
        properties = properties.set_column_encoding(name, Encoding::DELTA_BYTE_ARRAY);
    }
    for name in INCOMPRESSIBLE.map(ColumnPath::from) {
        properties = properties.set_column_compression(name, Compression::UNCOMPRESSED);
    }
    for name in WITHOUT_STATISTICS.map(ColumnPath::from) {
        properties = properties.set_column_statistics_enabled(name, EnabledStatistics::None);
    }
    properties.build()
}
