//! Settings of buckets: what they are to be, what they are, and what is to be done about it.
//!
//! [`wanted`] says what a policy wants of each bucket, [`compare`] sets that against what was seen.
//! Two rules hold for every setting: what is stricter than wanted stays unless a person insists, and
//! what is not ours stays in any case. Ours are lifecycle and replication rules whose id begins with
//! `backstay-`, event rules by their whole id, and statements of the bucket's policy whose Sid begins
//! with `Backstay`.

pub(super) mod check;
mod compare;
mod events;
mod lifecycle;
mod object_lock;
mod sources;
mod statements;
mod wanted;

use serde_json::Value;

use super::preflight::LifecycleRule;
use crate::api::settings::TransitionClass;

pub use self::compare::compare;
pub use self::events::{EventRule, SeenEvents, TOLD, is_ours, missing};
pub(super) use self::lifecycle::{Tiers, tiers};
pub(super) use self::sources::told;
pub(crate) use self::statements::merged;
pub use self::wanted::wanted;

/// What the ids of our rules begin with.
pub const RULE_PREFIX: &str = "backstay-";

/// What the Sids of our statements begin with.
pub const STATEMENT_PREFIX: &str = "Backstay";

/// What one bucket is to be like. What is `None`, false or empty is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The bucket.
    pub bucket: String,
    /// Where it is made.
    pub region: String,
    /// Its store; AWS where there is none.
    pub endpoint: Option<String>,
    /// What it is to the policy.
    pub role: Role,
    /// Whether it is made if it is missing.
    pub create: bool,
    /// Whether it keeps versions.
    pub versioning: bool,
    /// Whether public access is blocked, in all four ways.
    pub block_public_access: bool,
    /// The default encryption.
    pub encryption: Option<AtRest>,
    /// Our statements of the bucket's policy.
    pub statements: Vec<Value>,
    /// Our lifecycle rules.
    pub lifecycle: Vec<Rule>,
    /// The default lock of new versions.
    pub object_lock: Option<Lock>,
    /// Whether acceleration is enabled.
    pub acceleration: Option<bool>,
    /// The copy of everything.
    pub replica: Option<Replica>,
    /// Our event rules.
    pub events: Vec<EventRule>,
}

impl Wanted {
    /// A bucket of which nothing is wanted.
    pub(super) fn nothing(
        bucket: &str,
        region: &str,
        endpoint: Option<String>,
        role: Role,
    ) -> Self {
        Self {
            bucket: bucket.to_owned(),
            region: region.to_owned(),
            endpoint,
            role,
            create: false,
            versioning: false,
            block_public_access: false,
            encryption: None,
            statements: Vec::new(),
            lifecycle: Vec::new(),
            object_lock: None,
            acceleration: None,
            replica: None,
            events: Vec::new(),
        }
    }
}

/// What a bucket is to a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It holds files or catalog.
    Own,
    /// It is a source and nothing else: it is not made, and nothing but its events is looked at.
    Source,
}

/// What a bucket was seen to be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Whether it keeps versions.
    pub versioning: bool,
    /// In how many of the four ways public access is blocked.
    pub public_access_blocks: Seen<u8>,
    /// The default encryption.
    pub encryption: Seen<Option<AtRest>>,
    /// All statements of the bucket's policy.
    pub statements: Seen<Vec<Value>>,
    /// All lifecycle rules.
    pub lifecycle: Seen<Vec<SeenRule>>,
    /// The default lock of new versions.
    pub object_lock: Seen<Option<Lock>>,
    /// Whether acceleration is enabled.
    pub acceleration: Seen<bool>,
    /// What is copied.
    pub replication: Seen<Replication>,
    /// All event rules.
    pub events: Seen<Vec<SeenEvents>>,
}

/// A setting that was looked at, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen<T> {
    /// Nobody asked.
    #[default]
    NotAsked,
    /// It is this.
    Is(T),
    /// The store has no such thing.
    Unsupported,
}

/// Encryption at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtRest {
    /// Keys that S3 manages.
    S3,
    /// A KMS key.
    Kms {
        /// Its id, ARN or alias.
        key_id: String,
    },
    /// Two layers under a KMS key.
    KmsTwice {
        /// Its id, ARN or alias.
        key_id: String,
    },
}

/// A lifecycle rule, as ours are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// The keys that it is for; empty for all.
    pub prefix: String,
    /// After how many days current versions move where.
    pub transitions: Vec<(u32, TransitionClass)>,
    /// After how many days superseded versions move where.
    pub noncurrent_transitions: Vec<(u32, TransitionClass)>,
    /// After how many days superseded versions expire.
    pub noncurrent_expiration_days: Option<u32>,
    /// Whether a delete marker that hides nothing any more is removed.
    pub removes_bare_markers: bool,
    /// After how many days an upload that was not finished is given up.
    pub abort_days: Option<u32>,
}

