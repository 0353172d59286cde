//! A tree in which something happens just before a call: a failure, or another process's doing.

use std::io;

use backstay::adapters::mounted::{MountedDirectory, MountedFile, MountedTree};
use backstay::adapters::tree::{Names, Stat, Tree};

/// A call that is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Names,
    Stat,
    OpenDirectory,
    ReadLink,
}

type Interference = Box<dyn Fn(Call, &[u8]) -> io::Result<()> + Send + Sync>;

/// Calls the interference with each call and the path that it is about.
pub(crate) struct FaultyTree {
    inner: MountedTree,
    before: Interference,
    /// The directory that the damaged file system takes for the root.
    cycle: Option<&'static [u8]>,
}

/// An open directory and its path.
pub(crate) struct FaultyDirectory {
    inner: MountedDirectory,
    path: Vec<u8>,
}

impl FaultyTree {
    pub(crate) fn new(
        inner: MountedTree,
        before: impl Fn(Call, &[u8]) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner,
            before: Box::new(before),
            cycle: None,
        }
    }

    /// A tree in which this directory is the root itself.
    pub(crate) fn with_cycle(inner: MountedTree, path: &'static [u8]) -> Self {
        Self {
            cycle: Some(path),
            ..Self::new(inner, |_, _| Ok(()))
        }
    }

    /// A tree in which this call on this path fails with this error number.
    pub(crate) fn failing(inner: MountedTree, call: Call, path: &'static [u8], code: i32) -> Self {
        Self::new(inner, move |now, on| {
            if (now, on) == (call, path) {
                return Err(io::Error::from_raw_os_error(code));
            }
            Ok(())
        })
    }
}

impl Tree for FaultyTree {
    type Directory = FaultyDirectory;
    type File = MountedFile;

    fn root(&self) -> io::Result<(FaultyDirectory, Stat)> {
        let (inner, stat) = self.inner.root()?;
        Ok((
            FaultyDirectory {
                inner,
                path: Vec::new(),
            },
            stat,
        ))
    }

    fn names(&self, directory: &FaultyDirectory, names: &mut Names) -> io::Result<()> {
        self.inner.names(&directory.inner, names)?;
        (self.before)(Call::Names, &directory.path)
    }

    fn stat(&self, directory: &FaultyDirectory, name: &[u8]) -> io::Result<Stat> {
        (self.before)(Call::Stat, &directory.join(name))?;
        self.inner.stat(&directory.inner, name)
    }

    fn open_directory(
        &self,
        directory: &FaultyDirectory,
        name: &[u8],
    ) -> io::Result<(FaultyDirectory, Stat)> {
        let path = directory.join(name);
        (self.before)(Call::OpenDirectory, &path)?;
        if self.cycle == Some(&path) {
            return self.root();
        }
        let (inner, stat) = self.inner.open_directory(&directory.inner, name)?;
        Ok((FaultyDirectory { inner, path }, stat))
    }

    fn read_link(&self, directory: &FaultyDirectory, name: &[u8]) -> io::Result<Vec<u8>> {
        (self.before)(Call::ReadLink, &directory.join(name))?;
        self.inner.read_link(&directory.inner, name)
    }

    fn open_file(&self, path: &[u8]) -> io::Result<MountedFile> {
        self.inner.open_file(path)
    }

    fn stat_file(&self, file: &MountedFile) -> io::Result<Stat> {
        self.inner.stat_file(file)
    }

    fn xattrs(&self, file: &MountedFile) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.inner.xattrs(file)
    }

    fn directory_xattrs(&self, directory: &FaultyDirectory) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.inner.directory_xattrs(&directory.inner)
    }

    fn has_foreign_clock(&self) -> bool {
        self.inner.has_foreign_clock()
    }
}

impl FaultyDirectory {
    fn join(&self, name: &[u8]) -> Vec<u8> {
        match self.path.as_slice() {
            b"" => name.to_vec(),
            path => [path, name].join(&b'/'),
        }
    }
}
