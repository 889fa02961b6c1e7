//! From a request to a pod that is ready.

use super::lab::Lab;
use super::{Way, script, side_by_side};

pub(crate) fn compare(lab: &Lab, rounds: usize) {
    let kubectl = lab.kubectl(&[]).join(" ");
    let ours = Way::new("build-resources", |round| {
        lab.ours(&["request", "--build", &format!("ready-{round}"), "--label", "machine"])
    });
    // The account of a fresh namespace takes a moment: without it no pod may be made.
    let baseline = Way::new("kubectl run", |round| {
        script(&format!(
            "{kubectl} create namespace plain-{round}
             until {kubectl} run machine -n plain-{round} --image=localhost/ssh-machine:1 \
                 --image-pull-policy=Never --command -- sh -c 'while :; do sleep 30; done' 2>/dev/null
             do sleep 0.1; done
             {kubectl} wait -n plain-{round} --for=condition=Ready pod/machine --timeout=120s"
        ))
    });
    let warm = Way::new("min-ready", |round| {
        lab.ours(&["request", "--build", &format!("warm-{round}"), "--label", "warm"])
    });
    let fill = || drop(lab.run(&lab.ours(&["serve", "--once"])));
    fill();
    let title = "From a request to a ready pod in a namespace of its own; ours with quota, policy and role";
    side_by_side(lab, title, rounds, &[ours, baseline, warm], |place, round| match place {
        0 => drop(lab.run(&lab.ours(&["release", &format!("ready-{round}")]))),
        1 => drop(lab.run(&lab.kubectl(&["delete", "namespace", &format!("plain-{round}"), "--wait=false"]))),
        _ => {
            lab.run(&lab.ours(&["release", &format!("warm-{round}")]));
            fill();
        }
    });
}
