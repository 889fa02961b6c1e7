//! The script that runs in a container, in each shell that this machine has: what it says is taken in as a view.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::last;
use super::remote::{Ask, Offsets, command};
use super::view::{Event, Output, View};

/// The shells that containers have. dash and busybox are `sh` there, and so is bash.
const SHELLS: &[&[&str]] = &[&["/usr/bin/dash"], &["/usr/bin/bash", "--posix"], &["/usr/bin/busybox", "sh"]];

/// A shell, and a place for its runs.
struct Shell<'a> {
    shell: &'a [&'a str],
    dir: TempDir,
}

/// What a view came to: stdout, stderr, exit code, cause, and the exit code of the view itself.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    out: String,
    err: String,
    code: Option<i32>,
    cause: Option<String>,
    view: Option<i32>,
}

impl Shell<'_> {
    fn begin(&self, run: &str, known: Offsets, ask: Ask<'_>) -> Child {
        let words = command(&self.path(run), known, ask);
        // A shell cannot take back what was ignored before it: SIGINT, where this test runs in the background of a script.
        let mut child = Command::new("env");
        child.arg("--default-signal=INT").args(self.shell).args(&words[1..]);
        child.current_dir(self.dir.path()).stdin(Stdio::null());
        child.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
    }

    fn path(&self, run: &str) -> String {
        self.dir.path().join(run).to_str().unwrap().to_owned()
    }

    fn see(&self, run: &str, known: Offsets, ask: Ask<'_>) -> Seen {
        seen(self.begin(run, known, ask), known)
    }

    fn start(&self, run: &str, script: &str, most: u64, seconds: Option<u64>) -> Seen {
        let words = ["sh", "-c", script].map(str::to_owned);
        self.see(run, Offsets::default(), Ask::Start { command: &words, most, seconds })
    }
}

fn seen(mut child: Child, known: Offsets) -> Seen {
    let mut said = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
    let view = child.wait().unwrap().code();
    let mut seen = Seen { out: String::new(), err: String::new(), code: None, cause: None, view };
    let (mut view, mut input) = (View::from(known), said.as_slice());
    while let Some(event) = view.next(&mut input).unwrap() {
        match event {
            Event::Bytes(Output::Out, bytes) => seen.out.push_str(std::str::from_utf8(bytes).unwrap()),
            Event::Bytes(Output::Err, bytes) => seen.err.push_str(std::str::from_utf8(bytes).unwrap()),
            Event::Ended { code, cause } => (seen.code, seen.cause) = (Some(code), cause),
            Event::Begun | Event::Beat | Event::Paused | Event::Again => {}
            Event::Lost | Event::Missing | Event::Trimmed => panic!("{event:?}"),
        }
    }
    seen
}

/// Does the same in every shell, in all of them at once.
fn each(then: impl Fn(&Shell<'_>) + Sync) {
    let there = SHELLS.iter().filter(|shell| shell.first().is_some_and(|path| Path::new(path).exists()));
    let tried = std::thread::scope(|scope| {
        let then = &then;
        let all: Vec<_> = there
            .map(|shell| scope.spawn(move || then(&Shell { shell, dir: TempDir::new().unwrap() })))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).count()
    });
    assert!(tried > 0, "this machine has none of the shells");
}

const MOST: u64 = 1 << 30;

#[test]
fn row_16_both_outputs_and_the_exit_code_come_as_they_are() {
    each(|one| {
        let script = "echo out; echo err >&2; printf 'no end'; exit 7";
        let seen = one.start("r", script, MOST, None);
        let (out, err) = ("out\nno end".to_owned(), "err\n".to_owned());
        assert_eq!(seen, Seen { out, err, code: Some(7), cause: None, view: Some(7) }, "{:?}", one.shell);
        for (script, code) in [("exit 0", 0), ("kill -9 $$", 137), ("kill -INT $$", 130), ("exec nope", 127)]
        {
            let run = format!("c{code}");
            assert_eq!(one.start(&run, script, MOST, None).code, Some(code), "{:?}: {script}", one.shell);
        }
    });
}

