//! Compression, as a stream of bytes in and bytes out.
//!
//! What goes in is handed over piece by piece, and what comes out is taken when there is enough of
//! it, so that memory does not grow with the file.

use std::io::{self, Write};

use flate2::write::{GzEncoder, MultiGzDecoder};

use crate::api::policy::CompressionAlgorithm;

/// As the command lines of both have it.
/// <https://github.com/facebook/zstd/blob/dev/programs/zstd.1.md>
const ZSTD_LEVEL: i32 = 3;
const GZIP_LEVEL: u32 = 6;

/// The largest window that is unpacked, as a power of two: what the level above uses, and what a
/// browser allows. <https://www.rfc-editor.org/rfc/rfc9659>
const ZSTD_WINDOW_MAX_LOG: u32 = 23;

/// Compresses. The same content gives the same bytes, however it is cut into pieces.
pub struct Encoder(Packing);

enum Packing {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoder {
    /// Starts.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new(algorithm: CompressionAlgorithm) -> io::Result<Self> {
        let packing = match algorithm {
            CompressionAlgorithm::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Packing::Zstd(encoder)
            }
            CompressionAlgorithm::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                Packing::Gzip(GzEncoder::new(Vec::new(), level))
            }
        };
        Ok(Self(packing))
    }

    /// Takes content in.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn write(&mut self, content: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Packing::Zstd(encoder) => encoder.write_all(content),
            Packing::Gzip(encoder) => encoder.write_all(content),
        }
    }

    /// What has come out and has not been taken.
    pub fn out(&mut self) -> &mut Vec<u8> {
        match &mut self.0 {
            Packing::Zstd(encoder) => encoder.get_mut(),
            Packing::Gzip(encoder) => encoder.get_mut(),
        }
    }

    /// The rest of what comes out.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self.0 {
            Packing::Zstd(encoder) => encoder.finish(),
            Packing::Gzip(encoder) => encoder.finish(),
        }
    }
}

/// Compresses content that is there as a whole.
///
/// # Errors
/// There is no memory for it.
pub fn compress(algorithm: CompressionAlgorithm, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = Encoder::new(algorithm)?;
    encoder.write(content)?;
    encoder.finish()
}

/// Unpacks into what it is given.
pub struct Decoder<W: Write>(Unpacking<W>);

enum Unpacking<W: Write> {
    Plain(W),
    Zstd(Box<zstd::stream::write::Decoder<'static, W>>),
    Gzip(Box<MultiGzDecoder<W>>),
}

impl<W: Write> Decoder<W> {
    /// Starts; without an algorithm what goes in comes out.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new(algorithm: Option<CompressionAlgorithm>, out: W) -> io::Result<Self> {
        let unpacking = match algorithm {
            None => Unpacking::Plain(out),
            Some(CompressionAlgorithm::Zstd) => {
                let mut decoder = zstd::stream::write::Decoder::new(out)?;
                decoder.window_log_max(ZSTD_WINDOW_MAX_LOG)?;
                Unpacking::Zstd(Box::new(decoder))
            }
            Some(CompressionAlgorithm::Gzip) => Unpacking::Gzip(Box::new(MultiGzDecoder::new(out))),
        };
        Ok(Self(unpacking))
    }

