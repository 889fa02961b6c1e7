//! What is said to the shell in the container.
//!
//! Decides: the arguments of `remote.sh`. Must not: run it. Input: a run and what is wanted of it.

use std::fmt;
use std::str::FromStr;

/// What runs in the container. It needs `sh` and the usual small programs: `setsid stat dd mkdir mv rm ls date sleep`.
const SCRIPT: &str = include_str!("remote.sh");
/// Passes the script on to itself, which starts itself anew in the background.
const LOADER: &str = "z=$1; shift; eval \"$z\"";
/// Where runs lie in a container, unless the user names another place.
pub const SPOOL: &str = "/tmp/.build-resources";

/// The name of a run. Within one container, a name runs once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunId(String);

impl RunId {
    /// A new one.
    pub fn random() -> Self {
        RunId(uuid::Uuid::new_v4().simple().to_string())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.len() <= 64 && text.bytes().all(plain) && text.starts_with(|one: char| one.is_alphanumeric())
        {
            return Ok(RunId(text.to_owned()));
        }
        Err("at most 64 letters, digits, `-` and `_` are wanted, a letter or digit first".to_owned())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// How much of each output is known already, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offsets {
    /// Of stdout.
    pub stdout: u64,
    /// Of stderr.
    pub stderr: u64,
}

/// What may be asked of a run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ask<'a> {
    /// Begin it, if nobody has, and follow it.
    Start {
        /// The command.
        command: &'a [String],
        /// Most bytes that it may write.
        most: u64,
        /// After how many seconds it is ended.
        seconds: Option<u64>,
    },
    /// Follow it to its end.
    Follow,
    /// Show what there is.
    Once,
    /// End it.
    End {
        /// Why.
        cause: &'a str,
    },
}

/// The command line that asks it, of the run in `dir`.
pub(super) fn command(dir: &str, known: Offsets, ask: Ask<'_>) -> Vec<String> {
    let (mode, most, seconds) = match ask {
        Ask::Start { most, seconds, .. } => ("start", most, seconds.unwrap_or(0)),
        Ask::Follow => ("follow", 0, 0),
        Ask::Once => ("once", 0, 0),
        Ask::End { .. } => ("end", 0, 0),
    };
    let mut line = call(mode, dir, known, (most, seconds));
    match ask {
        Ask::Start { command, .. } => line.extend_from_slice(command),
        Ask::End { cause } => line.push(cause.to_owned()),
        Ask::Follow | Ask::Once => {}
    }
    line
}

/// The command line that names the runs below `spool`, the newest first.
pub(super) fn list(spool: &str) -> Vec<String> {
    call("list", spool, Offsets::default(), (0, 0))
}

fn call(mode: &str, dir: &str, known: Offsets, (most, seconds): (u64, u64)) -> Vec<String> {
    let numbers = [known.stdout, known.stderr, most, seconds].map(|number| number.to_string());
    let mut line = vec!["sh".to_owned(), "-c".to_owned(), LOADER.to_owned(), "build-resources".to_owned()];
    line.push(packed(SCRIPT));
    line.extend([mode.to_owned(), dir.to_owned()]);
    line.extend(numbers);
    line
}

/// The script without comments and indentation: it travels in a URL.
fn packed(script: &str) -> String {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_a_name_that_is_one_directory() {
        assert!("r-1_A".parse::<RunId>().is_ok());
        assert!(RunId::random().as_str().parse::<RunId>().is_ok());
        for bad in ["", ".", "..", "a/b", "-a", "a b", "a\n", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_asked_fits_into_a_url_that_every_proxy_takes() {
        let words = command("/tmp/x", Offsets::default(), Ask::Follow);
        assert!(words.iter().map(String::len).sum::<usize>() < 4000);
        assert!(!words[4].lines().any(|line| line.is_empty() || line.starts_with('#')));
    }

    #[test]
    fn the_command_comes_last_and_unchanged() {
        let asked = ["printf".to_owned(), "%s\n".to_owned(), "a 'b' $c".to_owned()];
        let ask = Ask::Start { command: &asked, most: 7, seconds: Some(8) };
        let words = command("/tmp/x", Offsets { stdout: 1, stderr: 2 }, ask);
        assert_eq!(words[5..11], ["start", "/tmp/x", "1", "2", "7", "8"]);
        assert_eq!(words[11..], asked);
    }
}
