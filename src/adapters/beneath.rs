//! A directory of this host that nothing leads out of.
//!
//! Every path is resolved by the kernel with `openat2` beneath the root: no symbolic link is
//! followed, no mount point is crossed, and a directory that another process swaps for a link
//! while we look is an error, not a way out. Where the call is missing or forbidden, each
//! component is opened on its own, with the same outcome.
//!
//! # Caveats
//! Without `openat2` and on kernels before 5.8, a bind mount of the same file system is not told
//! from a directory.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::{Errno, retry_on_intr};

use super::tree::Stat;
use crate::api::catalog::{Identity, Kind, Nanoseconds, Ownership};

/// The longest path that one call takes, without the NUL at its end.
/// <https://man7.org/linux/man-pages/man7/path_resolution.7.html>
const PATH_MAX_BYTES: usize = 4095;

/// To read: never wait for a pipe's writer, never take a terminal over, never leak to a child.
pub(super) const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// An open directory that paths are resolved beneath.
#[derive(Debug)]
pub(super) struct Root {
    descriptor: OwnedFd,
    resolution: Resolution,
}

/// Who looks at each component of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    /// The kernel, by `openat2`.
    Kernel,
    /// We do, component by component, staying on this mount.
    Componentwise(Mount),
}

/// What tells one mount from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mount {
    file_system: u64,
    /// Absent before Linux 5.8.
    id: Option<u64>,
}

impl Root {
    /// Opens a root. It is what the user named, so that links on the way to it are followed.
    pub(super) fn open(path: &Path) -> rustix::io::Result<Self> {
        let flags = READ | OFlags::DIRECTORY;
        let descriptor = retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?;
        let probe =
            retry_on_intr(|| rustix::fs::openat2(&descriptor, ".", flags, Mode::empty(), BENEATH));
        // The root can be opened, so what fails here is the call: ENOSYS on an old kernel, EPERM
        // or whatever else a seccomp filter answers with.
        match probe {
            Ok(_) => Ok(Self {
                descriptor,
                resolution: Resolution::Kernel,
            }),
            Err(_) => Self {
                descriptor,
                resolution: Resolution::Kernel,
            }
            .without_openat2(),
        }
    }

    /// The same root, resolved without `openat2`.
    pub(super) fn without_openat2(self) -> rustix::io::Result<Self> {
        let resolution = Resolution::Componentwise(mount_of(self.descriptor.as_fd())?);
        Ok(Self { resolution, ..self })
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Opens a path of any length beneath a directory that was opened beneath this root.
    pub(super) fn open_beneath(
        &self,
        directory: BorrowedFd<'_>,
        path: &[u8],
        flags: OFlags,
    ) -> rustix::io::Result<OwnedFd> {
        let mut reached: Option<OwnedFd> = None;
        let mut rest = path;
        while let Some((head, tail)) = self.split(rest) {
            let from = reached.as_ref().map_or(directory, AsFd::as_fd);
            reached = Some(self.open_step(from, head, OFlags::PATH | OFlags::DIRECTORY)?);
            rest = tail;
        }
        self.open_step(reached.as_ref().map_or(directory, AsFd::as_fd), rest, flags)
    }

    /// The part of a path that has to be opened before the rest, where there is one.
    fn split<'p>(&self, path: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
        let slash = match self.resolution {
            Resolution::Kernel if path.len() <= PATH_MAX_BYTES => None,
            Resolution::Kernel => path[..PATH_MAX_BYTES]
                .iter()
                .rposition(|byte| *byte == b'/'),
            Resolution::Componentwise(_) => path.iter().position(|byte| *byte == b'/'),
        }?;
        Some((&path[..slash], &path[slash + 1..]))
    }

    fn open_step(
        &self,
        directory: BorrowedFd<'_>,
        path: &[u8],
        flags: OFlags,
    ) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match self.resolution {
            Resolution::Kernel => retry_on_intr(|| {
                rustix::fs::openat2(directory, path, flags, Mode::empty(), BENEATH)
            }),
            Resolution::Componentwise(mount) => {
                let opened =
                    retry_on_intr(|| rustix::fs::openat(directory, path, flags, Mode::empty()))?;
                if mount_of(opened.as_fd())? == mount {
                    Ok(opened)
                } else {
                    Err(Errno::XDEV)
                }
            }
        }
    }
}

