//! `backstay explain`.

use clap::Args;

use super::order::invalid;
use super::output;
use crate::plan::explain::explain;
use crate::worker::failure::Failure;

/// Say what the fields of a policy mean, as `kubectl explain` does where there is a cluster.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The field, such as spec.storage.endpoint. Default: all of the spec, one level deep.
    #[arg(default_value = "spec")]
    field: String,
}

pub(super) fn run(args: &ExplainArgs) -> Result<u8, Failure> {
    let told = explain(&args.field).map_err(invalid)?;
    output::line(&told);
    Ok(0)
}