    /// Takes some of these stored bytes in; answers how many. However much they unpack into, little
    /// of it comes out at once.
    ///
    /// # Errors
    /// They are not what the algorithm makes, or what comes out is not taken.
    pub fn write(&mut self, stored: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Unpacking::Plain(out) => out.write(stored),
            Unpacking::Zstd(decoder) => decoder.write(stored),
            Unpacking::Gzip(decoder) => decoder.write(stored),
        }
    }

    /// Hands over what is still held back, after the last of the stored bytes.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn end(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Unpacking::Plain(_) => Ok(()),
            Unpacking::Zstd(decoder) => decoder.flush(),
            Unpacking::Gzip(decoder) => decoder.try_finish(),
        }
    }

    /// What everything goes into.
    pub fn out(&mut self) -> &mut W {
        match &mut self.0 {
            Unpacking::Plain(out) => out,
            Unpacking::Zstd(decoder) => decoder.get_mut(),
            Unpacking::Gzip(decoder) => decoder.get_mut(),
        }
    }

    /// What everything went into.
    ///
    /// # Errors
    /// As [`Self::write`], where [`Self::end`] was left out.
    pub fn into_inner(self) -> io::Result<W> {
        match self.0 {
            Unpacking::Plain(out) => Ok(out),
            Unpacking::Zstd(decoder) => Ok(decoder.into_inner()),
            Unpacking::Gzip(decoder) => decoder.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALGORITHMS: [CompressionAlgorithm; 2] =
        [CompressionAlgorithm::Zstd, CompressionAlgorithm::Gzip];

    fn unpack(algorithm: CompressionAlgorithm, stored: &[u8]) -> io::Result<Vec<u8>> {
        let mut decoder = Decoder::new(Some(algorithm), Vec::new())?;
        for piece in stored.chunks(7) {
            write_all(&mut decoder, piece)?;
        }
        decoder.end()?;
        decoder.into_inner()
    }

    fn write_all(decoder: &mut Decoder<Vec<u8>>, mut stored: &[u8]) -> io::Result<()> {
        while !stored.is_empty() {
            let taken = decoder.write(stored)?;
            assert!(taken > 0);
            stored = &stored[taken..];
        }
        Ok(())
    }

    #[test]
    fn however_much_bytes_unpack_into_little_comes_out_at_once() {
        for algorithm in ALGORITHMS {
            let stored = compress(algorithm, &vec![0; 64 << 20]).unwrap();
            let mut decoder = Decoder::new(Some(algorithm), Vec::new()).unwrap();
            let (mut rest, mut most) = (&stored[..], 0);
            while !rest.is_empty() {
                let taken = decoder.write(rest).unwrap();
                rest = &rest[taken..];
                most = most.max(decoder.out().len());
                decoder.out().clear();
            }
            decoder.end().unwrap();
            most = most.max(decoder.out().len());
            assert!(most <= 256 << 10, "{algorithm:?}: {most}");
        }
    }

    #[test]
    fn content_comes_back_however_it_was_cut() {
        let content: Vec<u8> = (0..300_000_u32)
            .flat_map(|n| (n / 9).to_be_bytes())
            .collect();
        for algorithm in ALGORITHMS {
            let whole = compress(algorithm, &content).unwrap();
            let mut encoder = Encoder::new(algorithm).unwrap();
            let mut pieces = Vec::new();
            for piece in content.chunks(1000) {
                encoder.write(piece).unwrap();
                pieces.append(encoder.out());
            }
            pieces.extend(encoder.finish().unwrap());
            assert_eq!(pieces, whole, "{algorithm:?}");
            assert!(whole.len() < content.len() / 4, "{algorithm:?}");
            assert_eq!(unpack(algorithm, &whole).unwrap(), content, "{algorithm:?}");
        }
    }

    #[test]
    fn the_window_of_what_is_written_can_be_unpacked() {
        let large = vec![b'x'; 64 << 20];
        let stored = compress(CompressionAlgorithm::Zstd, &large).unwrap();
        let unpacked = unpack(CompressionAlgorithm::Zstd, &stored).unwrap();
        assert!(unpacked == large);
    }

    #[test]
    fn bytes_that_are_not_what_was_made_are_refused() {
        for algorithm in ALGORITHMS {
            let mut stored = compress(algorithm, &[b'x'; 5000]).unwrap();
            assert!(unpack(algorithm, b"hello, this is no such thing").is_err());
            let last = stored.len() - 1;
            stored[last] ^= 1;
            assert!(unpack(algorithm, &stored).is_err(), "{algorithm:?}");
        }
    }
}
