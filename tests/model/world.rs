//! What all processes share: buckets, versions, uploads, the store's clock, and the audit.
//!
//! The semantics are those of S3: conditions are checked and the write is done in one step, a
//! delete puts a marker, a listing is in byte order. No request removes a version.

mod uploads;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backstay::adapters::store::{
    Attributes, Condition, Facts, Get, LifecycleRule, Listed, Marked, Object, Page, Promises, Put,
    StoreError, Written,
};
use bytes::Bytes;
use sha2::Digest;
use uploads::Upload;

use crate::audit::{Event, Log, What};

/// How a store may differ from AWS, and how large its pages and parts are.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// MinIO takes no notice of the ETag that a delete names.
    pub(crate) deletes_ignore_etags: bool,
    /// How many keys one page of a listing holds.
    pub(crate) page_keys: usize,
    /// The smallest part but the last.
    pub(crate) part_min_bytes: usize,
    /// How far the store's clock moves with each request.
    pub(crate) request_milliseconds: i64,
    /// How far it moves besides when somebody asks whether a writer lives. Whoever waits for one
    /// does so in real time, while this clock stands still.
    pub(crate) lease_seconds: i64,
    /// What becomes of a copy within the store.
    pub(crate) copies: Copies,
}

/// What becomes of a copy within the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copies {
    /// It is made, and its checksum told, as by AWS.
    Checked,
    /// It is made, and nothing is told of it.
    Unchecked,
    /// Other bytes are copied.
    Damaged,
    /// It is refused.
    Refused,
    /// The identity may not.
    Forbidden,
    /// The original is another one by now.
    Late,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deletes_ignore_etags: false,
            page_keys: 1000,
            part_min_bytes: 5 << 20,
            request_milliseconds: 20,
            lease_seconds: 0,
            copies: Copies::Checked,
        }
    }
}

/// A handle to the shared world.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<State>>);

impl World {
    /// A store without buckets.
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(Mutex::new(State {
            settings,
            log: Log::default(),
            is_late: false,
            buckets: BTreeMap::new(),
            uploads: BTreeMap::new(),
            late: Vec::new(),
            serial: 0,
            now_milliseconds: 1_767_225_600_000, // 2026-01-01
            audit: Vec::new(),
        })))
    }

    /// The state, for the length of one step.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A bucket with versioning enabled, and versions that stay for 90 days.
    pub(crate) fn create_bucket(&self, name: &str) {
        let rule = LifecycleRule {
            id: "noncurrent".to_owned(),
            noncurrent_days: Some(90),
            ..LifecycleRule::default()
        };
        let bucket = Bucket {
            promises: Promises {
                versioning: true,
                lifecycle: Some(vec![rule]),
            },
            keys: BTreeMap::new(),
        };
        self.state().buckets.insert(name.to_owned(), bucket);
    }

    /// Everything that is under way arrives.
    pub(crate) fn deliver(&self) {
        let mut state = self.state();
        for late in &mut state.late {
            late.due = 0;
        }
        state.tick();
    }

    /// Moves the store's clock on.
    pub(crate) fn advance(&self, seconds: i64) {
        self.state().now_milliseconds += seconds * 1000;
    }
}

/// A write that was announced and takes effect later than its sender was answered.
pub(crate) struct Late {
    /// The serial from which it takes effect.
    pub(crate) due: u64,
    /// What it does.
    pub(crate) act: Box<dyn FnOnce(&mut State) + Send>,
}

/// Everything that the store holds.
pub(crate) struct State {
    /// How it behaves.
    pub(crate) settings: Settings,
    /// What happens, in words.
    pub(crate) log: Log,
    /// Whether what takes effect now does so late.
    is_late: bool,
    /// The buckets.
    pub(crate) buckets: BTreeMap<String, Bucket>,
    /// Uploads under way.
    uploads: BTreeMap<String, Upload>,
    /// Writes that have not taken effect yet.
    pub(crate) late: Vec<Late>,
    /// Grows with each request that reached the store.
    pub(crate) serial: u64,
    now_milliseconds: i64,
    /// Everything that was written, and everything that a process was told.
    pub(crate) audit: Vec<Event>,
}

