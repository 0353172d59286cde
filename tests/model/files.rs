//! A file system in memory, with a clock that ticks coarsely.
//!
//! Times are stamped as a kernel does it: a write moves mtime and ctime, everything else that
//! touches the inode moves ctime, and nobody can set ctime. Inode numbers of deleted files are
//! used again. What is unlinked can still be read through an open file.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use backstay::adapters::tree::Stat;
use backstay::api::catalog::{Identity, Kind, Nanoseconds, Ownership};

/// No such file or directory.
pub(crate) const ENOENT: i32 = 2;
/// Input/output error.
pub(crate) const EIO: i32 = 5;
/// Permission denied.
pub(crate) const EACCES: i32 = 13;
/// Not a directory.
pub(crate) const ENOTDIR: i32 = 20;
/// Invalid argument.
pub(crate) const EINVAL: i32 = 22;
/// Too many levels of symbolic links: what `O_NOFOLLOW` answers for a link.
pub(crate) const ELOOP: i32 = 40;

/// What tells a node from every other one, for ever. The inode number does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(u64);

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// A file's bytes.
    File(Arc<Vec<u8>>),
    /// A directory's entries.
    Directory(BTreeMap<Vec<u8>, NodeId>),
    /// Where a symbolic link points.
    Symlink(Vec<u8>),
    /// A pipe, socket or device.
    Special(Kind),
}

impl Body {
    /// What it is.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::File(_) => Kind::File,
            Self::Directory(_) => Kind::Directory,
            Self::Symlink(_) => Kind::Symlink,
            Self::Special(kind) => *kind,
        }
    }
}

/// What fails when a node is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Asking for its facts by its name fails with this.
    pub(crate) stat: Option<i32>,
    /// Opening it fails with this.
    pub(crate) open: Option<i32>,
    /// Reading fails with EIO: a file from this byte on, a directory in any case.
    pub(crate) read: Option<usize>,
}

/// One inode.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// What it holds.
    pub(crate) body: Body,
    /// Its inode number.
    pub(crate) inode: u64,
    /// When it was written.
    pub(crate) mtime: i64,
    /// When it was touched.
    pub(crate) ctime: i64,
    /// When it was made.
    birth: i64,
    /// Mode and owner.
    pub(crate) ownership: Ownership,
    /// How many names it has.
    pub(crate) links: u64,
    /// Extended attributes, sorted by name.
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What fails when it is read.
    pub(crate) broken: Broken,
}

/// The file system.
pub(crate) struct Files {
    nodes: BTreeMap<NodeId, Node>,
    root: NodeId,
    next_node: u64,
    next_inode: u64,
    free_inodes: Vec<u64>,
    /// The clock in nanoseconds since 1970.
    now: i64,
    /// How coarsely times are stamped, in nanoseconds.
    tick: i64,
    /// Whether a rename leaves the ctime of what it moves.
    pub(crate) rename_keeps_ctime: bool,
}

impl Files {
    /// An empty root.
    pub(crate) fn new(tick_nanoseconds: i64) -> Self {
        let mut files = Self {
            nodes: BTreeMap::new(),
            root: NodeId(0),
            next_node: 0,
            next_inode: 2,
            free_inodes: Vec::new(),
            now: 1_767_225_600_123_456_789, // 2026-01-01
            tick: tick_nanoseconds,
            rename_keeps_ctime: false,
        };
        files.root = files.add(Body::Directory(BTreeMap::new()));
        files
    }

    /// Moves the clock on.
    pub(crate) fn advance(&mut self, nanoseconds: i64) {
        self.now += nanoseconds;
    }

