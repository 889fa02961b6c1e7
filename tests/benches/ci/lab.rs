//! One installation of build resources on a whole cluster of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proof::cluster::{Cluster, MachineImage, kubectl_program};
use proof::process::spawn;
use proof::sandbox::binary;
use proof::scratch::Scratch;

/// The image of a pod that also speaks ssh, for the baseline.
const IMAGE: &str = "localhost/ssh-machine:1";

const CONFIG: &str = "\
system: bench
hub: {namespace: build-resources}
leases: {duration: 3600, max-age: 28800, confirm: 1}
labels: [{name: machine}, {name: warm, min-ready: 1}]
providers:
  - name: here
    driver: kubernetes
    pools:
      - name: bench
        max-servers: 1000
        labels:
          - {name: machine, type: pod, image: 'localhost/ssh-machine:1', image-pull: Never, cpu: 10m, cpu-limit: 2, memory: 32, memory-limit: 512}
          - {name: warm, type: pod, image: 'localhost/ssh-machine:1', image-pull: Never, cpu: 10m, cpu-limit: 2, memory: 32, memory-limit: 512}
";

/// The cluster, and the files.
pub(crate) struct Lab {
    cluster: Cluster,
    scratch: Scratch,
}

impl Lab {
    pub(crate) fn start() -> Self {
        let cluster = Cluster::full();
        let image = MachineImage::machine(IMAGE).program("/usr/sbin/sshd").program("/usr/bin/ssh-keygen");
        cluster.import(&image);
        cluster.kubectl(&["create", "namespace", "build-resources"]).expect_success();
        let scratch = Scratch::new("bench-ci-");
        for name in ["home", "run", "tmp"] {
            fs::create_dir_all(scratch.path().join(name)).unwrap();
        }
        fs::write(scratch.path().join("config.yaml"), CONFIG).unwrap();
        let lab = Lab { cluster, scratch };
        lab.cluster.apply(&lab.run(&lab.ours(&["config", "rbac"]))); // the roles that jobs are granted
        lab
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch().join(name)
    }

    /// Our program with its settings, as words of a command.
    pub(crate) fn ours(&self, args: &[&str]) -> Vec<String> {
        let own = [
            binary("build-resources").display().to_string(),
            "--config".to_owned(),
            self.path("config.yaml").display().to_string(),
            "--kubeconfig".to_owned(),
            self.cluster.admin_kubeconfig().display().to_string(),
        ];
        own.into_iter().chain(args.iter().map(|text| (*text).to_owned())).collect()
    }

    /// `kubectl` with its settings, as words of a command.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Vec<String> {
        let kubeconfig = self.cluster.admin_kubeconfig().display().to_string();
        let own = [kubectl_program().display().to_string(), "--kubeconfig".to_owned(), kubeconfig];
        own.into_iter().chain(args.iter().map(|text| (*text).to_owned())).collect()
    }

    /// Runs a command to its end, unmeasured, and gives what it printed.
    #[track_caller]
    pub(crate) fn run(&self, words: &[String]) -> String {
        let mut command = Command::new(&words[0]);
        proof::scratch::environment(&mut command, self.scratch());
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = spawn(command).wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A ready pod: its build is called as it is; its namespace is given.
    pub(crate) fn pod(&self, build: &str) -> String {
        self.run(&self.ours(&["request", "--build", build, "--label", "machine"]));
        let shown = self.run(&self.ours(&["--output", "json", "show", build]));
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        shown["nodes"][0]["namespace"].as_str().unwrap().to_owned()
    }
}
