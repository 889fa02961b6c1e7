//! Namespaces that nobody wants.

use std::fmt::Write as _;
use std::fs;

use super::lab::Lab;
use super::{Way, script, side_by_side};

/// How many in each round.
const NAMESPACES: usize = 50;

pub(crate) fn compare(lab: &Lab, rounds: usize) {
    let (kubectl, ours) = (lab.kubectl(&[]).join(" "), lab.ours(&[]).join(" "));
    // Both are waited for by the same program: it asks for one after the other, at a rate of its own.
    let until_gone = |command: String, label: &str| {
        let wait = format!("{kubectl} wait --for=delete namespace -l {label} --timeout=600s");
        script(&format!("{command} >/dev/null\n{wait}"))
    };
    let ways = [
        Way::new("build-resources gc", |_| until_gone(format!("{ours} gc"), "build-resources/system=bench")),
        Way::new("kubectl delete ns", |_| {
            until_gone(format!("{kubectl} delete namespace -l bench=plain --wait=false"), "bench=plain")
        }),
    ];
    let lay = |label: &str, before: &str| lay_out(lab, label, before);
    let again = |place: usize| match place {
        0 => {
            lay("build-resources/system: bench, build-resources/request: gone", "ours");
            // The first sighting; the second is measured.
            lab.run(&lab.ours(&["gc"]));
            std::thread::sleep(std::time::Duration::from_secs(2)); // longer than `confirm`
        }
        _ => lay("bench: plain", "plain"),
    };
    again(0);
    again(1);
    let title = format!("{NAMESPACES} namespaces, from the deletion until the last is gone");
    side_by_side(lab, &title, rounds, &ways, |place, round| {
        if round < rounds {
            again(place);
        }
    });
}

/// Makes them, each with something in it.
fn lay_out(lab: &Lab, labels: &str, name: &str) {
    let mut text = String::new();
    for number in 0..NAMESPACES {
        let name = format!("{name}-{number}");
        let _ = write!(
            text,
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n---\n\
             apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: one, namespace: {name}}}\n---\n"
        );
    }
    let path = lab.path("namespaces.yaml");
    fs::write(&path, text).unwrap();
    lab.run(&lab.kubectl(&["apply", "-f", path.to_str().unwrap()]));
}
