//! The simulated tree: [`Files`] as the engine reads it, with writers that go on meanwhile.
//!
//! Every call counts as one operation. Before an operation that is on the schedule, the tree
//! changes; a snapshot of every state that it has had is kept for the reference model.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backstay::adapters::store::{Attributes, Condition, Original, Put};
use backstay::adapters::tree::{Names, Stat, Stored, Tree};
use backstay::api::catalog::{Identity, Kind, Ownership};

use crate::audit::Log;
use crate::files::{
    Body, Broken, EACCES, EINVAL, EIO, ELOOP, ENOTDIR, Files, NodeId, error, split,
};
use crate::invariants::STRANGER;
use crate::mutations;
use crate::world::{World, crc64};

/// The bucket of files that are objects.
pub(crate) const ORIGINALS: &str = "originals";

/// One entry as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What decides whether it changed.
    pub(crate) identity: Identity,
    /// Mode and owner.
    pub(crate) ownership: Ownership,
    /// How many names it has.
    pub(crate) links: u64,
    /// A file's bytes.
    pub(crate) content: Arc<Vec<u8>>,
    /// Where a symbolic link points.
    pub(crate) link_target: Vec<u8>,
    /// Extended attributes, sorted by name.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether something fails when it is read.
    pub(crate) is_broken: bool,
}

/// What somebody does to the files.
type Change = Box<dyn FnOnce(&mut Files) + Send>;

/// All entries by path, at one moment.
pub(crate) type Snapshot = BTreeMap<Vec<u8>, Entry>;

/// The tree and its history.
pub(crate) struct Living {
    /// The tree as it is.
    pub(crate) files: Files,
    /// Every state so far, the present one last.
    pub(crate) snapshots: Vec<Snapshot>,
    /// At which operations it changes by chance.
    pub(crate) schedule: VecDeque<u64>,
    /// How often a file is still to change between two reads of it.
    pub(crate) meddling: u8,
    /// One change that is not by chance, and at which operation it happens.
    planned: Option<(u64, Change)>,
    /// How many operations there have been.
    pub(crate) operations: u64,
    /// What happens, in words.
    log: Log,
    /// Chance, for the changes on the schedule.
    pub(crate) rng: fastrand::Rng,
    has_foreign_clock: bool,
    /// The store that the files are objects of, where they are.
    origin: Option<World>,
}

/// A tree that can be shared.
#[derive(Clone)]
pub(crate) struct SimTree(Arc<Mutex<Living>>);

/// An open directory.
pub(crate) struct SimDirectory(NodeId);

/// An open file.
pub(crate) struct SimFile {
    tree: SimTree,
    node: NodeId,
    position: usize,
    calls: u64,
}

impl SimTree {
    /// The tree that has these files.
    pub(crate) fn new(files: Files, seed: u64, has_foreign_clock: bool, log: Log) -> Self {
        let mut living = Living {
            files,
            snapshots: Vec::new(),
            schedule: VecDeque::new(),
            meddling: 0,
            planned: None,
            operations: 0,
            log,
            rng: fastrand::Rng::with_seed(seed),
            has_foreign_clock,
            origin: None,
        };
        living.keep();
        Self(Arc::new(Mutex::new(living)))
    }

    /// Makes the files objects of this store as well.
    pub(crate) fn live_in(&self, world: &World) {
        world.create_bucket(ORIGINALS);
        self.living().origin = Some(world.clone());
    }

    /// The tree and its history, for the length of one step.
    pub(crate) fn living(&self) -> MutexGuard<'_, Living> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn operate<T>(&self, act: impl FnOnce(&mut Living) -> T) -> T {
        let mut living = self.living();
        let operation = living.operations;
        living.operations += 1;
        while living.schedule.front().is_some_and(|due| *due <= operation) {
            living.schedule.pop_front();
            living.change();
        }
        if let Some((_, change)) = living.planned.take_if(|(due, _)| *due <= operation) {
            change(&mut living.files);
            living.keep();
        }
        act(&mut living)
    }
}