#[test]
fn row_15_a_run_begins_once_however_many_ask_at_once() {
    each(|one| {
        let words = ["sh", "-c", "echo ran | tee -a ran; sleep 0.3; exit 3"].map(str::to_owned);
        let ask = Ask::Start { command: &words, most: MOST, seconds: None };
        let views: Vec<Child> = (0..8).map(|_| one.begin("r", Offsets::default(), ask)).collect();
        for view in views {
            let seen = seen(view, Offsets::default());
            assert_eq!((seen.code, seen.out.as_str()), (Some(3), "ran\n"), "{:?}", one.shell);
        }
        assert_eq!(std::fs::read_to_string(one.dir.path().join("ran")).unwrap(), "ran\n");
    });
}

#[test]
fn row_15_a_view_that_was_killed_is_followed_by_one_that_goes_on() {
    each(|one| {
        let words = ["sh", "-c", "echo 0123456789; sleep 1; echo abc; exit 5"].map(str::to_owned);
        let mut first =
            one.begin("r", Offsets::default(), Ask::Start { command: &words, most: MOST, seconds: None });
        let mut some = [0; 20];
        first.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
        first.kill().unwrap();
        first.wait().unwrap();
        assert!(some.starts_with(b"S\nO 0 11\n0123456789\n"), "{:?}", String::from_utf8_lossy(&some));
        let known = Offsets { stdout: 4, stderr: 0 };
        let seen = one.see("r", known, Ask::Follow);
        assert_eq!((seen.out.as_str(), seen.code), ("456789\nabc\n", Some(5)), "{:?}", one.shell);
        let again = one.see("r", known, Ask::Once);
        assert_eq!(again.out, seen.out, "what was seen is kept");
    });
}

#[test]
fn row_16_a_command_is_ended_by_time_by_size_and_by_hand() {
    each(|one| {
        let seen = one.start("t", "sleep 100 & sleep 100", MOST, Some(1));
        assert_eq!((seen.code, seen.cause.as_deref()), (Some(143), Some("timeout")), "{:?}", one.shell);
        let seen = one.start("s", "while :; do echo and on; sleep 0.01; done", 100, None);
        assert_eq!((seen.code, seen.cause.as_deref()), (Some(143), Some("output-limit")), "{:?}", one.shell);
        let words = ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"].map(str::to_owned);
        let ask = Ask::Start { command: &words, most: MOST, seconds: None };
        let mut view = one.begin("h", Offsets::default(), ask);
        let mut some = [0; 5];
        view.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
        assert!(
            one.begin("h", Offsets::default(), Ask::End { cause: "cancelled" }).wait().unwrap().success()
        );
        view.kill().unwrap();
        view.wait().unwrap();
        let seen = one.see("h", Offsets::default(), Ask::Follow);
        assert_eq!((seen.code, seen.cause.as_deref()), (Some(137), Some("cancelled")), "{:?}", one.shell);
    });
}

#[test]
fn row_12_a_command_reads_all_that_follows_our_line_and_nothing_else() {
    each(|one| {
        for sent in [&b""[..], b"\n", b"\n\n a\\\0b \xff\nlast", &[b'x'; 300_000]] {
            let (words, _) = last::line(&["cat".to_owned()]);
            let (program, flags) = one.shell.split_first().unwrap();
            let mut child = Command::new(program);
            child
                .args(flags)
                .args(&words[1..])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            let mut child = child.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            let whole = [last::FIRST, sent].concat();
            let fed = std::thread::spawn(move || stdin.write_all(&whole));
            let ended = child.wait_with_output().unwrap();
            fed.join().unwrap().unwrap();
            assert!(ended.stdout == sent, "{:?}: {} of {} bytes", one.shell, ended.stdout.len(), sent.len());
        }
    });
}
