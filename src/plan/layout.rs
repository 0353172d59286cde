//! Where an object belongs: a hash that changes when a policy moves files elsewhere.

use sha2::{Digest, Sha256};

/// The encoding of paths that [`super::key`] implements. Another one is another layout.
const KEY_ENCODING: &str = "percent-1";

/// A hash of bucket, prefix template and key encoding. A row whose layout differs from what the
/// policy says today is uploaded to its new place, and its old place is dropped.
#[must_use]
pub fn layout(bucket: &str, prefix_template: &str) -> u64 {
    let mut hash = Sha256::new();
    for part in [KEY_ENCODING, bucket, prefix_template] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        assert_eq!(layout("b", "p"), layout("b", "p"));
        assert_ne!(layout("b", "p"), layout("b", "q"));
        assert_ne!(layout("b", "p"), layout("bp", ""));
    }
}
