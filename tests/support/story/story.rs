//! The main job, told on a sandbox host: every line between the headings is printed by the agent itself.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use proof::images::Payload;
use proof::packages::Release;
use proof::process::spawn;
use proof::registry::Registry;
use proof::sandbox::{Call, Sandbox, Wish};
use proof::wait::until_true;

/// A host, a registry and a payload in it.
pub(crate) struct Stage {
    pub(crate) host: Sandbox,
    registry: Registry,
    payload: String,
    machine_config: PathBuf,
}

/// The MachineConfig of the story.
const WISH: &str = "50-worker-usbguard";

impl Stage {
    /// Starts everything and asks for `usbguard`.
    pub(crate) fn set() -> Self {
        heading("a host and a registry");
        let registry = Registry::start();
        let layout = Payload::of(Release::First).build();
        let payload = registry.push(&layout, "release/rhel-coreos-extensions");
        let host = Sandbox::start();
        host.use_registry(&registry);
        let machine_config = host.wish(WISH, &Wish::extensions(["usbguard"]).from(&payload));
        say(&format!("host        {}", host.dir().display()));
        say("            real libostree, rpm, dbus-daemon; a stand-in for rpm-ostreed");
        say(&format!("booted      {}", host.booted()));
        say(&format!("registry    {} (docker-registry)", registry.host()));
        say(&format!("payload     {payload}"));
        Stage { host, registry, payload, machine_config }
    }

    /// Runs the agent where people can watch it.
    fn agent(&self, args: &[&str]) {
        say(&format!("\n$ extensions-agent {}", args.join(" ")));
        let command = for_people(self.host.agent().command(args));
        let status = spawn(command).wait().unwrap();
        assert!(status.success(), "extensions-agent {args:?}: {status}");
    }
}

/// Tells the story; panics where it does not go as told.
pub(crate) fn tell(stage: &Stage) {
    let start = Instant::now();
    let Stage { host, registry, .. } = stage;

    heading("a MachineConfig asks for usbguard");
    say(&std::fs::read_to_string(&stage.machine_config).unwrap());

    heading("what the agent would do");
    stage.agent(&["plan"]);
    let plan = host.agent().run(["plan", "--quiet"]).expect_success().stdout;

    heading("it does it: one transaction");
    stage.agent(&["apply"]);
    let calls = host.mutating_calls();
    calls.iter().for_each(|call| say(&format!("on the bus  {}", told(call))));
    assert_eq!(calls.len(), 1, "one call changes the host");
    let status = host.agent().run(["status", "--output", "json"]).expect_success().json();
    let staged = status.pointer("/next/id").and_then(|id| id.as_str()).unwrap_or_default();
    assert!(!has_usbguard(host), "nothing changes before the reboot");

    heading("the host reboots into it");
    let before = host.booted();
    let after = host.reboot();
    assert_eq!(after, staged, "what was staged is booted");
    say(&format!("was         {before}\nis          {after}"));
    let packages = host.booted_packages();
    let base = proof::packages::base(Release::First).len();
    say(&format!("packages    {} of the base, {} layered", base, packages.len() - base));
    assert!(has_usbguard(host), "usbguard is in the booted database");

    heading("a second run finds nothing to do, and fetches nothing");
    let (served, called) = (registry.relay().bytes_served(), host.mutating_calls().len());
    stage.agent(&["apply"]);
    say(&format!("fetched     {} bytes", registry.relay().bytes_served() - served));
    say(&format!("on the bus  {} calls that change the host", host.mutating_calls().len() - called));
    assert_eq!((registry.relay().bytes_served(), host.mutating_calls().len()), (served, called));

    heading("where it stands");
    stage.agent(&["status"]);
    let status = host.agent().run(["status"]).expect_success().stdout;
    heading("metrics, as Prometheus scrapes them from the running service");
    let mut service = host.agent().run_daemon();
    service.await_ready();
    // Ready means that it serves; the first pass follows.
    until_true("the first pass of the service", || {
        host.metrics().contains("passes_total{result=\"booted\"} 1")
    });
    let metrics = host.metrics();
    let telling = |line: &&str| !line.starts_with('#') && !line.contains("_bucket") && !line.ends_with(" 0");
    metrics.lines().filter(telling).for_each(say);
    assert!(service.stop().success(), "the service stops cleanly");

    heading("summary");
    under("plan", table(&plan, "ACTION"));
    under("transaction", calls.iter().map(told).collect::<Vec<_>>().join("\n").lines());
    under("staged", [staged]);
    under("booted", [host.booted(), format!("before it {before}")]);
    under("status", status.lines().take(1).map(str::to_owned).chain(table(&status, "EXTENSION")));
    let brief = ["_desired{", "_staged{", "_booted{", "_passes_total", "_last_success"];
    under(
        "metrics",
        metrics.lines().filter(telling).filter(|line| brief.iter().any(|name| line.contains(name))),
    );
    say(&format!(
        "took         {:.1} s; rpm-ostreed was a stand-in, all else is real",
        start.elapsed().as_secs_f64()
    ));
}

/// A call as it was seen on the bus.
fn told(call: &Call) -> String {
    let arguments: String = call.args.iter().map(|argument| format!("\n            {argument}")).collect();
    format!("{} with {} file descriptors{arguments}", call.member, call.fds)
}

/// The table in `text` that begins with this head, without its last and widest column.
fn table(text: &str, head: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| !line.starts_with(head)).take_while(|line| !line.is_empty());
    let lines: Vec<&str> = lines.collect();
    let end = lines.first().and_then(|head| head.rfind("  ")).unwrap_or_default();
    lines.iter().map(|line| line.chars().take(end).collect::<String>().trim_end().to_owned()).collect()
}

/// Lines beside a title.
pub(crate) fn under(title: &str, lines: impl IntoIterator<Item = impl AsRef<str>>) {
    let mut title = title;
    for line in lines {
        say(&format!("{title:12} {}", line.as_ref().trim_start()));
        title = "";
    }
}

/// What the user's terminal is, so that the agent can draw on it.
pub(crate) fn for_people(mut command: Command) -> Command {
    for name in ["TERM", "COLORTERM", "NO_COLOR"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command
}

/// What to type at a host that stays.
pub(crate) fn what_next(stage: &Stage) {
    let (us, dir) = (std::env::current_exe().unwrap(), stage.host.dir().display());
    let here = std::env::current_dir().unwrap();
    let us = us.strip_prefix(here).unwrap_or(&us).display();
    heading("the host stays up; type next");
    say(&format!("{us} agent {dir} status    # any command of the agent, see {us} agent {dir} --help"));
    say(&format!("$EDITOR {}    # try [usbguard, kerberos]", stage.machine_config.display()));
    say(&format!("{us} agent {dir} apply"));
    say(&format!("{us} reboot {dir}"));
    say(&format!("tail -f {dir}/log/calls.jsonl    # every call on {}", stage.host.bus_address()));
    say(&format!("skopeo inspect --tls-verify=false docker://{}", stage.payload));
    say(&format!("{us} down {dir}    # ends it and removes everything"));
}

fn has_usbguard(host: &Sandbox) -> bool {
    host.booted_packages().iter().any(|package| package.starts_with("usbguard-1"))
}

pub(crate) fn heading(text: &str) {
    let styled =
        std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let (strong, plain) = if styled { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    say(&format!("\n{strong}── {text}{plain}"));
}

pub(crate) fn say(text: &str) {
    println!("{text}");
}
