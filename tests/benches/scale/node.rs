//! One node's loop: what the daemon does in a cluster, without the host below it.

use std::path::PathBuf;
use std::sync::Arc;

use extensions_agent::cluster::{Connection, connect};
use extensions_agent::desired::{ClusterSource, DesiredSource, SourceOptions};
use extensions_agent::report::Status;
use extensions_agent::report::publish::{Publisher, Publishing};
use extensions_agent::report::resource::Told;
use extensions_agent::settings::{ClusterSettings, Mode, Source};
use extensions_agent::telemetry::Metrics;

/// Who a loop is, and where it keeps what it knows.
pub(crate) struct Seat {
    pub(crate) name: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) seed: u64,
}

/// Follows the cluster and tells of the node whenever the wish has changed, for ever.
pub(crate) async fn live(seat: Seat, status: Arc<Status>) {
    let Seat { name, kubeconfig, state, seed } = seat;
    let settings = ClusterSettings {
        kubeconfig: Some(kubeconfig),
        node: Some(name),
        source: Source::Pools,
        namespace: "extensions-agent".to_owned(),
    };
    let connection: Connection = connect(&settings).unwrap().expect("the settings name a kubeconfig");
    let options = SourceOptions { source: Source::Pools, state_directory: state };
    let source = ClusterSource::start(&connection, options).await;
    let publishing = Publishing { mode: Mode::Own, seed, metrics: Arc::new(Metrics::new()) };
    let publisher = Publisher::start(connection, publishing);
    let (mut wish, node) = (source.watch(), source.node());
    loop {
        if wish.borrow_and_update().is_ok() {
            publisher.tell(Told {
                status: Status::clone(&status),
                config: None,
                node: node.borrow().clone(),
                rollout: None,
                owner: None,
            });
        }
        if wish.changed().await.is_err() {
            return;
        }
    }
}
