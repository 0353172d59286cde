//! The words of Backstay: everything that is serialised, and nothing that acts.
//!
//! What a user writes ([`policy`]) and reads ([`status`]), what a worker is told ([`run`]), what it answers
//! ([`report`]) and what stands in the bucket ([`catalog`]) are promises: they are versioned,
//! and a field never changes its meaning. The controller and the worker meet only here.
//!
//! This room depends on no other room. It performs no I/O, asks no clock and takes no decision.
//!
//! One value's path: a [`policy::BackupPolicySpec`] is resolved into a [`run::RunSpec`], which a
//! worker answers with a [`report::RunReport`] after it has written a [`catalog::Commit`].

pub mod catalog;
pub mod cost;
pub mod crd;
pub mod left;
pub mod outcome;
pub mod policy;
pub mod report;
pub mod restore;
pub mod run;
pub mod settings;
pub mod setup;
pub mod source;
pub mod status;
