//! Which files are read to learn what compression saves, and what was learnt.
//!
//! Laid end to end, the files of a category are marked at equal distances, and those that bear a
//! mark are read: large files are likelier to, as they matter more. The distance is doubled whenever
//! too many bear one, so that the length need not be known beforehand.

use super::found::{Files, Found};
use super::money::{number, whole};
use super::requests::writes_of_file;

/// How many files of a category are read at most, each to its first MiB: that takes about a second.
const FILES_MAX: usize = 32;

/// A file that is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleFile {
    /// The position of its category.
    pub category: usize,
    /// Its path.
    pub path: Vec<u8>,
    /// For how much of the category it stands.
    pub weight: u64,
}

/// The files of a category that may be compressed.
#[derive(Clone, Debug)]
pub(super) struct Compressible {
    /// What they are if none is.
    plain: Found,
    /// Those with a size of so many bits.
    by_bits: [Files; 65],
    distance: u64,
    passed: u64,
    marked: Vec<Marked>,
    read_files: u64,
    read_weight: u64,
    /// The share of its size that a file is stored in, by weight.
    stored: f64,
}

#[derive(Clone, Debug)]
struct Marked {
    path: Vec<u8>,
    from: u64,
    until: u64,
}

impl Compressible {
    /// None yet, of the category that `found` is of.
    pub(super) fn new(found: &Found) -> Self {
        Self {
            plain: found.clone(),
            by_bits: [Files::default(); 65],
            distance: 1,
            passed: 0,
            marked: Vec::new(),
            read_files: 0,
            read_weight: 0,
            stored: 0.0,
        }
    }

    pub(super) fn add(&mut self, path: &[u8], size_bytes: u64, writes: u64) {
        self.plain.add(size_bytes, writes);
        let bits = usize::try_from(u64::BITS - size_bytes.leading_zeros()).unwrap_or_default();
        if let Some(files) = self.by_bits.get_mut(bits) {
            files.count += 1;
            files.source_bytes += size_bytes;
        }
        let from = self.passed;
        self.passed = from.saturating_add(size_bytes);
        let marked = Marked {
            path: path.to_owned(),
            from,
            until: self.passed,
        };
        if marked.marks(self.distance) > 0 {
            self.marked.push(marked);
        }
        while self.marked.len() > FILES_MAX {
            self.distance = self.distance.saturating_mul(2);
            let distance = self.distance;
            self.marked.retain(|marked| marked.marks(distance) > 0);
        }
    }

    pub(super) fn sample(&self, category: usize) -> impl Iterator<Item = SampleFile> {
        self.marked.iter().map(move |marked| SampleFile {
            category,
            path: marked.path.clone(),
            weight: marked.marks(self.distance),
        })
    }

    /// A file that stands for so much would be stored in this share of its size.
    pub(super) fn add_read(&mut self, weight: u64, stored: f64) {
        self.read_files += 1;
        self.read_weight = self.read_weight.saturating_add(weight);
        self.stored += number(weight) * stored;
    }

    /// Adds the files to the others of their category, as small as the sample says.
    pub(super) fn add_to(&self, found: &mut Found) {
        if self.read_weight == 0 {
            found.merge(&self.plain);
            return;
        }
        found.sampled_files = self.read_files;
        let stored = self.stored / number(self.read_weight);
        for files in self.by_bits.iter().filter(|files| files.count > 0) {
            let stored_bytes = whole(number(files.source_bytes) * stored);
            let (each, stored_each) =
                (files.source_bytes / files.count, stored_bytes / files.count);
            let writes = writes_of_file(each, stored_each).unwrap_or(1);
            found.add_files(Files {
                stored_bytes,
                writes: files.count * writes,
                ..*files
            });
        }
    }
}

impl Marked {
    /// How many marks at this distance it bears.
    fn marks(&self, distance: u64) -> u64 {
        self.until.div_ceil(distance) - self.from.div_ceil(distance)
    }
}
