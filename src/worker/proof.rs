//! Whether content is what the catalog says of it.

use sha2::Digest;

use crate::api::catalog::{Pin, Sha256};

/// Content on its way, and what it must be in the end.
pub struct Proof(sha2::Sha256, Sha256);

impl Proof {
    /// What a pin says; no content has come yet.
    #[must_use]
    pub fn of(pin: &Pin) -> Self {
        Self(sha2::Sha256::new(), pin.sha256)
    }

    /// The next piece of the content.
    pub fn update(&mut self, content: &[u8]) {
        self.0.update(content);
    }

    /// Whether all that has come is what was recorded.
    #[must_use]
    pub fn holds(self) -> bool {
        Sha256(self.0.finalize().into()) == self.1
    }
}
