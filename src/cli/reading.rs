//! What all verbs that only read have in common.

use super::order::invalid;
use super::{chain, identity};
use crate::adapters::s3::{S3Store, Timeouts};
use crate::api::run::RunSpec;
use crate::worker::failure::Failure;

/// The store of a policy, as this host's own identity. A policy's Secret is the cluster's: here
/// the environment, a profile or a web identity take its place.
pub(super) fn open_store(spec: &RunSpec) -> Result<S3Store, Failure> {
    S3Store::new(&spec.storage, &identity::of_host(), Timeouts::default())
        .map_err(|error| invalid(chain(&error)))
}