/// A lifecycle rule that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenRule {
    /// Whether it is in force.
    pub is_enabled: bool,
    /// What it does to a backup.
    pub promise: LifecycleRule,
    /// All that it says, where that is no more than a [`Rule`] can say.
    pub rule: Option<Rule>,
}

/// A default lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Who can undo it.
    pub mode: LockMode,
    /// For how many days.
    pub days: u32,
}

/// Who can undo a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Who has the right to bypass it.
    Governance,
    /// Nobody.
    Compliance,
}

/// A copy of everything in another bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The other bucket's ARN.
    pub bucket_arn: String,
    /// The role that copies.
    pub role_arn: String,
    /// The class of the copies.
    pub storage_class: Option<TransitionClass>,
    /// The key of the copies.
    pub kms_key_arn: Option<String>,
}

/// How a bucket is copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replication {
    /// The role of all rules.
    pub role_arn: Option<String>,
    /// What our rule says, where it says no more than a [`Replica`] can.
    pub ours: Option<Replica>,
    /// Whether others have rules.
    pub has_foreign: bool,
}

/// A setting of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// That the bucket exists.
    Existence,
    /// Versioning.
    Versioning,
    /// The public access block.
    PublicAccess,
    /// The default encryption.
    Encryption,
    /// The bucket's policy.
    Policy,
    /// The lifecycle rules.
    Lifecycle,
    /// The default lock.
    ObjectLock,
    /// Transfer acceleration.
    Acceleration,
    /// Replication.
    Replication,
    /// Event notifications.
    Events,
}

impl Setting {
    /// The word for a reader.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Existence => "bucket",
            Self::Versioning => "versioning",
            Self::PublicAccess => "public access",
            Self::Encryption => "encryption",
            Self::Policy => "bucket policy",
            Self::Lifecycle => "lifecycle",
            Self::ObjectLock => "object lock",
            Self::Acceleration => "acceleration",
            Self::Replication => "replication",
            Self::Events => "events",
        }
    }

    /// How it is no longer asked for.
    fn remedy(self) -> &'static str {
        match self {
            Self::Existence => "create the bucket by hand",
            Self::Versioning => "set bucketSettings.versioning to false",
            Self::PublicAccess => "set bucketSettings.blockPublicAccess to false",
            Self::Encryption => "set bucketSettings.defaultEncryption to false",
            Self::Policy => "set bucketSettings.secureTransport to false",
            Self::Lifecycle => "leave bucketSettings.lifecycle out",
            Self::ObjectLock => "leave bucketSettings.objectLock out",
            Self::Acceleration => "leave bucketSettings.transferAcceleration out",
            Self::Replication => "leave bucketSettings.replication out",
            Self::Events => "leave bucketSettings.events and sourceEvents out",
        }
    }
}

/// One setting of one bucket: how it is, how it is to be, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The setting.
    pub setting: Setting,
    /// How it is, for a reader.
    pub is: String,
    /// How it is to be, for a reader.
    pub wanted: String,
    /// What follows.
    pub verdict: Verdict,
}

/// What follows from a setting as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it is as it should be.
    AlreadyThere,
    /// It is to be written.
    Apply,
    /// It is stricter than it should be, and stays unless a person insists.
    Stricter,
    /// It cannot be written, for this reason.
    Refused(String),
    /// The store has no such thing.
    Unsupported,
}

impl Verdict {
    /// The word, for a program.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::AlreadyThere => "AlreadyThere",
            Self::Apply => "Apply",
            Self::Stricter => "StricterLeftAlone",
            Self::Refused(_) => "Refused",
            Self::Unsupported => "Unsupported",
        }
    }
}

impl Finding {
    /// Whether the bucket is not as it should be.
    #[must_use]
    pub fn is_drift(&self) -> bool {
        self.verdict != Verdict::AlreadyThere
    }

    /// What a reader should know besides, and can do.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        match &self.verdict {
            Verdict::AlreadyThere | Verdict::Apply => None,
            Verdict::Stricter => Some("stricter, so it stays; --force weakens it".to_owned()),
            Verdict::Refused(reason) => Some(reason.clone()),
            Verdict::Unsupported => Some(format!(
                "this store has no such thing: {}",
                self.setting.remedy()
            )),
        }
    }
}
