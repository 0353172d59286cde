//! Whether a footer may be parsed, and whether it describes the columns that were expected.

use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::{Type, TypePtr};

use super::error::SegmentError;
use super::sparse::Sparse;

/// The longest footer: a segment's has 4 KiB, that of a list of millions of dropped paths some
/// hundred.
const FOOTER_MAX_BYTES: u64 = 1 << 20;

/// The footer's length and the magic number.
const TAIL_BYTES: u64 = 8;

/// Refuses a footer that the library should not see: one that is too long, or announces more
/// columns, which it would follow to any depth of nesting.
pub(super) fn check(bytes: &Sparse, schema: &TypePtr) -> Result<(), SegmentError> {
    let read = |start: Option<u64>, length| {
        start
            .ok_or_else(|| ParquetError::EOF("it is too short".to_owned()))
            .and_then(|start| bytes.get_bytes(start, length))
            .map_err(|error| SegmentError::Decode {
                what: "footer",
                source: error.into(),
            })
    };
    let end = bytes.len().checked_sub(TAIL_BYTES);
    let length = read(end, 4)?;
    let length = length
        .first_chunk()
        .map_or(0, |length| u32::from_le_bytes(*length))
        .into();
    if length > FOOTER_MAX_BYTES {
        return Err(SegmentError::TooLarge {
            what: "bytes of footer",
            found: length,
            limit: FOOTER_MAX_BYTES,
        });
    }
    let expected = beginning(schema);
    let start = end.and_then(|end| end.checked_sub(length));
    if *read(start, expected.len())? != *expected {
        return Err(SegmentError::OtherColumns {
            detail: "has another number".to_owned(),
        });
    }
    Ok(())
}

/// How every footer begins: the version, and the number of columns with the group around them.
/// <https://parquet.apache.org/docs/file-format/metadata/>
fn beginning(schema: &Type) -> Vec<u8> {
    let nodes = u8::try_from(columns(schema).len() + 1).expect("the columns are few");
    let mut beginning = vec![0x15, 2, 0x19];
    if nodes < 15 {
        beginning.push(nodes << 4 | 0x0c);
    } else {
        beginning.extend([0xfc, nodes]);
    }
    beginning
}

/// Refuses other columns than were expected.
pub(super) fn check_schema(found: &Type, expected: &TypePtr) -> Result<(), SegmentError> {
    if found == expected.as_ref() {
        return Ok(());
    }
    let (found, expected) = (columns(found), columns(expected));
    let extra = found.iter().find(|column| !expected.contains(column));
    let missing = expected.iter().find(|column| !found.contains(column));
    let detail = match (extra, missing) {
        (Some(column), _) => format!("has {}", column.name()),
        (None, Some(column)) => format!("lacks {}", column.name()),
        (None, None) => "has them in another order".to_owned(),
    };
    Err(SegmentError::OtherColumns { detail })
}

fn columns(schema: &Type) -> &[TypePtr] {
    match schema {
        Type::GroupType { fields, .. } => fields,
        Type::PrimitiveType { .. } => &[],
    }
}
