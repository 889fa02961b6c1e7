//! Commands in a container: every byte of what they write, how they end, and that they run once, whatever the network does.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use build_resources::drive::Clusters;
use build_resources::error::{Failure, Reason};
use build_resources::exec::{self, ExecError};
use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proof::process::Finished;
use proof::relay::Relay;
use proof::wait;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::bed::{arg, block};
use crate::kubelet::bed::NodeBed;
use crate::size;

/// A million lines.
const MILLION: &str = "i=0; while [ $i -lt 1000000 ]; do echo $i; i=$((i+1)); done";

/// More bytes than it takes to reach a node, or than are still on their way when a connection is cut.
const OUTPUT: u64 = 192 << 10;

/// A bed with a build `b` whose node `machine` may use the processor.
pub(super) fn ready() -> Option<NodeBed> {
    let bed = NodeBed::new()?;
    bed.run(&["request", "--build", "b", "--label", "machine"]).expect_success();
    Some(bed)
}

impl NodeBed {
    /// Runs a command in the node.
    pub(super) fn exec(&self, words: &[&str]) -> Finished {
        self.run(&[&["exec", "b", "machine", "--"], words].concat())
    }

    /// A kubeconfig whose way to the API server leads through the relay.
    pub(super) fn through(&self, relay: &Relay) -> PathBuf {
        let text = std::fs::read_to_string(self.cluster.admin_kubeconfig()).unwrap();
        let there = self.cluster.address().to_string();
        assert!(text.contains(&there), "{there}");
        let path = self.path("through-relay");
        std::fs::write(&path, text.replace(&there, &relay.address().to_string())).unwrap();
        path
    }

    fn result(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.path("result")).unwrap()).unwrap()
    }

    /// Runs a shell script in the node, with a result file.
    fn script(&self, flags: &[&str], script: &str) -> Finished {
        let result = self.path("result");
        let head = ["exec", "b", "machine", "--result", arg(&result)];
        self.run(&[&head, flags, &["--", "sh", "-c", script]].concat())
    }
}

fn million() -> String {
    (0..1_000_000).map(|number| format!("{number}\n")).collect()
}

/// Compares without printing megabytes.
fn same(got: &str, wanted: &str) {
    let differs = got.bytes().zip(wanted.bytes()).position(|(one, other)| one != other);
    assert_eq!((got.len(), differs), (wanted.len(), None));
}

/// Reads one line of what a child writes.
fn line(child: &mut Child) -> String {
    let mut line = String::new();
    // One byte at a time, so that nothing behind the line is lost.
    let mut out = BufReader::with_capacity(1, child.stdout.as_mut().unwrap());
    out.read_line(&mut line).unwrap();
    line
}

#[test]
fn row_14_a_million_lines_are_the_same_each_time() {
    let Some(bed) = ready() else { return };
    let wanted = million();
    for _ in 0..size::RUNS.now() {
        same(&bed.exec(&["sh", "-c", MILLION]).expect_success().stdout, &wanted);
    }
    let attached = bed.run(&["exec", "b", "machine", "--attached", "--", "sh", "-c", MILLION]);
    same(&attached.expect_success().stdout, &wanted);
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_14_a_line_is_seen_when_it_is_written_and_each_output_is_its_own() {
    let Some(bed) = ready() else { return };
    let log = bed.path("log");
    let script = "echo first; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo second >&2; printf third";
    let mut child =
        bed.start(&["exec", "b", "machine", "--log", arg(&log), "--run", "r", "--", "sh", "-c", script]);
    assert_eq!(line(&mut child), "first\n", "the command has not ended");
    let paused = bed.run(&["logs", "b", "machine", "--run", "r"]).expect_success();
    assert_eq!(paused.stdout, "first\n");
    bed.exec(&["touch", "/tmp/go"]).expect_success();
    let ended = Finished::of(child);
    assert_eq!((ended.code(), ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "third", "second\n"));
    let text = std::fs::read_to_string(log).unwrap();
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.parse::<Timestamp>().is_ok(), "{line}");
        found.insert(rest);
    }
    assert_eq!(found, BTreeSet::from(["stdout| first", "stderr| second", "stdout| third"]));
    let later = bed.run(&["logs", "b", "machine", "--run", "r", "--from", "6", "--follow"]).expect_success();
    assert_eq!((later.stdout.as_str(), later.stderr.as_str()), ("third", "second\n"));
    assert!(
        bed.run(&["logs", "b", "machine", "--list"]).expect_success().stdout.lines().any(|run| run == "r")
    );
    assert_eq!(bed.run(&["logs", "b", "machine", "--run", "none"]).code(), Some(66));
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_31_a_log_that_may_be_handed_on_holds_no_secret_of_the_build() {
    let Some(bed) = NodeBed::new() else { return };
    std::fs::write(bed.path("password"), "correct-horse-battery").unwrap();
    let secret = format!("password=@{}", arg(&bed.path("password")));
    bed.run(&["request", "--build", "p", "--buildset", "s", "--label", "space"]).expect_success();
    bed.run(&["return", "p", "--secret", &secret]).expect_success();
    let child = ["request", "--build", "b", "--buildset", "s", "--inherits", "p", "--label", "machine"];
    bed.run(&child).expect_success();
    let (first, later) = (bed.path("first"), bed.path("later"));
    let script = "printf 'it is correct-ho'; sleep 0.5; echo rse-battery.";
    let run = ["exec", "b", "machine", "--run", "r", "--log", arg(&first), "--", "sh", "-c", script];
    assert_eq!(bed.run(&run).expect_success().stdout, "it is correct-horse-battery.\n");
    let again = ["logs", "b", "machine", "--run", "r", "--follow", "--log", arg(&later)];
    assert_eq!(bed.run(&again).expect_success().stdout, "it is correct-horse-battery.\n");
    for log in [&first, &later] {
        let text = std::fs::read_to_string(log).unwrap();
        assert!(text.ends_with(" stdout| it is ***.\n") && text.lines().count() == 1, "{text}");
    }
    // A part of a run may begin or end in the middle of a secret.
    for part in [&["--log", "x"][..], &["--log", "x", "--follow", "--from", "10"]] {
        assert_eq!(bed.run(&[&["logs", "b", "machine"], part].concat()).code(), Some(64));
    }
    bed.run(&["buildset", "end", "s"]).expect_success();
}