/// One bucket.
pub(crate) struct Bucket {
    /// What it answers when asked for its settings.
    pub(crate) promises: Promises,
    /// The versions of each key, oldest first.
    pub(crate) keys: BTreeMap<String, Vec<Version>>,
}

/// One version of a key.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Its id.
    pub(crate) id: String,
    /// The object; `None` for a delete marker.
    pub(crate) object: Option<Arc<Object>>,
}

impl Bucket {
    /// The current object of a key.
    pub(crate) fn current(&self, key: &str) -> Option<&Arc<Object>> {
        self.keys.get(key)?.last()?.object.as_ref()
    }
}

impl State {
    /// Starts one request: the clock moves, and what was under way for long enough takes effect.
    pub(crate) fn tick(&mut self) {
        self.serial += 1;
        self.now_milliseconds += self.settings.request_milliseconds;
        let serial = self.serial;
        let (due, waiting) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|late| late.due <= serial);
        self.late = waiting;
        self.is_late = true;
        for late in due {
            (late.act)(self);
        }
        self.is_late = false;
    }

    /// The store's clock as it stands in an answer: to the second.
    pub(crate) fn date(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.now_milliseconds.div_euclid(1000))
            .expect("the simulated clock stays within a few years")
    }

    /// Notes something.
    pub(crate) fn note(&mut self, process: &str, what: What) {
        let request = self.serial;
        let is_late = self.is_late;
        self.audit.push(Event {
            process: process.to_owned(),
            request,
            is_late,
            what,
        });
    }

    /// The object that a request names.
    pub(crate) fn find(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Arc<Object>, StoreError> {
        let versions = self.bucket(bucket)?.keys.get(key);
        let found = match version {
            None => versions.and_then(|versions| versions.last()),
            Some(id) => {
                versions.and_then(|versions| versions.iter().find(|version| version.id == id))
            }
        };
        found
            .and_then(|version| version.object.clone())
            .ok_or_else(|| StoreError::NotFound {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            })
    }

    /// Reads an object, or a range of it.
    pub(crate) fn get(&mut self, request: &Get) -> Result<Object, StoreError> {
        if request.key.ends_with("/lease") {
            self.now_milliseconds += self.settings.lease_seconds * 1000;
        }
        let object = self.find(&request.bucket, &request.key, request.version.as_deref())?;
        let mut read = (*object).clone();
        if let Some(range) = &request.range {
            let end = range.end.min(object.facts.size);
            if range.start >= end {
                return Err(refused(
                    "GetObject",
                    &request.bucket,
                    &request.key,
                    "InvalidRange",
                ));
            }
            read.body = object.body.slice(index(range.start)..index(end));
        }
        Ok(read)
    }

    /// Writes an object.
    pub(crate) fn put(&mut self, process: &str, request: Put) -> Result<Written, StoreError> {
        if crc64(&request.body) != request.crc64 {
            return Err(mismatch(&request.bucket, &request.key));
        }
        let etag = etag(&request.body);
        let Put {
            bucket,
            key,
            body,
            condition,
            attributes,
            ..
        } = request;
        self.write(process, &bucket, &key, body, etag, &condition, attributes)
    }

    /// Puts delete markers; answers with the keys that were refused.
    pub(crate) fn delete(
        &mut self,
        process: &str,
        bucket: &str,
        keys: &[Marked],
    ) -> Result<Vec<String>, StoreError> {
        self.bucket(bucket)?;
        let mut refused = Vec::new();
        for Marked { key, etag } in keys {
            let hidden = self
                .bucket(bucket)?
                .current(key)
                .map(|object| object.facts.clone());
            let agrees = hidden.as_ref().is_none_or(|facts| facts.etag == *etag);
            if !agrees && !self.settings.deletes_ignore_etags {
                refused.push(key.clone());
                continue;
            }
            self.push(bucket, key, None)?;
            let what = What::Marked {
                bucket: bucket.to_owned(),
                key: key.clone(),
                hidden: hidden.map(|facts| facts.version),
            };
            self.note(process, what);
        }
        Ok(refused)
    }

    /// One page of the current keys.
    pub(crate) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        start_after: Option<&str>,
    ) -> Result<Page, StoreError> {
        let bucket = self.bucket(bucket)?;
        let mut keys = bucket
            .keys
            .range(prefix.to_owned()..)
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .filter(|key| start_after.is_none_or(|after| key.as_str() > after))
            .filter_map(|key| Some((key, bucket.current(key)?)))
            .map(|(key, object)| Listed {
                key: key.clone(),
                size: object.facts.size,
                etag: object.facts.etag.clone(),
                modified: object.facts.modified,
            });
        let page = keys.by_ref().take(self.settings.page_keys).collect();
        Ok(Page {
            keys: page,
            more: keys.next().is_some(),
        })
    }

    /// A bucket.
    pub(crate) fn bucket(&self, bucket: &str) -> Result<&Bucket, StoreError> {
        self.buckets
            .get(bucket)
            .ok_or_else(|| StoreError::NoSuchBucket {
                bucket: bucket.to_owned(),
            })
    }

    #[expect(clippy::too_many_arguments, reason = "it is what a write is made of")]
    fn write(
        &mut self,
        process: &str,
        bucket: &str,
        key: &str,
        body: Bytes,
        etag: String,
        condition: &Condition,
        attributes: Attributes,
    ) -> Result<Written, StoreError> {
        let current = self.bucket(bucket)?.current(key);
        let holds = match condition {
            Condition::Absent => current.is_none(),
            Condition::Matches(etag) => current.is_some_and(|object| object.facts.etag == *etag),
            Condition::None => true,
        };
        if !holds {
            let (bucket, key) = (bucket.to_owned(), key.to_owned());
            return Err(StoreError::ConditionFailed { bucket, key });
        }
        let replaced = current.map(|object| object.facts.version.clone());
        let is_versioned = self.bucket(bucket)?.promises.versioning;
        let facts = Facts {
            version: String::new(),
            etag: etag.clone(),
            size: body.len() as u64,
            crc64: Some(crc64(&body)),
            sha256: attributes.sha256,
            token: attributes.token,
            modified: self.date(),
            headers: attributes.headers,
        };
        let version = self.push(bucket, key, Some(Object { body, facts }))?;
        let what = What::Written {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: version.clone(),
            condition: condition.clone(),
            replaced,
        };
        self.note(process, what);
        if !is_versioned {
            return Err(StoreError::VersionMissing {
                bucket: bucket.to_owned(),
            });
        }
        Ok(Written { version, etag })
    }

    fn push(
        &mut self,
        bucket: &str,
        key: &str,
        object: Option<Object>,
    ) -> Result<String, StoreError> {
        self.bucket(bucket)?;
        let count = self.audit.len();
        let id = format!("v{count}");
        let object = object.map(|mut object| {
            object.facts.version.clone_from(&id);
            Arc::new(object)
        });
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            let versions = bucket.keys.entry(key.to_owned()).or_default();
            versions.push(Version {
                id: id.clone(),
                object,
            });
        }
        Ok(id)
    }
}

/// CRC64NVME.
pub(crate) fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
}

/// Equal bytes have equal ETags, as on S3: an ETag does not tell one version from another.
fn etag(bytes: &[u8]) -> String {
    hex::encode(&sha2::Sha256::digest(bytes)[..16])
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("simulated objects fit the memory")
}

fn mismatch(bucket: &str, key: &str) -> StoreError {
    StoreError::ChecksumMismatch {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    }
}

fn refused(operation: &'static str, bucket: &str, key: &str, code: &str) -> StoreError {
    StoreError::Refused {
        operation,
        resource: format!("{bucket}/{key}"),
        code: code.to_owned(),
        detail: "simulated".to_owned(),
    }
}
