//! Mounts that last as long as their guard. Where mounting is not permitted, there is none.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mount, taken away when dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// Mounts an empty file system in memory, with these options.
    pub(crate) fn memory(at: &Path, options: &str) -> Option<Self> {
        let arguments = ["-t", "tmpfs", "-o", options, "tmpfs"].map(OsStr::new);
        Self::of(&arguments, at)
    }

    /// Mounts a directory a second time.
    pub(crate) fn bind(from: &Path, at: &Path) -> Option<Self> {
        Self::of(&[OsStr::new("--bind"), from.as_os_str()], at)
    }

    fn of(arguments: &[&OsStr], at: &Path) -> Option<Self> {
        let done = Command::new("mount")
            .args(arguments)
            .arg(at)
            .output()
            .ok()?;
        if !done.status.success() {
            println!("skipped: mounting is not permitted here");
            return None;
        }
        Some(Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(&self.0).status();
        assert!(
            done.is_ok_and(|status| status.success()),
            "{} stays mounted",
            self.0.display()
        );
    }
}
