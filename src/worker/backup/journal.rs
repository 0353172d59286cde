//! The journal: the segments of runs that died, in the order of their rows.
//!
//! A dead run's segment is found by listing, and is believed only as far as the hash that its
//! writer noted with it. One that cannot be read is left out: it costs sending again, no more.

use std::collections::VecDeque;

use crate::adapters::segment::{self, Batch};
use crate::adapters::store::{Get, Store};
use crate::api::catalog::Row;
use crate::plan::location::Location;
use crate::worker::failure::Failure;

/// The rows that dead runs have written.
pub(super) struct Journal {
    /// One cursor for each dead run, the latest first: what it wrote is what stands.
    cursors: Vec<Cursor>,
}

/// What the journal says at a key.
#[derive(Default)]
pub(super) struct Found {
    /// The row of the latest run that has one there.
    pub(super) row: Option<Row>,
    /// The rows before it that nobody asked for.
    pub(super) skipped: Vec<Row>,
}

struct Cursor {
    keys: VecDeque<String>,
    batch: Batch,
    index: usize,
}

impl Journal {
    pub(super) async fn open<S: Store>(
        store: &S,
        location: &Location,
        dead: &[String],
    ) -> Result<Self, Failure> {
        let mut cursors = Vec::new();
        for writer in dead.iter().rev() {
            let keys = list(store, location, writer).await?;
            if !keys.is_empty() {
                cursors.push(Cursor {
                    keys,
                    batch: Batch::new(),
                    index: 0,
                });
            }
        }
        Ok(Self { cursors })
    }

    /// Whether there is nothing to ask it.
    pub(super) fn is_empty(&self) -> bool {
        self.cursors.is_empty()
    }

    /// Moves on to a key, which must not be before the last one; `None` means to the end.
    pub(super) async fn find<S: Store>(
        &mut self,
        store: &S,
        location: &Location,
        key: Option<&[u8]>,
    ) -> Result<Found, Failure> {
        let mut found = Found::default();
        for cursor in &mut self.cursors {
            while cursor.fill(store, location).await? {
                let order = cursor.batch.deciding().order_key(cursor.index);
                match key.map(|key| order.as_ref().cmp(key)) {
                    None | Some(std::cmp::Ordering::Less) => {
                        found.skipped.push(cursor.batch.row(cursor.index));
                        cursor.index += 1;
                    }
                    Some(std::cmp::Ordering::Equal) => {
                        // An older run's row for the same path has been superseded.
                        if found.row.is_none() {
                            found.row = Some(cursor.batch.row(cursor.index));
                        }
                        cursor.index += 1;
                        break;
                    }
                    Some(std::cmp::Ordering::Greater) => break,
                }
            }
        }
        Ok(found)
    }
}

impl Cursor {
    /// Makes sure that there is a row at the cursor; `false` at the end.
    async fn fill<S: Store>(&mut self, store: &S, location: &Location) -> Result<bool, Failure> {
        while self.index == self.batch.len() {
            let Some(key) = self.keys.pop_front() else {
                return Ok(false);
            };
            self.index = 0;
            self.batch = read(store, location, key).await?.unwrap_or_default();
        }
        Ok(true)
    }
}

async fn list<S: Store>(
    store: &S,
    location: &Location,
    writer: &str,
) -> Result<VecDeque<String>, Failure> {
    let prefix = location.segments(writer);
    let gone = location.gone(writer);
    let mut keys: VecDeque<String> = VecDeque::new();
    loop {
        let after = keys.back().map(String::as_str);
        let page = store.list(&location.bucket, &prefix, after).await?;
        keys.extend(page.keys.into_iter().map(|listed| listed.key));
        if !page.more {
            break;
        }
    }
    keys.retain(|key| *key != gone);
    Ok(keys)
}

async fn read<S: Store>(
    store: &S,
    location: &Location,
    key: String,
) -> Result<Option<Batch>, Failure> {
    let request = Get {
        bucket: location.bucket.clone(),
        key,
        ..Get::default()
    };
    let key = request.key.clone();
    let object = store.get(request).await?;
    let Some(sha256) = object.facts.sha256 else {
        return Ok(None);
    };
    match segment::decode_hashed(sha256, object.body) {
        Ok(batch) => Ok(Some(batch)),
        Err(error) => {
            tracing::warn!(error = %error, key, "segment of a dead run left out");
            Ok(None)
        }
    }
}
