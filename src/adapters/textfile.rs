//! A file that another program reads at any moment: replaced in one step, never seen half.
//!
//! # Consistency
//! The text is written to a new file of the same directory, synced, and renamed over the old one.
//! A crash leaves the old text, and at most one hidden file beside it, whose name no collector
//! reads. Who rewrites holds the directory's lock, so that two runs of two sources do not undo
//! each other.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Read by everyone, written by its owner: collectors run as users of their own.
const MODE: u32 = 0o644;

/// Why the file was not rewritten.
#[derive(Debug, thiserror::Error)]
pub enum TextfileError {
    /// It has no name, or its directory cannot be used.
    #[error("open the directory {}", path.display())]
    OpenDirectory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What stands there cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The new text cannot be put in its place.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A file that nobody else rewrites while this is held.
#[derive(Debug)]
pub struct Textfile {
    path: PathBuf,
    /// Its lock ends with the descriptor.
    _directory: File,
}

impl Textfile {
    /// Waits for those who rewrite files of the same directory. The file need not exist.
    ///
    /// # Errors
    /// When the directory does not exist or may not be opened.
    pub fn lock(path: &Path) -> Result<Self, TextfileError> {
        let directory = directory(path);
        let open_error = |source| TextfileError::OpenDirectory {
            path: directory.to_owned(),
            source,
        };
        let opened = File::open(directory).map_err(open_error)?;
        flock(&opened, FlockOperation::LockExclusive).map_err(|errno| open_error(errno.into()))?;
        Ok(Self {
            path: path.to_owned(),
            _directory: opened,
        })
    }

    /// What stands there; empty where there is no file.
    ///
    /// # Errors
    /// When there is a file that cannot be read.
    pub fn read(&self) -> Result<String, TextfileError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(TextfileError::Read {
                path: self.path.clone(),
                source,
            }),
        }
    }

    /// Puts a text in its place.
    ///
    /// # Errors
    /// When it cannot be written; what stood there stays.
    pub fn replace(&self, text: &str) -> Result<(), TextfileError> {
        let draft = self.draft();
        let replaced = write(&draft, text).and_then(|()| fs::rename(&draft, &self.path));
        replaced.map_err(|source| {
            // Whatever was written of it is of no use; the error that counts is the first one.
            let _ = fs::remove_file(&draft);
            TextfileError::Write {
                path: self.path.clone(),
                source,
            }
        })
    }

    /// A name that no collector reads. The lock makes it this writer's own.
    fn draft(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default();
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(".new");
        self.path.with_file_name(hidden)
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// A draft that a killed run has left is not written into: it may be a link.
fn write(draft: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(draft)?;
    file.write_all(text.as_bytes())?;
    // The process's mask took bits away that readers need.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_readable_by_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("backstay.prom");
        std::os::unix::fs::symlink("/dev/full", directory.path().join(".backstay.prom.new"))
            .unwrap();
        let file = Textfile::lock(&path).unwrap();
        assert_eq!(file.read().unwrap(), "");
        file.replace("one 1\n").unwrap();
        file.replace("two 2\n").unwrap();
        assert_eq!(file.read().unwrap(), "two 2\n");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_that_is_missing_is_named() {
        let error = Textfile::lock(Path::new("/no/such/place/b.prom")).unwrap_err();
        assert_eq!(error.to_string(), "open the directory /no/such/place");
    }
}
