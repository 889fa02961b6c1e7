//! What an admin writes beside MachineConfigs: pools.

/// A MachineConfigPool of all nodes with this role, which MachineConfigs of the same role are for.
pub fn pool(role: &str, max_unavailable: &str) -> String {
    format!(
        "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfigPool\nmetadata: {{name: {role}}}\nspec:\n  \
         machineConfigSelector:\n    matchLabels: {{machineconfiguration.openshift.io/role: {role}}}\n  \
         nodeSelector:\n    matchLabels: {{node-role.kubernetes.io/{role}: \"\"}}\n  maxUnavailable: {max_unavailable}\n"
    )
}

/// The label that gives a Node this role.
pub fn role(role: &str) -> String {
    format!("node-role.kubernetes.io/{role}")
}
