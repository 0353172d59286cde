//! Why a restore cannot go on, or cannot do this one thing.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::api::catalog::Kind;
use crate::plan::key;

/// Why a restore cannot go on, or cannot do this one thing.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The root cannot be made.
    #[error("make directory {}", path.display())]
    MakeRoot {
        /// The root.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The root cannot be opened, or not be read.
    #[error("open directory {}", path.display())]
    OpenRoot {
        /// The root.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another restore is under way there.
    #[error("another restore into {} is under way", path.display())]
    Busy {
        /// The root.
        path: PathBuf,
    },
    /// A path that leads nowhere beneath a root.
    #[error("not a path beneath the target: {path}")]
    InvalidPath {
        /// The path, escaped.
        path: String,
    },
    /// Something else has the name.
    #[error("{path} is taken by a {}", kind.as_str())]
    Occupied {
        /// The path, escaped.
        path: String,
        /// What it is.
        kind: Kind,
    },
    /// A call failed.
    #[error("{act} {path}")]
    Failed {
        /// What was tried: `open`, `make`, `write`, `place`, …
        act: &'static str,
        /// The path, escaped.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl TargetError {
    /// Whether there is no room left: no further file can be restored.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::MakeRoot { source, .. }
            | Self::OpenRoot { source, .. }
            | Self::Failed { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
            Self::Busy { .. } | Self::InvalidPath { .. } | Self::Occupied { .. } => false,
        }
    }
}

pub(super) fn occupied(path: &[u8], kind: Kind) -> TargetError {
    TargetError::Occupied {
        path: key::display(path),
        kind,
    }
}

pub(super) fn failed(act: &'static str, path: &[u8], errno: Errno) -> TargetError {
    TargetError::Failed {
        act,
        path: key::display(path),
        source: errno.into(),
    }
}