/// Whether a name is that of an entry of its own directory.
pub(super) fn is_component(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') && !name.contains(&0)
}

/// The facts of what is open.
pub(super) fn stat_of(descriptor: BorrowedFd<'_>) -> rustix::io::Result<Stat> {
    statx(descriptor, b"", AtFlags::EMPTY_PATH)
}

/// The facts of an entry of a directory, without following it.
pub(super) fn stat_at(directory: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<Stat> {
    statx(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn statx(directory: BorrowedFd<'_>, name: &[u8], flags: AtFlags) -> rustix::io::Result<Stat> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let found = retry_on_intr(|| {
        rustix::fs::statx(directory, name, flags | AtFlags::NO_AUTOMOUNT, wanted)
    })?;
    let time =
        |time: rustix::fs::StatxTimestamp| Nanoseconds::from_parts(time.tv_sec, time.tv_nsec);
    let mode = u32::from(found.stx_mode);
    let kind = kind_of(FileType::from_raw_mode(mode))?;
    let is_birth_known = found.stx_mask & StatxFlags::BTIME.bits() != 0;
    Ok(Stat {
        identity: Identity {
            kind,
            size: if kind == Kind::File {
                found.stx_size
            } else {
                0
            },
            inode: found.stx_ino,
            mtime: time(found.stx_mtime),
            ctime: time(found.stx_ctime),
        },
        ownership: Ownership {
            mode: mode & 0o7777,
            uid: found.stx_uid,
            gid: found.stx_gid,
        },
        links: u64::from(found.stx_nlink),
        file_system: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
        device: match kind {
            Kind::CharacterDevice | Kind::BlockDevice => {
                rustix::fs::makedev(found.stx_rdev_major, found.stx_rdev_minor)
            }
            Kind::File | Kind::Directory | Kind::Symlink | Kind::Fifo | Kind::Socket => 0,
        },
        birth: is_birth_known.then(|| time(found.stx_btime)),
    })
}

fn kind_of(file_type: FileType) -> rustix::io::Result<Kind> {
    match file_type {
        FileType::RegularFile => Ok(Kind::File),
        FileType::Directory => Ok(Kind::Directory),
        FileType::Symlink => Ok(Kind::Symlink),
        FileType::Fifo => Ok(Kind::Fifo),
        FileType::Socket => Ok(Kind::Socket),
        FileType::CharacterDevice => Ok(Kind::CharacterDevice),
        FileType::BlockDevice => Ok(Kind::BlockDevice),
        // No kind that Linux knows: the file system is damaged.
        FileType::Unknown => Err(Errno::UCLEAN),
    }
}

fn mount_of(descriptor: BorrowedFd<'_>) -> rustix::io::Result<Mount> {
    let found = retry_on_intr(|| {
        rustix::fs::statx(descriptor, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
    })?;
    let is_id_known = found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    Ok(Mount {
        file_system: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
        id: is_id_known.then_some(found.stx_mnt_id),
    })
}

/// The names in an open directory and whether each is a directory's, one at a time, without `.`
/// and `..`. Whatever the file system does not say in the listing is asked.
pub(super) fn list(
    directory: BorrowedFd<'_>,
    mut each: impl FnMut(&[u8], bool),
) -> rustix::io::Result<()> {
    /// How much one call to the kernel may answer with.
    const LISTING_BYTES: usize = 64 * 1024;
    rustix::fs::seek(directory, rustix::fs::SeekFrom::Start(0))?;
    let mut buffer = Vec::with_capacity(LISTING_BYTES);
    let mut listing = rustix::fs::RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = listing.next() {
        let entry = match entry {
            Err(Errno::INTR) => continue,
            entry => entry?,
        };
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        match entry.file_type() {
            FileType::Unknown => match stat_at(directory, name) {
                Ok(stat) => each(name, stat.identity.kind == Kind::Directory),
                // Gone already.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            },
            known => each(name, known == FileType::Directory),
        }
    }
    Ok(())
}

/// An error for a path or an entry that is not what a call takes.
pub(super) fn unsuitable(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
