//! In the place of the operator's daemon: the operator is answered in its own words, and only when they are true.

use proof::cluster::Cluster;
use proof::images::Payload;
use proof::packages::Release;
use proof::sandbox::Sandbox;
use proof::wait;
use serde_json::Value;

use crate::stage::Pool;

const OPERATOR: &str = "machineconfiguration.openshift.io";

#[test]
fn the_operator_is_answered_in_its_own_words_and_done_only_after_the_reboot() {
    let cluster = Cluster::start();
    cluster.install();
    let overlay = concat!(env!("CARGO_MANIFEST_DIR"), "/../agent/deploy/overlays/owner");
    cluster.kubectl(&["apply", "-k", overlay]).expect_success();
    let pool = Pool::new(&cluster, "owned");
    rendered(&cluster, "rendered-owned-1", &["usbguard"]);
    rendered(&cluster, "rendered-owned-2", &["nonsense"]);
    cluster.add_node("owned-0", &[("node-role.kubernetes.io/owned", "")]);
    desire(&cluster, "rendered-owned-1");
    let node = pool.join(Sandbox::start(), 0, |agent| agent.set("host", "mode", "own"));

    pool.until_all(&node, "staged", &["usbguard"]);
    wait::until("the operator to be told that it is worked on", || told(&cluster, "Working", None));
    node.host().faults().initiate_reboot();
    pool.until_all(&node, "booted", &["usbguard"]);
    wait::until("the operator to be told that it is done", || {
        told(&cluster, "Done", Some("rendered-owned-1"))
    });
    assert_eq!(pool.resource(&node)["status"]["observedConfig"], "rendered-owned-1");

    desire(&cluster, "rendered-owned-2");
    wait::until("the operator to be told that it cannot be", || {
        told(&cluster, "Degraded", Some("rendered-owned-1"))
    });
    let reason = annotations(&cluster)[format!("{OPERATOR}/reason")].clone();
    assert!(reason.as_str().is_some_and(|reason| reason.contains("nonsense")), "{reason}");
}

fn rendered(cluster: &Cluster, name: &str, extensions: &[&str]) {
    let payload = Payload::of(Release::First).build().reference();
    cluster.apply(&format!(
        "apiVersion: {OPERATOR}/v1\nkind: MachineConfig\nmetadata: {{name: {name}}}\nspec:\n  \
         baseOSExtensionsContainerImage: {payload}\n  extensions: {}\n",
        serde_json::json!(extensions)
    ));
}

fn desire(cluster: &Cluster, config: &str) {
    let desired = format!("{OPERATOR}/desiredConfig={config}");
    cluster.kubectl(&["annotate", "--overwrite", "node", "owned-0", &desired]).expect_success();
}

fn annotations(cluster: &Cluster) -> Value {
    cluster.get_json(&["node", "owned-0"])["metadata"]["annotations"].clone()
}

/// Whether the Node has this state and this current config.
fn told(cluster: &Cluster, state: &str, current: Option<&str>) -> Result<(), String> {
    let found = annotations(cluster);
    let is = |key: &str| found[format!("{OPERATOR}/{key}")].as_str().map(str::to_owned);
    let right = is("state").as_deref() == Some(state) && is("currentConfig").as_deref() == current;
    if right { Ok(()) } else { Err(found.to_string()) }
}
