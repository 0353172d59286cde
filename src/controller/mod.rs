//! The controller: what should exist in the cluster, and what became of it.
//!
//! A reconcile is a column of steps, each with a type of its own:
//!
//! ```text
//! observe   what the stores hold about a policy        → Observed    pure
//! validate  every problem at once                      → Validated   pure
//! build     CronJobs, and Deployments for queues       → Desired     pure, infallible
//! apply     applied and compared; orphans removed      → Applied
//! record    how runs ended, onto their Jobs            decided in plan, carried out here
//! setup     a Job that sees to the buckets' settings   decided in plan, carried out here
//! admit     gates opened, workers evicted              decided in plan, carried out here
//! publish   status and events, when they change
//! unstick   Jobs that would never end are deleted, once they are in status
//! ```
//!
//! It takes no input about what changed: whatever woke it, it looks at everything, so that there is
//! one path and it is always exercised. All it knows besides the stores is what it wrote last.
//!
//! It never reads a Secret, never starts a run (CronJobs do, also while it is away), never deletes
//! a backup, and never names a cloud.

mod admit;
mod apply;
mod build;
mod context;
mod earlier;
mod events;
#[cfg(test)]
mod fixtures;
mod follow;
mod labels;
mod metrics;
mod observe;
mod publish;
mod reconcile;
mod record;
mod run;
mod setup;
mod stores;
mod validate;

pub use run::{ControllerError, Options, WorkerOptions, run, run_on};
