//! The loop: watches, the queue of policies to look at, and the pages for probes and Prometheus.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use kube::runtime::controller::{self, applier};
use tokio_util::sync::CancellationToken;

use crate::adapters::cluster::{Cluster, ClusterError, Scope};
use crate::http::{self, HttpError};

use super::context::{Context, LastWritten};
use super::metrics::{Pages, ReconcileMetrics};
use super::reconcile::{after_error, reconcile};
use super::stores::Stores;

/// How many policies are looked at at once.
const CONCURRENCY: u16 = 8;

/// How long changes of one policy are gathered before it is looked at.
const DEBOUNCE: std::time::Duration = std::time::Duration::from_millis(200);

/// How long a look that is under way may take once the controller is told to stop.
const GRACE: std::time::Duration = std::time::Duration::from_secs(10);

/// What the controller is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The namespaces to look at; all of them where there is none.
    pub namespaces: Vec<String>,
    /// How workers are made.
    pub worker: WorkerOptions,
    /// Where `/metrics`, `/healthz` and `/readyz` are served.
    pub listen: SocketAddr,
}

/// How workers are made.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// The cluster's name: a part of where catalogs are kept.
    pub cluster: String,
    /// The image of the worker.
    pub image: String,
    /// `Always`, `IfNotPresent` or `Never`.
    pub image_pull_policy: String,
}

/// Why the controller ended before it was told to.
#[derive(thiserror::Error, Debug)]
pub enum ControllerError {
    /// There is no API server.
    #[error("start the controller")]
    Cluster(#[source] ClusterError),
    /// The pages cannot be served.
    #[error("serve metrics and probes")]
    Http(#[source] HttpError),
}

/// Runs on the pod's own cluster, or that of the kubeconfig, until `shutdown`: then what is under
/// way is finished.
pub async fn run(options: Options, shutdown: CancellationToken) -> Result<(), ControllerError> {
    let cluster = Cluster::connect().await.map_err(ControllerError::Cluster)?;
    run_on(cluster, options, shutdown).await
}

/// Runs on this cluster until `shutdown`.
pub async fn run_on(
    cluster: Cluster,
    options: Options,
    shutdown: CancellationToken,
) -> Result<(), ControllerError> {
    let metrics = Arc::new(ReconcileMetrics::default());
    let mut appliers = Vec::new();
    let mut stores = Vec::new();
    for scope in scopes(&options.namespaces) {
        let (known, triggers) = Stores::watch(&cluster, &scope);
        stores.push(known.clone());
        let context = Arc::new(Context {
            cluster: cluster.clone(),
            stores: known.clone(),
            worker: options.worker.clone(),
            applied: LastWritten::default(),
            published: LastWritten::default(),
            unreadable: LastWritten::default(),
            shutdown: shutdown.clone(),
            metrics: Arc::clone(&metrics),
        });
        let queue = triggers.take_until(shutdown.clone().cancelled_owned());
        let config = controller::Config::default()
            .concurrency(CONCURRENCY)
            .debounce(DEBOUNCE);
        appliers.push(
            applier(
                |policy, context| Box::pin(reconcile(policy, context)),
                after_error,
                context,
                known.policies,
                queue.map_err(QueueError),
                config,
            )
            .boxed(),
        );
    }
    tracing::info!(namespaces = ?options.namespaces, listen = %options.listen, "controller started");
    let pages = Pages { stores, metrics };
    let pages = http::serve(options.listen, Arc::new(pages), shutdown.clone());
    let looks = stream::select_all(appliers).for_each(|look| async move { report(look) });
    // When one of the two ends, the other is told to.
    let (served, ()) = tokio::join!(
        async {
            let served = pages.await;
            shutdown.cancel();
            served
        },
        async {
            tokio::select! {
                () = looks => {}
                // A look that does not end in time is repeated by whoever comes after.
                () = grace(&shutdown) => tracing::warn!("stopped in the middle of a look"),
            }
            shutdown.cancel();
        }
    );
    tracing::info!("controller stopped");
    served.map_err(ControllerError::Http)
}

/// Comes some time after the controller is told to stop: well before Kubernetes would kill it.
async fn grace(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

fn scopes(namespaces: &[String]) -> Vec<Scope> {
    if namespaces.is_empty() {
        return vec![Scope::Cluster];
    }
    namespaces.iter().cloned().map(Scope::Namespace).collect()
}

/// A watch that broke; it is taken up again by itself.
#[derive(thiserror::Error, Debug)]
#[error("watch")]
struct QueueError(#[source] kube::runtime::watcher::Error);

type Look = Result<
    (
        kube::runtime::reflector::ObjectRef<super::stores::WatchedPolicy>,
        controller::Action,
    ),
    controller::Error<super::reconcile::ReconcileError, QueueError>,
>;

/// The one place where errors are told.
fn report(look: Look) {
    match look {
        Ok((policy, _)) => tracing::debug!(%policy, "policy looked at"),
        // A policy that was deleted before it was looked at.
        Err(controller::Error::ObjectNotFound(_)) => {}
        Err(controller::Error::ReconcilerFailed(error, policy)) => {
            tracing::warn!(%policy, error = %chain(&error), "look at policy failed; trying again");
        }
        Err(controller::Error::QueueError(error)) => {
            tracing::warn!(error = %chain(&error), "watch broke; taking it up again");
        }
        Err(controller::Error::RunnerError(error)) => {
            tracing::error!(error = %chain(&error), "controller broke");
        }
    }
}

/// An error and its sources in one line, without those that the line before says already.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = error.source();
    }
    line
}
