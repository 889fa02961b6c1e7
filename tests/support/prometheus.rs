//! A real Prometheus (Debian's) that scrapes agents on loopback and evaluates rules, asked through `promtool`.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use crate::process::{Finished, Running, bound, spawn};
use crate::scratch::{Scratch, environment};
use crate::wait;

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    _server: Running,
    address: String,
    _scratch: Scratch,
}

impl Prometheus {
    /// Scrapes these `host:port` targets every second and evaluates that file of rules as often.
    pub fn start(targets: &[String], rules: &Path) -> Self {
        let scratch = Scratch::new("prometheus-");
        for name in ["home", "run", "tmp", "data"] {
            fs::create_dir_all(scratch.path().join(name)).unwrap();
        }
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: [{}]\nscrape_configs:\n- job_name: extensions-agent\n  static_configs: [{{targets: {}}}]\n",
            serde_json::json!(rules),
            serde_json::json!(targets)
        );
        let file = scratch.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let address = free_address();
        let mut command = bound("prometheus");
        environment(&mut command, scratch.path());
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", scratch.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        let log = scratch.path().join("prometheus.log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        let mut server = Running::start(command);
        wait::until("Prometheus to be ready", || {
            let said = fs::read_to_string(&log).unwrap();
            if let Some(status) = server.child().try_wait().unwrap() {
                panic!("Prometheus ended ({status}): {said}");
            }
            if said.contains("Server is ready to receive web requests") { Ok(()) } else { Err(said) }
        });
        Prometheus { _server: server, address, _scratch: scratch }
    }

    /// What an instant query answers, a line a series: `name{label="value"} => 2`.
    pub fn query(&self, expression: &str) -> Vec<String> {
        let mut command = bound("promtool");
        command.args(["query", "instant"]).arg(format!("http://{}", self.address)).arg(expression);
        command.stdin(Stdio::null());
        let answered = Finished::run(command);
        assert!(answered.status.success(), "{expression}: {}", answered.stderr);
        // Each line ends with the time of the sample, ` @[…]`, which no test is about.
        answered
            .stdout
            .lines()
            .map(|line| line.split(" @[").next().unwrap_or(line).trim().to_owned())
            .collect()
    }
}

/// `promtool check metrics`: the plain text form is read without a word of complaint.
#[track_caller]
pub fn promtool_accepts(text: &str) {
    let mut command = bound("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = spawn(command);
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = Finished::of(promtool);
    let said = checked.stdout + &checked.stderr;
    assert!(checked.status.success() && said.trim().is_empty(), "promtool: {said}\n{text}");
}

/// An address on loopback that nobody listens on now.
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
