//! The command line on a plain host: the real binary against MinIO, and moto for its notices.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests stand outside of test functions"
)]

mod bucket_sources;
mod buckets;
mod categories;
mod compression;
mod copies;
#[path = "../contract/environment.rs"]
mod environment;
mod estimate;
mod following;
mod guard;
mod headers;
mod host;
mod identity;
mod image;
mod interrupted;
mod into_buckets;
mod metrics;
mod names;
mod notices;
mod objects;
mod output;
mod policies;
mod proxy;
mod queue;
#[path = "../contract/queues.rs"]
mod queues;
mod refusals;
mod restoring;
mod running;
mod runs;
mod store;
mod telling;
mod tree;
mod twins;
mod unreadable;
