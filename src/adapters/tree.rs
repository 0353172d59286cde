//! A tree of files, read beneath its root: what the engine may ask of it.
//!
//! Nothing outside the root is ever opened: no symbolic link is followed, no other file system is
//! entered, and every read goes through a descriptor whose facts were asked of the descriptor.
//! Methods block: they run on threads of their own.

use std::io;

use crate::api::catalog::{Identity, Nanoseconds, Ownership};

/// A tree of files. [`Tree::Directory`] and [`Tree::File`] are open descriptors.
pub trait Tree: Send + Sync + 'static {
    /// An open directory.
    type Directory: Send;
    /// An open regular file, read from its start.
    type File: io::Read + Send;

    /// Opens the root.
    fn root(&self) -> io::Result<(Self::Directory, Stat)>;

    /// The names in a directory, without `.` and `..`, in any order. An error means that some
    /// names may be missing.
    fn names(&self, directory: &Self::Directory) -> io::Result<Vec<Vec<u8>>>;

    /// The facts of an entry, without following it.
    fn stat(&self, directory: &Self::Directory, name: &[u8]) -> io::Result<Stat>;

    /// Opens a directory in a directory. What has become something else is an error.
    fn open_directory(
        &self,
        directory: &Self::Directory,
        name: &[u8],
    ) -> io::Result<(Self::Directory, Stat)>;

    /// Where a symbolic link points.
    fn read_link(&self, directory: &Self::Directory, name: &[u8]) -> io::Result<Vec<u8>>;

    /// Opens a regular file by its path from the root. What has become something else, or lies
    /// behind a link, is an error; nothing blocks and no device is touched.
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