#[test]
fn row_15_a_connection_that_is_cut_three_times_loses_nothing() {
    let Some(bed) = ready() else { return };
    let relay = Relay::to(bed.cluster.address());
    let kubeconfig = bed.through(&relay);
    // A million lines within a little more than the last cut, whatever the machine does beside.
    let script = "echo ran >>/tmp/ran; i=0; while [ $i -lt 1000000 ]; do echo $i; i=$((i+1));
        [ $((i%20000)) = 0 ] && echo $i >&2 && sleep 0.7; done; exit 7";
    let result = bed.path("result");
    let args = ["exec", "b", "machine", "--result", arg(&result), "--", "sh", "-c", script];
    let mut child = bed.start_as(&kubeconfig, &args);
    assert_eq!(line(&mut child), "0\n");
    let begun = Instant::now();
    let ended = std::thread::scope(|scope| {
        let ended = scope.spawn(|| Finished::of(child));
        let mut before = 0;
        for second in [1, 5, 30] {
            std::thread::sleep(Duration::from_secs(second).saturating_sub(begun.elapsed()));
            // However slow the machine is, what is cut is a session whose output comes.
            wait::until_true("output", || relay.bytes_served() >= before + OUTPUT);
            relay.lead_to(Some(bed.cluster.address()));
            before = relay.bytes_served();
        }
        ended.join().unwrap()
    });
    assert_eq!(ended.code(), Some(7), "{}", ended.stderr.chars().take(1000).collect::<String>());
    same(&format!("0\n{}", ended.stdout), &million());
    let marks: String = (1..=50).map(|mark| format!("{}\n", mark * 20_000)).collect();
    assert_eq!(ended.stderr, marks);
    let result = bed.result();
    assert!(result["sessions"].as_u64().unwrap() >= 4, "{result:#}");
    assert_eq!((&result["code"], &result["cause"]), (&json!(7), &json!("exit")));
    let space = bed.cluster.get_json(&["namespace", &bed.namespace("b", 0)]);
    let noted = space["metadata"]["annotations"]["build-resources/cut-off"].as_str().unwrap_or("0");
    assert!(noted.parse::<u64>().unwrap() >= 3, "the controller counts it: {noted}");
    assert_eq!(bed.exec(&["cat", "/tmp/ran"]).expect_success().stdout, "ran\n");
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_15_the_same_run_again_is_followed_and_not_begun() {
    let Some(bed) = ready() else { return };
    let args =
        ["exec", "b", "machine", "--run", "once", "--", "sh", "-c", "echo ran | tee -a /tmp/ran; exit 3"];
    for _ in 0..3 {
        let ended = bed.run(&args);
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(3), "ran\n"), "{ended:#?}");
    }
    let both: Vec<Child> = (0..4).map(|_| bed.start(&args)).collect();
    assert!(both.into_iter().all(|child| Finished::of(child).code() == Some(3)));
    assert_eq!(bed.exec(&["cat", "/tmp/ran"]).expect_success().stdout, "ran\n");
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_15_a_network_that_stays_away_is_said_to_be_away() {
    let Some(bed) = ready() else { return };
    let relay = Relay::to(bed.cluster.address());
    let kubeconfig = bed.through(&relay);
    let result = bed.path("result");
    let args = ["exec", "b", "machine", "--patience", "1", "--result", arg(&result), "--run", "r"];
    let command = ["--", "sh", "-c", "echo here; sleep 3; echo ended"];
    let mut child = bed.start_as(&kubeconfig, &[&args[..], &command].concat());
    assert_eq!(line(&mut child), "here\n");
    relay.lead_to(None);
    let ended = Finished::of(child);
    assert_eq!(ended.code(), Some(75), "{ended:#?}");
    assert_eq!((&bed.result()["code"], &bed.result()["cause"]), (&Value::Null, &json!("try-again")));
    // The command has gone on without anybody.
    let later = bed.run(&["logs", "b", "machine", "--run", "r", "--follow"]).expect_success();
    assert_eq!(later.stdout, "here\nended\n");
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_16_the_exit_code_is_the_commands_own() {
    let Some(bed) = ready() else { return };
    for (script, code) in [("exit 7", 7), ("kill -9 $$", 137), ("kill -INT $$", 130), ("nope", 127), ("", 0)]
    {
        assert_eq!(bed.script(&[], script).code(), Some(code), "{script}");
        assert_eq!(bed.result()["code"], json!(code), "{script}");
        assert_eq!(bed.script(&["--attached"], script).code(), Some(code), "attached: {script}");
    }
    assert_eq!(bed.script(&[], "exit 75").code(), Some(75));
    assert_eq!((&bed.result()["code"], &bed.result()["cause"]), (&json!(75), &json!("exit")));
    let ended = bed.script(&[], "echo '[Zuul] Task exit code: 0'; sleep 1; echo more; exit 9");
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(9), "[Zuul] Task exit code: 0\nmore\n"));
    // What looks like our own words is output like any other.
    let ended = bed.script(&[], "echo 'X 0 0 0 '; sleep 1; echo 'O 0 3'; exit 9");
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(9), "X 0 0 0 \nO 0 3\n"));
    let missing = bed.run(&["exec", "b", "machine", "--attached", "--", "/no/such"]);
    assert_eq!(missing.code(), Some(64), "{missing:#?}");
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_16_an_image_without_a_shell_is_told_from_a_lost_way() {
    let label = "type: pod, image: 'localhost/pause:1', image-pull: Never, cpu: 10m, memory: 32, \
        spec: {terminationGracePeriodSeconds: 0, containers: [{name: node, command: [/pause]}]}";
    let Some(bed) = NodeBed::labelled("", &[("machine", label)]) else { return };
    bed.run(&["request", "--build", "b", "--label", "machine"]).expect_success();
    for flags in [&[][..], &["--attached"], &["--attached"]] {
        let ended = bed.script(flags, "true");
        assert_eq!(ended.code(), Some(64), "{flags:?}: {ended:#?}");
        assert!(ended.stderr.contains("could not be started"), "{flags:?}: {ended:#?}");
    }
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_16_what_takes_too_long_writes_too_much_or_is_not_wanted_any_more_is_ended_with_all_it_started() {
    let Some(bed) = ready() else { return };
    let left =
        "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null; echo; done | grep -c '^sleep 4321'";
    let ended = bed.script(&["--timeout", "2"], "sleep 4321 & sleep 4321");
    assert_eq!(ended.code(), Some(124), "{ended:#?}");
    assert_eq!(bed.result()["cause"], json!("timeout"));
    assert_eq!(bed.exec(&["sh", "-c", left]).stdout, "0\n");
    let ended = bed.script(&["--most", "10000"], "while :; do echo and on; sleep 0.001; done");
    assert_eq!(ended.code(), Some(143), "{:?}", ended.stderr);
    assert_eq!(bed.result()["cause"], json!("output-limit"));
    let result = bed.path("result");
    let args = ["exec", "b", "machine", "--result", arg(&result)];
    let mut child = bed.start(&[&args[..], &["--", "sh", "-c", "echo on; sleep 4321 & sleep 4321"]].concat());
    assert_eq!(line(&mut child), "on\n");
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(Finished::of(child).code(), Some(130));
    assert_eq!(bed.result()["cause"], json!("cancelled"));
    assert_eq!(bed.exec(&["sh", "-c", left]).stdout, "0\n");
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_16_a_pod_that_is_lost_is_no_exit_code() {
    let Some(bed) = ready() else { return };
    let mut child = bed.start(&["exec", "b", "machine", "--", "sh", "-c", "echo on; sleep 100"]);
    assert_eq!(line(&mut child), "on\n");
    let namespace = bed.namespace("b", 0);
    bed.cluster
        .kubectl(&["delete", "pod", "machine", "-n", &namespace, "--grace-period=0", "--force"])
        .expect_success();
    let ended = Finished::of(child);
    assert_eq!(ended.code(), Some(75), "{ended:#?}");
    assert_eq!(bed.exec(&["true"]).code(), Some(75), "there is nobody to run it");
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_17_more_commands_at_once_than_sessions_hold_no_more_than_64_connections() {
    let Some(bed) = ready() else { return };
    let relay = Relay::to(bed.cluster.address());
    let kubeconfig = bed.through(&relay);
    let done = AtomicBool::new(false);
    let most = AtomicUsize::new(0);
    let commands = 200;
    let times = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                most.fetch_max(connections(relay.address().port()), Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let times = block(async {
            let clusters = Clusters::connect(&bed.config, Some(&kubeconfig)).await.unwrap();
            let target = bed.desk(&clusters, Timestamp::now).target("b", "machine", None).await.unwrap();
            let command = ["true".to_owned()];
            let one = async || {
                let begun = Instant::now();
                let exit = exec::watch(&target, &command, tokio::io::sink(), tokio::io::sink()).await;
                (exit.map(|exit| exit.code), begun.elapsed())
            };
            futures_util::future::join_all((0..commands).map(|_| one())).await
        });
        done.store(true, Ordering::SeqCst);
        times
    });
    assert!(times.iter().all(|(code, _)| matches!(code, Ok(0))), "{times:?}");
    let most = most.load(Ordering::SeqCst);
    assert!((2..=64).contains(&most), "{most} connections");
    let mut times: Vec<Duration> = times.into_iter().map(|(_, time)| time).collect();
    times.sort();
    let share = |percent: usize| times[times.len() * percent / 100];
    println!("{commands} at once: p50 {:?}, p99 {:?}, {most} connections", share(50), share(99));
    bed.run(&["release", "b"]).expect_success();
}

/// How many connections to that port of this machine are open. The kernel's table is read piece by piece, so one reading
/// may have both a connection that ends and the one that follows it; what two readings have was open between them.
fn connections(port: u16) -> usize {
    let (one, two) = (open_sockets(port), open_sockets(port));
    one.intersection(&two).count()
}

/// The inodes of the sockets that have a connection to that port.
fn open_sockets(port: u16) -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let peer = format!(":{port:04X}");
    let columns = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let open = columns.filter(|columns| columns[2].ends_with(&peer) && columns[3] == "01");
    open.map(|columns| columns[9].to_owned()).collect()
}

#[test]
fn row_12_stdin_is_ended_while_output_comes_and_refusals_are_told_from_a_lost_way() {
    let Some(bed) = ready() else { return };
    block(async {
        let clusters = Clusters::connect(&bed.config, Some(bed.cluster.admin_kubeconfig())).await.unwrap();
        let desk = bed.desk(&clusters, Timestamp::now);
        let target = desk.target("b", "machine", None).await.unwrap();
        let command = ["sh", "-c", "cat; echo end >&2; exit 5"].map(str::to_owned);
        let sent: Vec<u8> =
            (0..3_000_000_u32).map(|number| number.wrapping_mul(7).to_le_bytes()[1]).collect();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = exec::run(&target, &command, sent.as_slice(), &mut out, &mut err).await.unwrap();
        assert_eq!((exit.code, out == sent, err.as_slice()), (5, true, &b"end\n"[..]));
        // A command that reads none of it, or not all, ends all the same; whether the far side would be stuck is a matter of
        // chance, so it is tried a few times.
        for round in 0..12_usize {
            let stdin = tokio::io::repeat(b'x').take([70_000, 3_000_000, u64::MAX][round % 3]);
            let command = ["sh", "-c", "head -c 100 >/dev/null; echo over >&2; exit 3"].map(str::to_owned);
            let command = if round % 2 == 0 { &["false".to_owned()][..] } else { &command[..] };
            let mut err = Vec::new();
            let exit = exec::run(&target, command, stdin, &mut out, &mut err).await.unwrap();
            let expected = if round % 2 == 0 { (1, &b""[..]) } else { (3, &b"over\n"[..]) };
            assert_eq!((exit.code, err.as_slice()), expected);
        }
        let nope = exec::run(&target, &["nope".to_owned()], sent.as_slice(), &mut out, &mut err).await;
        assert!(matches!(nope, Err(ExecError::NotStarted(_))), "{nope:?}");
        let other = desk.target("b", "machine", Some("nope")).await.unwrap();
        let refused = exec::watch(&other, &command, &mut out, &mut err).await.unwrap_err();
        assert!(matches!(refused, ExecError::Cluster(_)), "{refused:?}");
        let missing = desk.target("b", "nope", None).await.err().unwrap();
        assert_eq!(missing.reason(), Reason::Unknown);
    });
    bed.run(&["release", "b", "--wait"]).expect_success();
    assert_eq!(bed.exec(&["true"]).code(), Some(66));
}
