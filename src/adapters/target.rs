//! The directory that a restore writes into. Nothing is ever written outside of it.
//!
//! Directories on the way are opened beneath the root, as in [`super::mounted`], and everything
//! is done by an open descriptor, never through a symbolic link. A new entry is made under a
//! temporary name in its own directory and renamed into place when it is whole, so that no half
//! file ever stands under a final name; what it replaces is replaced by name, never written
//! into. A root is locked: two restores into one would remove each other's temporaries.
//!
//! After a crash: entries in place are whole, though their bytes may not have reached the disk
//! before [`Target::sync`]; temporaries are left, and [`Target::remove_leftovers`] finds them.
//!
//! # Caveats
//! A process that may write to the target can always undo what was restored. It cannot make a
//! restore write elsewhere, unless it moves a directory out of the root at the very moment in
//! which an entry is put into it.

mod draft;
mod error;
mod metadata;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use self::draft::Draft;
pub use self::draft::FileDraft;
pub use self::error::TargetError;
use self::error::{failed, occupied};
pub use self::metadata::{Attribute, Metadata, SetIds, Unset};
use super::beneath::{self, READ, Root, is_component, stat_at};
use super::tree::Stat;
use crate::api::catalog::Kind;
use crate::plan::key;

/// What the names of entries that are not whole yet start with; 32 hexadecimal digits follow.
pub const TEMPORARY_PREFIX: &str = ".backstay-restore-";

/// How often another temporary name is tried. They are random: one is enough.
const NAMES_TRIED_MAX: u32 = 16;

/// The directory that a restore writes into.
#[derive(Debug)]
pub struct Target {
    root: Root,
    set_ids: SetIds,
    /// What the next temporary name ends with; each restore starts at a random number.
    next: AtomicU64,
    token: u64,
}

/// What a target was when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was not there, and has been made.
    Absent,
    /// It was there and had nothing in it.
    Empty,
    /// There is something in it.
    Occupied,
}

/// What may happen to an entry of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It is a conflict.
    New,
    /// It is replaced, unless it is a directory.
    Replace,
}

/// How much a target can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Free bytes for this user.
    pub free_bytes: u64,
    /// The longest name in bytes.
    pub name_max_bytes: u64,
}

