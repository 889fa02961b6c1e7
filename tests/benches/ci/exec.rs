//! A command in a pod, and much output of one.

use super::lab::Lab;
use super::{Way, side_by_side};

pub(crate) fn compare(lab: &Lab, rounds: usize) {
    let namespace = lab.pod("exec");
    for (title, command) in [
        ("`true`, one process each", &["true"][..]),
        ("256 MiB of output", &["head", "-c", "268435456", "/dev/zero"]),
    ] {
        let attached = [&["exec", "--attached", "exec", "machine", "--"], command].concat();
        let followed = [&["exec", "exec", "machine", "--"], command].concat();
        let plain = [&["exec", "-n", &namespace, "machine", "--"], command].concat();
        let ways = [
            Way::new("exec --attached", |_| lab.ours(&attached)),
            Way::new("exec (resumable)", |_| lab.ours(&followed)),
            Way::new("kubectl exec", |_| lab.kubectl(&plain)),
        ];
        side_by_side(lab, title, rounds, &ways, |_, _| {});
    }
}
