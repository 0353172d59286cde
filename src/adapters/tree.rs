//! A tree of files, read beneath its root: what the engine may ask of it.
//!
//! Nothing outside the root is ever opened: no symbolic link is followed, no other file system is
//! entered, and every read goes through a descriptor whose facts were asked of the descriptor.
//! Methods block: they run on threads of their own.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io;

use super::store::{Original, StoreError};
use crate::api::catalog::{Identity, Nanoseconds, Ownership};
use crate::plan::key;
use crate::plan::named::Named;

/// A tree of files. [`Tree::Directory`] and [`Tree::File`] are open descriptors.
pub trait Tree: Send + Sync + 'static {
    /// An open directory.
    type Directory: Send;
    /// An open regular file, read from its start.
    type File: io::Read + Send;

    /// Opens the root.
    fn root(&self) -> io::Result<(Self::Directory, Stat)>;

    /// Adds the names in a directory, without `.` and `..`, in any order. An error means that
    /// some names may be missing.
    fn names(&self, directory: &Self::Directory, names: &mut Names) -> io::Result<()>;

    /// The facts of an entry, without following it.
    fn stat(&self, directory: &Self::Directory, name: &[u8]) -> io::Result<Stat>;

    /// Opens a directory in a directory. What has become something else is
    /// [`io::ErrorKind::NotADirectory`], and one on another mount is
    /// [`io::ErrorKind::CrossesDevices`].
    fn open_directory(
        &self,
        directory: &Self::Directory,
        name: &[u8],
    ) -> io::Result<(Self::Directory, Stat)>;

    /// Opens a directory by its path from the root; the empty path is the root's. Errors are
    /// those of [`Tree::open_directory`].
    fn open_directory_path(&self, path: &[u8]) -> io::Result<(Self::Directory, Stat)> {
        let mut reached = self.root()?;
        if path.is_empty() {
            return Ok(reached);
        }
        for name in path.split(|byte| *byte == b'/') {
            reached = self.open_directory(&reached.0, name)?;
        }
        Ok(reached)
    }

    /// Where a symbolic link points.
    fn read_link(&self, directory: &Self::Directory, name: &[u8]) -> io::Result<Vec<u8>>;

    /// Opens a regular file by its path from the root. What has become something else, or lies
    /// behind a link or on another mount, is an error; nothing blocks.
    fn open_file(&self, path: &[u8]) -> io::Result<Self::File>;

    /// The facts of an open file.
    fn stat_file(&self, file: &Self::File) -> io::Result<Stat>;

    /// The extended attributes of an open file, sorted by name, those of the `user.` namespace
    /// and POSIX ACLs. A file system without them has none.
    fn xattrs(&self, file: &Self::File) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>>;

    /// The extended attributes of an open directory, as [`Tree::xattrs`].
    fn directory_xattrs(&self, directory: &Self::Directory) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>>;

    /// Whether change times are stamped by another machine's clock (a network file system).
    fn has_foreign_clock(&self) -> bool;

    /// Whether no change ever leaves the facts of an entry as they were, however soon it comes.
    fn tells_every_change(&self) -> bool {
        false
    }

    /// Requests made so far to whatever holds the tree, by operation.
    fn requests(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// The object that a file is, by its path from the root, where the store that a backup goes to
    /// can copy it by itself and knows its checksum. Whoever gets none opens the file.
    fn stored(&self, _path: &[u8]) -> Option<Stored> {
        None
    }

    /// The entries of a tree that lists itself, in the order of [`key::order_key`]; `None` for one
    /// that is walked by its directories.
    fn listing(&self) -> Option<Listing<'_>> {
        None
    }

    /// The entries that are named, of a tree that can look at single ones; a key that is not there
    /// any more has none. As [`Tree::listing`] otherwise.
    fn listing_of<'a>(&'a self, _named: &'a Named) -> Option<Listing<'a>> {
        self.listing()
    }
}

/// The entries of a tree that lists itself. An error ends it.
pub type Listing<'a> = Box<dyn Iterator<Item = Result<Listed, StoreError>> + 'a>;

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// An entry, and its facts.
    Entry {
        /// The path.
        path: Vec<u8>,
        /// Its facts.
        stat: Stat,
    },
    /// An entry that cannot be looked at.
    Unreadable {
        /// The path.
        path: Vec<u8>,
        /// Why.
        detail: String,
    },
    /// Something that has no place among paths. It stands outside of the order.
    Nameless {
        /// What stands where others have their path.
        path: Vec<u8>,
        /// What it is called there.
        name: String,
        /// Why it has none.
        reason: &'static str,
    },
}

/// Whether an error says that this process, or the host, has no descriptors left.
#[must_use]
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    let code = rustix::io::Errno::from_io_error(error);
    matches!(
        code,
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)
    )
}

