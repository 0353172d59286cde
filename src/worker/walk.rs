//! The walk: a tree's entries in the order of their keys.
//!
//! An entry is looked at once and told as [`Walked`]. The order is that of
//! [`crate::plan::key::order_key`], strictly increasing, but that a directory may be told twice
//! in a row: as an entry, and then as one whose contents could not be seen.
//!
//! What cannot be seen is never told as absent. An entry is passed over in silence only where
//! its own directory, by descriptor, says that it is gone.
//!
//! # Caveats
//! The names of the directory being read, and of those above it, are in memory: 16 bytes each
//! besides the name. A single directory of a million names takes 48 MB while it is read; a tree of
//! as many files in ordinary directories, next to nothing.

mod descent;

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use self::descent::Walk;
use crate::adapters::store::StoreError;
use crate::adapters::tree::{Listed, Stat, Tree};
use crate::api::catalog::Kind;
use crate::plan::filter::{Filter, Verdict};
use crate::plan::named::Named;

/// How many entries are sent at once, at most.
const BATCH_ENTRIES_MAX: usize = 256;

/// How many bytes of paths are sent at once, but for the last one.
const BATCH_PATH_BYTES: usize = 64 * 1024;

/// How many batches may wait for their receiver.
const BATCHES_MAX: usize = 4;

/// What the walk tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Walked {
    /// An entry, and its facts.
    Entry(Entry),
    /// An entry that could not be looked at. Of a directory, nothing below is known either.
    /// Where its [`Walked::Entry`] came just before, only what is below is unknown.
    Unreadable(Unreadable),
    /// Something that has no place among paths, and is told outside of their order.
    Nameless {
        /// What it is called.
        name: String,
        /// Why it has no path.
        reason: &'static str,
    },
    /// A directory on which another file system is mounted, or that is a subvolume of its own. Its
    /// [`Walked::Entry`] came just before; what is below is not part of this tree.
    Crossing {
        /// Its path.
        path: Vec<u8>,
    },
}

/// An entry, and its facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path's exact bytes, relative to the root, components joined by `/`.
    pub path: Vec<u8>,
    /// Its facts.
    pub stat: Stat,
    /// Where a symbolic link points; empty otherwise.
    pub link_target: Vec<u8>,
}

/// An entry that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its path.
    pub path: Vec<u8>,
    /// Whether its directory lists it as a directory.
    pub is_directory: bool,
    /// Why.
    pub cause: Cause,
}

/// Why an entry could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// This process may not.
    #[error("permission denied")]
    Denied,
    /// It became something else between two looks.
    #[error("replaced while it was looked at")]
    Replaced,
    /// The directory is one of those that it lies in: the file system is damaged.
    #[error("directory contains itself")]
    Cycle,
    /// The system failed.
    #[error("{detail}")]
    Failed {
        /// In its own words.
        detail: String,
    },
}

impl From<&io::Error> for Cause {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied,
            // Not a directory any more, or not a link.
            io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => Self::Replaced,
            _ => Self::Failed {
                detail: error.to_string(),
            },
        }
    }
}