impl Living {
    /// Plans a change for so many operations later.
    pub(crate) fn plan(
        &mut self,
        operations: u64,
        change: impl FnOnce(&mut Files) + Send + 'static,
    ) {
        self.planned = Some((self.operations + operations, Box::new(change)));
    }

    /// One change by chance.
    pub(crate) fn change(&mut self) {
        let said = mutations::change(&mut self.files, &mut self.rng);
        self.log.note(said);
        self.keep();
    }

    /// Perhaps one change to a file that is being read.
    fn meddle(&mut self, id: NodeId) {
        if self.meddling == 0 || self.rng.u8(0..6) > 0 {
            return;
        }
        self.meddling -= 1;
        let said = mutations::meddle(&mut self.files, &mut self.rng, id);
        self.log.note(said);
        self.keep();
    }

    /// Keeps the present state.
    pub(crate) fn keep(&mut self) {
        let snapshot = self
            .files
            .paths()
            .into_iter()
            .map(|(path, id)| (path, self.entry(id)))
            .collect();
        self.snapshots.push(snapshot);
    }

    fn entry(&self, id: NodeId) -> Entry {
        let node = self.files.node(id);
        let stat = self.files.stat(id);
        let mut entry = Entry {
            identity: stat.identity,
            ownership: stat.ownership,
            links: stat.links,
            content: Arc::default(),
            link_target: Vec::new(),
            xattrs: node.xattrs.clone().into_iter().collect(),
            is_broken: node.broken != Broken::default(),
        };
        match &node.body {
            Body::File(bytes) => entry.content = Arc::clone(bytes),
            Body::Symlink(target) => entry.link_target.clone_from(target),
            Body::Directory(_) | Body::Special(_) => {}
        }
        entry
    }

    fn xattrs(&self, id: NodeId) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.files.node(id).xattrs.clone().into_iter().collect()
    }
}

impl Tree for SimTree {
    type Directory = SimDirectory;
    type File = SimFile;

    fn root(&self) -> io::Result<(SimDirectory, Stat)> {
        self.operate(|living| {
            let root = living.files.root();
            Ok((SimDirectory(root), living.files.stat(root)))
        })
    }

    fn names(&self, directory: &SimDirectory, names: &mut Names) -> io::Result<()> {
        self.operate(|living| {
            let Living { files, .. } = living;
            let mut rng = fastrand::Rng::with_seed(files.stat(directory.0).identity.inode);
            let node = files.node(directory.0);
            let Body::Directory(entries) = &node.body else {
                return Err(error(ENOTDIR));
            };
            let mut listed: Vec<_> = entries.iter().collect();
            rng.shuffle(&mut listed);
            if node.broken.read.is_some() {
                listed.truncate(entries.len() / 2);
            }
            for (name, id) in &listed {
                names.push(name, files.stat(**id).identity.kind == Kind::Directory);
            }
            if node.broken.read.is_some() {
                Err(error(EIO))
            } else {
                Ok(())
            }
        })
    }

    fn stat(&self, directory: &SimDirectory, name: &[u8]) -> io::Result<Stat> {
        self.operate(|living| {
            let id = living.files.child(directory.0, name)?;
            match living.files.node(id).broken.stat {
                Some(number) => Err(error(number)),
                None => Ok(living.files.stat(id)),
            }
        })
    }

    fn open_directory(
        &self,
        directory: &SimDirectory,
        name: &[u8],
    ) -> io::Result<(SimDirectory, Stat)> {
        self.operate(|living| {
            let id = living.files.child(directory.0, name)?;
            let node = living.files.node(id);
            match (&node.body, node.broken.open) {
                (Body::Directory(_), None) => Ok((SimDirectory(id), living.files.stat(id))),
                (Body::Directory(_), Some(number)) => Err(error(number)),
                (Body::File(_) | Body::Symlink(_) | Body::Special(_), _) => Err(error(ENOTDIR)),
            }
        })
    }

