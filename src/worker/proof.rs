//! Whether content is what the catalog says of it.

use sha2::Digest;

use crate::api::catalog::{Pin, Sha256};

/// Content on its way, and what it must be in the end: by its SHA-256 where the row has one, or
/// else by its CRC64NVME.
pub struct Proof(Expected);

enum Expected {
    Sha256(sha2::Sha256, Sha256),
    /// Only content that is stored as it is comes without a SHA-256, so that the checksum of the
    /// stored bytes is its own.
    Crc64(crc_fast::Digest, u64),
}

impl Proof {
    /// What a pin says; no content has come yet.
    #[must_use]
    pub fn of(pin: &Pin) -> Self {
        Self(if let Some(sha256) = pin.sha256 {
            Expected::Sha256(sha2::Sha256::new(), sha256)
        } else {
            let digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
            Expected::Crc64(digest, pin.crc64)
        })
    }

    /// The next piece of the content.
    pub fn update(&mut self, content: &[u8]) {
        match &mut self.0 {
            Expected::Sha256(digest, _) => digest.update(content),
            Expected::Crc64(digest, _) => digest.update(content),
        }
    }

    /// Whether all that has come is what was recorded.
    #[must_use]
    pub fn holds(self) -> bool {
        match self.0 {
            Expected::Sha256(digest, sha256) => Sha256(digest.finalize().into()) == sha256,
            Expected::Crc64(digest, crc64) => digest.finalize() == crc64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // "123456789": the check value of CRC64NVME stands in the catalogue of CRC parameters.
    const CRC64: u64 = 0xae8b_1486_0a79_9888;

    fn holds(sha256: Option<Sha256>, crc64: u64, pieces: &[&[u8]]) -> bool {
        let pin = Pin {
            bucket: "bucket".to_owned(),
            key: "key".to_owned(),
            version: "v1".to_owned(),
            etag: "\"e\"".to_owned(),
            crc64,
            sha256,
            compressed: None,
        };
        let mut proof = Proof::of(&pin);
        for piece in pieces {
            proof.update(piece);
        }
        proof.holds()
    }

    #[test]
    fn content_is_proved_by_its_sha256_or_else_by_its_crc64() {
        let pieces: [&[u8]; 2] = [b"1234", b"56789"];
        let sha256 = Sha256(sha2::Sha256::digest(b"123456789").into());
        assert!(holds(Some(sha256), 0, &pieces));
        assert!(!holds(Some(Sha256([0; 32])), CRC64, &pieces));
        assert!(holds(None, CRC64, &pieces));
        assert!(!holds(None, CRC64, &[b"123456788"]));
        assert!(!holds(None, CRC64, &pieces[..1]));
    }
}
