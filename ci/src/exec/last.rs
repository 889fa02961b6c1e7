//! Lets a command end whatever its stdin does: left unread, or over before the container runtime takes notice.
//!
//! Decides: what comes before stdin, how the far side says that a command has ended, and what of stderr is the command's own.
//! Must not: read or write. Input: a command; pieces of its stderr, untrusted.
//!
//! containerd's shim opens its end of stdin beside everything else. An end of stdin that was told before that is lost: whoever
//! reads stdin waits for ever. Bytes are not lost, they wait for the shim. So a line of ours comes first, which the shell that
//! runs the command takes away.
//!
//! A container runtime ends a session only when all of stdin that came has been read, and a command that has ended reads
//! nothing: containerd then waits for ever, and so does everybody behind it. So a shell runs the command, says with a mark on
//! stderr that it is over, and reads what is left. Who sees the mark ends stdin. The exit code is the shell's, as ever: a mark
//! that a command writes itself ends its own stdin, no more.

use tokio_tungstenite::tungstenite::Bytes;

/// What comes before stdin. The shell reads it byte for byte, and nothing that follows it.
pub(super) const FIRST: &[u8] = b"\n";

/// Runs the command after the mark, without the builtins of the shell. Needs `sh` and `cat`.
const SCRIPT: &str = r#"m=$1
shift
read -r w
w=E
if command -v -- "$1" >/dev/null 2>&1; then (exec "$@"); c=$?; else c=127 w=M; fi
printf '\000%s%s' "$m" "$w" >&2
cat >/dev/null 2>&1
exit $c"#;

/// Finds the mark of one session in its stderr.
#[derive(Debug)]
pub(super) struct Mark {
    /// What the mark begins with.
    words: Vec<u8>,
    /// The end of what came, where it may be the beginning of the mark.
    held: Vec<u8>,
    /// What the mark said.
    seen: Option<Last>,
}

/// What the far side says last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// The command has ended.
    Ended,
    /// The image does not have it.
    Missing,
}

/// The command line that runs a command so, and the mark to look for.
pub(super) fn line(command: &[String]) -> (Vec<String>, Mark) {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let mut line = ["sh", "-c", SCRIPT, "build-resources", &nonce].map(str::to_owned).to_vec();
    line.extend_from_slice(command);
    let words = [b"\0", nonce.as_bytes()].concat();
    (line, Mark { words, held: Vec::new(), seen: None })
}

impl Mark {
    /// Takes the next piece of stderr, and gives what of it, and of what was held back, is the command's own.
    pub(super) fn pass(&mut self, piece: Bytes) -> Bytes {
        if self.seen.is_some() || (self.held.is_empty() && !piece.contains(&0)) {
            return piece;
        }
        self.held.extend_from_slice(&piece);
        let mut from = 0;
        while let Some(at) = self.held.get(from..).and_then(|rest| rest.iter().position(|&byte| byte == 0)) {
            let at = from.saturating_add(at);
            let rest = self.held.get(at..).unwrap_or_default();
            match rest.strip_prefix(self.words.as_slice()) {
                Some([last, ..]) => {
                    self.seen = Some(if *last == b'M' { Last::Missing } else { Last::Ended });
                    let length = self.words.len().saturating_add(1);
                    self.held.drain(at..at.saturating_add(length));
                    return self.rest();
                }
                // It may go on in the next piece.
                Some([]) => return self.give(at),
                None if self.words.starts_with(rest) => return self.give(at),
                None => from = at.saturating_add(1),
            }
        }
        self.rest()
    }

    /// What was held back, when nothing more comes.
    pub(super) fn rest(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.held))
    }

    /// What the mark said, once it came.
    pub(super) fn seen(&self) -> Option<Last> {
        self.seen
    }

    fn give(&mut self, length: usize) -> Bytes {
        let held = self.held.split_off(length);
        Bytes::from(std::mem::replace(&mut self.held, held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn said(mark: &mut Mark, pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in pieces {
            out.extend_from_slice(&mark.pass(Bytes::copy_from_slice(piece)));
        }
        out.extend_from_slice(&mark.rest());
        out
    }

    #[test]
    fn row_12_the_mark_is_found_however_it_is_cut_and_everything_else_is_the_commands() {
        let (line, mark) = line(&["x".to_owned()]);
        let text = [b"a\0b\0", mark.words.as_slice(), b"E", b"after"].concat();
        assert_eq!(line[4].as_bytes(), &mark.words[1..]);
        for size in 1..text.len() {
            let mut mark = Mark { words: mark.words.clone(), held: Vec::new(), seen: None };
            let pieces: Vec<_> = text.chunks(size).collect();
            assert_eq!(said(&mut mark, &pieces), b"a\0b\0after", "{size}");
            assert_eq!(mark.seen(), Some(Last::Ended), "{size}");
        }
        let mut mark = mark;
        let half = text[..20].to_vec();
        assert_eq!(said(&mut mark, &[&half]), half);
        assert_eq!(mark.seen(), None);
    }

    #[test]
    fn row_12_a_shell_says_that_the_command_is_over_and_reads_what_it_left() {
        for (command, code, last) in [
            (&["sh", "-c", "printf out; printf err >&2; exit 7"][..], 7, Last::Ended),
            (&["sh", "-c", "kill -9 $$"], 137, Last::Ended),
            (&["true"], 0, Last::Ended),
            (&["exit", "5"], 127, Last::Ended),
            (&["no-such-program"], 127, Last::Missing),
        ] {
            let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
            let (line, mut mark) = line(&command);
            let mut shell = Command::new(&line[0]);
            shell.args(&line[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = shell.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(FIRST).unwrap();
            stdin.write_all(&[b'x'; 1 << 20]).unwrap(); // much more than a pipe holds
            drop(stdin);
            let out = child.wait_with_output().unwrap();
            let err = said(&mut mark, &[&out.stderr]);
            assert_eq!((out.status.code(), mark.seen()), (Some(code), Some(last)), "{command:?}");
            if code == 7 {
                assert_eq!((out.stdout.as_slice(), err.as_slice()), (&b"out"[..], &b"err"[..]));
            }
        }
    }
}
