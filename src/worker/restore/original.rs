//! Content as it was: the bytes of one version, unpacked and compared with what was recorded.

use std::collections::VecDeque;
use std::io::{self, Write};

use bytes::{Buf, Bytes};
use futures::StreamExt;

use super::entry::blocking;
use crate::adapters::codec::Decoder;
use crate::adapters::store::{Body, Get, Store, StoreError};
use crate::api::catalog::{Pin, Row};
use crate::worker::failure::Failure;
use crate::worker::proof::Proof;

/// How many stored bytes are handed to the thread that unpacks at once.
const HANDED_BYTES: usize = 1 << 20;

/// How many stored bytes are unpacked before it is looked at how much has come out.
const STEP_BYTES: usize = 64 << 10;

/// Why content does not come.
pub(super) enum Fault {
    /// The store does not give it.
    Store(StoreError),
    /// The bytes are not what was recorded.
    Content,
    /// The restore is over.
    Ended(Failure),
}

impl Fault {
    /// Whether another try may go better.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Content => true,
            Self::Ended(_) => false,
        }
    }

    /// Why, in words.
    ///
    /// # Errors
    /// The restore is over.
    pub(super) fn told(self) -> Result<String, Failure> {
        match self {
            Self::Store(error) => Ok(error.to_string()),
            Self::Content => Ok("the stored bytes are not what was recorded".to_owned()),
            Self::Ended(failure) => Err(failure),
        }
    }
}

/// The content of a file, as it comes.
pub(super) struct Original {
    body: Body,
    /// What is moved to the thread that unpacks, and back; none after a fault.
    unpacking: Option<Box<Unpacking>>,
}

struct Unpacking {
    decoder: Decoder<Content>,
    /// Of the stored bytes.
    crc64: crc_fast::Digest,
    /// Stored bytes that are not unpacked yet.
    pending: VecDeque<Bytes>,
    /// Whether no more of them come.
    is_last: bool,
    /// Whether all that they unpack into has come out.
    is_ended: bool,
}

/// Content that was unpacked: never more of it than was recorded, however much a few forged bytes
/// may unpack into.
struct Content {
    out: Vec<u8>,
    proof: Proof,
    /// How many bytes may still come.
    left: u64,
}

impl Original {
    /// Asks for the version that a row pins.
    pub(super) async fn open<S: Store>(store: &S, row: &Row, pin: &Pin) -> Result<Self, Fault> {
        let request = Get {
            bucket: pin.bucket.clone(),
            key: pin.key.clone(),
            version: Some(pin.version.clone()),
            range: None,
        };
        let body = store.read(request).await.map_err(Fault::Store)?;
        let content = Content {
            out: Vec::new(),
            proof: Proof::of(pin),
            left: row.identity.size,
        };
        let algorithm = pin.compressed.map(|packed| packed.algorithm);
        let decoder = Decoder::new(algorithm, content).map_err(|_| Fault::Content)?;
        Ok(Self {
            body,
            unpacking: Some(Box::new(Unpacking {
                decoder,
                crc64: crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme),
                pending: VecDeque::new(),
                is_last: false,
                is_ended: false,
            })),
        })
    }

    /// The next bytes of the content: as many as are asked for, but fewer at its end, and none
    /// after it.
    pub(super) async fn next(&mut self, size_bytes: usize) -> Result<Bytes, Fault> {
        let mut unpacking = self.unpacking.take().ok_or(Fault::Content)?;
        loop {
            if unpacking.pending.is_empty() && !unpacking.is_last {
                let gathered = gather(&mut self.body).await.map_err(Fault::Store)?;
                (unpacking.pending, unpacking.is_last) = gathered;
            }
            let unpacked = blocking(move || {
                let is_enough = unpacking.unpack(size_bytes);
                Ok((unpacking, is_enough))
            });
            let is_enough;
            (unpacking, is_enough) = unpacked.await.map_err(Fault::Ended)?;
            if is_enough.map_err(|_| Fault::Content)? {
                let content = unpacking.take(size_bytes);
                self.unpacking = Some(unpacking);
                return Ok(content);
            }
        }
    }

    /// Whether all of it has come, and is what was recorded: as stored, and as it was.
    pub(super) fn holds(self, pin: &Pin) -> bool {
        let Some(unpacking) = self.unpacking.filter(|unpacking| unpacking.is_ended) else {
            return false;
        };
        let is_stored_right = unpacking.crc64.finalize() == pin.crc64;
        let content = unpacking.decoder.into_inner();
        is_stored_right && content.is_ok_and(|content| content.left == 0 && content.proof.holds())
    }
}

impl Unpacking {
    /// Unpacks until so much has come out, or all; answers whether it has.
    fn unpack(&mut self, size_bytes: usize) -> io::Result<bool> {
        self.decoder.out().make_room(size_bytes);
        while self.decoder.out().out.len() < size_bytes {
            let Some(piece) = self.pending.front_mut() else {
                break;
            };
            let step = &piece[..piece.len().min(STEP_BYTES)];
            let taken = self.decoder.write(step)?;
            if taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.crc64.update(&piece[..taken]);
            piece.advance(taken);
            if piece.is_empty() {
                self.pending.pop_front();
            }
        }
        if self.is_last && self.pending.is_empty() && !self.is_ended {
            self.decoder.end()?;
            self.is_ended = true;
        }
        Ok(self.is_ended || self.decoder.out().out.len() >= size_bytes)
    }

    /// What has come out, `size_bytes` at most.
    fn take(&mut self, size_bytes: usize) -> Bytes {
        let out = &mut self.decoder.out().out;
        let rest = out.split_off(size_bytes.min(out.len()));
        std::mem::replace(out, rest).into()
    }
}

impl Content {
    /// Makes room for what is asked for and what one step may bring beyond it: a buffer that grows
    /// takes up to twice of what it holds.
    fn make_room(&mut self, size_bytes: usize) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let wanted = size_bytes.saturating_add(STEP_BYTES);
        let missing = wanted.saturating_sub(self.out.len());
        self.out.reserve_exact(missing.min(left));
    }
}

impl Write for Content {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(piece.len() as u64) else {
            return Err(io::Error::other("more content than was recorded"));
        };
        self.proof.update(piece);
        self.out.extend_from_slice(piece);
        self.left = left;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The next pieces of a body, about [`HANDED_BYTES`] of them, and whether they are the last.
async fn gather(body: &mut Body) -> Result<(VecDeque<Bytes>, bool), StoreError> {
    let (mut pieces, mut size) = (VecDeque::new(), 0);
    while size < HANDED_BYTES {
        let Some(piece) = body.next().await.transpose()? else {
            return Ok((pieces, true));
        };
        size += piece.len();
        if !piece.is_empty() {
            pieces.push_back(piece);
        }
    }
    Ok((pieces, false))
}
