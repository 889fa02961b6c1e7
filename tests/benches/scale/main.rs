//! What a fleet costs an API server: N node loops of the agent's own library against a real one, at rest.
//!
//! Each loop has a Node, a token that is bound to it, a connection, watches and a status object of its own; only the
//! host below it is left out. Nothing is asserted but that every node has told of itself. The relay that counts bytes is
//! a process of its own, so that its memory is not taken for the loops'.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is test code: a failed step must stop the run where it stands"
)]

mod machine;
mod node;
mod reading;
mod relay;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use extensions_agent::report::Status;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use proof::cluster::Cluster;
use proof::fleet::{pool, role};
use proof::images::Payload;
use proof::packages::Release;
use proof::sandbox::{Sandbox, Wish};

use node::Seat;
use reading::Reading;
use relay::Counter;

/// How long all nodes may take to tell of themselves.
const JOINING: Duration = Duration::from_secs(900);

/// Measures what N nodes cost an API server at rest.
#[derive(Parser)]
#[command(name = "scale")]
struct Arguments {
    /// How many nodes.
    #[arg(long, default_value_t = 500)]
    nodes: usize,
    /// Seconds between the last node's first word and the first reading.
    #[arg(long, default_value_t = 20)]
    settle: u64,
    /// Seconds between the two readings.
    #[arg(long, default_value_t = 60)]
    window: u64,
    #[command(subcommand)]
    step: Option<Step>,
}

/// What this program starts itself as.
#[derive(Subcommand)]
enum Step {
    /// A relay that counts.
    #[command(hide = true)]
    Relay { target: std::net::SocketAddr },
}

fn main() {
    let arguments = Arguments::parse();
    match arguments.step {
        Some(Step::Relay { target }) => relay::serve(target),
        None => measure(&arguments),
    }
}

fn measure(arguments: &Arguments) {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    println!("{}", machine::facts());
    println!("a cluster, a status to tell of, {} nodes with tokens …", arguments.nodes);
    let status = told_by_a_host();
    let cluster = Cluster::start();
    cluster.install();
    cluster.apply(&pool("worker", "1"));
    cluster.apply(&Wish::extensions(["usbguard"]).document("50-worker-usbguard"));
    let mut counter = Counter::start(cluster.address());
    let seats: Vec<Seat> = (0..arguments.nodes).map(|number| seat(&cluster, &counter, number)).collect();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let empty = Reading::take(&cluster, &mut counter);
    let start = Instant::now();
    for seat in seats {
        runtime.spawn(node::live(seat, Arc::clone(&status)));
    }
    everybody_told(&cluster, arguments.nodes);
    println!("all told in {:.0} s; at rest for {} s …", start.elapsed().as_secs_f64(), arguments.settle);
    std::thread::sleep(Duration::from_secs(arguments.settle));
    let before = Reading::take(&cluster, &mut counter);
    println!("counting for {} s …\n", arguments.window);
    std::thread::sleep(Duration::from_secs(arguments.window));
    let after = Reading::take(&cluster, &mut counter);
    reading::print(arguments.nodes, &empty, &before, &after);
    runtime.shutdown_background();
}

/// A Node, an identity, and a directory for what is kept.
fn seat(cluster: &Cluster, counter: &Counter, number: usize) -> Seat {
    let name = format!("worker-{number}");
    cluster.add_node(&name, &[(&role("worker"), "")]);
    let kubeconfig = cluster.node_kubeconfig_at(&name, counter.address());
    let state: PathBuf = cluster.dir().join("nodes").join(&name).join("state");
    std::fs::create_dir_all(&state).unwrap();
    Seat { name, kubeconfig, state, seed: number as u64 }
}

/// What a real pass on a sandbox host says, so that every node tells something of real size.
fn told_by_a_host() -> Arc<Status> {
    let host = Sandbox::start();
    let payload = Payload::of(Release::First).build();
    host.wish("50-worker-usbguard", &Wish::extensions(["usbguard"]).from(&payload.reference()));
    host.agent().apply().expect_success();
    let state: &Path = &host.dir().join("state");
    Arc::new(Status::read(state).unwrap().expect("a pass leaves a status"))
}

fn everybody_told(cluster: &Cluster, nodes: usize) {
    let start = Instant::now();
    loop {
        let said = cluster.kubectl(&["get", "nodeextensions", "--output=name"]).expect_success().stdout;
        let count = said.lines().count();
        if count >= nodes {
            return;
        }
        assert!(start.elapsed() < JOINING, "only {count} of {nodes} nodes have told of themselves");
        std::thread::sleep(Duration::from_secs(1));
    }
}
