//! Our own payload through the build resources: built in a pod from a state that is merged nowhere, pushed to the registry of
//! its buildset, and installed by the node of a child job from there. The host's rpm-ostreed is a stand-in; all else is real.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proof::cluster::MachineImage;
use proof::sandbox::{Sandbox, Wish};
use serde_json::{Value, json};

use crate::bed::arg;
use crate::kubelet::bed::NodeBed;
use crate::kubelet::registry;

/// The version that only the speculative commit has.
const SPECULATIVE: &str = "7.0.1";

/// A bed with a label `builder`, whose image has what builds packages and images, and a registry beside `space`.
fn bed() -> Option<NodeBed> {
    let says = ["builder:1', user-namespace: true", "machine:1'"].map(|image| {
        format!("type: pod, image: 'localhost/{image}, image-pull: Never, cpu: 10m, cpu-limit: 2, memory: 64, memory-limit: 512")
    });
    let bed = registry::with("", &[("builder", &says[0]), ("machine", &says[1])])?;
    let builder = ["rpmbuild", "rpm", "buildah", "gzip", "xz", "find", "file"];
    let builder = builder.iter().fold(MachineImage::machine("localhost/builder:1"), |image, name| {
        image.program(&format!("/usr/bin/{name}"))
    });
    let builder = builder.tree("/usr/lib/rpm", &[]).tree("/usr/lib/file", &[]).text(
        "/etc/containers/registries.conf",
        0o644,
        "",
    );
    bed.import(&builder);
    Some(bed)
}

/// A repository whose HEAD is a commit that no server has, and that commit.
fn repository(place: &Path) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/payload");
    fs::create_dir_all(place).unwrap();
    for name in ["build", "usbguard.spec"] {
        fs::copy(source.join(name), place.join(name)).unwrap();
    }
    git(place, &["init", "-q"]);
    commit(place, "As it is merged");
    let spec = fs::read_to_string(place.join("usbguard.spec")).unwrap();
    let changed = spec.replace("Version: 1.1.2", &format!("Version: {SPECULATIVE}"));
    assert_ne!(changed, spec);
    fs::write(place.join("usbguard.spec"), changed).unwrap();
    commit(place, "As a change wants it");
    git(place, &["rev-parse", "HEAD"])
}

fn commit(place: &Path, subject: &str) {
    git(place, &["add", "-A"]);
    git(place, &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", subject]);
}

fn git(place: &Path, args: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(place).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Writes what opens a registry, as the containers tools read it: `auth.json`, and `ca.crt` in a directory of its own. Gives
/// the address.
fn key_ring(place: &Path, registry: &Value, secret: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let address = format!("{}:{}", text(&registry["address"]), registry["port"]);
    let who =
        k8s_openapi::ByteString(format!("{}:{}", text(&secret["user"]), text(&secret["password"])).into());
    let auth = json!({"auths": {&address: {"auth": who}}});
    fs::create_dir_all(place.join("authority")).unwrap();
    fs::write(place.join("auth.json"), auth.to_string()).unwrap();
    fs::write(place.join("authority/ca.crt"), text(&registry["ca"])).unwrap();
    address
}

/// Fails unless root in the builder is one of many users outside, who is nobody there.
#[track_caller]
fn in_a_user_namespace(bed: &NodeBed) {
    let said = bed.run(&["exec", "parent", "builder", "--", "cat", "/proc/self/uid_map"]).expect_success();
    let numbers: Vec<u32> = said.stdout.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [0, outside, count] = numbers[..] else { panic!("{said:#?}") };
    assert!(outside >= 65_536 && count == 65_536, "{said:#?}");
}

/// The parent job: the speculative state goes into a pod, which builds, packs and pushes. Gives the pullspec.
fn build(bed: &NodeBed) -> String {
    let (out, source, ring) = (bed.path("parent"), bed.path("payload"), bed.path("ring"));
    let head = repository(&source);
    let labels = ["--label", "builder", "--label", "space=images", "--out", arg(&out)];
    let request = ["request", "--build", "parent", "--buildset", "set", "--keep", "buildset"];
    bed.run(&[&request[..], &labels].concat()).expect_success();
    in_a_user_namespace(bed);
    let manifest = bed.path("manifest.json");
    bed.run(&["sync", "parent", "builder", arg(&source), "--manifest", arg(&manifest)]).expect_success();
    let synced = read(&manifest);
    assert!(synced.to_string().contains(&head), "{synced:#}");

    let registry =
        &read(&out.join("inventory.json"))["all"]["vars"]["zuul"]["resources"]["images"]["registry"];
    let address = key_ring(&ring, registry, &read(&out.join("secrets.json"))["parent"]["registry"]["images"]);
    bed.run(&["put", "parent", "builder", arg(&ring), "/tmp/ring"]).expect_success();
    let (to, program) = (format!("{address}/payload:{head}"), "/workspace/src/payload/build");
    let command =
        ["exec", "parent", "builder", "--", program, &to, "/tmp/ring/auth.json", "/tmp/ring/authority"];
    let built = bed.run(&command).expect_success();
    let digest = built.stdout.trim().lines().last().unwrap();
    assert!(digest.starts_with("sha256:"), "{built:#?}");
    format!("{address}/payload@{digest}")
}

/// The child job's node: a sandbox host that is told no more than what the child's inventory says.
fn node(inventory: &Path) -> (Sandbox, PathBuf, String) {
    let (said, secrets) = (read(&inventory.join("inventory.json")), read(&inventory.join("secrets.json")));
    let vars = &said["all"]["vars"];
    let payload = vars["payload"].as_str().unwrap().to_owned();
    let host = Sandbox::start();
    let ring = host.dir().join("ring");
    let registry = &vars["zuul"]["resources"]["parent/images"]["registry"];
    let address = key_ring(&ring, registry, &secrets["parent"]["registry"]["images"]);
    let containers = host.dir().join("home/.config/containers");
    let trusted = containers.join("certs.d").join(address);
    fs::create_dir_all(&trusted).unwrap();
    fs::copy(ring.join("authority/ca.crt"), trusted.join("ca.crt")).unwrap();
    fs::write(containers.join("policy.json"), r#"{"default": [{"type": "insecureAcceptAnything"}]}"#)
        .unwrap();
    (host, ring.join("auth.json"), payload)
}

#[test]
fn row_32_a_payload_of_a_speculative_state_is_built_pushed_and_installed_by_a_childs_node() {
    let Some(bed) = bed() else { return };
    let pullspec = build(&bed);
    bed.run(&["return", "parent", &format!("payload={pullspec}")]).expect_success();

    // Nothing of the parent job runs any more; all that the child knows stands in the cluster.
    let out = bed.path("child");
    let request = ["request", "--build", "child", "--buildset", "set", "--inherits", "parent"];
    bed.run(&[&request[..], &["--label", "machine", "--out", arg(&out)]].concat()).expect_success();
    let (host, credentials, payload) = node(&out);
    assert_eq!(payload, pullspec);
    host.wish("50-worker-extensions", &Wish::extensions(["usbguard"]).from(&payload));
    let agent = host.agent().set("payload", "authfile", credentials.display().to_string());
    agent.apply().expect_success();
    host.reboot();
    let packages = host.booted_packages();
    let found = packages.iter().find(|nevra| nevra.starts_with("usbguard-"));
    assert!(found.is_some_and(|nevra| nevra.contains(SPECULATIVE)), "{packages:#?}");

    bed.run(&["release", "child", "--wait"]).expect_success();
    bed.run(&["buildset", "end", "set", "--wait"]).expect_success();
    assert!(bed.namespaces().is_empty(), "{:?}", bed.namespaces());
}
