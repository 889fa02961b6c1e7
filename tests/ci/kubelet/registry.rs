//! The registry of a build: reached by its own build, and by nobody else.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proof::cluster::MachineImage;
use proof::images::{Image, Layer};
use proof::process::{Finished, Running};
use proof::sandbox::binary;
use proof::wait;
use serde_json::Value;

use crate::bed::arg;
use crate::kubelet::bed::NodeBed;

/// A bed whose label `space` comes with a registry: this machine's own `docker-registry`.
pub(super) fn bed() -> Option<NodeBed> {
    with("", &[])
}

/// The same with more labels, from a provider that says more.
pub(super) fn with(provider: &str, labels: &[(&str, &str)]) -> Option<NodeBed> {
    let server = "    registry-image: 'localhost/registry:1'\n    registry-command: [docker-registry]\n";
    let space = ("space", "type: namespace, quota: {pods: 10}, registry: {storage: 500}");
    let bed = NodeBed::labelled(&format!("{server}{provider}"), &[&[space], labels].concat())?;
    bed.import(&MachineImage::empty("localhost/registry:1").program("/usr/bin/docker-registry"));
    Some(bed)
}

/// What a build was told of its registry.
pub(super) struct Told {
    pub(super) address: String,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) trust: tempfile::TempDir,
}

