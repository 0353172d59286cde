//! An object of which only the start and the end are there.

use bytes::Bytes;
use bytes::buf::{Buf, Reader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// The verified bytes of an object, where they stand in it. Reading any other byte is an error,
/// so nothing is parsed that has not been verified.
#[derive(Clone)]
pub(super) struct Sparse {
    size: u64,
    start: Bytes,
    end: Bytes,
}

impl Sparse {
    /// All of an object.
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self {
            size: bytes.len() as u64,
            start: bytes,
            end: Bytes::new(),
        }
    }

    /// The first and the last bytes of an object of `size` bytes.
    pub(super) fn ends(size: u64, start: Bytes, end: Bytes) -> Self {
        Self { size, start, end }
    }

    /// The bytes that are there from an offset.
    fn from(&self, offset: u64) -> Result<Bytes> {
        let missing = || ParquetError::EOF(format!("byte {offset} is not there"));
        if let Ok(offset) = usize::try_from(offset)
            && offset < self.start.len()
        {
            return Ok(self.start.slice(offset..));
        }
        let end = self
            .size
            .checked_sub(self.end.len() as u64)
            .ok_or_else(missing)?;
        let offset = offset.checked_sub(end).ok_or_else(missing)?;
        match usize::try_from(offset) {
            Ok(offset) if offset < self.end.len() => Ok(self.end.slice(offset..)),
            _ => Err(missing()),
        }
    }
}

impl Length for Sparse {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Sparse {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.from(start).map(Buf::reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if length == 0 {
            return Ok(Bytes::new());
        }
        let mut bytes = self.from(start)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!(
                "byte {start} and {length} on are not there"
            )));
        }
        bytes.truncate(length);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there_is_read() {
        let sparse = Sparse::ends(10, Bytes::from_static(b"abc"), Bytes::from_static(b"ij"));
        let get = |start, length| sparse.get_bytes(start, length).ok();
        assert_eq!(get(0, 3).as_deref(), Some(&b"abc"[..]));
        assert_eq!(get(1, 1).as_deref(), Some(&b"b"[..]));
        assert_eq!(get(8, 2).as_deref(), Some(&b"ij"[..]));
        for (start, length) in [
            (0, 4),
            (2, 2),
            (3, 1),
            (7, 1),
            (9, 2),
            (10, 1),
            (u64::MAX, 2),
        ] {
            assert_eq!(get(start, length), None, "{start} {length}");
        }
    }
}
