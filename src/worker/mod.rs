//! One run per verb: the worker carries out what the plan decided, with the adapters' hands.
//!
//! It never names the Kubernetes API: it is told what to do by a [`crate::api::run::RunSpec`] and
//! answers with a [`crate::api::report::RunReport`], in a pod and on a plain host alike. It never
//! deletes a version of an object, and it never reports what it has not seen happen.
//!
//! One value's path: [`walk`] sends the entries of a tree in key order; they are joined with the
//! rows of the last commit; what is new or changed is sent and pinned by a row of the next one.

pub mod backup;
pub mod estimate;
pub mod failure;
pub mod follow;
pub mod head;
pub mod lease;
mod memory;
pub mod notify;
pub mod outbox;
pub mod progress;
pub mod proof;
pub mod report;
pub mod repository;
pub mod restore;
pub mod rows;
pub mod setup;
pub mod stop;
pub mod walk;