    /// The clock.
    pub(crate) fn clock(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.now)).expect("64 bits of it fit")
    }

    /// How coarsely times are stamped, in nanoseconds.
    pub(crate) fn tick(&self) -> i64 {
        self.tick
    }

    /// The root.
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// A node.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(&id).expect("nodes are never dropped")
    }

    /// A node, to be changed without a new time.
    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).expect("nodes are never dropped")
    }

    /// The node at a path from the root; no link is followed.
    pub(crate) fn find(&self, path: &[u8]) -> io::Result<NodeId> {
        let mut id = self.root;
        for name in path.split(|byte| *byte == b'/') {
            id = self.child(id, name)?;
        }
        Ok(id)
    }

    /// The node that a directory has under a name.
    pub(crate) fn child(&self, directory: NodeId, name: &[u8]) -> io::Result<NodeId> {
        match &self.node(directory).body {
            Body::Directory(entries) => entries.get(name).copied().ok_or_else(|| error(ENOENT)),
            Body::Symlink(_) => Err(error(ELOOP)),
            Body::File(_) | Body::Special(_) => Err(error(ENOTDIR)),
        }
    }

    /// The facts of a node.
    pub(crate) fn stat(&self, id: NodeId) -> Stat {
        let node = self.node(id);
        let kind = node.body.kind();
        let size = match &node.body {
            Body::File(bytes) => bytes.len() as u64,
            Body::Directory(_) | Body::Symlink(_) | Body::Special(_) => 0,
        };
        Stat {
            identity: Identity {
                kind,
                size,
                inode: node.inode,
                mtime: Nanoseconds(node.mtime),
                ctime: Nanoseconds(node.ctime),
            },
            ownership: node.ownership,
            links: node.links,
            file_system: 1,
            device: if kind == Kind::CharacterDevice {
                259
            } else {
                0
            },
            birth: Some(Nanoseconds(node.birth)),
        }
    }

    /// Every path below the root with its node, parents first.
    pub(crate) fn paths(&self) -> Vec<(Vec<u8>, NodeId)> {
        let mut found = Vec::new();
        let mut open = vec![(Vec::new(), self.root)];
        while let Some((path, id)) = open.pop() {
            if let Body::Directory(entries) = &self.node(id).body {
                for (name, child) in entries {
                    let path = join(&path, name);
                    found.push((path.clone(), *child));
                    open.push((path, *child));
                }
            }
        }
        found
    }

    /// Makes a node under a name that is free.
    pub(crate) fn create(&mut self, directory: NodeId, name: &[u8], body: Body) -> NodeId {
        let id = self.add(body);
        self.enter(directory, name, id);
        id
    }

    /// Writes a file anew, in place.
    pub(crate) fn write(&mut self, id: NodeId, bytes: Vec<u8>) {
        let stamp = self.stamp();
        let node = self.node_mut(id);
        node.body = Body::File(Arc::new(bytes));
        node.mtime = stamp;
        node.ctime = stamp;
    }

    /// Sets the time of the last write, as `touch -d` does.
    pub(crate) fn set_mtime(&mut self, id: NodeId, mtime: i64) {
        self.node_mut(id).mtime = mtime;
        self.touch(id);
    }

    /// Sets mode and owner.
    pub(crate) fn set_ownership(&mut self, id: NodeId, ownership: Ownership) {
        self.node_mut(id).ownership = ownership;
        self.touch(id);
    }

    /// Sets an extended attribute.
    pub(crate) fn set_xattr(&mut self, id: NodeId, name: &[u8], value: &[u8]) {
        self.node_mut(id)
            .xattrs
            .insert(name.to_owned(), value.to_owned());
        self.touch(id);
    }

    /// Gives a node another name, which is free.
    pub(crate) fn link(&mut self, id: NodeId, directory: NodeId, name: &[u8]) {
        self.node_mut(id).links += 1;
        self.touch(id);
        self.enter(directory, name, id);
    }

    /// Takes a name away, and everything below it.
    pub(crate) fn remove(&mut self, directory: NodeId, name: &[u8]) {
        let Some(id) = self.leave(directory, name) else {
            return;
        };
        if let Body::Directory(entries) = &self.node(id).body {
            for name in entries.keys().cloned().collect::<Vec<_>>() {
                self.remove(id, &name);
            }
        }
        self.drop_link(id);
    }

    /// Moves a name, over another one where that is taken.
    pub(crate) fn rename(&mut self, from: (NodeId, &[u8]), to: (NodeId, &[u8])) {
        let Some(id) = self.leave(from.0, from.1) else {
            return;
        };
        if self.child(to.0, to.1).is_ok() {
            self.remove(to.0, to.1);
        }
        self.enter(to.0, to.1, id);
        if !self.rename_keeps_ctime {
            self.touch(id);
        }
    }

    fn add(&mut self, body: Body) -> NodeId {
        let stamp = self.stamp();
        let inode = self.free_inodes.pop().unwrap_or_else(|| {
            self.next_inode += 1;
            self.next_inode
        });
        let mode = match body.kind() {
            Kind::Directory => 0o755,
            Kind::Symlink => 0o777,
            Kind::File | Kind::Fifo | Kind::Socket | Kind::CharacterDevice | Kind::BlockDevice => {
                0o644
            }
        };
        let node = Node {
            body,
            inode,
            mtime: stamp,
            ctime: stamp,
            birth: stamp,
            ownership: Ownership {
                mode,
                uid: 1000,
                gid: 1000,
            },
            links: 1,
            xattrs: BTreeMap::new(),
            broken: Broken::default(),
        };
        let id = NodeId(self.next_node);
        self.next_node += 1;
        self.nodes.insert(id, node);
        id
    }

    fn enter(&mut self, directory: NodeId, name: &[u8], id: NodeId) {
        if let Body::Directory(entries) = &mut self.node_mut(directory).body {
            entries.insert(name.to_owned(), id);
        }
        self.stamp_contents(directory);
    }

    fn leave(&mut self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        let left = match &mut self.node_mut(directory).body {
            Body::Directory(entries) => entries.remove(name),
            Body::File(_) | Body::Symlink(_) | Body::Special(_) => None,
        };
        self.stamp_contents(directory);
        left
    }

    fn drop_link(&mut self, id: NodeId) {
        self.touch(id);
        let node = self.node_mut(id);
        node.links -= 1;
        if node.links == 0 {
            let inode = node.inode;
            self.free_inodes.push(inode);
        }
    }

    fn stamp_contents(&mut self, id: NodeId) {
        let stamp = self.stamp();
        self.node_mut(id).mtime = stamp;
        self.node_mut(id).ctime = stamp;
    }

    fn touch(&mut self, id: NodeId) {
        let stamp = self.stamp();
        self.node_mut(id).ctime = stamp;
    }

    fn stamp(&self) -> i64 {
        self.now - self.now.rem_euclid(self.tick)
    }
}

/// A path and a name below it.
pub(crate) fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        return name.to_owned();
    }
    [path, name].join(&b'/')
}

/// The directory's path and the name in it; an empty path is the root.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// The error that a system call answers with.
pub(crate) fn error(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}