pub(super) fn told(out: &Path, build: &str) -> Told {
    let read = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(out.join(name)).unwrap()).unwrap()
    };
    let inventory = read("inventory.json");
    let registry = &inventory["all"]["vars"]["zuul"]["resources"]["space"]["registry"];
    let secret = &read("secrets.json")[build]["registry"]["space"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let password = text(&secret["password"]);
    for open in ["inventory.json", "inventory.yaml", "kubeconfig"] {
        assert!(!std::fs::read_to_string(out.join(open)).unwrap().contains(&password), "{open}");
    }
    let trust = tempfile::tempdir().unwrap();
    std::fs::write(trust.path().join("ca.crt"), text(&registry["ca"])).unwrap();
    std::fs::write(trust.path().join("policy.json"), r#"{"default": [{"type": "insecureAcceptAnything"}]}"#)
        .unwrap();
    let address = format!("{}:{}", text(&registry["address"]), registry["port"]);
    Told { address, user: text(&secret["user"]), password, trust }
}

/// Where the files of a build lie.
fn out(bed: &NodeBed, build: &str) -> PathBuf {
    bed.path(&format!("out-{build}"))
}

/// Asks for a registry; returns what the build was told of it.
fn asked(bed: &NodeBed, build: &str) -> Told {
    let out = out(bed, build);
    let args = ["request", "--build", build, "--label", "space", "--wait", "ready", "--out", arg(&out)];
    bed.run(&args).expect_success();
    told(&out, build)
}

/// Runs `skopeo`; returns whether it was content, and what it said.
pub(super) fn skopeo(told: &Told, args: &[&str]) -> (bool, String) {
    let mut command = Command::new("skopeo");
    command.arg("--policy").arg(told.trust.path().join("policy.json")).args(args);
    // No credential but the one that is given.
    command.env("REGISTRY_AUTH_FILE", told.trust.path().join("none.json")).stdin(Stdio::null());
    let ended = Finished::run(command);
    (ended.status.success(), ended.stdout + &ended.stderr)
}

#[test]
fn row_34_images_go_in_and_out_with_the_builds_own_credential_only() {
    let Some(bed) = bed() else { return };
    let [one, two] = ["one", "two"].map(|build| asked(&bed, build));
    assert_ne!(one.address, two.address);
    let layer = Layer::new().file("hello", b"world");
    let layout = Image::new("amd64").layer(layer).build().reference();
    let there = format!("docker://{}/x:1", one.address);
    let trust = |told: &Told| told.trust.path().to_str().unwrap().to_owned();
    let copy = |who: &str, trust: &str| {
        skopeo(&one, &["copy", "--dest-creds", who, "--dest-cert-dir", trust, &layout, &there])
    };
    let inspect =
        |who: &str, trust: &str| skopeo(&one, &["inspect", "--creds", who, "--cert-dir", trust, &there]);
    let who = |told: &Told| format!("{}:{}", told.user, told.password);
    let (done, said) = copy(&who(&one), &trust(&one));
    assert!(done, "{said}");
    let (done, said) = inspect(&who(&one), &trust(&one));
    assert!(done && said.contains("\"Digest\""), "{said}");
    // A wrong credential, and that of another build.
    for other in ["build:wrong".to_owned(), who(&two)] {
        for (done, said) in [copy(&other, &trust(&one)), inspect(&other, &trust(&one))] {
            assert!(!done && said.contains("unauthorized"), "{said}");
        }
    }
    // Another authority is not believed: nobody can stand between.
    let (done, said) = inspect(&who(&one), &trust(&two));
    assert!(!done && said.contains("x509"), "{said}");
    reached_through_the_api_server(&bed, &one);
    opened_by_the_builds_own_token_only(&bed);
    // Asked for again, it is the same registry with the same credential.
    let again = bed.path("again");
    bed.run(&["inventory", "one", "--out", arg(&again)]).expect_success();
    assert_eq!(told(&again, "one").password, one.password);
    for build in ["one", "two"] {
        bed.run(&["release", build, "--wait"]).expect_success();
    }
    // Nobody answers at that address any more, not even to refuse.
    let (own, trust) = (who(&one), trust(&one));
    let inspect = ["inspect", "--creds", &own, "--cert-dir", &trust, &there];
    let (done, said) = skopeo(&one, &[&["--command-timeout", "5s"][..], &inspect].concat());
    assert!(!done, "{said}");
}

#[test]
fn row_34_a_kubelet_pulls_with_the_secret_of_the_build_and_no_other() {
    let Some(bed) = with("    kubelet-pull: true\n", &[]) else { return };
    let [one, _] = ["one", "two"].map(|build| asked(&bed, build));
    let authority = std::fs::read_to_string(one.trust.path().join("ca.crt")).unwrap();
    bed.cluster.trust(&one.address, &authority);
    let image = MachineImage::empty("localhost/sleeper:1").program("/usr/bin/sleep");
    let archive = format!("oci-archive:{}:1", image.archive().display());
    let name = format!("{}/sleeper:1", one.address);
    let (who, trust) = (format!("{}:{}", one.user, one.password), one.trust.path().to_str().unwrap());
    let there = format!("docker://{name}");
    let (done, said) =
        skopeo(&one, &["copy", "--dest-creds", &who, "--dest-cert-dir", trust, &archive, &there]);
    assert!(done, "{said}");
    // The job names no secret: its account has it. Pulled each time, so that no pod lives on what another one pulled.
    let image = format!("--image={name}");
    let run = |build: &str| {
        // It is alone in its pod, so no signal but the last one ends it.
        let grace = r#"--overrides={"spec": {"terminationGracePeriodSeconds": 1}}"#;
        let words = ["run", "sleeper", &image, "--image-pull-policy=Always", grace, "--command", "--"];
        let kubeconfig = out(&bed, build).join("kubeconfig");
        let sleeper = [&words[..], &["/usr/bin/sleep", "infinity"]].concat();
        bed.cluster.kubectl_as(&kubeconfig, &sleeper).expect_success();
    };
    let look = |build: &str, path: &str| {
        let words = ["get", "pod", "sleeper", "-o", path];
        bed.cluster.kubectl_as(&out(&bed, build).join("kubeconfig"), &words).expect_success().stdout
    };
    run("one");
    wait::until("the pod whose image was pulled", || {
        let phase = look("one", "jsonpath={.status.phase}");
        if phase == "Running" { Ok(()) } else { Err(look("one", "json")) }
    });
    run("two");
    wait::until("the refusal", || {
        let said = look("two", "jsonpath={.status.containerStatuses[0].state.waiting.message}");
        if said.contains("no basic auth credentials") { Ok(()) } else { Err(look("two", "json")) }
    });
    for build in ["one", "two"] {
        // Before the registry, as a kubelet that asks for an image waits a minute for an answer that does not come.
        let kubeconfig = out(&bed, build).join("kubeconfig");
        bed.cluster.kubectl_as(&kubeconfig, &["delete", "pod", "sleeper"]).expect_success();
        bed.run(&["release", build, "--wait"]).expect_success();
    }
}

/// Whoever is outside the cluster's network comes in with the build's token.
fn reached_through_the_api_server(bed: &NodeBed, one: &Told) {
    let mut forward = Running::start({
        let mut command = Command::new(binary("build-resources"));
        command.arg("--config").arg(bed.path("config.yaml"));
        command.arg("--kubeconfig").arg(bed.cluster.admin_kubeconfig());
        command.args(["forward", "one", "space", "5000"]).stdin(Stdio::null()).stdout(Stdio::piped());
        command
    });
    let mut line = String::new();
    BufReader::new(forward.child().stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap();
    let creds = format!("{}:{}", one.user, one.password);
    let trust = one.trust.path().to_str().unwrap();
    let there = format!("docker://{address}/x:1");
    let (done, said) = skopeo(one, &["inspect", "--creds", &creds, "--cert-dir", trust, &there]);
    assert!(done && said.contains("\"Digest\""), "{said}");
}

/// At that door the token of another build gets 403.
fn opened_by_the_builds_own_token_only(bed: &NodeBed) {
    let namespace = bed.namespace("one", 0);
    let door = format!("/api/v1/namespaces/{namespace}/pods/registry.build-resources/portforward?ports=5000");
    // Who may come in is told that a websocket is wanted; who may not, that it is forbidden.
    for (build, answer) in [("one", "Upgrade request required"), ("two", "(Forbidden)")] {
        let asked = bed.cluster.kubectl_as(&out(bed, build).join("kubeconfig"), &["get", "--raw", &door]);
        assert!(asked.stderr.contains(answer), "{build}: {asked:#?}");
    }
}
