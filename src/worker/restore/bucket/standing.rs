//! What stands in the bucket: its listing, followed as the rows come.
//!
//! Rows stand in the order in which their keys are listed, but for those of names that are escaped
//! in the catalog: each of these is looked up by itself. So memory does not grow with either side.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use super::Bucket;
use crate::adapters::store::{Listed, Store, StoreError};
use crate::plan::key::keeps_order;

/// The keys under the prefix, from where the last row was.
pub(super) struct Standing<S> {
    to: Arc<Bucket<S>>,
    page: VecDeque<Listed>,
    last: Option<String>,
    has_more: bool,
}

impl<S: Store> Standing<S> {
    /// Asks for the first page, which tells whether the bucket is there and may be listed.
    pub(super) async fn begin(to: Arc<Bucket<S>>) -> Result<Self, StoreError> {
        let mut standing = Self {
            to,
            page: VecDeque::new(),
            last: None,
            has_more: true,
        };
        standing.turn(None).await?;
        Ok(standing)
    }

    /// What stands under a key. Keys are asked for in the order of their rows.
    pub(super) async fn at(&mut self, key: &str) -> Result<Option<Listed>, StoreError> {
        if !keeps_order(key) {
            return self.look_up(key).await;
        }
        loop {
            while let Some(listed) = self.page.front() {
                match listed.key.as_str().cmp(key) {
                    Ordering::Less => self.page.pop_front(),
                    Ordering::Equal => return Ok(self.page.pop_front()),
                    Ordering::Greater => return Ok(None),
                };
            }
            if !self.has_more {
                return Ok(None);
            }
            self.turn(Some(key)).await?;
        }
    }

    /// The next page; what stands before a key is passed over without being listed.
    async fn turn(&mut self, key: Option<&str>) -> Result<(), StoreError> {
        let before = key.map(before).filter(|before| !before.is_empty());
        let after = self.last.as_deref().max(before);
        let place = &self.to.destination;
        let page = self.to.store.list(&place.bucket, &place.prefix, after);
        let page = page.await?;
        self.has_more = page.more && !page.keys.is_empty();
        self.last = page.keys.last().map(|last| last.key.clone());
        self.page = page.keys.into();
        Ok(())
    }

    async fn look_up(&self, key: &str) -> Result<Option<Listed>, StoreError> {
        let page = self.to.store.list(&self.to.destination.bucket, key, None);
        let first = page.await?.keys.into_iter().next();
        Ok(first.filter(|first| first.key == key))
    }
}

/// A text that sorts before a key, with little between the two.
fn before(key: &str) -> &str {
    let last = key.char_indices().next_back();
    last.map_or("", |(start, _)| &key[..start])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_stands_between_a_key_and_what_is_before_it() {
        assert_eq!(before("in/a5"), "in/a");
        assert_eq!(before("ü"), "");
        assert_eq!(before(""), "");
    }
}
