//! One vocabulary for what can go wrong: a class that says what to do, an exit code that scripts can rely on.
//!
//! Decides: which exit code a failure has. Must not: know any module's own errors. Input: none.

use std::error::Error;
use std::fmt::Write as _;

/// Most characters of others' text that one message shows.
const SHOWN: usize = 400;

/// Why a command did not do what it was asked. Each has one exit code, and they are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The configuration is wrong.
    Config,
    /// The resource was made, but did not become usable.
    Launch,
    /// Something in the cluster keeps a resource from going away.
    Blocked,
    /// A build that this one depends on is not there, or has failed.
    Dependency,
    /// The arguments are wrong.
    Usage,
    /// There is no such build.
    Unknown,
    /// No provider can ever serve the request.
    Unservable,
    /// A defect of this program.
    Bug,
    /// The output could not be written.
    Output,
    /// The cluster was away or full, or another process was faster; the same again is sound.
    Again,
    /// The cluster refuses: rights are missing.
    Denied,
}

impl Reason {
    /// All reasons, in the order of their exit codes.
    pub const ALL: &'static [Reason] = &[
        Reason::Config,
        Reason::Launch,
        Reason::Blocked,
        Reason::Dependency,
        Reason::Usage,
        Reason::Unknown,
        Reason::Unservable,
        Reason::Bug,
        Reason::Output,
        Reason::Again,
        Reason::Denied,
    ];

    /// The exit code. The larger ones are those of sysexits.h.
    pub const fn exit_code(self) -> u8 {
        match self {
            Reason::Config => 2,
            Reason::Launch => 4,
            Reason::Blocked => 5,
            Reason::Dependency => 6,
            Reason::Usage => 64,
            Reason::Unknown => 66,
            Reason::Unservable => 69,
            Reason::Bug => 70,
            Reason::Output => 73,
            Reason::Again => 75,
            Reason::Denied => 77,
        }
    }

    /// The reason in one word, for `--output json`.
    pub const fn code(self) -> &'static str {
        match self {
            Reason::Config => "config",
            Reason::Launch => "launch-failed",
            Reason::Blocked => "cleanup-blocked",
            Reason::Dependency => "dependency",
            Reason::Usage => "usage",
            Reason::Unknown => "unknown-build",
            Reason::Unservable => "unservable",
            Reason::Bug => "bug",
            Reason::Output => "output",
            Reason::Again => "try-again",
            Reason::Denied => "denied",
        }
    }

    /// What it means, for `--help`.
    pub const fn meaning(self) -> &'static str {
        match self {
            Reason::Config => "the configuration is wrong; the message says where",
            Reason::Launch => "the resource was made, but did not become usable",
            Reason::Blocked => "something in the cluster keeps a resource from going away",
            Reason::Dependency => "a build that this one depends on is not there, or has failed",
            Reason::Usage => "the arguments are wrong",
            Reason::Unknown => "there is no such build",
            Reason::Unservable => "no provider can ever serve the request",
            Reason::Bug => "a defect of this program",
            Reason::Output => "the output could not be written",
            Reason::Again => "the cluster was away or full, or another process was faster; try again",
            Reason::Denied => "the cluster refuses: rights are missing",
        }
    }
}

/// What a failure knows about itself.
pub trait Failure: Error {
    /// Why, in one closed word.
    fn reason(&self) -> Reason;

    /// What would cure it.
    fn cure(&self) -> Option<String> {
        None
    }
}

/// A failure and its causes on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Others' text on one line: control characters escaped, long text cut.
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    for (at, char) in text.chars().enumerate() {
        if at == SHOWN {
            out.push('…');
            break;
        }
        if char.is_control() || is_format(char) {
            out.extend(char.escape_default());
        } else {
            out.push(char);
        }
    }
    out
}

/// Characters that turn or hide the text around them.
const fn is_format(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_an_exit_code_and_a_word_of_its_own() {
        let codes: BTreeSet<u8> = Reason::ALL.iter().map(|reason| reason.exit_code()).collect();
        let words: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!((codes.len(), words.len()), (Reason::ALL.len(), Reason::ALL.len()));
        assert!(!codes.contains(&0) && !codes.contains(&1));
    }

    #[test]
    fn others_text_cannot_forge_lines_or_colours() {
        assert_eq!(shown("a\nb\u{1b}[31m\u{202e}"), "a\\nb\\u{1b}[31m\\u{202e}");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), SHOWN + 1);
    }
}
