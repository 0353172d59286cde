//! The decisions: pure and synchronous. Everything that can be wrong about a backup is decided here.
//!
//! Functions of this room take values and return values with reasons. They ask no clock, perform
//! no I/O and do not log, so that each of them is tested with data alone.
//!
//! Depends on `api` only.

pub mod ancestry;
mod bounds;
pub mod bucket;
pub mod category;
pub mod choose;
pub mod compression;
pub mod cost;
pub mod cron;
pub mod destination;
pub mod due;
pub mod event;
pub mod evidence;
pub mod explain;
pub mod extensions;
pub mod filter;
pub mod follow;
pub mod guard;
pub mod head;
pub mod headers;
pub mod health;
pub mod history;
pub mod iam;
pub mod key;
pub mod layout;
pub mod left;
pub mod location;
pub mod metrics;
pub mod named;
pub mod names;
pub mod notice;
pub mod object;
pub mod outbox;
pub mod parts;
pub mod place;
pub mod placement;
pub mod policy;
pub mod prefix;
pub mod preflight;
pub mod problem;
pub mod quantity;
pub mod queue;
pub mod schedule;
pub mod setup;
mod shape;
pub mod source;
mod storage;
pub mod textfile;
pub mod words;
pub mod worker;
