//! What stands in the bucket, byte for byte: `repository.json`, HEAD, commits, rows.
//!
//! Guarantees: every object but HEAD and the lease is written once (P5), and HEAD moves only by
//! compare-and-swap (P3). A commit is a restore point if, and only if, HEAD leads to it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::outcome::{Outcome, Reason};
use super::policy::CompressionAlgorithm;
use super::report::{NotCaptured, Trouble};
use super::run::SourceIdentity;

/// The version of the repository that this build writes. A higher one is refused, never rewritten.
pub const FORMAT_VERSION: u32 = 1;

/// `repository.json`: whose repository this is. Written once.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Repository {
    /// [`FORMAT_VERSION`].
    pub format: u32,
    /// What tells this repository from every other one, also from a later one of the same name.
    pub uuid: uuid::Uuid,
    /// The source that it holds.
    pub identity: SourceIdentity,
    /// When it was made, by the store's clock.
    pub created: jiff::Timestamp,
}

/// `claims/<keyPrefix>.json` in a data bucket: whose prefix this is. Written once.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The repository that writes under the prefix.
    pub repository: uuid::Uuid,
    /// Where its catalog is, for a reader.
    pub catalog: String,
}

/// `HEAD`: the only mutable object.
///
/// *Clean*: no writer, and `published` is the commit's sequence. *Open*: a writer is set.
/// *Committed*: no writer, and `published` is lower than the commit's sequence.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// [`FORMAT_VERSION`].
    pub format: u32,
    /// The repository's uuid.
    pub repository: uuid::Uuid,
    /// Grows by one whenever the repository is opened for writing.
    pub epoch: u64,
    /// Who writes now.
    pub writer: Option<Writer>,
    /// The newest restore point.
    pub commit: Option<CommitRef>,
    /// The newest commit whose deletions stand in the bucket.
    pub published: u64,
    /// Since when versions that the commit pins may have been superseded, by the store's clock.
    pub superseding_since: Option<jiff::Timestamp>,
    /// Runs that wrote and did not commit: their segments are the next run's journal.
    pub dead: Vec<String>,
    /// `bucket/keyPrefix` of every claim that has been made.
    pub claimed: Vec<String>,
    /// Endpoints that have passed the probe.
    pub probed: Vec<String>,
    /// The source that a person has accepted in place of the repository's first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<SourceIdentity>,
    /// The runs that failed since the last one that did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// What has been told of the runs, and what is owed.
    #[serde(default, skip_serializing_if = "Outbox::is_empty")]
    pub outbox: Outbox,
    /// What was taken over last of runs that could not write here: its nonce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<uuid::Uuid>,
    /// When a run last found the source as the commit has it.
    pub last_check: Option<jiff::Timestamp>,
    /// Fresh at every write: it tells one's own write from another's after a lost reply.
    pub nonce: uuid::Uuid,
}

/// What has been told of a repository's runs, and what is owed.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Outbox {
    /// The last notice of runs that were no success; absent after one that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// Notices that could not be sent, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owed: Vec<Owed>,
    /// Notices that were dropped because too many were owed, or the topic would not take them.
    pub lost: u32,
}

impl Outbox {
    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A notice that was sent.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// What it was about: runs of which this is the same are summed up.
    pub about: String,
    /// When it was sent, by the store's clock.
    pub at: jiff::Timestamp,
    /// How many runs have ended the same way since, and were not told one by one.
    pub untold: u32,
    /// The last of them: its attempts count once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// A notice that could not be sent.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Owed {
    /// The name under which the run wrote: its report is found by it.
    pub writer: String,
    /// The run's id.
    pub run: String,
    /// When it should have been sent; of a run that died, when that began.
    pub at: jiff::Timestamp,
    /// What it is about; absent for a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// How many later runs would have said the same.
    #[serde(default)]
    pub repeats: u32,
    /// How it ended, in short, where its report cannot be read; absent of a run that died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// The restore point that was made by a run that died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<u64>,
}

/// How a run ended, in short.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// What happened, for a reader.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A run that has the repository open.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Writer {
    /// The run's id.
    pub run: String,
    /// The epoch that it opened.
    pub epoch: u64,
    /// Since when, by the store's clock.
    pub since: jiff::Timestamp,
    /// The process that writes, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

/// One process of one boot of one host: a later run on the same host sees that it is gone, and
/// does not wait for it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// The id of the host's boot.
    pub boot: String,
    /// The namespace that the process number is of.
    pub namespace: String,
    /// The process number.
    pub number: u32,
    /// When the process started, in the kernel's ticks since the boot.
    pub started: u64,
}

