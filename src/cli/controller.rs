//! `backstay controller`.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use super::chain;
use super::order::internal;
use super::stopping::asked;
use crate::controller::{self, Options, WorkerOptions};
use crate::worker::failure::Failure;

/// Watch BackupPolicy resources and keep their CronJobs.
#[derive(Debug, Args)]
pub(super) struct ControllerArgs {
    /// A namespace to watch; may be repeated. Default: all.
    #[arg(long = "namespace")]
    namespaces: Vec<String>,

    /// The image of the workers: this release's own.
    #[arg(long, env = "BACKSTAY_WORKER_IMAGE")]
    worker_image: String,

    /// When a node pulls the workers' image.
    #[arg(long, value_enum, default_value_t = PullPolicy::IfNotPresent)]
    worker_image_pull_policy: PullPolicy,

    /// The cluster's name: the first folder of its catalogs. Two clusters that back up into one
    /// bucket need two names.
    #[arg(long, env = "BACKSTAY_CLUSTER_NAME")]
    cluster_name: String,

    /// Where /metrics, /healthz and /readyz are served.
    #[arg(long, default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
}

/// When a node pulls an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl PullPolicy {
    fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

pub(super) async fn run(args: ControllerArgs) -> Result<u8, Failure> {
    let shutdown = CancellationToken::new();
    let (asked, stop) = (asked()?, shutdown.clone());
    let waiting = tokio::spawn(async move {
        asked.await;
        tracing::info!("asked to stop");
        stop.cancel();
    });
    let options = Options {
        namespaces: args.namespaces,
        worker: WorkerOptions {
            cluster: args.cluster_name,
            image: args.worker_image,
            image_pull_policy: args.worker_image_pull_policy.as_str().to_owned(),
        },
        listen: args.listen,
    };
    let ended = controller::run(options, shutdown).await;
    waiting.abort();
    ended.map_err(|error| internal(chain(&error)))?;
    Ok(0)
}
