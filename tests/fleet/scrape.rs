//! A real Prometheus scrapes real agents, and the recorded series answer what is used.

use std::path::Path;

use proof::prometheus::{Prometheus, free_address};
use proof::wait;

use crate::stage::{Pool, shared};

#[test]
fn the_recorded_series_count_the_nodes_that_use_an_extension() {
    let pool = Pool::new(shared(), "scraped");
    let targets = [free_address(), free_address()];
    let nodes: Vec<_> = (0..)
        .zip(&targets)
        .map(|(number, address)| {
            pool.node_with(number, |agent| {
                agent.set("rollout", "strategy", "immediate").set("metrics", "listen", address.as_str())
            })
        })
        .collect();
    pool.wish(&["usbguard"]);
    for node in &nodes {
        pool.until_all(node, "booted", &["usbguard"]);
    }
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/deploy/monitoring/rules.yaml");
    let prometheus = Prometheus::start(&targets, &rules);
    wait::until("the recorded series to say 2", || {
        let answer = prometheus.query("cluster:os_extensions_nodes:count{extension=\"usbguard\"}");
        if answer.len() == 1 && answer[0].ends_with("=> 2") { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    let all = prometheus.query("{__name__=~\"cluster:.*\"}").join("\n");
    for node in &nodes {
        assert!(!all.contains(node.name()), "a recorded series names a node:\n{all}");
    }
    for word in ["sha256:", "127.0.0.1", "instance="] {
        assert!(!all.contains(word), "`{word}` in a recorded series:\n{all}");
    }
}
