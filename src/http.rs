//! Three pages over plain HTTP: `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

/// What the pages say.
pub trait Pages: Send + Sync + 'static {
    /// The metrics, in the text format of Prometheus.
    fn metrics(&self) -> String;

    /// Whether the process knows enough to act.
    fn is_ready(&self) -> bool;
}

/// Why the pages cannot be served.
#[derive(thiserror::Error, Debug)]
pub enum HttpError {
    /// The address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Serving broke.
    #[error("serve on {address}")]
    Serve {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Serves the pages until `shutdown`.
pub async fn serve(
    address: SocketAddr,
    pages: Arc<dyn Pages>,
    shutdown: CancellationToken,
) -> Result<(), HttpError> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|source| HttpError::Listen { address, source })?;
    axum::serve(listener, router(pages))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .map_err(|source| HttpError::Serve { address, source })
}

fn router(pages: Arc<dyn Pages>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || StatusCode::OK))
        .route("/readyz", get(readyz))
        .with_state(pages)
}

async fn metrics(State(pages): State<Arc<dyn Pages>>) -> impl IntoResponse {
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        pages.metrics(),
    )
}

async fn readyz(State(pages): State<Arc<dyn Pages>>) -> StatusCode {
    if pages.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}
