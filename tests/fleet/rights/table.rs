//! Each attempt: what it is, what kubectl is told, and what has to come of it.

use super::{Attempt, Ends};

macro_rules! attempts {
    ($($what:literal: [$($word:literal),+] $(< $with:literal)? => $ends:ident $(($words:literal))?;)+) => {
        /// Every attempt, in the order in which they are made: some build on those before.
        pub(super) const ATTEMPTS: &[Attempt] = &[$(Attempt {
            what: $what,
            does: &[$($word),+],
            with: concat!($($with)?),
            ends: Ends::$ends $(($words))?,
        },)+];
    };
}

attempts! {
    "it says on its Node that it owns the extensions":
        ["annotate", "node", "node-a", "extensions.agent/owner=extensions-agent", "--overwrite"]
        => Done;
    "it takes its word back":
        ["annotate", "node", "node-a", "extensions.agent/owner-"]
        => Done;
    "it cordons its Node and remembers that it did":
        ["patch", "node", "node-a", "--type=merge", "-p", r#"{"metadata": {"annotations": {"extensions.agent/cordoned": "x"}}, "spec": {"unschedulable": true}}"#]
        => Done;
    "it uncordons its Node":
        ["patch", "node", "node-a", "--type=merge", "-p", r#"{"metadata": {"annotations": {"extensions.agent/cordoned": null}}, "spec": {"unschedulable": null}}"#]
        => Done;
    "it annotates another Node":
        ["annotate", "node", "node-b", "extensions.agent/owner=x", "--overwrite"]
        => Fenced("only the Node that its token");
    "it cordons another Node":
        ["patch", "node", "node-b", "--type=merge", "-p", r#"{"spec": {"unschedulable": true}}"#]
        => Fenced("only the Node that its token");
    "it names another MachineConfig for its Node":
        ["annotate", "node", "node-a", "machineconfiguration.openshift.io/desiredConfig=rendered-master-1", "--overwrite"]
        => Fenced("only annotations under");
    "it answers for the operator's daemon":
        ["annotate", "node", "node-a", "machineconfiguration.openshift.io/state=Done", "--overwrite"]
        => Fenced("only annotations under");
    "it removes an annotation of others":
        ["annotate", "node", "node-a", "extensions.agent.example/near-"]
        => Fenced("only annotations under");
    "it adds an annotation of others":
        ["annotate", "node", "node-a", "extensions.agentx=x"]
        => Fenced("only annotations under");
    "it labels its Node into another pool":
        ["label", "node", "node-a", "node-role.kubernetes.io/control-plane="]
        => Fenced("no label");
    "it removes a label":
        ["label", "node", "node-a", "example.org/zone-"]
        => Fenced("no label");
    "it taints its Node":
        ["patch", "node", "node-a", "--type=merge", "-p", r#"{"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}"#]
        => Fenced("nothing in the spec");
    "it says where its Node comes from":
        ["patch", "node", "node-a", "--type=merge", "-p", r#"{"spec": {"providerID": "x"}}"#]
        => Fenced("nothing in the spec");
    "it hides a change of the spec behind a cordon":
        ["patch", "node", "node-a", "--type=merge", "-p", r#"{"spec": {"unschedulable": true, "podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"]}}"#]
        => Fenced("nothing in the spec");
    "it keeps its Node from being removed":
        ["patch", "node", "node-a", "--type=merge", "-p", r#"{"metadata": {"finalizers": ["example.org/x"]}}"#]
        => Fenced("no finalizer");
    "it gives its Node an owner":
        ["patch", "node", "node-a", "--type=merge", "-p", r#"{"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "x", "uid": "x"}]}}"#]
        => Fenced("no finalizer");
    "it changes the status of its Node":
        ["patch", "node", "node-a", "--subresource=status", "--type=merge", "-p", r#"{"status": {"phase": "Running"}}"#]
        => NoRight;
    "it makes a Node":
        ["create", "-f", "-"]
        < "{apiVersion: v1, kind: Node, metadata: {name: node-z}}"
        => NoRight;
    "it deletes its Node":
        ["delete", "node", "node-a", "--wait=false"]
        => NoRight;
    "it reads its MachineConfig":
        ["get", "machineconfig", "rights"]
        => Done;
    "it reads the pools":
        ["get", "machineconfigpools"]
        => Done;
    "it changes a MachineConfig":
        ["patch", "machineconfig", "rights", "--type=merge", "-p", r#"{"spec": {"extensions": []}}"#]
        => NoRight;
    "it makes a MachineConfig":
        ["create", "-f", "-"]
        < "{apiVersion: machineconfiguration.openshift.io/v1, kind: MachineConfig, metadata: {name: more}, spec: {}}"
        => NoRight;
    "it deletes a MachineConfig":
        ["delete", "machineconfig", "rights", "--wait=false"]
        => NoRight;
    "it resumes a pool":
        ["patch", "machineconfigpool", "rights", "--type=merge", "-p", r#"{"spec": {"paused": false}}"#]
        => NoRight;
    "it makes its NodeExtensions":
        ["apply", "--server-side", "-f", "-"]
        < "{apiVersion: extensions.agent/v1alpha1, kind: NodeExtensions, metadata: {name: node-a}}"
        => Done;
    "it writes the status of its own":
        ["apply", "--server-side", "--subresource=status", "-f", "-"]
        < "{apiVersion: extensions.agent/v1alpha1, kind: NodeExtensions, metadata: {name: node-a}, status: {agentVersion: x, rebootPending: false, extensions: [], conditions: [{type: Ready, status: \"Unknown\", reason: Tried, message: x, lastTransitionTime: \"2024-01-01T12:00:00Z\"}], revision: 0, summary: {desired: x, staged: x, booted: x}}}"
        => Done;
    "it makes the NodeExtensions of another":
        ["create", "-f", "-"]
        < "{apiVersion: extensions.agent/v1alpha1, kind: NodeExtensions, metadata: {name: node-c}}"
        => Fenced("only the NodeExtensions of");
    "it changes the NodeExtensions of another":
        ["label", "nodeextensions", "node-b", "a=b"]
        => Fenced("only the NodeExtensions of");
    "it writes the status of another":
        ["apply", "--server-side", "--subresource=status", "-f", "-"]
        < "{apiVersion: extensions.agent/v1alpha1, kind: NodeExtensions, metadata: {name: node-b}, status: {agentVersion: x, rebootPending: false, extensions: [], conditions: [{type: Ready, status: \"Unknown\", reason: Tried, message: x, lastTransitionTime: \"2024-01-01T12:00:00Z\"}], revision: 0, summary: {desired: x, staged: x, booted: x}}}"
        => Fenced("only the NodeExtensions of");
    "it keeps its NodeExtensions from being removed":
        ["patch", "nodeextensions", "node-a", "--type=merge", "-p", r#"{"metadata": {"finalizers": ["example.org/x"]}}"#]
        => Fenced("has no finalizer");
    "it hangs its NodeExtensions on another Node":
        ["patch", "nodeextensions", "node-a", "--type=merge", "-p", r#"{"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "node-b", "uid": "x"}]}}"#]
        => Fenced("belongs to its Node");
    "it deletes the NodeExtensions of another":
        ["delete", "nodeextensions", "node-b", "--wait=false"]
        => NoRight;
    "it makes a slot and takes it":
        ["create", "-f", "-"]
        < r#"{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: reboot-rights-3, namespace: extensions-agent}, spec: {holderIdentity: node-a, leaseDurationSeconds: 900, renewTime: "2024-01-01T12:00:00.000000Z"}}"#
        => Done;
    "it makes a slot and gives it to another":
        ["create", "-f", "-"]
        < r#"{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: reboot-rights-4, namespace: extensions-agent}, spec: {holderIdentity: node-b, leaseDurationSeconds: 900, renewTime: "2024-01-01T12:00:00.000000Z"}}"#
        => Fenced("takes or leaves a slot only");
    "it makes a lease that is no slot":
        ["create", "-f", "-"]
        < r#"{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: leader, namespace: extensions-agent}, spec: {holderIdentity: node-a, leaseDurationSeconds: 900, renewTime: "2024-01-01T12:00:00.000000Z"}}"#
        => Fenced("only leases");
    "it makes a slot in another namespace":
        ["create", "-f", "-"]
        < r#"{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: reboot-rights-5, namespace: default}, spec: {holderIdentity: node-a, leaseDurationSeconds: 900, renewTime: "2024-01-01T12:00:00.000000Z"}}"#
        => NoRight;
    "it takes a lease that is no slot":
        ["patch", "lease", "other", "-n", "extensions-agent", "--type=merge", "-p", r#"{"spec": {"holderIdentity": "node-a", "leaseDurationSeconds": 900, "renewTime": "2024-01-01T12:00:00.000000Z"}}"#]
        => Fenced("only leases");
    "it takes a free slot":
        ["patch", "lease", "reboot-rights-2", "-n", "extensions-agent", "--type=merge", "-p", r#"{"spec": {"holderIdentity": "node-a", "leaseDurationSeconds": 900, "renewTime": "2024-01-01T12:00:00.000000Z"}}"#]
        => Done;
    "it renews its slot":
        ["patch", "lease", "reboot-rights-2", "-n", "extensions-agent", "--type=merge", "-p", r#"{"spec": {"renewTime": "2024-01-01T12:05:00.000000Z"}}"#]
        => Done;
    "it holds its slot for ever":
        ["patch", "lease", "reboot-rights-2", "-n", "extensions-agent", "--type=merge", "-p", r#"{"spec": {"leaseDurationSeconds": 2000000000}}"#]
        => Fenced("at most one day");
    "it hides since when it holds its slot":
        ["patch", "lease", "reboot-rights-2", "-n", "extensions-agent", "--type=merge", "-p", r#"{"spec": {"renewTime": null}}"#]
        => Fenced("since when");
    "it hands its slot to another":
        ["patch", "lease", "reboot-rights-2", "-n", "extensions-agent", "--type=merge", "-p", r#"{"spec": {"holderIdentity": "node-b"}}"#]
        => Fenced("takes or leaves a slot only");
    "it keeps a slot from being removed":
        ["patch", "lease", "reboot-rights-2", "-n", "extensions-agent", "--type=merge", "-p", r#"{"metadata": {"finalizers": ["example.org/x"]}}"#]
        => Fenced("only leases");
    "it gives its slot back":
        ["patch", "lease", "reboot-rights-2", "-n", "extensions-agent", "--type=merge", "-p", r#"{"spec": {"holderIdentity": null}}"#]
        => Done;
    "it frees a slot that another holds":
        ["patch", "lease", "reboot-rights-0", "-n", "extensions-agent", "--type=merge", "-p", r#"{"spec": {"holderIdentity": null}}"#]
        => Fenced("its time is not over");
    "it frees a slot that another has outstayed, without taking it":
        ["patch", "lease", "reboot-rights-0", "-n", "extensions-agent", "--type=merge", "-p", r#"{"spec": {"holderIdentity": null, "renewTime": "2024-01-02T12:00:00.000000Z"}}"#]
        => Fenced("its time is not over");
    "it takes a slot a moment too early":
        ["patch", "lease", "reboot-rights-0", "-n", "extensions-agent", "--type=merge", "-p", r#"{"spec": {"holderIdentity": "node-a", "renewTime": "2024-01-01T12:14:59.999999Z"}}"#]
        => Fenced("its time is not over");
    "it shortens a slot that another holds":
        ["patch", "lease", "reboot-rights-0", "-n", "extensions-agent", "--type=merge", "-p", r#"{"spec": {"leaseDurationSeconds": 1}}"#]
        => Fenced("takes or leaves a slot only");
    "it takes a slot whose holder is silent for as long as the slot lasts":
        ["patch", "lease", "reboot-rights-1", "-n", "extensions-agent", "--type=merge", "-p", r#"{"spec": {"holderIdentity": "node-a", "renewTime": "2024-01-01T12:15:00.000000Z"}}"#]
        => Done;
    "it deletes a slot":
        ["delete", "lease", "reboot-rights-0", "-n", "extensions-agent", "--wait=false"]
        => NoRight;
    "it tells an Event of its Node":
        ["create", "-f", "-"]
        < r#"{apiVersion: events.k8s.io/v1, kind: Event, metadata: {name: rights-1, namespace: default}, eventTime: "2024-01-01T12:00:00.000000Z", type: Normal, reason: Staged, action: Report, reportingController: extensions-agent, reportingInstance: node-a, regarding: {apiVersion: v1, kind: Node, name: node-a}, related: {kind: NodeExtensions, name: node-a}}"#
        => Done;
    "it tells an Event of another Node":
        ["create", "-f", "-"]
        < r#"{apiVersion: events.k8s.io/v1, kind: Event, metadata: {name: rights-2, namespace: default}, eventTime: "2024-01-01T12:00:00.000000Z", type: Normal, reason: Staged, action: Report, reportingController: extensions-agent, reportingInstance: node-a, regarding: {apiVersion: v1, kind: Node, name: node-b}}"#
        => Fenced("only of its own Node");
    "it tells an Event of something else":
        ["create", "-f", "-"]
        < r#"{apiVersion: events.k8s.io/v1, kind: Event, metadata: {name: rights-3, namespace: default}, eventTime: "2024-01-01T12:00:00.000000Z", type: Normal, reason: Staged, action: Report, reportingController: extensions-agent, reportingInstance: node-a, regarding: {apiVersion: v1, kind: ConfigMap, name: node-a}}"#
        => Fenced("only of its own Node");
    "it tells an Event that is related to another Node":
        ["create", "-f", "-"]
        < r#"{apiVersion: events.k8s.io/v1, kind: Event, metadata: {name: rights-4, namespace: default}, eventTime: "2024-01-01T12:00:00.000000Z", type: Normal, reason: Staged, action: Report, reportingController: extensions-agent, reportingInstance: node-a, regarding: {apiVersion: v1, kind: Node, name: node-a}, related: {kind: Node, name: node-b}}"#
        => Fenced("only of its own Node");
    "it tells an Event in the name of others":
        ["create", "-f", "-"]
        < r#"{apiVersion: events.k8s.io/v1, kind: Event, metadata: {name: rights-5, namespace: default}, eventTime: "2024-01-01T12:00:00.000000Z", type: Normal, reason: Staged, action: Report, reportingController: other, reportingInstance: node-a, regarding: {apiVersion: v1, kind: Node, name: node-a}}"#
        => Fenced("in its own name");
    "it tells an Event in the older form":
        ["create", "-f", "-"]
        < "{apiVersion: v1, kind: Event, metadata: {name: rights-6, namespace: default}, reason: Staged, involvedObject: {kind: Node, name: node-b}}"
        => NoRight;
    "it changes an Event":
        ["patch", "events.events.k8s.io", "rights-1", "-n", "default", "--type=merge", "-p", r#"{"note": "x"}"#]
        => NoRight;
    "it reads Secrets":
        ["get", "secrets", "-A"]
        => NoRight;
    "it reads ConfigMaps":
        ["get", "configmaps", "-A"]
        => NoRight;
    "it makes a token":
        ["create", "token", "extensions-agent", "-n", "extensions-agent"]
        => NoRight;
    "it deletes a pod":
        ["delete", "pod", "rights", "-n", "default", "--wait=false"]
        => NoRight;
    "it reads a log":
        ["logs", "rights", "-n", "default"]
        => NoRight;
    "it opens a shell in a pod":
        ["create", "--raw", "/api/v1/namespaces/default/pods/rights/exec?command=sh&stdin=true", "-f", "-"]
        < "{}"
        => NoRight;
    "it loosens its own fence":
        ["delete", "validatingadmissionpolicy", "extensions-agent-nodes", "--wait=false"]
        => NoRight;
    "it gives itself a right":
        ["create", "clusterrolebinding", "more", "--clusterrole=cluster-admin", "--serviceaccount=extensions-agent:extensions-agent"]
        => NoRight;
    "it lists the pods that it drains":
        ["get", "pods", "-A", "--field-selector", "spec.nodeName=node-a"]
        => Done;
    "it evicts a pod, which may be on any node: no policy can tell":
        ["create", "--raw", "/api/v1/namespaces/default/pods/rights/eviction", "-f", "-"]
        < r#"{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "rights", "namespace": "default"}}"#
        => Done;
}
