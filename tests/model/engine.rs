//! The engine, plugged into the simulation: one policy, two buckets, one source.

use std::sync::Arc;

use backstay::api::policy::{
    Category, CategoryMatch, Compression, CompressionAlgorithm, Deletions, Storage,
};
use backstay::api::report::RunReport;
use backstay::api::run::{RUN_SPEC_VERSION, RunSpec, SourceIdentity};
use backstay::plan::location::Location;
use backstay::worker::backup::{self, Cuts, Order, location_of};
use backstay::worker::report::Reporter;

use crate::process::{Handle, SimStore};
use crate::scene::Scene;
use crate::tree::SimTree;

/// The bucket of the catalog, and of everything but tables.
pub(crate) const REST_BUCKET: &str = "rest";

/// The bucket of tables.
pub(crate) const TABLES_BUCKET: &str = "tables";

/// The key prefix.
pub(crate) const PREFIX: &str = "acme/office/files";

/// Another key prefix, of which every day is a part.
pub(crate) const DATED_PREFIX: &str = "acme/dated/{date}";

/// What every run is told.
pub(crate) fn spec() -> RunSpec {
    RunSpec {
        version: RUN_SPEC_VERSION,
        cluster: "cluster".to_owned(),
        namespace: "acme".to_owned(),
        policy: "office".to_owned(),
        source: "files".to_owned(),
        identity: SourceIdentity::Claim {
            uid: "0b9a".to_owned(),
        },
        root: "/source".to_owned(),
        bucket: None,
        include: Vec::new(),
        exclude: Vec::new(),
        categories: vec![tables(&["csv"]), rest()],
        storage: Storage {
            region: "eu-south-1".to_owned(),
            endpoint: None,
            key_prefix: Some(PREFIX.to_owned()),
            catalog_bucket: Some(REST_BUCKET.to_owned()),
            credentials: None,
            encryption: None,
            transfer_acceleration: false,
        },
        deletions: Deletions::default(),
        sns: None,
        concurrency: 4,
        active_deadline_seconds: 3600,
        time_zone: "UTC".to_owned(),
        approved_run: None,
    }
}

/// Where the repository is.
pub(crate) fn location() -> Location {
    location_of(&spec())
}

/// Segments of a few rows, so that a small tree has several.
pub(crate) fn small_cuts() -> Cuts {
    Cuts {
        rows: 3,
        rows_max: 5,
        rows_min: 2,
        ..Cuts::default()
    }
}

/// As if five minutes passed with every row that is captured.
pub(crate) fn cuts_by_time() -> Cuts {
    Cuts {
        age_max: std::time::Duration::ZERO,
        ..Cuts::default()
    }
}

/// Carries a backup out.
pub(crate) async fn backup(order: Order, store: SimStore, tree: SimTree) -> RunReport {
    let reporter = Reporter::new(
        &order.run,
        order.started,
        Arc::clone(&order.progress),
        |_| {},
    );
    backup::run(order, Arc::new(store), Arc::new(tree), &reporter).await
}

/// Carries a backup out of which the scene takes no notice.
pub(crate) async fn run_unwatched(scene: &Scene, (store, handle): (SimStore, Handle)) -> RunReport {
    let order = Order {
        spec: scene.spec.clone(),
        run: "unwatched".to_owned(),
        started: scene.tree.living().files.clock(),
        stop: handle.stop(),
        progress: Arc::default(),
        cuts: scene.cuts,
        patience: None,
        prices: None,
        named: None,
        left: None,
    };
    backup(order, store, scene.tree.clone()).await
}

/// Runs on a runtime that ends with it, and everything that it has started.
pub(crate) fn on_a_runtime<T>(played: impl Future<Output = T>) -> T {
    // One thread for all that blocks: then a seed gives nearly the same history each time.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(played)
}

/// The category of what has one of these extensions.
pub(crate) fn tables(extensions: &[&str]) -> Category {
    Category {
        name: "tables".to_owned(),
        matches: Some(CategoryMatch {
            preset: None,
            extensions: extensions.iter().map(ToString::to_string).collect(),
            paths: Vec::new(),
        }),
        bucket: TABLES_BUCKET.to_owned(),
        storage_class: None,
        compression: None,
    }
}

/// Compression of whatever is not empty.
pub(crate) fn compressed(algorithm: CompressionAlgorithm) -> Compression {
    Compression {
        algorithm,
        extensions: Vec::new(),
        minimum_size: Some("0".to_owned()),
    }
}

fn rest() -> Category {
    Category {
        name: "rest".to_owned(),
        matches: None,
        bucket: REST_BUCKET.to_owned(),
        storage_class: None,
        compression: None,
    }
}
