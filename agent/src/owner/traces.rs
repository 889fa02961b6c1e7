//! Looks for the traces of other controllers. Only reads whether files are there.

use std::path::Path;

use crate::desired::NodeView;

/// The annotation of ours, without its prefix, by which an admin says who owns the extensions of a Node.
pub const OWNER_ANNOTATION: &str = "owner";
/// Its value when it is the agent.
pub const HANDED_OVER: &str = "extensions-agent";

/// What another controller leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traces {
    /// A machine-config-daemon has written its configuration on the host, or the Node's annotation.
    pub machine_config_daemon: bool,
    /// An admin has annotated the Node: its extensions are the agent's.
    pub handed_over: bool,
    /// The operator gives the host an image that is built in the cluster.
    pub image_mode: bool,
    /// bootc is on the host, and rpm-ostree is not.
    pub bootc: bool,
}

/// The traces below `root`, the root of the booted system, and on the Node, where it is known.
pub fn gather(root: &Path, node: Option<&NodeView>) -> Traces {
    let there = |path: &str| root.join(path).symlink_metadata().is_ok_and(|found| found.len() > 0);
    let ours = node.and_then(|node| node.ours.get(OWNER_ANNOTATION));
    Traces {
        machine_config_daemon: there("etc/machine-config-daemon/currentconfig")
            || node.is_some_and(|node| node.current_config.is_some()),
        handed_over: ours.is_some_and(|owner| owner == HANDED_OVER),
        image_mode: there("etc/machine-config-daemon/currentimage")
            || node.is_some_and(|node| node.image_mode),
        bootc: there("usr/bin/bootc") && !there("usr/bin/rpm-ostree"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn host(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        root
    }

    #[test]
    fn each_trace_on_the_host_is_found() {
        let none = Traces::default();
        let cases = [
            (&[][..], none),
            (&["etc/machine-config-daemon/currentconfig"], Traces { machine_config_daemon: true, ..none }),
            (&["etc/machine-config-daemon/currentimage"], Traces { image_mode: true, ..none }),
            (&["usr/bin/bootc"], Traces { bootc: true, ..none }),
            (&["usr/bin/bootc", "usr/bin/rpm-ostree"], none),
        ];
        for (files, traces) in cases {
            assert_eq!(gather(host(files).path(), None), traces, "{files:?}");
        }
    }

    #[test]
    fn each_trace_on_the_node_is_found() {
        let root = host(&[]);
        let mut node =
            NodeView { current_config: Some("rendered-worker-1".to_owned()), ..NodeView::default() };
        assert!(gather(root.path(), Some(&node)).machine_config_daemon);
        node.ours.insert("owner".to_owned(), "somebody".to_owned());
        assert!(!gather(root.path(), Some(&node)).handed_over);
        node.ours.insert("owner".to_owned(), "extensions-agent".to_owned());
        node.image_mode = true;
        let traces = gather(root.path(), Some(&node));
        assert!(traces.handed_over && traces.image_mode && traces.machine_config_daemon);
    }
}
