//! An entry on its way: whole under its final name, or not there.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use super::Placement;
use super::error::{TargetError, occupied};
use super::metadata::{self, Metadata, SetIds, Unset};
use crate::adapters::beneath::{stat_at, stat_of};
use crate::adapters::tree::Stat;
use crate::plan::key;

/// A file that is not in its place yet. Dropped before it is, it is removed.
#[derive(Debug)]
pub struct FileDraft {
    pub(super) draft: Draft,
    pub(super) file: File,
    pub(super) set_ids: SetIds,
}

impl FileDraft {
    /// Writes at the end of what was written.
    ///
    /// # Errors
    /// The bytes cannot be written; see [`TargetError::is_full`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), TargetError> {
        self.file
            .write_all(bytes)
            .map_err(|source| self.draft.failed("write", source))
    }

    /// Sets metadata; answers with what could not be set. Writing comes before it.
    #[must_use]
    pub fn set_metadata(&self, metadata: &Metadata) -> Vec<Unset> {
        metadata::set(self.file.as_fd(), metadata, self.set_ids)
    }

    /// Waits until the file's bytes are on the disk.
    ///
    /// # Errors
    /// The disk failed.
    pub fn sync(&self) -> Result<(), TargetError> {
        self.file
            .sync_all()
            .map_err(|source| self.draft.failed("sync", source))
    }

    /// Puts the file in its place; answers with its facts.
    ///
    /// # Errors
    /// Something else has the name and may not be replaced.
    pub fn place(self, placement: Placement) -> Result<Stat, TargetError> {
        let Self {
            draft,
            file,
            set_ids: _,
        } = self;
        let stat = stat_of(file.as_fd()).map_err(|errno| draft.failed("look at", errno.into()))?;
        draft.place(placement)?;
        Ok(stat)
    }
}

/// An entry under a temporary name.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) directory: OwnedFd,
    pub(super) temporary: String,
    pub(super) path: Vec<u8>,
    pub(super) name_start: usize,
}

impl Draft {
    /// Gives the entry its name, in one step.
    pub(super) fn place(self, placement: Placement) -> Result<(), TargetError> {
        let placed = match placement {
            Placement::New => self.rename_new(),
            Placement::Replace => retry_on_intr(|| {
                rustix::fs::renameat(
                    &self.directory,
                    &self.temporary,
                    &self.directory,
                    self.name(),
                )
            }),
        };
        match placed {
            Ok(()) => Ok(()),
            // Of these, which one depends on the file system and on what is in the directory.
            Err(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY) => {
                match stat_at(self.directory.as_fd(), self.name()) {
                    Ok(there) => Err(occupied(&self.path, there.identity.kind)),
                    Err(errno) => Err(self.failed("place", errno.into())),
                }
            }
            Err(errno) => Err(self.failed("place", errno.into())),
        }
    }

    fn rename_new(&self) -> rustix::io::Result<()> {
        let renamed = retry_on_intr(|| {
            rustix::fs::renameat_with(
                &self.directory,
                &self.temporary,
                &self.directory,
                self.name(),
                RenameFlags::NOREPLACE,
            )
        });
        match renamed {
            // Not every file system can (NFS cannot); a second name is as safe. The first one
            // goes when the draft is dropped.
            Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::linkat(
                &self.directory,
                &self.temporary,
                &self.directory,
                self.name(),
                AtFlags::empty(),
            ),
            renamed => renamed,
        }
    }

    fn name(&self) -> &[u8] {
        &self.path[self.name_start..]
    }

    fn failed(&self, act: &'static str, source: io::Error) -> TargetError {
        TargetError::Failed {
            act,
            path: key::display(&self.path),
            source,
        }
    }
}

impl Drop for Draft {
    /// Also after it was placed: a rename over another name of the same file does nothing.
    fn drop(&mut self) {
        // What stays is found by the next restore.
        let _ = rustix::fs::unlinkat(&self.directory, &self.temporary, AtFlags::empty());
    }
}
