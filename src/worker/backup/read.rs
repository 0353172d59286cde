//! Reading a file once: its bytes, their two checksums, and whether it stayed as it was.
//!
//! What is read is exactly as long as the file was when it was opened: a file that grows gives
//! no more, and one that shrinks gives nothing at all.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use sha2::Digest;

use crate::adapters::codec::{self, Encoder};
use crate::adapters::tree::{Stat, Tree};
use crate::api::catalog::{Compressed, Identity, Sha256};
use crate::api::outcome::Reason;
use crate::api::policy::CompressionAlgorithm;
use crate::plan::compression::{self, SAMPLE_BYTES, is_worthwhile};
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
    /// As it is to be stored.
    pub(super) body: Bytes,
    /// Of the content.
    pub(super) sha256: Sha256,
    /// Of the body.
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
    /// How the parts are compressed.
    pub(super) algorithm: Option<CompressionAlgorithm>,
    /// Why it could not be read to its end, in words.
    pub(super) fault: Option<String>,
}

struct Inner<T: Tree> {
    file: T::File,
    /// What was read of it to see whether it shrinks, and has not been taken.
    ahead: Vec<u8>,
    sha256: sha2::Sha256,
    crc64: crc_fast::Digest,
    /// How much of the content has been read.
    read: u64,
    packing: Packing,
    /// How many bytes have been given out.
    given: u64,
}

/// What becomes of the content on its way.
enum Packing {
    /// Nothing.
    Plain,
    /// It is compressed.
    Compressed(Encoder),
    /// It was compressed, and this is left of it.
    Ended(Vec<u8>),
}

/// One part, as it is stored.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) body: Bytes,
    pub(super) crc64: u64,
    /// How many bytes of the content were read for it.
    pub(super) read: u64,
}

/// What reading a large file to its end gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// How many bytes are stored.
    pub(super) stored: u64,
    pub(super) sha256: Sha256,
    /// Of the stored bytes.
    pub(super) crc64: u64,
    /// Whether all of it was read.
    pub(super) is_whole: bool,
    /// Whether it changed while it was read.
    pub(super) moved: bool,
}

/// Opens a file, and reads it where it fits one request. A larger one is compressed by the rule
/// while it is read, where there is one and a sample shrinks.
pub(super) async fn open<T: Tree>(
    tree: Arc<T>,
    path: Vec<u8>,
    rule: Option<compression::Rule>,
) -> Result<Opened<T>, Failure> {
    blocking(move || open_now(tree, &path, rule.as_ref())).await
}

fn open_now<T: Tree>(tree: Arc<T>, path: &[u8], rule: Option<&compression::Rule>) -> Opened<T> {
    let opened = tree.open_file(path).and_then(|file| {
        let stat = tree.stat_file(&file)?;
        let xattrs = tree.xattrs(&file)?;
        Ok((file, stat, xattrs))
    });
    let (mut file, stat, xattrs) = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Opened::Vanished,
        Err(error) => return Opened::Unreadable(error.to_string()),
    };
    if stat.identity.size <= PART_MIN_BYTES {
        return read_whole(&*tree, file, stat, xattrs);
    }
    let size = stat.identity.size;
    let Some(part_size_bytes) = part_size_bytes(size) else {
        return Opened::Unreadable(format!(
            "{size} bytes are more than this version sends as one object"
        ));
    };
    let wanted = rule.and_then(|rule| rule.algorithm_for(path, size, &xattrs));
    let (packing, ahead) = match start(&mut file, wanted) {
        Ok(started) => started,
        Err(error) => return Opened::Unreadable(error.to_string()),
    };
    Opened::Large(Box::new(Parts {
        tree,
        algorithm: wanted.filter(|_| !matches!(packing, Packing::Plain)),
        inner: Some(Inner {
            file,
            ahead,
            sha256: sha2::Sha256::new(),
            crc64: crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme),
            read: 0,
            packing,
            given: 0,
        }),
        stat,
        xattrs,
        part_size_bytes,
        fault: None,
    }))
}

/// Compresses the start of a file, to see whether it is worth it; answers with that start.
fn start(
    file: &mut impl Read,
    wanted: Option<CompressionAlgorithm>,
) -> io::Result<(Packing, Vec<u8>)> {
    let Some(algorithm) = wanted else {
        return Ok((Packing::Plain, Vec::new()));
    };
    let sample = read_exactly(file, SAMPLE_BYTES)?;
    let compressed = codec::compress(algorithm, &sample)?;
    let packing = if is_worthwhile(sample.len() as u64, compressed.len() as u64) {
        Packing::Compressed(Encoder::new(algorithm)?)
    } else {
        Packing::Plain
    };
    Ok((packing, sample))
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
    /// The next part; `None` at the end, which comes early where the file has shrunk or cannot be
    /// read any further.
    ///
    /// # Errors
    /// The thread that reads ended.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>, Failure> {
        let Some(mut inner) = self.inner.take() else {
            return Ok(None);
        };
        let (size, part_size_bytes) = (self.stat.identity.size, self.part_size_bytes);
        let (inner, piece) = blocking(move || {
            let piece = inner.next(size, part_size_bytes);
            (inner, piece)
        })
        .await?;
        self.inner = Some(inner);
        match piece {
            Ok(piece) => Ok((!piece.body.is_empty()).then_some(piece)),
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
            stored: inner.given,
            moved: has_moved(&*tree, &inner.file, &identity),
            is_whole: inner.read == identity.size,
            sha256: Sha256(inner.sha256.finalize().into()),
            crc64: inner.crc64.finalize(),
        })
        .await
        .ok()
    }
}

