//! The descent: an explicit stack of directories, and one entry told at a time.

use std::io;

use super::{Cause, Entry, Unreadable, WalkError, Walked};
use crate::adapters::tree::{Names, Stat, Tree, is_out_of_descriptors};
use crate::api::catalog::Kind;
use crate::plan::filter::{Filter, Verdict};

/// How many directories are held open; those above are opened again when their turn comes.
const OPEN_DIRECTORIES_MAX: usize = 16;

/// A walk on this thread.
#[derive(Debug)]
pub struct Walk<'a, T: Tree> {
    tree: &'a T,
    filter: &'a Filter,
    file_system: u64,
    /// The directories from the root to the one being read.
    stack: Vec<Frame<T::Directory>>,
    /// The path of the entry being looked at.
    path: Vec<u8>,
    /// What is told next about the directory told last.
    second: Option<Walked>,
}

/// A directory being read.
#[derive(Debug)]
struct Frame<D> {
    handle: Handle<D>,
    names: Names,
    /// The position of the name to be looked at next.
    next: usize,
    path_length: usize,
    inode: u64,
    verdict: Verdict,
}

#[derive(Debug)]
enum Handle<D> {
    Open(D),
    /// Given up for others; to be opened again.
    Closed,
    /// It could not be opened again.
    Lost(Cause),
}

impl<'a, T: Tree> Walk<'a, T> {
    /// Opens the root and reads its names. The root itself is not told.
    ///
    /// # Errors
    /// The root cannot be opened or read.
    pub fn new(tree: &'a T, filter: &'a Filter) -> Result<Self, WalkError> {
        let (root, stat) = tree.root().map_err(WalkError::OpenRoot)?;
        let names = sorted_names(tree, &root).map_err(WalkError::ListRoot)?;
        let frame = Frame {
            handle: Handle::Open(root),
            names,
            next: 0,
            path_length: 0,
            inode: stat.identity.inode,
            verdict: filter.root(),
        };
        Ok(Self {
            tree,
            filter,
            file_system: stat.file_system,
            stack: vec![frame],
            path: Vec::new(),
            second: None,
        })
    }
}

impl<T: Tree> Iterator for Walk<'_, T> {
    type Item = Walked;

    fn next(&mut self) -> Option<Walked> {
        if let Some(second) = self.second.take() {
            return Some(second);
        }
        loop {
            let frame = self.stack.last_mut()?;
            let Some((name, is_directory)) = frame.names.get(frame.next) else {
                self.stack.pop();
                continue;
            };
            frame.next += 1;
            self.path.truncate(frame.path_length);
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name);
            let name_length = name.len();
            let verdict = self.filter.beneath(frame.verdict, &self.path, is_directory);
            if verdict == Verdict::Leave {
                continue;
            }
            if let Some(walked) = self.look(name_length, is_directory, verdict) {
                return Some(walked);
            }
        }
    }
}