/// Why there is no walk, or why it ended early.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The root cannot be opened.
    #[error("open the root")]
    OpenRoot(#[source] io::Error),
    /// The root's names cannot be read.
    #[error("list the root")]
    ListRoot(#[source] io::Error),
    /// The source cannot be listed.
    #[error("list the source")]
    List(#[source] StoreError),
    /// The thread that walked ended before the tree did.
    #[error("the walk broke off")]
    BrokeOff(#[source] tokio::task::JoinError),
}

/// Walks a tree on a thread of its own; of one that lists itself, only what is named, if anything
/// is.
///
/// # Cancellation
/// The thread ends soon after the [`Walking`] is dropped.
pub fn spawn<T: Tree>(tree: Arc<T>, filter: Arc<Filter>, named: Option<Arc<Named>>) -> Walking {
    let (sender, batches) = mpsc::channel(BATCHES_MAX);
    let thread =
        tokio::task::spawn_blocking(move || send(&*tree, &filter, named.as_deref(), &sender));
    Walking {
        batches,
        thread: Some(thread),
    }
}

/// A walk under way.
#[derive(Debug)]
pub struct Walking {
    batches: mpsc::Receiver<Vec<Walked>>,
    thread: Option<JoinHandle<Result<(), WalkError>>>,
}

impl Walking {
    /// The next entries, in order; `None` after the last one. A walk that broke off is an error,
    /// never an end.
    ///
    /// # Errors
    /// The root cannot be read, or the walk broke off.
    ///
    /// # Cancellation
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Vec<Walked>>, WalkError> {
        if let Some(batch) = self.batches.recv().await {
            return Ok(Some(batch));
        }
        if let Some(thread) = &mut self.thread {
            let ended = thread.await;
            self.thread = None;
            ended.map_err(WalkError::BrokeOff)??;
        }
        Ok(None)
    }
}

fn send<T: Tree>(
    tree: &T,
    filter: &Filter,
    named: Option<&Named>,
    sender: &mpsc::Sender<Vec<Walked>>,
) -> Result<(), WalkError> {
    send_all(entries(tree, filter, named)?, sender)
}

/// The entries of a tree, as they come; an error ends them.
///
/// # Errors
/// The root cannot be read.
pub fn entries<'a, T: Tree>(
    tree: &'a T,
    filter: &'a Filter,
    named: Option<&'a Named>,
) -> Result<Box<dyn Iterator<Item = Result<Walked, WalkError>> + 'a>, WalkError> {
    let listing = match named {
        Some(named) => tree.listing_of(named),
        None => tree.listing(),
    };
    Ok(match listing {
        Some(listing) => Box::new(listing.filter_map(|listed| of_listing(filter, listed))),
        None => Box::new(Walk::new(tree, filter)?.map(Ok)),
    })
}

/// What is told of an entry of a listing; nothing of one that is left out.
fn of_listing(
    filter: &Filter,
    listed: Result<Listed, StoreError>,
) -> Option<Result<Walked, WalkError>> {
    let is_taken = |path: &[u8], is_directory| filter.verdict(path, is_directory) != Verdict::Leave;
    let walked = match listed {
        Ok(Listed::Entry { path, stat }) => {
            let is_directory = stat.identity.kind == Kind::Directory;
            let link_target = Vec::new();
            is_taken(&path, is_directory).then_some(Walked::Entry(Entry {
                path,
                stat,
                link_target,
            }))
        }
        Ok(Listed::Unreadable { path, detail }) => {
            is_taken(&path, false).then_some(Walked::Unreadable(Unreadable {
                path,
                is_directory: false,
                cause: Cause::Failed { detail },
            }))
        }
        Ok(Listed::Nameless { path, name, reason }) => {
            is_taken(&path, false).then_some(Walked::Nameless { name, reason })
        }
        Err(error) => return Some(Err(WalkError::List(error))),
    };
    walked.map(Ok)
}

fn send_all(
    entries: impl Iterator<Item = Result<Walked, WalkError>>,
    sender: &mpsc::Sender<Vec<Walked>>,
) -> Result<(), WalkError> {
    let mut batch = Vec::new();
    let mut path_bytes = 0;
    for walked in entries {
        let walked = walked?;
        path_bytes += walked.path().len();
        batch.push(walked);
        if batch.len() == BATCH_ENTRIES_MAX || path_bytes >= BATCH_PATH_BYTES {
            path_bytes = 0;
            if sender.blocking_send(std::mem::take(&mut batch)).is_err() {
                // Nobody listens any more.
                return Ok(());
            }
        }
    }
    if !batch.is_empty() {
        // A receiver that is gone does not need the rest.
        let _ = sender.blocking_send(batch);
    }
    Ok(())
}

impl Walked {
    /// The path that it is about.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        match self {
            Self::Entry(Entry { path, .. })
            | Self::Unreadable(Unreadable { path, .. })
            | Self::Crossing { path } => path,
            Self::Nameless { name, .. } => name.as_bytes(),
        }
    }
}