impl<T: Tree> Inner<T> {
    /// The next part of what is stored of a file of `size` bytes; empty at its end.
    fn next(&mut self, size: u64, part_size_bytes: u64) -> io::Result<Piece> {
        let before = self.read;
        let body = match &self.packing {
            Packing::Plain => self.content(size, part_size_bytes)?,
            Packing::Compressed(_) | Packing::Ended(_) => self.packed(size, part_size_bytes)?,
        };
        self.crc64.update(&body);
        self.given += body.len() as u64;
        Ok(Piece {
            crc64: crate::worker::head::crc64(&body),
            body: body.into(),
            read: self.read - before,
        })
    }

    /// Reads on until a part has come out of the compressor, or all of it.
    fn packed(&mut self, size: u64, part_size_bytes: u64) -> io::Result<Vec<u8>> {
        let part = usize::try_from(part_size_bytes).map_err(io::Error::other)?;
        loop {
            if let Packing::Compressed(encoder) = &mut self.packing
                && encoder.out().len() < part
            {
                let content = self.content(size, SAMPLE_BYTES)?;
                if !content.is_empty() {
                    self.pack(&content)?;
                    continue;
                }
                self.end_packing()?;
            }
            let out = match &mut self.packing {
                Packing::Plain => return Ok(Vec::new()),
                Packing::Compressed(encoder) => encoder.out(),
                Packing::Ended(rest) => rest,
            };
            let rest = out.split_off(part.min(out.len()));
            return Ok(std::mem::replace(out, rest));
        }
    }

    fn pack(&mut self, content: &[u8]) -> io::Result<()> {
        match &mut self.packing {
            Packing::Compressed(encoder) => encoder.write(content),
            Packing::Plain | Packing::Ended(_) => Ok(()),
        }
    }

    fn end_packing(&mut self) -> io::Result<()> {
        if let Packing::Compressed(encoder) = std::mem::replace(&mut self.packing, Packing::Plain) {
            self.packing = Packing::Ended(encoder.finish()?);
        }
        Ok(())
    }

    /// The next bytes of the file, `most` of them at most, which is no less than a sample; none
    /// beyond its size.
    fn content(&mut self, size: u64, most: u64) -> io::Result<Vec<u8>> {
        let wanted = size.saturating_sub(self.read).min(most);
        let ahead = std::mem::take(&mut self.ahead);
        let rest = wanted.saturating_sub(ahead.len() as u64);
        let content = read_on(&mut self.file, ahead, rest)?;
        self.sha256.update(&content);
        self.read += content.len() as u64;
        Ok(content)
    }
}

impl Reading {
    /// Compresses what was read, where that is wanted and worth it; answers with how.
    ///
    /// # Errors
    /// The thread that compresses ended.
    pub(super) async fn pack(
        &mut self,
        wanted: Option<CompressionAlgorithm>,
    ) -> Result<Option<Compressed>, Failure> {
        let Some(algorithm) = wanted else {
            return Ok(None);
        };
        let content = self.body.clone();
        let packed = blocking(move || {
            let packed = codec::compress(algorithm, &content)?;
            let crc64 = crate::worker::head::crc64(&packed);
            io::Result::Ok((Bytes::from(packed), crc64))
        });
        let (packed, crc64) = packed.await?.map_err(|error| {
            Failure::new(Reason::Internal, format!("content not compressed: {error}"))
        })?;
        let size = packed.len() as u64;
        if !is_worthwhile(self.body.len() as u64, size) {
            return Ok(None);
        }
        (self.body, self.crc64) = (packed, crc64);
        Ok(Some(Compressed { algorithm, size }))
    }
}

fn read_exactly(file: &mut impl Read, size_bytes: u64) -> io::Result<Vec<u8>> {
    read_on(file, Vec::new(), size_bytes)
}

/// Appends the next bytes of a file to what was read of it.
fn read_on(file: &mut impl Read, mut bytes: Vec<u8>, size_bytes: u64) -> io::Result<Vec<u8>> {
    let more = usize::try_from(size_bytes).map_err(io::Error::other)?;
    bytes.reserve_exact(more);
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
