//! Beside a host whose machine-config-daemon owns the extensions: everything is told and nothing is touched.

use proof::images::Payload;
use proof::packages::Release;
use proof::sandbox::Sandbox;
use proof::wait;

use crate::stage::{Pool, passes, shared};

#[test]
fn beside_a_machine_config_daemon_the_agent_makes_no_call_and_tells_everything() {
    const OPERATOR: &str = "machineconfiguration.openshift.io";
    let pool = Pool::new(shared(), "observed");
    let payload = Payload::of(Release::First).build().reference();
    pool.cluster.apply(&format!(
        "apiVersion: {OPERATOR}/v1\nkind: MachineConfig\nmetadata: {{name: rendered-observed-1}}\nspec:\n  \
         baseOSExtensionsContainerImage: {payload}\n  extensions: [usbguard]\n"
    ));
    let label = format!("node-role.kubernetes.io/{}", pool.name);
    pool.cluster.add_node("observed-0", &[(&label, "")]);
    let words = ["currentConfig=rendered-observed-1", "desiredConfig=rendered-observed-1", "state=Done"];
    let annotations = words.map(|word| format!("{OPERATOR}/{word}"));
    let annotate = ["annotate", "node", "observed-0", &annotations[0], &annotations[1], &annotations[2]];
    pool.cluster.kubectl(&annotate).expect_success();
    let node = pool.join(Sandbox::start(), 0, |agent| {
        agent.set("reconcile", "interval", "1s").set("rollout", "strategy", "immediate")
    });

    let found = pool.until("the owner to be told", &node, |found| {
        found["status"]["owner"] == "MachineConfigDaemon"
            && found["status"]["summary"]["desired"] == "usbguard"
    });
    assert_eq!(found["status"]["observedConfig"], "rendered-observed-1");
    let before = passes(&node);
    wait::until_true("three more passes", || passes(&node) >= before + 3);
    assert_eq!(node.host().mutating_calls(), [], "the agent changes nothing here");
    let metrics = node.host().metrics();
    assert!(metrics.contains("extensions_agent_extension_desired{extension=\"usbguard\"} 1"), "{metrics}");
    assert!(metrics.contains("extensions_agent_passes_total{result=\"observed\"}"), "{metrics}");
    let after = pool.cluster.get_json(&["node", node.name()])["metadata"]["annotations"].clone();
    for word in words {
        let (key, value) = word.split_once('=').unwrap();
        assert_eq!(after[format!("{OPERATOR}/{key}")], value, "the operator's own words are not touched");
    }
    assert!(after[format!("{OPERATOR}/reason")].is_null(), "{after}");
}
