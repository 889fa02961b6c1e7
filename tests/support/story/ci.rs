//! Build resources, told on a whole cluster: a pod for a job, two repositories with commits that are not merged yet, a
//! command's output, an artifact, and nothing left at the end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use proof::ansible::Ansible;
use proof::cluster::Cluster;
use proof::command::{run, tool};
use proof::process::spawn;
use proof::sandbox::binary;
use tempfile::TempDir;

use crate::story::{heading, say, under};

const CONFIG: &str = "\
system: demo
hub: {namespace: build-resources}
labels: [{name: machine}]
providers:
  - name: here
    driver: kubernetes
    pools:
      - name: main
        max-servers: 4
        labels:
          - {name: machine, type: pod, image: 'localhost/machine:1', image-pull: Never, cpu: 100m, memory: 64}
";
const BUILD: &str = "build-1";

/// A cluster, and a directory for the files of the story.
struct Stage {
    cluster: &'static Cluster,
    room: TempDir,
}

/// Tells the story; panics where it does not go as told.
pub(crate) fn tell() -> ExitCode {
    let start = Instant::now();
    heading("a cluster");
    let Some(cluster) = Cluster::shared_full() else {
        say("error: no whole cluster can run on this machine; the line above says why");
        return ExitCode::FAILURE;
    };
    let stage = Stage { cluster, room: tempfile::tempdir().unwrap() };
    say(&format!("API server  https://{}", cluster.address()));
    stage.kubectl(&["get", "nodes", "-o", "wide"]);

    heading("what is offered: one label, in Nodepool's words");
    fs::write(stage.path("config.yaml"), CONFIG).unwrap();
    say(CONFIG);
    stage.ours(&["config", "check"]);
    heading("an admin grants what is needed, once");
    stage.grant();
    let before = stage.kubectl(&["get", "ns"]);

    heading("a job asks for the label and gets a pod that behaves like a machine");
    let out = stage.path("out");
    let (build, out_text) = (BUILD, out.to_str().unwrap());
    stage.ours(&["request", "--build", build, "--label", "machine", "--wait", "ready", "--out", out_text]);
    under("handed over", names_in(&out));

    heading("two repositories, each with a commit that nobody has merged yet");
    let sources = ["a", "b"].map(|name| stage.repository(name));
    let [a, b] = &sources;
    stage.ours(&["sync", build, "machine", a.place.to_str().unwrap(), b.place.to_str().unwrap()]);

    heading("Ansible runs a command in the pod, with the inventory as it was handed over");
    let ansible = Ansible::new();
    for source in &sources {
        let command = format!("git -C src/{} rev-parse HEAD", source.name);
        say(&format!("\n$ ansible all -i out/inventory.yaml -m command -a '{command}'"));
        let answers = ansible.all(&out.join("inventory.yaml"), "command", &command);
        assert_eq!(answers, [("machine".to_owned(), source.head.clone())], "the speculative commit is there");
        for (host, said) in answers {
            say(&format!("{host} | {said}"));
        }
    }

    heading("a command's output, as it comes");
    let first = stage.streamed("for one in 1 2 3 4; do echo step $one; sleep 0.5; done");
    assert!(first, "the first line came before the command ended");

    heading("an artifact comes back");
    let digest = stage.artifact();

    heading("the job ends");
    stage.ours(&["release", build, "--wait"]);
    let after = stage.kubectl(&["get", "ns"]);
    assert_eq!(names(&before), names(&after), "nothing is left");

    heading("summary");
    for source in &sources {
        under(&format!("src/{}", source.name), [format!("{} was tested before it was merged", source.head)]);
    }
    under("artifact", [format!("sha256:{digest}, the same on both sides")]);
    under("namespaces", ["the same as before"]);
    say(&format!("took         {:.1} s; all parts are real", start.elapsed().as_secs_f64()));
    ExitCode::SUCCESS
}

/// A repository with a commit on top of what is merged.
struct Source {
    name: &'static str,
    place: PathBuf,
    head: String,
}