impl Target {
    /// Opens the root, and makes it, with the directories above it, where it is not there.
    ///
    /// # Errors
    /// It cannot be made, opened or read, or another restore holds it.
    pub fn open(path: &Path, set_ids: SetIds) -> Result<(Self, Found), TargetError> {
        let is_new = !path.exists();
        std::fs::create_dir_all(path).map_err(|source| TargetError::MakeRoot {
            path: path.to_owned(),
            source,
        })?;
        let open_error = |errno: Errno| TargetError::OpenRoot {
            path: path.to_owned(),
            source: errno.into(),
        };
        let root = Root::open(path).map_err(open_error)?;
        match rustix::fs::flock(root.descriptor(), FlockOperation::NonBlockingLockExclusive) {
            // Some network file systems have no locks; there it is up to the user.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOLCK | Errno::INVAL) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(TargetError::Busy {
                    path: path.to_owned(),
                });
            }
            Err(errno) => return Err(open_error(errno)),
        }
        let mut is_empty = true;
        beneath::list(root.descriptor(), |_, _| is_empty = false).map_err(open_error)?;
        let found = match (is_new, is_empty) {
            (true, true) => Found::Absent,
            (false, true) => Found::Empty,
            (_, false) => Found::Occupied,
        };
        let token = uuid::Uuid::new_v4().as_u64_pair().0;
        Ok((
            Self {
                root,
                set_ids,
                next: AtomicU64::new(0),
                token,
            },
            found,
        ))
    }

    /// The same target, resolved without `openat2`, as on a host that forbids it.
    ///
    /// # Errors
    /// The root's mount cannot be told.
    pub fn without_openat2(self) -> Result<Self, TargetError> {
        let root = self
            .root
            .without_openat2()
            .map_err(|errno| failed("open", b"", errno))?;
        Ok(Self { root, ..self })
    }

    /// The facts of an entry; `None` where there is none, nor a directory that could hold it.
    ///
    /// # Errors
    /// The path is invalid, or it cannot be told.
    pub fn stat(&self, path: &[u8]) -> Result<Option<Stat>, TargetError> {
        let parent = match self.parent(path) {
            Ok(parent) => parent,
            Err(TargetError::Failed { source, .. }) if is_nowhere(&source) => return Ok(None),
            Err(error) => return Err(error),
        };
        match stat_at(parent.descriptor.as_fd(), parent.name) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed("look at", path, errno)),
        }
    }

    /// Makes a directory that only its owner may use, or takes the one that is there; answers
    /// whether it was made. Its metadata is set last, when everything is in it.
    ///
    /// # Errors
    /// Something else has the name and may not be replaced, or the directory cannot be made.
    pub fn make_directory(&self, path: &[u8], placement: Placement) -> Result<bool, TargetError> {
        let parent = self.parent(path)?;
        let mode = Mode::RWXU;
        let make = || retry_on_intr(|| rustix::fs::mkdirat(&parent.descriptor, parent.name, mode));
        match make() {
            Ok(()) => return Ok(true),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed("make", path, errno)),
        }
        let there = stat_at(parent.descriptor.as_fd(), parent.name)
            .map_err(|errno| failed("look at", path, errno))?;
        match (there.identity.kind, placement) {
            (Kind::Directory, _) => Ok(false),
            (kind, Placement::New) => Err(occupied(path, kind)),
            (_, Placement::Replace) => {
                rustix::fs::unlinkat(&parent.descriptor, parent.name, AtFlags::empty())
                    .map_err(|errno| failed("replace", path, errno))?;
                make().map_err(|errno| failed("make", path, errno))?;
                Ok(true)
            }
        }
    }

    /// Starts a file, under a temporary name.
    ///
    /// # Errors
    /// The path is invalid, its directory is not there, or the file cannot be made.
    pub fn create_file(&self, path: &[u8]) -> Result<FileDraft, TargetError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let (draft, file) = self.draft(path, |directory, name| {
            rustix::fs::openat(
                directory,
                name,
                flags | OFlags::CLOEXEC,
                Mode::RUSR | Mode::WUSR,
            )
        })?;
        Ok(FileDraft {
            draft,
            file: File::from(file),
            set_ids: self.set_ids,
        })
    }

    /// Makes a symbolic link with its owner and times. Where it points to is never looked at.
    ///
    /// # Errors
    /// Something else has the name and may not be replaced, or the link cannot be made.
    pub fn make_symlink(
        &self,
        path: &[u8],
        link_target: &[u8],
        metadata: &Metadata,
        placement: Placement,
    ) -> Result<Vec<Unset>, TargetError> {
        let (draft, ()) = self.draft(path, |directory, name| {
            rustix::fs::symlinkat(link_target, directory, name)
        })?;
        let unset = metadata::set_on_link(draft.directory.as_fd(), &draft.temporary, metadata);
        draft.place(placement)?;
        Ok(unset)
    }

    /// Makes another name for a file restored before. `inode` is the one that it must have: a
    /// name that another process took over is not linked to.
    ///
    /// # Errors
    /// The file is not there any more, something else has the name and may not be replaced, or
    /// the link cannot be made.
    pub fn make_hard_link(
        &self,
        path: &[u8],
        existing: &[u8],
        inode: u64,
        placement: Placement,
    ) -> Result<(), TargetError> {
        let from = self.parent(existing)?;
        let (draft, ()) = self.draft(path, |directory, name| {
            rustix::fs::linkat(
                &from.descriptor,
                from.name,
                directory,
                name,
                AtFlags::empty(),
            )
        })?;
        let made = stat_at(draft.directory.as_fd(), draft.temporary.as_bytes())
            .map_err(|errno| failed("look at", path, errno))?;
        if made.identity.inode != inode || made.identity.kind != Kind::File {
            return Err(failed("link to", existing, Errno::STALE));
        }
        draft.place(placement)
    }

    /// Makes a named pipe.
    ///
    /// # Errors
    /// Something else has the name and may not be replaced, or the pipe cannot be made.
    pub fn make_fifo(
        &self,
        path: &[u8],
        metadata: &Metadata,
        placement: Placement,
    ) -> Result<Vec<Unset>, TargetError> {
        let owner = Mode::RUSR | Mode::WUSR;
        let (draft, ()) = self.draft(path, |directory, name| {
            rustix::fs::mknodat(directory, name, rustix::fs::FileType::Fifo, owner, 0)
        })?;
        let pipe = self
            .root
            .open_beneath(draft.directory.as_fd(), draft.temporary.as_bytes(), READ)
            .map_err(|errno| failed("open", path, errno))?;
        let unset = metadata::set(pipe.as_fd(), metadata, self.set_ids);
        draft.place(placement)?;
        Ok(unset)
    }

    /// Sets a directory's metadata, when everything is in it.
    ///
    /// # Errors
    /// The directory cannot be opened.
    pub fn set_directory_metadata(
        &self,
        path: &[u8],
        metadata: &Metadata,
    ) -> Result<Vec<Unset>, TargetError> {
        let directory = self.directory(path)?;
        Ok(metadata::set(directory.as_fd(), metadata, self.set_ids))
    }

    /// Removes what a restore that died left in a directory; answers how many entries.
    ///
    /// # Errors
    /// The directory cannot be read, or an entry not be removed.
    pub fn remove_leftovers(&self, path: &[u8]) -> Result<u64, TargetError> {
        let directory = self.directory(path)?;
        let own = self.own_prefix();
        let mut leftovers = Vec::new();
        beneath::list(directory.as_fd(), |name, is_directory| {
            if !is_directory && is_temporary(name) && !name.starts_with(own.as_bytes()) {
                leftovers.push(name.to_vec());
            }
        })
        .map_err(|errno| failed("list", path, errno))?;
        for name in &leftovers {
            match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(failed("clean", path, errno)),
            }
        }
        Ok(leftovers.len() as u64)
    }

    /// How much the target can take.
    ///
    /// # Errors
    /// The file system does not say.
    pub fn capacity(&self) -> Result<Capacity, TargetError> {
        let found = retry_on_intr(|| rustix::fs::fstatvfs(self.root.descriptor()))
            .map_err(|errno| failed("measure", b"", errno))?;
        Ok(Capacity {
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            name_max_bytes: found.f_namemax,
        })
    }

    /// Whether names that differ in case only are names of different entries here.
    ///
    /// # Errors
    /// It cannot be tried out.
    pub fn tells_cases_apart(&self) -> Result<bool, TargetError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let name = format!(
            "{}{:016x}",
            self.own_prefix(),
            self.next.fetch_add(1, Ordering::Relaxed)
        );
        let root = self.root.descriptor();
        rustix::fs::openat(root, &name, flags, Mode::RUSR)
            .map_err(|errno| failed("make", name.as_bytes(), errno))?;
        let other_case = stat_at(root, name.to_uppercase().as_bytes());
        rustix::fs::unlinkat(root, &name, AtFlags::empty())
            .map_err(|errno| failed("clean", name.as_bytes(), errno))?;
        Ok(other_case.is_err())
    }

    /// Waits until everything written to the target's file system is on its disk.
    ///
    /// # Errors
    /// The disk failed: what was restored may not be whole.
    pub fn sync(&self) -> Result<(), TargetError> {
        retry_on_intr(|| rustix::fs::syncfs(self.root.descriptor()))
            .map_err(|errno| failed("sync", b"", errno))
    }

    /// Makes an entry under a temporary name in the directory where it belongs.
    fn draft<T>(
        &self,
        path: &[u8],
        mut make: impl FnMut(BorrowedFd<'_>, &str) -> rustix::io::Result<T>,
    ) -> Result<(Draft, T), TargetError> {
        let parent = self.parent(path)?;
        for _ in 0..NAMES_TRIED_MAX {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let temporary = format!("{}{number:016x}", self.own_prefix());
            match retry_on_intr(|| make(parent.descriptor.as_fd(), &temporary)) {
                Ok(value) => {
                    let draft = Draft {
                        directory: parent.descriptor,
                        temporary,
                        path: path.to_vec(),
                        name_start: path.len() - parent.name.len(),
                    };
                    return Ok((draft, value));
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(failed("make", path, errno)),
            }
        }
        Err(failed("make", path, Errno::EXIST))
    }

    fn own_prefix(&self) -> String {
        format!("{TEMPORARY_PREFIX}{:016x}", self.token)
    }

    fn parent<'p>(&self, path: &'p [u8]) -> Result<Parent<'p>, TargetError> {
        check(path)?;
        let (above, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b"."[..], path),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let descriptor = self
            .root
            .open_beneath(self.root.descriptor(), above, flags)
            .map_err(|errno| failed("open the directory of", path, errno))?;
        Ok(Parent { descriptor, name })
    }

    fn directory(&self, path: &[u8]) -> Result<OwnedFd, TargetError> {
        let beneath = if path.is_empty() { &b"."[..] } else { path };
        if !path.is_empty() {
            check(path)?;
        }
        self.root
            .open_beneath(self.root.descriptor(), beneath, READ | OFlags::DIRECTORY)
            .map_err(|errno| failed("open", path, errno))
    }
}

/// The directory of an entry, and the entry's name in it.
struct Parent<'p> {
    descriptor: OwnedFd,
    name: &'p [u8],
}

/// Whether an error says that there is no directory on the way, but nothing or something else.
fn is_nowhere(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV)
    )
}

fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(TEMPORARY_PREFIX.as_bytes())
        .is_some_and(|digits| digits.len() == 32 && digits.iter().all(u8::is_ascii_hexdigit))
}

fn check(path: &[u8]) -> Result<(), TargetError> {
    if path.split(|byte| *byte == b'/').all(is_component) {
        return Ok(());
    }
    Err(TargetError::InvalidPath {
        path: key::display(path),
    })
}
