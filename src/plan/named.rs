//! Named keys: the part of a source that a run is about, where it is not about all of it.

use std::collections::BTreeMap;

use super::key;
use crate::api::catalog::Kind;

/// Keys of a bucket, relative to the source's prefix, in the order of their rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named(BTreeMap<Vec<u8>, String>);

impl Named {
    /// Names one more key; `false` where it was named before.
    pub fn insert(&mut self, key: String) -> bool {
        // What consoles make of a new folder.
        let (path, kind) = match key.strip_suffix('/') {
            Some(path) => (path, Kind::Directory),
            None => (key.as_str(), Kind::File),
        };
        let row = key::order_key(path.as_bytes(), kind).into_owned();
        self.0.insert(row, key).is_none()
    }

    /// Whether the row that is ordered by this belongs to a key that is named.
    #[must_use]
    pub fn contains(&self, order_key: &[u8]) -> bool {
        self.0.contains_key(order_key)
    }

    /// The keys, in the order of their rows.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// How many keys are named.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_once_in_the_order_of_rows() {
        let mut named = Named::default();
        for key in ["b", "a/", "a%", "a/b", "a!"] {
            assert!(named.insert(key.to_owned()));
        }
        assert!(!named.insert("b".to_owned()));
        let keys: Vec<&str> = named.keys().collect();
        assert_eq!(keys, ["a!", "a%", "a/", "a/b", "b"]);
        assert!(named.contains(&key::order_key(b"a", Kind::Directory)));
        assert!(!named.contains(&key::order_key(b"a", Kind::File)));
    }
}
