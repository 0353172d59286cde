//! Which files are stored compressed, and whether it was worth it.

use super::extensions::Extensions;
use super::headers::is_encoded;
use super::quantity;
use crate::api::policy::{Compression, CompressionAlgorithm};

/// The smallest file that is compressed where the policy does not say.
const MINIMUM_DEFAULT_BYTES: u64 = 4 << 10;

/// How much of the start of a large file is compressed to see whether it shrinks.
pub const SAMPLE_BYTES: u64 = 1 << 20;

/// A category's rule, ready to be asked.
#[derive(Clone, Debug)]
pub struct Rule {
    algorithm: CompressionAlgorithm,
    extensions: Extensions,
    minimum_bytes: u64,
}

impl Rule {
    /// Makes a category's rule ready.
    ///
    /// # Errors
    /// `minimumSize` is no quantity of bytes: the text says what is allowed.
    pub fn new(compression: &Compression) -> Result<Self, &'static str> {
        let minimum_bytes = match &compression.minimum_size {
            Some(text) => quantity::bytes(text)
                .ok_or("is not a size: write bytes, or a number with Ki, Mi or Gi")?,
            None => MINIMUM_DEFAULT_BYTES,
        };
        Ok(Self {
            algorithm: compression.algorithm,
            extensions: Extensions::new(compression.extensions.iter().map(String::as_str)),
            minimum_bytes,
        })
    }

    /// How files are compressed that are.
    #[must_use]
    pub fn uses(&self) -> CompressionAlgorithm {
        self.algorithm
    }

    /// How a file of this path and size shall be compressed; `None` where it shall not.
    #[must_use]
    pub fn algorithm(&self, path: &[u8], size_bytes: u64) -> Option<CompressionAlgorithm> {
        let is_named = self.extensions.is_empty() || self.extensions.take(path);
        (is_named && size_bytes > 0 && size_bytes >= self.minimum_bytes).then_some(self.algorithm)
    }

    /// The same, of a file with these attributes: what is encoded already is not compressed.
    #[must_use]
    pub fn algorithm_for(
        &self,
        path: &[u8],
        size_bytes: u64,
        xattrs: &[(Vec<u8>, Vec<u8>)],
    ) -> Option<CompressionAlgorithm> {
        let algorithm = self.algorithm(path, size_bytes)?;
        (!is_encoded(xattrs)).then_some(algorithm)
    }
}

/// Whether compression saved a tenth at least. Less is not worth a file that has to be unpacked.
#[must_use]
pub fn is_worthwhile(original_bytes: u64, compressed_bytes: u64) -> bool {
    compressed_bytes <= original_bytes - original_bytes.div_ceil(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(extensions: &[&str], minimum_size: Option<&str>) -> Result<Rule, &'static str> {
        Rule::new(&Compression {
            algorithm: CompressionAlgorithm::Zstd,
            extensions: extensions.iter().map(|&text| text.to_owned()).collect(),
            minimum_size: minimum_size.map(str::to_owned),
        })
    }

    #[test]
    fn extension_and_size_decide() {
        let csv = rule(&["csv"], Some("1Ki")).unwrap();
        let zstd = Some(CompressionAlgorithm::Zstd);
        assert_eq!(csv.algorithm(b"a/b.CSV", 1024), zstd);
        assert_eq!(csv.algorithm(b"a/b.csv", 1023), None);
        assert_eq!(csv.algorithm(b"a/b.txt", 4096), None);
        let all = rule(&[], None).unwrap();
        assert_eq!(all.algorithm(b"a", 4096), zstd);
        assert_eq!(all.algorithm(b"a", 4095), None);
        assert_eq!(rule(&[], Some("0")).unwrap().algorithm(b"a", 0), None);
    }

    #[test]
    fn a_size_that_is_none_is_named() {
        assert!(rule(&[], Some("1X")).unwrap_err().contains("Mi"));
        assert!(rule(&[], Some("99999999999999Gi")).is_err());
    }

    #[test]
    fn a_tenth_is_worth_it() {
        assert!(is_worthwhile(100, 90));
        assert!(!is_worthwhile(100, 91));
        assert!(!is_worthwhile(5, 5));
        assert!(is_worthwhile(u64::MAX, 1) && !is_worthwhile(0, 8));
    }
}
