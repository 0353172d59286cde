//! A tree of files in a directory of this host.
//!
//! Nothing outside the directory is ever read, whatever other processes do to it meanwhile:
//! every path is resolved beneath the root, and every fact that matters is asked of an open
//! descriptor.
//!
//! # Caveats
//! Between the look at a file and its opening it can be replaced by a device. Opening one does
//! not block and nothing is read from it, but its driver can notice.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;
use rustix::io::{Errno, retry_on_intr};

use super::beneath::{self, READ, Root, is_component, stat_at, stat_of, unsuitable};
use super::tree::{Names, Stat, Tree};
use super::xattrs;
use crate::api::catalog::Kind;

/// A tree of files in a directory of this host.
#[derive(Debug)]
pub struct MountedTree {
    root: Root,
    /// Whether reading still leaves access times alone; only a file's owner may ask for that.
    keeps_access_times: AtomicBool,
    has_foreign_clock: bool,
}

/// The directory is missing, is none, or may not be opened.
#[derive(Debug, thiserror::Error)]
#[error("open directory {}", path.display())]
pub struct OpenTreeError {
    /// The directory.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl MountedTree {
    /// Opens the directory. It is what the user named, so that links on the way to it are
    /// followed.
    ///
    /// # Errors
    /// The directory is missing, is none, or may not be opened.
    pub fn open(path: &Path) -> Result<Self, OpenTreeError> {
        Self::from_root(Root::open(path)).map_err(|errno| open_error(path, errno))
    }

    /// Opens the directory and does without `openat2`, as on a host that forbids it.
    ///
    /// # Errors
    /// As [`MountedTree::open`].
    pub fn open_without_openat2(path: &Path) -> Result<Self, OpenTreeError> {
        let root = Root::open(path).and_then(Root::without_openat2);
        Self::from_root(root).map_err(|errno| open_error(path, errno))
    }

    fn from_root(root: rustix::io::Result<Root>) -> rustix::io::Result<Self> {
        let root = root?;
        let has_foreign_clock = is_of_another_machine(root.descriptor())?;
        Ok(Self {
            root,
            keeps_access_times: AtomicBool::new(true),
            has_foreign_clock,
        })
    }

    /// Opens for reading, and leaves the access time alone as long as that is permitted.
    fn open_to_read(
        &self,
        directory: BorrowedFd<'_>,
        path: &[u8],
        flags: OFlags,
    ) -> rustix::io::Result<OwnedFd> {
        if self.keeps_access_times.load(Ordering::Relaxed) {
            match self
                .root
                .open_beneath(directory, path, READ | OFlags::NOATIME | flags)
            {
                // Some entry is another user's. Trying again for each would double every open.
                Err(Errno::PERM) => self.keeps_access_times.store(false, Ordering::Relaxed),
                done => return done,
            }
        }
        self.root.open_beneath(directory, path, READ | flags)
    }

    fn directory(
        &self,
        beneath: BorrowedFd<'_>,
        path: &[u8],
    ) -> io::Result<(MountedDirectory, Stat)> {
        let opened = self
            .open_to_read(beneath, path, OFlags::DIRECTORY)
            // The kernel says one or the other of a link, by the way it was asked.
            .map_err(|errno| {
                if errno == Errno::LOOP {
                    Errno::NOTDIR
                } else {
                    errno
                }
            })?;
        let stat = stat_of(opened.as_fd())?;
        Ok((MountedDirectory(opened), stat))
    }
}

fn check_path(path: &[u8]) -> io::Result<()> {
    if path.split(|byte| *byte == b'/').all(is_component) {
        return Ok(());
    }
    Err(unsuitable("not a path beneath the root"))
}

impl OpenTreeError {
    /// Whether there is no such directory.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

fn open_error(path: &Path, errno: Errno) -> OpenTreeError {
    OpenTreeError {
        path: path.to_owned(),
        source: errno.into(),
    }
}

/// An open directory.
#[derive(Debug)]
pub struct MountedDirectory(OwnedFd);

/// An open regular file.
#[derive(Debug)]
pub struct MountedFile(File);

impl Read for MountedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Tree for MountedTree {
    type Directory = MountedDirectory;
    type File = MountedFile;

    fn root(&self) -> io::Result<(MountedDirectory, Stat)> {
        self.directory(self.root.descriptor(), b".")
    }

    fn names(&self, directory: &MountedDirectory, names: &mut Names) -> io::Result<()> {
        beneath::list(directory.0.as_fd(), |name, is_directory| {
            names.push(name, is_directory);
        })?;
        Ok(())
    }

    fn stat(&self, directory: &MountedDirectory, name: &[u8]) -> io::Result<Stat> {
        Ok(stat_at(directory.0.as_fd(), name)?)
    }

    fn open_directory(
        &self,
        directory: &MountedDirectory,
        name: &[u8],
    ) -> io::Result<(MountedDirectory, Stat)> {
        if !is_component(name) {
            return Err(unsuitable("not the name of an entry"));
        }
        self.directory(directory.0.as_fd(), name)
    }

    fn open_directory_path(&self, path: &[u8]) -> io::Result<(MountedDirectory, Stat)> {
        if path.is_empty() {
            return self.root();
        }
        check_path(path)?;
        self.directory(self.root.descriptor(), path)
    }

    fn read_link(&self, directory: &MountedDirectory, name: &[u8]) -> io::Result<Vec<u8>> {
        let target = retry_on_intr(|| rustix::fs::readlinkat(&directory.0, name, Vec::new()))?;
        Ok(target.into_bytes())
    }

    fn open_file(&self, path: &[u8]) -> io::Result<MountedFile> {
        check_path(path)?;
        let opened = self.open_to_read(self.root.descriptor(), path, OFlags::empty())?;
        if stat_of(opened.as_fd())?.identity.kind != Kind::File {
            return Err(unsuitable("not a regular file"));
        }
        Ok(MountedFile(File::from(opened)))
    }

    fn stat_file(&self, file: &MountedFile) -> io::Result<Stat> {
        Ok(stat_of(file.0.as_fd())?)
    }

    fn xattrs(&self, file: &MountedFile) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        xattrs::read(file.0.as_fd())
    }

    fn directory_xattrs(
        &self,
        directory: &MountedDirectory,
    ) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        xattrs::read(directory.0.as_fd())
    }

    fn has_foreign_clock(&self) -> bool {
        self.has_foreign_clock
    }
}

/// Whether another machine's clock stamps the changes on this file system.
fn is_of_another_machine(descriptor: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    /// NFS, SMB, CIFS, SMB2, FUSE, 9P, Ceph, Lustre, AFS (two), GPFS, Coda, OCFS2, GFS2, vboxsf
    /// and `PanFS`. FUSE may be local; it is taken as foreign because nobody can tell.
    /// <https://man7.org/linux/man-pages/man2/statfs.2.html>
    const MAGICS: [u32; 16] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x6573_5546,
        0x0102_1997,
        0x00c3_6400,
        0x0bd0_0bd0,
        0x5346_414f,
        0x6b41_4653,
        0x4750_4653,
        0x7375_7245,
        0x7461_636f,
        0x0116_1970,
        0x786f_4256,
        0xaad7_aaea,
    ];
    let found = retry_on_intr(|| rustix::fs::fstatfs(descriptor))?;
    // The field is as wide as a machine word, and some kernels extend the sign of 32 bits.
    let magic = found.f_type & 0xffff_ffff;
    Ok(MAGICS.iter().any(|known| i64::from(*known) == magic))
}