impl<T: Tree> Walk<'_, T> {
    /// Looks at the entry at `self.path`; `None` where it is gone.
    fn look(&mut self, name_length: usize, is_directory: bool, verdict: Verdict) -> Option<Walked> {
        if let Err(cause) = self.reach() {
            return Some(self.unreadable(is_directory, cause));
        }
        if is_directory {
            return self.look_at_directory(name_length, verdict);
        }
        match self.facts(name_length) {
            Ok(entry) if entry.stat.identity.kind == Kind::Directory => {
                // Its place among the others, and in the order, was another one.
                Some(self.unreadable(false, Cause::Replaced))
            }
            Ok(entry) => Some(Walked::Entry(entry)),
            Err(error) => self.failed(false, &error),
        }
    }

    fn look_at_directory(&mut self, name_length: usize, verdict: Verdict) -> Option<Walked> {
        match self.open(name_length) {
            Ok((_, stat)) if stat.file_system != self.file_system => {
                self.second = Some(Walked::Crossing {
                    path: self.path.clone(),
                });
                Some(self.entry(stat))
            }
            Ok((_, stat)) if self.is_above(stat.identity.inode) => {
                Some(self.unreadable(true, Cause::Cycle))
            }
            Ok((directory, stat)) => self.enter(directory, stat, verdict),
            Err(error) => self.not_opened(name_length, &error),
        }
    }

    /// Reads the names of an open directory, which come next.
    fn enter(&mut self, directory: T::Directory, stat: Stat, verdict: Verdict) -> Option<Walked> {
        match sorted_names(self.tree, &directory) {
            Ok(names) => {
                self.push(Frame {
                    handle: Handle::Open(directory),
                    names,
                    next: 0,
                    path_length: self.path.len(),
                    inode: stat.identity.inode,
                    verdict,
                });
                Some(self.entry(stat))
            }
            // Removed since it was opened: it was empty.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.second = Some(self.unreadable(true, Cause::from(&error)));
                Some(self.entry(stat))
            }
        }
    }

    /// Tells what can be told of a directory that could not be opened.
    fn not_opened(&mut self, name_length: usize, error: &io::Error) -> Option<Walked> {
        if error.kind() == io::ErrorKind::NotFound {
            return None;
        }
        match self.facts(name_length) {
            Ok(entry) if entry.stat.identity.kind != Kind::Directory => {
                Some(self.unreadable(true, Cause::Replaced))
            }
            Ok(entry) => {
                self.second = Some(if error.kind() == io::ErrorKind::CrossesDevices {
                    Walked::Crossing {
                        path: self.path.clone(),
                    }
                } else {
                    self.unreadable(true, Cause::from(error))
                });
                Some(Walked::Entry(entry))
            }
            Err(error) => self.failed(true, &error),
        }
    }

    /// The facts of the entry at `self.path`, asked of its directory.
    fn facts(&self, name_length: usize) -> io::Result<Entry> {
        let (directory, name) = self.at(name_length)?;
        let stat = self.tree.stat(directory, name)?;
        let link_target = match stat.identity.kind {
            Kind::Symlink => self.tree.read_link(directory, name)?,
            Kind::File
            | Kind::Directory
            | Kind::Fifo
            | Kind::Socket
            | Kind::CharacterDevice
            | Kind::BlockDevice => Vec::new(),
        };
        Ok(Entry {
            path: self.path.clone(),
            stat,
            link_target,
        })
    }

    /// Opens the directory at `self.path`. Without a descriptor left, gives up those that can be
    /// had again, once.
    fn open(&mut self, name_length: usize) -> io::Result<(T::Directory, Stat)> {
        let opened = {
            let (directory, name) = self.at(name_length)?;
            self.tree.open_directory(directory, name)
        };
        match opened {
            Err(error) if is_out_of_descriptors(&error) => {
                let above = self.stack.len() - 1;
                for frame in &mut self.stack[..above] {
                    frame.close();
                }
                let (directory, name) = self.at(name_length)?;
                self.tree.open_directory(directory, name)
            }
            opened => opened,
        }
    }

    /// The open directory being read, and the name in it that ends `self.path`.
    fn at(&self, name_length: usize) -> io::Result<(&T::Directory, &[u8])> {
        let name = &self.path[self.path.len() - name_length..];
        match self.stack.last().map(|frame| &frame.handle) {
            Some(Handle::Open(directory)) => Ok((directory, name)),
            Some(Handle::Closed | Handle::Lost(_)) | None => {
                Err(io::Error::other("the directory is not open"))
            }
        }
    }

    fn is_above(&self, inode: u64) -> bool {
        self.stack.iter().any(|frame| frame.inode == inode)
    }

    fn push(&mut self, frame: Frame<T::Directory>) {
        self.stack.push(frame);
        if let Some(index) = self.stack.len().checked_sub(OPEN_DIRECTORIES_MAX + 1) {
            self.stack[index].close();
        }
    }

    /// Sees to it that the directory being read is open.
    fn reach(&mut self) -> Result<(), Cause> {
        match self.stack.last().map(|frame| &frame.handle) {
            Some(Handle::Open(_)) | None => return Ok(()),
            Some(Handle::Lost(cause)) => return Err(cause.clone()),
            Some(Handle::Closed) => {}
        }
        let reopened = self.reopen();
        if let (Err(cause), Some(frame)) = (&reopened, self.stack.last_mut()) {
            frame.handle = Handle::Lost(cause.clone());
        }
        reopened
    }

    /// Opens the directory being read again, and those just above it: their turn comes next.
    fn reopen(&mut self) -> Result<(), Cause> {
        let first = self.stack.len().saturating_sub(OPEN_DIRECTORIES_MAX);
        for index in first..self.stack.len() {
            let path_length = self.stack[index].path_length;
            let above = index.checked_sub(1).filter(|_| index > first);
            let opened = match above.map(|above| &self.stack[above]) {
                Some(Frame {
                    handle: Handle::Open(above),
                    path_length: start,
                    ..
                }) => {
                    let start = if *start == 0 { 0 } else { start + 1 };
                    self.tree
                        .open_directory(above, &self.path[start..path_length])
                }
                Some(_) | None => self.tree.open_directory_path(&self.path[..path_length]),
            };
            let (directory, stat) = opened.map_err(|error| Cause::of_reopening(&error))?;
            let frame = &mut self.stack[index];
            if (stat.identity.inode, stat.file_system) != (frame.inode, self.file_system) {
                return Err(Cause::Replaced);
            }
            frame.handle = Handle::Open(directory);
        }
        Ok(())
    }

    fn entry(&self, stat: Stat) -> Walked {
        Walked::Entry(Entry {
            path: self.path.clone(),
            stat,
            link_target: Vec::new(),
        })
    }

    fn unreadable(&self, is_directory: bool, cause: Cause) -> Walked {
        Walked::Unreadable(Unreadable {
            path: self.path.clone(),
            is_directory,
            cause,
        })
    }

    /// `None` where the entry's own directory says that it is gone.
    fn failed(&self, is_directory: bool, error: &io::Error) -> Option<Walked> {
        (error.kind() != io::ErrorKind::NotFound)
            .then(|| self.unreadable(is_directory, Cause::from(error)))
    }
}

impl Cause {
    /// A directory that was read in part and is not there any more was moved or removed as a
    /// whole; nobody can tell which, so that it is not taken as a deletion.
    fn of_reopening(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Replaced,
            _ => Self::from(error),
        }
    }
}

impl<D> Frame<D> {
    fn close(&mut self) {
        if matches!(self.handle, Handle::Open(_)) {
            self.handle = Handle::Closed;
        }
    }
}

fn sorted_names<T: Tree>(tree: &T, directory: &T::Directory) -> io::Result<Names> {
    let mut names = Names::default();
    tree.names(directory, &mut names)?;
    names.sort();
    Ok(names)
}
