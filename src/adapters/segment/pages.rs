//! What the pages of a column unfold into, known before the library unfolds them.
//!
//! The library allocates what a page's header and the header of its values announce: a few forged
//! bytes would take all memory. So both are read here first, in the one form that the writer gives
//! them, and whatever announces more than a segment may have is refused.

use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};

/// The most bytes that a page may unfold into: several times the size at which a writer ends one.
const PAGE_MAX_BYTES: u64 = 8 << 20;

/// The bytes of the largest page of a column, when unfolded.
///
/// # Errors
/// Says what is wrong with a page that the writer would not write, or that announces more than
/// [`PAGE_MAX_BYTES`] or more values than there are rows.
pub(super) fn largest(column: &[u8], rows: usize) -> std::result::Result<usize, &'static str> {
    let mut rest = Cursor(column);
    let mut largest = 0;
    while !rest.0.is_empty() {
        let page = rest
            .page_header()
            .ok_or("has a page whose header is not the writer's")?;
        if page.unfolded_bytes > PAGE_MAX_BYTES {
            return Err("has a page that unfolds into too many bytes");
        }
        if page.values > rows as u64 {
            return Err("has a page of more values than there are rows");
        }
        rest.take(page.bytes)
            .ok_or("has a page that is cut short")?;
        largest = largest.max(page.unfolded_bytes);
    }
    Ok(usize::try_from(largest).expect("PAGE_MAX_BYTES fits the address space"))
}

/// Pages whose values have been counted before they are decoded.
pub(super) struct CountedPages {
    pub(super) inner: Box<dyn PageReader>,
    /// Whether levels stand before the values.
    pub(super) is_optional: bool,
}

impl PageReader for CountedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.inner.get_next_page()?;
        if let Some(page) = &page {
            check(page, self.is_optional)
                .ok_or_else(|| ParquetError::General("a page is not the writer's".to_owned()))?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.inner.skip_next_page()
    }
}

impl Iterator for CountedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// Nothing for a page that holds more values than its header says, or holds them in a way that
/// the writer does not use.
fn check(page: &Page, is_optional: bool) -> Option<()> {
    let Page::DataPage {
        buf,
        num_values,
        encoding,
        ..
    } = page
    else {
        return page.is_dictionary_page().then_some(());
    };
    let mut values = Cursor(buf);
    if is_optional {
        let length = u32::from_le_bytes(*values.0.first_chunk()?);
        values.take(4)?;
        values.take(length.into())?;
    }
    let most = u64::from(*num_values);
    match encoding {
        Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => Some(()),
        Encoding::DELTA_BINARY_PACKED => values.deltas(most),
        // The lengths of what is shared with the string before, then those of what is not.
        Encoding::DELTA_BYTE_ARRAY => values.deltas(most).and_then(|()| values.deltas(most)),
        _ => None,
    }
}

struct PageHeader {
    unfolded_bytes: u64,
    bytes: u64,
    values: u64,
}

/// Bytes that are taken from the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// The header of a page, in Thrift's compact protocol.
    /// <https://parquet.apache.org/docs/file-format/data-pages/>
    fn page_header(&mut self) -> Option<PageHeader> {
        /// The next field, an i32.
        const INTEGER: u8 = 0x15;
        /// The field two or four further on, a struct.
        const DATA_PAGE: u8 = 0x2c;
        const DICTIONARY_PAGE: u8 = 0x4c;

        let mut integer = || {
            self.literal(INTEGER)?;
            self.signed()
        };
        let kind = integer()?;
        let unfolded_bytes = integer()?;
        let bytes = integer()?;
        let integers = match kind {
            0 => 3,
            2 => 1,
            _ => return None,
        };
        self.literal(if kind == 0 {
            DATA_PAGE
        } else {
            DICTIONARY_PAGE
        })?;
        self.literal(INTEGER)?;
        let values = self.signed()?;
        for _ in 0..integers {
            self.literal(INTEGER)?;
            self.signed()?;
        }
        // Whether a dictionary is sorted: a field of its own two kinds.
        if kind == 2 && matches!(self.0.first(), Some(0x11 | 0x12)) {
            self.take(1)?;
        }
        self.literal(0)?;
        self.literal(0)?;
        Some(PageHeader {
            unfolded_bytes: unfolded_bytes.try_into().ok()?,
            bytes: bytes.try_into().ok()?,
            values: values.try_into().ok()?,
        })
    }

    /// Goes past integers in `DELTA_BINARY_PACKED`, `most` of them at most.
    /// <https://parquet.apache.org/docs/file-format/data-pages/encodings/>
    fn deltas(&mut self, most: u64) -> Option<()> {
        let block = self.unsigned()?;
        let parts = self.unsigned()?;
        let count = self.unsigned()?;
        self.unsigned()?;
        if !matches!(block, 128 | 256) || parts != 4 || count > most {
            return None;
        }
        let mut left = count.saturating_sub(1);
        while left > 0 {
            self.unsigned()?;
            for &width in self.take(parts)? {
                if left > 0 {
                    self.take(u64::from(width) * (block / parts) / 8)?;
                    left = left.saturating_sub(block / parts);
                }
            }
        }
        Some(())
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn literal(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data page of two bytes and three values.
    const PAGE: [u8; 19] = [
        0x15, 0, 0x15, 4, 0x15, 4, 0x2c, 0x15, 6, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0, b'a', b'b',
    ];

    #[test]
    fn pages_are_measured() {
        assert_eq!(largest(&PAGE, 3), Ok(2));
        assert_eq!(largest(&PAGE.repeat(3), 3), Ok(2));
        assert_eq!(largest(&[], 3), Ok(0));
    }

    #[test]
    fn c07_pages_that_announce_too_much_are_refused() {
        assert!(largest(&PAGE, 2).is_err());
        assert!(largest(&PAGE[..18], 3).is_err());
        let mut bomb = PAGE.to_vec();
        bomb.splice(3..4, [0x80, 0x80, 0x80, 0x80, 0x08]);
        assert_eq!(
            largest(&bomb, 3),
            Err("has a page that unfolds into too many bytes")
        );
        bomb.splice(3..8, [0x01]);
        assert_eq!(
            largest(&bomb, 3),
            Err("has a page whose header is not the writer's")
        );
    }

    #[test]
    fn c07_integers_that_announce_too_many_are_refused() {
        let one = [0x80, 0x01, 4, 1, 0];
        assert_eq!(Cursor(&one).deltas(1), Some(()));
        assert_eq!(Cursor(&one).deltas(0), None);
        let many = [0x80, 0x01, 4, 0xff, 0xff, 0xff, 0xff, 0x7f, 0];
        assert_eq!(Cursor(&many).deltas(1000), None);
    }
}
