//! Extended attributes, by descriptor: the `user.` namespace and POSIX ACLs.
//!
//! Others are the system's own (`security.`, `trusted.`): they belong to a host, not to a file's
//! content, and a restore that set capabilities would hand out rights.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
use rustix::io::{Errno, retry_on_intr};

/// The longest value, and the longest list of names, that Linux has.
/// <https://man7.org/linux/man-pages/man7/xattr.7.html>
const XATTR_MAX_BYTES: usize = 64 * 1024;

/// Whether an attribute of this name is kept.
#[must_use]
pub fn is_kept(name: &[u8]) -> bool {
    name.starts_with(b"user.")
        || name == b"system.posix_acl_access"
        || name == b"system.posix_acl_default"
}

/// The kept attributes of an open file or directory, sorted by name. A file system without them
/// has none.
///
/// # Errors
/// The list or a value cannot be read.
pub fn read(descriptor: BorrowedFd<'_>) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut first = [0; 256];
    let list = match retry_on_intr(|| flistxattr(descriptor, &mut first)) {
        Ok(length) => first[..length].to_vec(),
        Err(Errno::RANGE) => filled(|buffer| flistxattr(descriptor, buffer))?,
        // Neither the file system nor, under a sandbox, the call is there.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(errno) => return Err(errno.into()),
    };
    let mut found = Vec::new();
    for name in list.split(|byte| *byte == 0).filter(|name| is_kept(name)) {
        match filled(|buffer| fgetxattr(descriptor, name, buffer)) {
            Ok(value) => found.push((name.to_vec(), value)),
            // Removed since it was listed; or an ACL that the mount does not use.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Sets one attribute of an open file or directory.
///
/// # Errors
/// The attribute is not permitted, not supported, or too large for the file system.
pub fn write(descriptor: BorrowedFd<'_>, name: &[u8], value: &[u8]) -> io::Result<()> {
    retry_on_intr(|| fsetxattr(descriptor, name, value, XattrFlags::empty()))?;
    Ok(())
}

/// What a call writes into the largest buffer that it can need.
fn filled(
    mut call: impl FnMut(&mut [u8]) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = vec![0; XATTR_MAX_BYTES];
    let length = retry_on_intr(|| call(&mut buffer))?;
    buffer.truncate(length);
    buffer.shrink_to_fit();
    Ok(buffer)
}
