//! Rows by what decides whether they have changed.

use std::borrow::Cow;

use crate::api::catalog::{Flags, Identity, Kind, Nanoseconds, Totals};
use crate::plan::key;

use super::columns::Strings;
use super::error::SegmentError;

/// The columns that decide whether an entry is as it was. Methods that take a row's number panic
/// where there is no such row, as a slice does.
#[derive(Clone, Debug, Default)]
pub struct Deciding {
    pub(super) paths: Strings,
    pub(super) kinds: Vec<Kind>,
    pub(super) sizes: Vec<u64>,
    pub(super) inodes: Vec<u64>,
    pub(super) mtimes: Vec<Nanoseconds>,
    pub(super) ctimes: Vec<Nanoseconds>,
    pub(super) layouts: Vec<u64>,
    pub(super) flags: Vec<Flags>,
}

impl Deciding {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The exact bytes of a row's path.
    #[must_use]
    pub fn path(&self, index: usize) -> &[u8] {
        self.paths.get(index)
    }

    /// What a row is about.
    #[must_use]
    pub fn kind(&self, index: usize) -> Kind {
        self.kinds[index]
    }

    /// What a row's order is decided by; see [`key::order_key`].
    #[must_use]
    pub fn order_key(&self, index: usize) -> Cow<'_, [u8]> {
        key::order_key(self.path(index), self.kind(index))
    }

    /// What decides whether a row's entry has changed.
    #[must_use]
    pub fn identity(&self, index: usize) -> Identity {
        Identity {
            kind: self.kinds[index],
            size: self.sizes[index],
            inode: self.inodes[index],
            mtime: self.mtimes[index],
            ctime: self.ctimes[index],
        }
    }

    /// Where a row's object belongs.
    #[must_use]
    pub fn layout(&self, index: usize) -> u64 {
        self.layouts[index]
    }

    /// How far a row can be trusted.
    #[must_use]
    pub fn flags(&self, index: usize) -> Flags {
        self.flags[index]
    }

    /// Sums over the rows.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let is_file = |&index: &usize| self.kinds[index] == Kind::File;
        let files = (0..self.len()).filter(is_file);
        Totals {
            rows: self.len() as u64,
            files: files.clone().count() as u64,
            bytes: files.fold(0, |sum, index| sum.saturating_add(self.sizes[index])),
            newest_ctime: self.ctimes.iter().copied().max().unwrap_or_default(),
        }
    }

    /// About how much memory the rows take.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.paths.heap_bytes()
            + size_of_val(self.kinds.as_slice())
            + size_of_val(self.flags.as_slice())
            + 5 * size_of_val(self.sizes.as_slice())
    }

    pub(super) fn with_capacity(rows: usize) -> Self {
        Self {
            paths: Strings::with_capacity(rows, rows * 96),
            kinds: Vec::with_capacity(rows),
            sizes: Vec::with_capacity(rows),
            inodes: Vec::with_capacity(rows),
            mtimes: Vec::with_capacity(rows),
            ctimes: Vec::with_capacity(rows),
            layouts: Vec::with_capacity(rows),
            flags: Vec::with_capacity(rows),
        }
    }

    pub(super) fn push(
        &mut self,
        path: &[u8],
        identity: Identity,
        layout: u64,
        flags: Flags,
    ) -> Result<(), SegmentError> {
        self.paths.push(path)?;
        self.kinds.push(identity.kind);
        self.sizes.push(identity.size);
        self.inodes.push(identity.inode);
        self.mtimes.push(identity.mtime);
        self.ctimes.push(identity.ctime);
        self.layouts.push(layout);
        self.flags.push(flags);
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.paths.clear();
        self.kinds.clear();
        self.sizes.clear();
        self.inodes.clear();
        self.mtimes.clear();
        self.ctimes.clear();
        self.layouts.clear();
        self.flags.clear();
    }
}