    fn read_link(&self, directory: &SimDirectory, name: &[u8]) -> io::Result<Vec<u8>> {
        self.operate(|living| {
            let id = living.files.child(directory.0, name)?;
            match &living.files.node(id).body {
                Body::Symlink(target) => Ok(target.clone()),
                Body::File(_) | Body::Directory(_) | Body::Special(_) => Err(error(EINVAL)),
            }
        })
    }

    fn open_file(&self, path: &[u8]) -> io::Result<SimFile> {
        self.operate(|living| {
            let mut directory = living.files.root();
            let (parent, name) = split(path);
            for component in parent
                .split(|byte| *byte == b'/')
                .filter(|name| !name.is_empty())
            {
                directory = living.files.child(directory, component)?;
                if living.files.node(directory).broken.open == Some(EACCES) {
                    return Err(error(EACCES));
                }
            }
            let id = living.files.child(directory, name)?;
            let node = living.files.node(id);
            match (&node.body, node.broken.open) {
                (Body::File(_), None) => Ok(SimFile {
                    tree: self.clone(),
                    node: id,
                    position: 0,
                    calls: 0,
                }),
                (Body::File(_), Some(number)) => Err(error(number)),
                (Body::Symlink(_), _) => Err(error(ELOOP)),
                (Body::Directory(_) | Body::Special(_), _) => Err(error(EINVAL)),
            }
        })
    }

    fn stat_file(&self, file: &SimFile) -> io::Result<Stat> {
        self.operate(|living| Ok(living.files.stat(file.node)))
    }

    fn xattrs(&self, file: &SimFile) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.operate(|living| Ok(living.xattrs(file.node)))
    }

    fn directory_xattrs(&self, directory: &SimDirectory) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.operate(|living| Ok(living.xattrs(directory.0)))
    }

    fn stored(&self, path: &[u8]) -> Option<Stored> {
        let (world, stat, bytes) = self.operate(|living| {
            let id = living.files.find(path).ok()?;
            let node = living.files.node(id);
            let stat = living.files.stat(id);
            let is_plain = node.broken == Broken::default() && node.xattrs.is_empty();
            match &node.body {
                Body::File(bytes) if is_plain && stat.links == 1 => {
                    Some((living.origin.clone()?, stat, Arc::clone(bytes)))
                }
                Body::File(_) | Body::Directory(_) | Body::Symlink(_) | Body::Special(_) => None,
            }
        })?;
        let put = Put {
            bucket: ORIGINALS.to_owned(),
            key: hex::encode(path),
            body: bytes.to_vec().into(),
            crc64: crc64(&bytes),
            condition: Condition::None,
            attributes: Attributes::default(),
        };
        let (bucket, key, crc64) = (put.bucket.clone(), put.key.clone(), put.crc64);
        // Only now: whoever checks a history has the world before the tree.
        let written = world.state().put(STRANGER, put).ok()?;
        Some(Stored {
            stat,
            original: Original {
                bucket,
                key,
                version: Some(written.version),
                etag: written.etag,
            },
            crc64,
            xattrs: Vec::new(),
        })
    }

    fn has_foreign_clock(&self) -> bool {
        self.living().has_foreign_clock
    }
}

impl io::Read for SimFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let tree = self.tree.clone();
        tree.operate(|living| {
            // By the place alone, so that it does not depend on which thread is faster.
            let mut rng = fastrand::Rng::with_seed(self.position as u64 + self.calls);
            self.calls += 1;
            if rng.u8(0..16) == 0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            living.meddle(self.node);
            let short = if rng.bool() {
                rng.usize(1..=4)
            } else {
                1 << 16
            };
            let node = living.files.node(self.node);
            let Body::File(bytes) = &node.body else {
                return Err(error(EINVAL));
            };
            let fails_from = node.broken.read.unwrap_or(usize::MAX);
            if self.position >= fails_from && self.position < bytes.len() {
                return Err(error(EIO));
            }
            let end = bytes.len().min(fails_from);
            let left = &bytes[self.position.min(end)..end];
            let count = left.len().min(buffer.len()).min(short);
            buffer[..count].copy_from_slice(&left[..count]);
            self.position += count;
            Ok(count)
        })
    }
}