impl Stage {
    fn path(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    /// Runs `kubectl` where people can watch it.
    fn kubectl(&self, args: &[&str]) -> String {
        say(&format!("\n$ kubectl {}", args.join(" ")));
        let said = self.cluster.kubectl(args).expect_success().stdout;
        say(said.trim_end());
        said
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary("build-resources"));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.room.path()).stdin(Stdio::null());
        command.arg("--config").arg(self.path("config.yaml"));
        command.arg("--kubeconfig").arg(self.cluster.admin_kubeconfig());
        command.args(args).current_dir(self.room.path());
        command
    }

    /// Runs our program where people can watch it.
    fn ours(&self, args: &[&str]) {
        self.told(args);
        let status = spawn(self.command(args)).wait().unwrap();
        assert!(status.success(), "build-resources {args:?}: {status}");
    }

    /// Applies the manifest that our program prints.
    fn grant(&self) {
        let mut command = self.command(&["config", "rbac"]);
        command.stdout(Stdio::piped());
        let output = spawn(command).wait_with_output().unwrap();
        assert!(output.status.success(), "config rbac: {}", output.status);
        let place = self.path("rbac.yaml");
        fs::write(&place, output.stdout).unwrap();
        say("\n$ build-resources config rbac | kubectl apply -f -");
        let said = self.cluster.kubectl(&["apply", "-f", place.to_str().unwrap()]).expect_success().stdout;
        say(said.trim_end());
    }

    fn told(&self, args: &[&str]) {
        let here = format!("{}/", self.room.path().display());
        let word = |word: &&str| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() };
        let words: Vec<String> = args.iter().map(word).collect();
        say(&format!("\n$ build-resources {}", words.join(" ").replace(&here, "")));
    }

    fn repository(&self, name: &'static str) -> Source {
        let place = self.path("src").join(name);
        fs::create_dir_all(&place).unwrap();
        let git = |args: &[&str]| {
            let mut command = tool("git", self.room.path());
            command.args(["-c", "user.name=Demo", "-c", "user.email=demo@example.org"]).arg("-C").arg(&place);
            run(command.args(args)).trim().to_owned()
        };
        git(&["init", "--quiet", "--initial-branch=main"]);
        for (file, text, message) in
            [("README", "merged", "What is merged"), ("change", "new", "A change under review")]
        {
            fs::write(place.join(file), format!("{text} in {name}\n")).unwrap();
            git(&["add", "."]);
            git(&["commit", "--quiet", "-m", message]);
        }
        say(&format!("\n$ git -C src/{name} log --oneline\n{}", git(&["log", "--oneline"])));
        let head = git(&["rev-parse", "HEAD"]);
        Source { name, place, head }
    }

    /// Shows each line of a command with the moment at which it came. Whether the first came while it ran.
    fn streamed(&self, script: &str) -> bool {
        let args = ["exec", BUILD, "machine", "--", "sh", "-c", script];
        self.told(&args);
        let start = Instant::now();
        let mut command = self.command(&args);
        command.stdout(Stdio::piped());
        let mut child = spawn(command);
        let mut running = false;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            running |= child.try_wait().unwrap().is_none();
            say(&format!("{:6.1} s  {}", start.elapsed().as_secs_f64(), line.unwrap()));
        }
        let status = child.wait().unwrap();
        say(&format!("{:6.1} s  ended: {status}", start.elapsed().as_secs_f64()));
        assert!(status.success(), "the command's own exit code");
        running
    }

    /// Builds an archive in the pod, brings it here, and compares. Its digest.
    fn artifact(&self) -> String {
        let build = "tar -cf /tmp/artifact.tar src && sha256sum /tmp/artifact.tar";
        let args = ["exec", BUILD, "machine", "--", "sh", "-c", build];
        self.told(&args);
        let mut command = self.command(&args);
        command.stdout(Stdio::piped());
        let output = spawn(command).wait_with_output().unwrap();
        assert!(output.status.success(), "building the artifact: {}", output.status);
        let there = String::from_utf8(output.stdout).unwrap();
        say(there.trim_end());
        let here = self.path("artifact.tar");
        self.ours(&["fetch", BUILD, "machine", "/tmp/artifact.tar", here.to_str().unwrap()]);
        let mut sum = tool("sha256sum", self.room.path());
        let own = run(sum.current_dir(self.room.path()).arg("artifact.tar"));
        say(&format!("\n$ sha256sum artifact.tar\n{}", own.trim_end()));
        let digest = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
        assert_eq!(digest(&there), digest(&own), "the same bytes on both sides");
        digest(&own)
    }
}

fn names_in(place: &Path) -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    found
}

/// The first column of a table.
fn names(table: &str) -> Vec<&str> {
    table.lines().filter_map(|line| line.split_whitespace().next()).collect()
}
