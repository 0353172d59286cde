//! Columns of byte strings, without an allocation for each value.

use std::collections::HashMap;

use super::HEAP_MAX_BYTES;
use super::error::{SegmentError, check_limit};

/// Byte strings, one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Strings {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Strings {
    /// Room for so many strings, and so many bytes of them.
    pub(super) fn with_capacity(rows: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ends: Vec::with_capacity(rows),
        }
    }

    pub(super) fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start as usize..self.ends[index] as usize]
    }

    /// Appends a string, unless there would be more bytes than a segment may have.
    pub(super) fn push(&mut self, value: &[u8]) -> Result<(), SegmentError> {
        let length = self.bytes.len() + value.len();
        check_limit("bytes", length, HEAP_MAX_BYTES)?;
        self.bytes.extend_from_slice(value);
        self.ends
            .push(u32::try_from(length).expect("HEAP_MAX_BYTES fits 32 bits"));
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(super) fn byte_count(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(self.ends.as_slice())
    }
}

/// Words of which there are few, each kept once. The empty word stands for none.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    list: Vec<String>,
    numbers: HashMap<String, u32>,
    rows: Vec<u32>,
}

impl Words {
    /// Room for so many rows.
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self {
            rows: Vec::with_capacity(rows),
            ..Self::default()
        }
    }

    /// The word of a row; empty where it has none.
    pub(super) fn get(&self, index: usize) -> &str {
        match self.rows[index] {
            0 => "",
            number => &self.list[number as usize - 1],
        }
    }

    pub(super) fn push(&mut self, word: &str) {
        let number = self.number_of(word);
        self.rows.push(number);
    }

    /// Forgets the rows; the words are likely to come again.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(self.rows.as_slice()) + 2 * self.list.iter().map(String::len).sum::<usize>()
    }

    fn number_of(&mut self, word: &str) -> u32 {
        if word.is_empty() {
            return 0;
        }
        // Neighbours mostly share their words.
        if let Some(&last) = self.rows.last()
            && last > 0
            && self.list[last as usize - 1] == word
        {
            return last;
        }
        if let Some(&number) = self.numbers.get(word) {
            return number;
        }
        self.list.push(word.to_owned());
        let number = u32::try_from(self.list.len()).expect("there are fewer words than rows");
        self.numbers.insert(word.to_owned(), number);
        number
    }
}