impl Writer {
    /// The name under which it writes: the run's id and the epoch, which never comes again. The
    /// id alone would not do: a second attempt of a run bears it too.
    #[must_use]
    pub fn id(&self) -> String {
        writer_id(&self.run, self.epoch)
    }
}

/// The name under which a run writes in an epoch.
#[must_use]
pub fn writer_id(run: &str, epoch: u64) -> String {
    format!("{run}.{epoch}")
}

/// `lease`: rewritten every two minutes by a run that lasts that long. Its age is read from the
/// store's own clock. No safety rests on it: it only spares two runs from fencing each other.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The run that lives.
    pub run: String,
}

/// Where a commit record is, and what it must be.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CommitRef {
    /// Its sequence, from 1.
    pub sequence: u64,
    /// The record's key in the catalog bucket.
    pub key: String,
    /// The record's version id.
    pub version: String,
    /// The record's hash.
    pub sha256: Sha256,
    /// Its time.
    pub time: jiff::Timestamp,
}

/// `commits/<sequence>-<run>.json`: one restore point. Written once.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// [`FORMAT_VERSION`].
    pub format: u32,
    /// The repository's uuid.
    pub repository: uuid::Uuid,
    /// The run that made it.
    pub run: String,
    /// Its number: the parent's plus one.
    pub sequence: u64,
    /// Its time: by the store's clock, after the last byte of the source was read, and at least
    /// a millisecond after its parent's.
    pub time: jiff::Timestamp,
    /// The commit before it, and then, for 2, 4, 8…, the nearest one before it whose sequence is
    /// a multiple of that: any restore point is found in a logarithmic number of requests.
    pub ancestors: Vec<CommitRef>,
    /// Whether everything is in it.
    pub outcome: Outcome,
    /// The rows, in order.
    pub segments: Vec<SegmentRef>,
    /// What this commit drops, where it drops anything.
    pub gone: Option<ObjectRef>,
    /// The buckets that its rows pin.
    pub buckets: Vec<String>,
    /// The root directory.
    pub root: Root,
    /// Sums over the rows.
    pub totals: Totals,
    /// What is missing from it.
    pub not_captured: Vec<NotCaptured>,
}

/// The root directory of a source: it has no row of its own.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// Its inode.
    pub inode: u64,
    /// Its birth time, where the file system knows it: with the inode it tells one file system
    /// from another.
    pub birth: Option<Nanoseconds>,
    /// Permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Nanoseconds,
}

/// Sums over the rows of a commit.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Totals {
    /// Rows.
    pub rows: u64,
    /// Files among them.
    pub files: u64,
    /// Bytes of the files' content.
    pub bytes: u64,
    /// The newest change time among the rows.
    pub newest_ctime: Nanoseconds,
}

/// Where a segment is, what it must be, and which part of it decides.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SegmentRef {
    /// The whole object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// How many rows it has.
    pub rows: u64,
    /// Sums over its rows.
    pub totals: Totals,
    /// The order key of its first row, in hexadecimal.
    #[serde(with = "hex")]
    pub first: Vec<u8>,
    /// The order key of its last row, in hexadecimal.
    #[serde(with = "hex")]
    pub last: Vec<u8>,
    /// The columns that decide: the bytes from the object's start.
    pub deciding: RangeRef,
    /// The Parquet footer: the bytes up to the object's end.
    pub footer: RangeRef,
}

/// One write-once object of the catalog bucket.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Its key.
    pub key: String,
    /// Its version id.
    pub version: String,
    /// Its size in bytes.
    pub size: u64,
    /// The hash of the whole.
    pub sha256: Sha256,
}

/// A part of an object.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RangeRef {
    /// Its length in bytes.
    pub length: u64,
    /// Its hash.
    pub sha256: Sha256,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
}

impl Kind {
    /// The word that stands in the catalog's `type` column.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::CharacterDevice => "character-device",
            Self::BlockDevice => "block-device",
        }
    }

    /// The kind that a word of the `type` column names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::File,
            Self::Directory,
            Self::Symlink,
            Self::Fifo,
            Self::Socket,
            Self::CharacterDevice,
            Self::BlockDevice,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
    }

    /// Whether it is neither file, directory nor link: only its metadata is kept.
    #[must_use]
    pub fn is_special(self) -> bool {
        match self {
            Self::File | Self::Directory | Self::Symlink => false,
            Self::Fifo | Self::Socket | Self::CharacterDevice | Self::BlockDevice => true,
        }
    }
}

