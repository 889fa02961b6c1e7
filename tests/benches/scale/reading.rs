//! One look at everything that is counted, and what the difference of two looks says.

use std::collections::BTreeMap;
use std::time::Instant;

use proof::cluster::{Cluster, Counts};

use crate::machine::{cpu, resident};
use crate::relay::{Bytes, Counter};

/// What the loops ask for. The API server asks itself for other things, or only at its start; its own lease is why leases
/// are not among them.
const RESOURCES: [&str; 6] =
    ["nodes", "machineconfigs", "machineconfigpools", "nodeextensions", "nodeextensions/status", "events"];

/// One look.
pub(crate) struct Reading {
    at: Instant,
    counts: Counts,
    bytes: Bytes,
    server_cpu: f64,
    server_memory: u64,
    memory: u64,
}

impl Reading {
    /// Looks.
    pub(crate) fn take(cluster: &Cluster, counter: &mut Counter) -> Self {
        let server = cluster.api_server_id().expect("the API server runs");
        Reading {
            at: Instant::now(),
            counts: cluster.counts(),
            bytes: counter.bytes(),
            server_cpu: cpu(server),
            server_memory: resident(server),
            memory: resident(std::process::id()),
        }
    }
}

/// Prints what the nodes cost: `empty` before they came, then the two ends of the window.
pub(crate) fn print(nodes: usize, empty: &Reading, before: &Reading, after: &Reading) {
    let count = nodes as f64;
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    let hours = seconds / 3600.0;
    let watches = ours(&after.counts.open());
    let open = sum(&difference(&watches, &ours(&empty.counts.open())));
    let joining = sum(&difference(&ours(&before.counts.requests()), &ours(&empty.counts.requests())));
    let asked = difference(&ours(&after.counts.requests()), &ours(&before.counts.requests()));
    let idle = sum(&asked);
    let bytes = |one: &Bytes, other: &Bytes| (one.sent - other.sent + one.received - other.received) as f64;
    let (join_bytes, idle_bytes) = (bytes(&before.bytes, &empty.bytes), bytes(&after.bytes, &before.bytes));
    row("nodes", &format!("{nodes}"));
    let made = after.bytes.connections as f64;
    row("connections made", &format!("{made:.0} ({:.2} a node)", made / count));
    row("open watches", &format!("{open:.0} ({:.2} a node)", open / count));
    row("to join: requests a node", &format!("{:.1}", joining / count));
    row("to join: KiB a node", &format!("{:.1}", join_bytes / count / 1024.0));
    // A watch that begins and ends outside the window is not seen in it, so what the hour holds is added.
    row(
        "at rest: requests a node-hour",
        &format!(
            "{:.2} seen ({idle:.0} in {seconds:.0} s), {:.2} or some more for watches that last an hour at most",
            idle / count / hours,
            open / count
        ),
    );
    for ((verb, resource), number) in &asked {
        row("", &format!("{verb} {resource} {number:.0}"));
    }
    row("at rest: KiB a node-hour", &format!("{:.1}", idle_bytes / count / 1024.0 / hours));
    let used = after.server_cpu - before.server_cpu;
    row("API server: CPU s to join", &format!("{:.1}", before.server_cpu - empty.server_cpu));
    row(
        "API server: CPU at rest",
        &format!("{used:.1} s in {seconds:.0} s ({:.1} %)", 100.0 * used / seconds),
    );
    row("API server: memory MiB", &format!("{} → {}", empty.server_memory >> 10, after.server_memory >> 10));
    let grown = after.memory.saturating_sub(empty.memory) as f64;
    row("a loop: memory KiB", &format!("{:.0} ({} MiB in all)", grown / count, after.memory >> 10));
}

fn row(title: &str, value: &str) {
    println!("{title:<32}{value}");
}

type Table = BTreeMap<(String, String), f64>;

fn ours(table: &Table) -> Table {
    let fits = |resource: &String| RESOURCES.contains(&resource.as_str());
    table
        .iter()
        .filter(|((_, resource), _)| fits(resource))
        .map(|(key, value)| (key.clone(), *value))
        .collect()
}

/// An empty sum is nought, not less.
fn sum(table: &Table) -> f64 {
    table.values().fold(0.0, |sum, value| sum + value)
}

/// What came since; nothing is left out but what stayed.
fn difference(after: &Table, before: &Table) -> Table {
    let since = |key: &(String, String), value: &f64| value - before.get(key).copied().unwrap_or(0.0);
    let all = after.iter().map(|(key, value)| (key.clone(), since(key, value)));
    all.filter(|(_, value)| *value > 0.0).collect()
}
