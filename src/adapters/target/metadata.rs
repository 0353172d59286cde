//! Setting an entry's metadata, by descriptor.
//!
//! What may not be set, or is not supported, is told and is no error: the content is there. The
//! right to run as somebody else is not handed out unless it was asked for, and then only where
//! the owner could be set too.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::retry_on_intr;

use crate::adapters::beneath::stat_of;
use crate::adapters::xattrs;
use crate::api::catalog::{Kind, Nanoseconds, Ownership};

/// The bits of a mode that let a program run as its owner or group.
const SET_IDS: u32 = 0o6000;

/// The metadata that a restore sets. Access times are left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Mode and owner.
    pub ownership: Ownership,
    /// Modification time.
    pub mtime: Nanoseconds,
    /// Extended attributes, as (name, value). Names outside `user.` and POSIX ACLs are refused.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Whether files get their set-uid and set-gid bits back. Of a directory, set-gid only says who
/// gets its new files, and is always set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetIds {
    /// They do not.
    Withheld,
    /// They do.
    Restored,
}

/// Something that could not be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unset {
    /// What it is.
    pub what: Attribute,
    /// Why, in the system's words.
    pub detail: String,
}

/// What can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// The owner.
    Owner,
    /// The group.
    Group,
    /// The permission bits.
    Mode,
    /// The set-uid and set-gid bits.
    SetIds,
    /// The modification time.
    Times,
    /// The extended attribute of this name.
    Xattr(Vec<u8>),
}

/// Sets the metadata of what is open; answers with what could not be set.
pub(super) fn set(descriptor: BorrowedFd<'_>, metadata: &Metadata, set_ids: SetIds) -> Vec<Unset> {
    let mut unset = Vec::new();
    // Attributes first, while the entry is still ours; the mode after them, because an ACL
    // changes it; times last, because everything changes those.
    set_xattrs(descriptor, &metadata.xattrs, &mut unset);
    let owner = metadata.ownership;
    let is_owned = set_owner(&mut unset, owner, |uid, gid| {
        retry_on_intr(|| rustix::fs::fchown(descriptor, uid, gid))
    });
    let is_directory = stat_of(descriptor).is_ok_and(|stat| stat.identity.kind == Kind::Directory);
    let withheld = match (is_directory, set_ids) {
        (true, _) => 0,
        (false, SetIds::Restored) if is_owned => 0,
        (false, SetIds::Restored | SetIds::Withheld) => owner.mode & SET_IDS,
    };
    if withheld != 0 {
        let detail = format!("mode {:04o} was asked for", owner.mode);
        unset.push(Unset {
            what: Attribute::SetIds,
            detail,
        });
    }
    let mode = Mode::from_raw_mode(owner.mode & 0o7777 & !withheld);
    note(
        &mut unset,
        Attribute::Mode,
        retry_on_intr(|| rustix::fs::fchmod(descriptor, mode)),
    );
    let times = times(metadata.mtime);
    note(
        &mut unset,
        Attribute::Times,
        retry_on_intr(|| rustix::fs::futimens(descriptor, &times)),
    );
    unset
}

/// Sets the owner and times of a symbolic link, which has no mode; answers with what could not
/// be set.
pub(super) fn set_on_link(
    directory: BorrowedFd<'_>,
    name: &str,
    metadata: &Metadata,
) -> Vec<Unset> {
    let mut unset = Vec::new();
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    set_owner(&mut unset, metadata.ownership, |uid, gid| {
        retry_on_intr(|| rustix::fs::chownat(directory, name, uid, gid, flags))
    });
    let times = times(metadata.mtime);
    let set = retry_on_intr(|| rustix::fs::utimensat(directory, name, &times, flags));
    note(&mut unset, Attribute::Times, set);
    unset
}

fn set_xattrs(descriptor: BorrowedFd<'_>, wanted: &[(Vec<u8>, Vec<u8>)], unset: &mut Vec<Unset>) {
    for (name, value) in wanted {
        let set = if xattrs::is_kept(name) {
            xattrs::write(descriptor, name, value)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not an attribute that is restored",
            ))
        };
        note(unset, Attribute::Xattr(name.clone()), set);
    }
}

/// Sets owner and group, or the group alone where only that is permitted; answers whether both
/// are as wanted.
fn set_owner(
    unset: &mut Vec<Unset>,
    wanted: Ownership,
    change: impl Fn(Option<Uid>, Option<Gid>) -> rustix::io::Result<()>,
) -> bool {
    // The number that stands for "leave it" in the system's calls is nobody's.
    if wanted.uid == u32::MAX || wanted.gid == u32::MAX {
        let detail = "not a user's number".to_owned();
        unset.push(Unset {
            what: Attribute::Owner,
            detail,
        });
        return false;
    }
    let (uid, gid) = (Uid::from_raw(wanted.uid), Gid::from_raw(wanted.gid));
    let Err(errno) = change(Some(uid), Some(gid)) else {
        return true;
    };
    note(unset, Attribute::Owner, Err::<(), _>(errno));
    note(unset, Attribute::Group, change(None, Some(gid)));
    false
}

fn times(mtime: Nanoseconds) -> Timestamps {
    let (seconds, nanoseconds) = mtime.to_parts();
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds.into(),
        },
    }
}

fn note<E: Into<io::Error>>(unset: &mut Vec<Unset>, what: Attribute, done: Result<(), E>) {
    if let Err(error) = done {
        unset.push(Unset {
            what,
            detail: error.into().to_string(),
        });
    }
}
