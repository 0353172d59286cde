//! Reading a file once: its bytes, their two checksums, and whether it stayed as it was.
//!
//! What is read is exactly as long as the file was when it was opened: a file that grows gives
//! no more, and one that shrinks gives nothing at all.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use sha2::Digest;

use crate::adapters::tree::{Stat, Tree};
use crate::api::catalog::{Identity, Sha256};
use crate::api::outcome::Reason;
use crate::plan::parts::{PART_MIN_BYTES, part_size_bytes};
use crate::worker::failure::Failure;

/// Extended attributes, as (name, value).
pub(super) type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// What opening a file gave.
pub(super) enum Opened<T: Tree> {
    /// It fits one request, and was read.
    Whole(Reading),
    /// It is read part by part.
    Large(Box<Parts<T>>),
    /// It was read, and is shorter than it was when it was opened.
    Shrunk,
    /// It is gone.
    Vanished,
    /// It cannot be read, in words.
    Unreadable(String),
}

/// A file that was read whole.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) stat: Stat,
    pub(super) xattrs: Attributes,
    pub(super) body: Bytes,
    pub(super) sha256: Sha256,
    pub(super) crc64: u64,
    /// Whether it changed while it was read.
    pub(super) moved: bool,
}

/// A file that is read part by part.
pub(super) struct Parts<T: Tree> {
    tree: Arc<T>,
    /// What is moved to the thread that reads, and back.
    inner: Option<Inner<T>>,
    pub(super) stat: Stat,
    pub(super) xattrs: Attributes,
    pub(super) part_size_bytes: u64,
    /// Why it could not be read to its end, in words.
    pub(super) fault: Option<String>,
}

struct Inner<T: Tree> {
    file: T::File,
    sha256: sha2::Sha256,
    crc64: crc_fast::Digest,
    read: u64,
}

/// What reading a large file to its end gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) size: u64,
    pub(super) sha256: Sha256,
    pub(super) crc64: u64,
    /// Whether all of it was read.
    pub(super) is_whole: bool,
    /// Whether it changed while it was read.
    pub(super) moved: bool,
}

/// Opens a file, and reads it where it fits one request.
pub(super) async fn open<T: Tree>(tree: Arc<T>, path: Vec<u8>) -> Result<Opened<T>, Failure> {
    blocking(move || open_now(tree, &path)).await
}

fn open_now<T: Tree>(tree: Arc<T>, path: &[u8]) -> Opened<T> {
    let opened = tree.open_file(path).and_then(|file| {
        let stat = tree.stat_file(&file)?;
        let xattrs = tree.xattrs(&file)?;
        Ok((file, stat, xattrs))
    });
    let (file, stat, xattrs) = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Opened::Vanished,
        Err(error) => return Opened::Unreadable(error.to_string()),
    };
    if stat.identity.size <= PART_MIN_BYTES {
        return read_whole(&*tree, file, stat, xattrs);
    }
    match part_size_bytes(stat.identity.size) {
        Some(part_size_bytes) => Opened::Large(Box::new(Parts {
            tree,
            inner: Some(Inner {
                file,
                sha256: sha2::Sha256::new(),
                crc64: crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme),
                read: 0,
            }),
            stat,
            xattrs,
            part_size_bytes,
            fault: None,
        })),
        None => Opened::Unreadable(format!(
            "{} bytes are more than this version sends as one object",
            stat.identity.size
        )),
    }
}

fn read_whole<T: Tree>(tree: &T, mut file: T::File, stat: Stat, xattrs: Attributes) -> Opened<T> {
    let read = read_exactly(&mut file, stat.identity.size);
    let body = match read {
        Ok(body) => body,
        Err(error) => return Opened::Unreadable(error.to_string()),
    };
    if (body.len() as u64) < stat.identity.size {
        return Opened::Shrunk;
    }
    Opened::Whole(Reading {
        sha256: Sha256(sha2::Sha256::digest(&body).into()),
        crc64: crate::worker::head::crc64(&body),
        moved: has_moved(tree, &file, &stat.identity),
        body: body.into(),
        stat,
        xattrs,
    })
}

impl<T: Tree> Parts<T> {
    /// The next part and its CRC64NVME; `None` at the end, which comes early where the file has
    /// shrunk or cannot be read any further.
    ///
    /// # Errors
    /// The thread that reads ended.
    pub(super) async fn next(&mut self) -> Result<Option<(Bytes, u64)>, Failure> {
        let Some(mut inner) = self.inner.take() else {
            return Ok(None);
        };
        let left = self.stat.identity.size.saturating_sub(inner.read);
        let most = left.min(self.part_size_bytes);
        let (inner, part) = blocking(move || {
            let part = read_exactly(&mut inner.file, most).map(|part| {
                inner.sha256.update(&part);
                inner.crc64.update(&part);
                inner.read += part.len() as u64;
                let crc64 = crate::worker::head::crc64(&part);
                (Bytes::from(part), crc64)
            });
            (inner, part)
        })
        .await?;
        self.inner = Some(inner);
        match part {
            Ok(part) => Ok((!part.0.is_empty()).then_some(part)),
            Err(error) => {
                self.fault = Some(error.to_string());
                Ok(None)
            }
        }
    }

    /// What was read in all, and whether the file stayed as it was; `None` after a failure.
    pub(super) async fn end(&mut self) -> Option<End> {
        let inner = self.inner.take()?;
        let (tree, identity) = (self.tree.clone(), self.stat.identity);
        blocking(move || End {
            size: inner.read,
            moved: has_moved(&*tree, &inner.file, &identity),
            is_whole: inner.read == identity.size,
            sha256: Sha256(inner.sha256.finalize().into()),
            crc64: inner.crc64.finalize(),
        })
        .await
        .ok()
    }
}

fn read_exactly(file: &mut impl Read, size_bytes: u64) -> io::Result<Vec<u8>> {
    let capacity = usize::try_from(size_bytes).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(capacity);
    file.take(size_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn has_moved<T: Tree>(tree: &T, file: &T::File, before: &Identity) -> bool {
    tree.stat_file(file)
        .map_or(true, |after| after.identity != *before)
}

pub(super) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::new(Reason::Internal, format!("a reading thread ended: {error}")))
}
