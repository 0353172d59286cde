//! Reads a restore point back, independently of the worker's own restore.
//!
//! HEAD leads to the commit record, the record to the segments, their rows to pinned versions.
//! Every hash on the way is checked, and every version is asked for by its id.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use backstay::adapters::segment;
use backstay::adapters::store::Object;
use backstay::api::catalog::{Commit, CommitRef, Compressed, Head, Pin, Row, SegmentRef, Sha256};
use backstay::api::policy::CompressionAlgorithm;
use backstay::plan::key::order_key;
use backstay::plan::location::Location;
use sha2::Digest;

use crate::world::State;

/// A restore point, read back.
#[derive(Clone, Debug)]
pub(crate) struct RestorePoint {
    /// Where it was found.
    pub(crate) at: CommitRef,
    /// Its record.
    pub(crate) commit: Commit,
    /// Its rows by path.
    pub(crate) rows: BTreeMap<Vec<u8>, Row>,
}

impl RestorePoint {
    /// Whether one of its pins is such.
    pub(crate) fn pins(&self, is_such: impl Fn(&Pin) -> bool) -> bool {
        self.rows
            .values()
            .filter_map(|row| row.pin.as_ref())
            .any(is_such)
    }
}

/// HEAD of a catalog.
pub(crate) fn head_of(state: &State, location: &Location) -> Option<Head> {
    let object = state
        .bucket(&location.bucket)
        .ok()?
        .current(&location.head())?;
    serde_json::from_slice(&object.body).ok()
}

/// What has been read of a catalog. Versions never change, so each is parsed once.
pub(crate) struct Catalog {
    bucket: String,
    segments: BTreeMap<String, Arc<Vec<Row>>>,
    points: BTreeMap<String, Arc<RestorePoint>>,
}

impl Catalog {
    /// Nothing has been read.
    pub(crate) fn new(bucket: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            segments: BTreeMap::new(),
            points: BTreeMap::new(),
        }
    }

    /// The restore point that a reference leads to.
    pub(crate) fn point(
        &mut self,
        state: &State,
        at: &CommitRef,
    ) -> Result<Arc<RestorePoint>, String> {
        if let Some(point) = self.points.get(&at.version) {
            return Ok(Arc::clone(point));
        }
        let point = Arc::new(self.read_point(state, at)?);
        self.points.insert(at.version.clone(), Arc::clone(&point));
        Ok(point)
    }

    /// The rows of a segment, whether or not a commit names it.
    pub(crate) fn segment(
        &mut self,
        state: &State,
        key: &str,
        version: &str,
    ) -> Result<Arc<Vec<Row>>, String> {
        if let Some(rows) = self.segments.get(version) {
            return Ok(Arc::clone(rows));
        }
        let object = pinned(state, &self.bucket, key, version)?;
        let batch = segment::decode_hashed(sha256(&object.body), object.body.clone())
            .map_err(|error| format!("segment {key}: {error}"))?;
        let rows = Arc::new((0..batch.len()).map(|index| batch.row(index)).collect());
        self.segments.insert(version.to_owned(), Arc::clone(&rows));
        Ok(rows)
    }

    fn read_point(&mut self, state: &State, at: &CommitRef) -> Result<RestorePoint, String> {
        let commit = commit(state, &self.bucket, at)?;
        let mut rows = BTreeMap::new();
        let mut last = Vec::new();
        for reference in &commit.segments {
            let found = self.segment(state, &reference.object.key, &reference.object.version)?;
            check_reference(state, &self.bucket, reference, &found)?;
            for row in found.iter() {
                let order = order(row);
                if !rows.is_empty() && order <= last {
                    return Err(format!("rows are not in order at {:?}", row.path));
                }
                last = order;
                rows.insert(row.path.clone(), row.clone());
            }
        }
        if commit.totals.rows != rows.len() as u64 {
            let said = commit.totals.rows;
            return Err(format!("{} rows, but the record says {said}", rows.len()));
        }
        Ok(RestorePoint {
            at: at.clone(),
            commit,
            rows,
        })
    }
}

/// The content that a row's pin leads to.
pub(crate) fn content(state: &State, row: &Row) -> Result<Vec<u8>, String> {
    let Some(pin) = &row.pin else {
        return Err("no pin".to_owned());
    };
    let object = pinned(state, &pin.bucket, &pin.key, &pin.version)?;
    let content = unpacked(&object.body, pin.compressed)
        .map_err(|error| format!("{}: the bytes do not unpack: {error}", pin.key))?;
    if pin.sha256.is_some_and(|digest| digest != sha256(&content)) {
        return Err(format!(
            "{}: the bytes have another hash than the pin",
            pin.key
        ));
    }
    if object.facts.crc64 != Some(pin.crc64) || object.facts.etag != pin.etag {
        return Err(format!(
            "{}: the pin has another CRC or ETag than the version",
            pin.key
        ));
    }
    let stored = pin
        .compressed
        .map_or(row.identity.size, |packed| packed.size);
    if object.facts.size != stored && !row.flags.fuzzy {
        return Err(format!(
            "{}: {} bytes are pinned as {stored}",
            pin.key, object.facts.size
        ));
    }
    Ok(content)
}

/// Content as another reader unpacks it.
fn unpacked(stored: &[u8], compressed: Option<Compressed>) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    match compressed.map(|packed| packed.algorithm) {
        None => content.extend_from_slice(stored),
        Some(CompressionAlgorithm::Zstd) => content = zstd::decode_all(stored)?,
        Some(CompressionAlgorithm::Gzip) => {
            flate2::read::GzDecoder::new(stored).read_to_end(&mut content)?;
        }
    }
    Ok(content)
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

/// A segment is what its commit says of it.
fn check_reference(
    state: &State,
    bucket: &str,
    reference: &SegmentRef,
    rows: &[Row],
) -> Result<(), String> {
    let object = pinned(
        state,
        bucket,
        &reference.object.key,
        &reference.object.version,
    )?;
    let ends = [rows.first(), rows.last()].map(|row| row.map(order).unwrap_or_default());
    let is_as_said = sha256(&object.body) == reference.object.sha256
        && object.facts.size == reference.object.size
        && rows.len() as u64 == reference.rows
        && ends == [reference.first.clone(), reference.last.clone()];
    if is_as_said {
        return Ok(());
    }
    Err(format!(
        "segment {} is not what its commit says",
        reference.object.key
    ))
}

fn order(row: &Row) -> Vec<u8> {
    order_key(&row.path, row.identity.kind).into_owned()
}

fn commit(state: &State, bucket: &str, at: &CommitRef) -> Result<Commit, String> {
    let object = pinned(state, bucket, &at.key, &at.version)?;
    if sha256(&object.body) != at.sha256 {
        return Err(format!(
            "{}: the record has another hash than its reference",
            at.key
        ));
    }
    let commit: Commit =
        serde_json::from_slice(&object.body).map_err(|error| format!("{}: {error}", at.key))?;
    if commit.sequence != at.sequence || commit.time != at.time {
        return Err(format!(
            "{}: the record is not what its reference says",
            at.key
        ));
    }
    Ok(commit)
}

fn pinned(state: &State, bucket: &str, key: &str, version: &str) -> Result<Arc<Object>, String> {
    state
        .find(bucket, key, Some(version))
        .map_err(|error| format!("{bucket}/{key} version {version}: {error}"))
}