/// What decides whether an entry is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it is.
    pub kind: Kind,
    /// Size in bytes; 0 for what is not a file.
    pub size: u64,
    /// Inode number.
    pub inode: u64,
    /// Modification time.
    pub mtime: Nanoseconds,
    /// Change time.
    pub ctime: Nanoseconds,
}

/// Who may do what with an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    /// Permission bits, with set-uid, set-gid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// One path of a restore point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The path's exact bytes, relative to the root, components joined by `/`.
    pub path: Vec<u8>,
    /// What decides whether it changed.
    pub identity: Identity,
    /// A hash of bucket, prefix template and key encoding: where it belongs.
    pub layout: u64,
    /// How far the row can be trusted.
    pub flags: Flags,
    /// Mode and owner.
    pub ownership: Ownership,
    /// The category that took it; empty for what has no object.
    pub category: String,
    /// Its object, for a file with content in the store.
    pub pin: Option<Pin>,
    /// Where a symbolic link points; empty otherwise.
    pub link_target: Vec<u8>,
    /// The same number for all names of one file, where it has more than one; 0 otherwise.
    pub link_group: u64,
    /// The device number of a device; 0 otherwise.
    pub device: u64,
    /// Extended attributes, as (name, value), sorted by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// How far a row can be trusted next time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    /// It changed so shortly before the run that a later change could bear the same time.
    pub racy: bool,
    /// It changed while it was read.
    pub fuzzy: bool,
    /// It could not be read: this is an older copy.
    pub stale: bool,
}

impl Flags {
    /// The flags as the bits of the `flags` column.
    #[must_use]
    pub fn bits(self) -> i32 {
        i32::from(self.racy) | i32::from(self.fuzzy) << 1 | i32::from(self.stale) << 2
    }

    /// The flags that the bits of the `flags` column stand for.
    #[must_use]
    pub fn from_bits(bits: i32) -> Self {
        Self {
            racy: bits & 1 != 0,
            fuzzy: bits & 2 != 0,
            stale: bits & 4 != 0,
        }
    }

    /// Whether an entry that looks unchanged may be taken as unchanged.
    #[must_use]
    pub fn are_clear(self) -> bool {
        self == Self::default()
    }
}

/// One version of one object, and what its bytes must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version id that the store answered with.
    pub version: String,
    /// The ETag: a token for conditions, never a proof of content.
    pub etag: String,
    /// CRC64NVME of the stored bytes.
    pub crc64: u64,
    /// SHA-256 of the original content. Absent where the store has copied an object by itself, and
    /// nobody has seen its bytes: then [`Self::crc64`] is what a restore goes by.
    pub sha256: Option<Sha256>,
    /// How the object is compressed, where it is.
    pub compressed: Option<Compressed>,
}

/// How the bytes of an object differ from the content of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compressed {
    /// What unpacks them.
    pub algorithm: CompressionAlgorithm,
    /// How many there are.
    pub size: u64,
}

/// One path that a commit drops, and the object that a delete marker shall hide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The path's exact bytes.
    pub path: Vec<u8>,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The ETag of the version to hide.
    pub etag: String,
}

/// A time in nanoseconds since 1970, as Parquet's TIMESTAMP(NANOS, UTC) has it. Times outside
/// 1677 to 2262 saturate.
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub struct Nanoseconds(pub i64);

impl Nanoseconds {
    /// The time that a file system gives as seconds and nanoseconds.
    #[must_use]
    pub fn from_parts(seconds: i64, nanoseconds: u32) -> Self {
        Self(
            seconds
                .saturating_mul(1_000_000_000)
                .saturating_add(i64::from(nanoseconds)),
        )
    }

    /// The time as seconds and nanoseconds, the latter never negative.
    #[must_use]
    pub fn to_parts(self) -> (i64, u32) {
        // A remainder of 1e9 fits 32 bits.
        let nanoseconds = u32::try_from(self.0.rem_euclid(1_000_000_000)).unwrap_or_default();
        (self.0.div_euclid(1_000_000_000), nanoseconds)
    }
}

/// A SHA-256 digest, in hexadecimal where it is written as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256(pub [u8; 32]);

impl std::fmt::Display for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut digest = [0; 32];
        hex::decode_to_slice(&text, &mut digest).map_err(serde::de::Error::custom)?;
        Ok(Self(digest))
    }
}