/// The facts of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What decides whether it changed.
    pub identity: Identity,
    /// Mode and owner.
    pub ownership: Ownership,
    /// How many names it has.
    pub links: u64,
    /// The file system that it is on.
    pub file_system: u64,
    /// The device number of a device; 0 otherwise.
    pub device: u64,
    /// Birth time, where the file system knows it.
    pub birth: Option<Nanoseconds>,
}

/// A file that is an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The facts of the file.
    pub stat: Stat,
    /// The object.
    pub original: Original,
    /// CRC64NVME of its bytes, as its own store tells it.
    pub crc64: u64,
    /// Its extended attributes, as of an open file.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The names in one directory, in one buffer: 16 bytes a name, and the name itself.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Each name, followed by its encoded form where that is another one.
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    start: usize,
    length: u16,
    encoded_length: u16,
    is_directory: bool,
}

impl Names {
    /// Adds a name: one component, shorter than a path may be (4,096 bytes).
    pub fn push(&mut self, name: &[u8], is_directory: bool) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let encoded = key::encode(name);
        let encoded: &[u8] = if encoded.as_bytes() == name {
            b""
        } else {
            encoded.as_bytes()
        };
        self.bytes.extend_from_slice(encoded);
        self.slots.push(Slot {
            start,
            length: short(name.len()),
            encoded_length: short(encoded.len()),
            is_directory,
        });
    }

    /// Brings the names into the order of [`key::order_key`], each once. A name that was listed
    /// twice, because it was made anew meanwhile, counts as a directory if it once was one.
    pub fn sort(&mut self) {
        let mut slots = std::mem::take(&mut self.slots);
        slots.sort_unstable_by(|left, right| self.compare(*left, *right));
        slots.dedup_by(|left, right| self.compare(*left, *right).is_eq());
        let twins: Vec<usize> = slots
            .iter()
            .filter(|slot| slot.is_directory)
            .filter_map(|slot| {
                let file = Slot {
                    is_directory: false,
                    ..*slot
                };
                slots
                    .binary_search_by(|other| self.compare(*other, file))
                    .ok()
            })
            .collect();
        for index in twins.into_iter().rev() {
            slots.remove(index);
        }
        self.slots = slots;
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// One name, and whether it is a directory's.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<(&[u8], bool)> {
        let slot = self.slots.get(index)?;
        Some((
            &self.bytes[slot.start..][..usize::from(slot.length)],
            slot.is_directory,
        ))
    }

    /// The order of two names: that of their encoded forms, a directory's followed by `/`.
    fn compare(&self, left: Slot, right: Slot) -> Ordering {
        let (left_key, right_key) = (self.encoded(left), self.encoded(right));
        let shared = left_key.len().min(right_key.len());
        let after = |key: &[u8], slot: Slot| {
            key.get(shared)
                .copied()
                .or_else(|| slot.is_directory.then_some(b'/'))
        };
        left_key[..shared]
            .cmp(&right_key[..shared])
            .then_with(|| after(left_key, left).cmp(&after(right_key, right)))
    }

    fn encoded(&self, slot: Slot) -> &[u8] {
        let length = usize::from(slot.length);
        match usize::from(slot.encoded_length) {
            0 => &self.bytes[slot.start..][..length],
            encoded_length => &self.bytes[slot.start + length..][..encoded_length],
        }
    }
}

fn short(length: usize) -> u16 {
    // The kernel takes no path of 4,096 bytes, and escaping triples a name at most.
    u16::try_from(length).expect("a name is shorter than a path may be")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::catalog::Kind;

    fn sorted(listed: &[(&[u8], bool)]) -> Vec<(Vec<u8>, bool)> {
        let mut names = Names::default();
        for (name, is_directory) in listed {
            names.push(name, *is_directory);
        }
        names.sort();
        (0..names.len())
            .filter_map(|index| names.get(index))
            .map(|(name, is_directory)| (name.to_vec(), is_directory))
            .collect()
    }

    #[test]
    fn names_are_in_the_order_of_their_keys() {
        let listed: [(&[u8], bool); 9] = [
            (b"a", true),
            (b"a!", false),
            (b"a0", false),
            (b"a%", false),
            (b"\xff", true),
            (b"..a", false),
            ("ü".as_bytes(), false),
            (b"a\n", true),
            (b"a-", false),
        ];
        let mut expected: Vec<_> = listed
            .iter()
            .map(|(name, is_directory)| (name.to_vec(), *is_directory))
            .collect();
        expected.sort_by_key(|(name, is_directory)| {
            let kind = if *is_directory {
                Kind::Directory
            } else {
                Kind::File
            };
            key::order_key(name, kind).into_owned()
        });
        assert_eq!(sorted(&listed), expected);
    }

    #[test]
    fn a_name_listed_twice_is_there_once() {
        let listed: [(&[u8], bool); 5] = [
            (b"b", false),
            (b"a", false),
            (b"a", true),
            (b"a!", false),
            (b"b", false),
        ];
        let once = [
            (b"a!".to_vec(), false),
            (b"a".to_vec(), true),
            (b"b".to_vec(), false),
        ];
        assert_eq!(sorted(&listed), once);
    }
}
