//! Backstay: Kubernetes-native backups to S3 as native objects.
//!
//! Five rooms, and arrows point down only: `controller` and `worker` use `adapters`, which use
//! `plan`, which uses `api`. `ARCHITECTURE.md` is the map.

pub mod adapters;
pub mod api;
pub mod cli;
pub mod controller;
pub mod http;
pub mod plan;
pub mod telemetry;
pub mod worker;
