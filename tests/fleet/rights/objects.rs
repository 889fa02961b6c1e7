//! What is attacked, and what a token without a node is tried with.

use super::{Attempt, Ends};

/// The cluster as it is before the attempts.
pub(super) const BEFORE: &str = r#"
apiVersion: v1
kind: Node
metadata:
  name: node-a
  labels: {example.org/zone: one}
  annotations:
    machineconfiguration.openshift.io/desiredConfig: rendered-worker-1
    machineconfiguration.openshift.io/state: Working
    extensions.agent.example/near: kept
---
apiVersion: v1
kind: Node
metadata:
  name: node-b
  labels: {example.org/zone: two}
---
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata: {name: rights, labels: {machineconfiguration.openshift.io/role: nobody}}
spec: {extensions: [usbguard]}
---
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfigPool
metadata: {name: rights}
spec: {paused: true}
---
apiVersion: extensions.agent/v1alpha1
kind: NodeExtensions
metadata: {name: node-b}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: reboot-rights-0, namespace: extensions-agent}
spec: {holderIdentity: node-b, leaseDurationSeconds: 900, renewTime: "2024-01-01T12:00:00.000000Z"}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: reboot-rights-1, namespace: extensions-agent}
spec: {holderIdentity: node-b, leaseDurationSeconds: 900, renewTime: "2024-01-01T12:00:00.000000Z"}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: reboot-rights-2, namespace: extensions-agent}
spec: {holderIdentity: ""}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: other, namespace: extensions-agent}
spec: {holderIdentity: ""}
---
apiVersion: v1
kind: Pod
metadata: {name: rights, namespace: default}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  containers: [{name: main, image: registry.example/none}]
"#;

const NO_NODE: Ends = Ends::Fenced("bound to");

/// With a token of no node: nothing is written at all.
pub(super) const TURNS: &[Attempt] = &[
    Attempt {
        what: "a token of no node annotates a Node",
        does: &["annotate", "node", "node-a", "extensions.agent/owner=x", "--overwrite"],
        with: "",
        ends: NO_NODE,
    },
    Attempt {
        what: "a token of no node makes a NodeExtensions",
        does: &["apply", "--server-side", "-f", "-"],
        with: "{apiVersion: extensions.agent/v1alpha1, kind: NodeExtensions, metadata: {name: node-a, labels: {a: b}}}",
        ends: NO_NODE,
    },
    Attempt {
        what: "a token of no node takes a slot",
        does: &["create", "-f", "-"],
        with: "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: reboot-rights-8, namespace: \
               extensions-agent}, spec: {holderIdentity: node-a, leaseDurationSeconds: 900, renewTime: \
               \"2024-01-01T12:00:00.000000Z\"}}",
        ends: NO_NODE,
    },
    Attempt {
        what: "a token of no node evicts a pod",
        does: &["create", "--raw", "/api/v1/namespaces/default/pods/rights/eviction", "-f", "-"],
        with: r#"{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "rights", "namespace": "default"}}"#,
        ends: NO_NODE,
    },
];
