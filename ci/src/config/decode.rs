//! Bytes to a configuration, with the line and the path of whatever is wrong.
//!
//! Decides: how much is read and how a fault is said. Must not: judge what the keys mean; `check` does. Input: a file,
//! untrusted.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Config, check};
use crate::error::{Failure, Reason, shown};

/// Largest configuration, in bytes.
const BYTES: usize = 1 << 20;
/// Deepest nesting.
const DEPTH: usize = 32;

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not readable.
    #[error("reading the configuration `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is too large.
    #[error("the configuration is larger than {BYTES} bytes")]
    Size,
    /// Something stands in it that may not.
    #[error("line {line}: {path}: {problem}")]
    Wrong {
        /// The line, from 1.
        line: u64,
        /// Where in the document: `providers[0].pools[1].name`.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Failure for ConfigError {
    fn reason(&self) -> Reason {
        Reason::Config
    }

    fn cure(&self) -> Option<String> {
        Some(
            "correct the configuration; `build-resources config check` tries it without a cluster".to_owned(),
        )
    }
}

/// Reads and checks the configuration at `path`.
///
/// # Errors
/// When it cannot be read or is not valid.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    parse(&read(path)?)
}

/// Reads the bytes at `path`, one more than a configuration may have at most.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(BYTES as u64 + 1).read_to_end(&mut text))
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    Ok(text)
}

/// Decodes and checks a configuration.
///
/// # Errors
/// When it is too large, malformed, or not valid.
pub fn parse(text: &[u8]) -> Result<Config, ConfigError> {
    if text.len() > BYTES {
        return Err(ConfigError::Size);
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_documents: 1, max_depth: DEPTH, max_aliases: 1_000, max_anchors: 1_000 },
        with_snippet: false,
    };
    let mut path = String::new();
    let read = serde_saphyr::with_deserializer_from_slice_with_options(text, options, |deserializer| {
        serde_path_to_error::deserialize::<_, Config>(deserializer).map_err(|error| {
            path = spoken(&error.path().to_string());
            error.into_inner()
        })
    });
    let config = read.map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let error = error.without_snippet();
        ConfigError::Wrong { line, path: spoken(&path), problem: shown(&problem(&error.to_string())) }
    })?;
    match check::all(&config) {
        Err(ConfigError::Wrong { line, path, problem }) => {
            let text = String::from_utf8_lossy(text);
            Err(ConfigError::Wrong { line: line_of_key(&text, line, &path), path, problem })
        }
        other => other.map(|()| config),
    }
}

/// The line of the key that a path ends with. A rule knows the line where a label or a pool begins; its keys stand below, all
/// at one column. In another shape, such as on one line, the first line has to do.
fn line_of_key(text: &str, first: u64, path: &str) -> u64 {
    let key = path.rsplit('.').next().unwrap_or_default();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let column = |line: &str| line.len() - line.trim_start_matches(['-', ' ']).len();
    let says = |line: &str| {
        let rest = line.trim_start_matches(['-', ' ']).strip_prefix(key);
        rest.is_some_and(|rest| rest.starts_with(':'))
    };
    let skipped = usize::try_from(first.saturating_sub(1)).unwrap_or(usize::MAX);
    let mut lines = (first..).zip(text.lines().skip(skipped));
    let Some((_, head)) = lines.next() else { return first };
    let rest = lines.take_while(|(_, line)| line.trim().is_empty() || indent(line) > indent(head));
    let mut own = std::iter::once((first, head)).chain(rest).filter(|(_, line)| column(line) == column(head));
    own.find(|(_, line)| says(line)).map_or(first, |(at, _)| at)
}

/// The path without the words that only our own types have.
fn spoken(path: &str) -> String {
    let path = path.replace(".value", "");
    if path.is_empty() || path == "." { "the document".to_owned() } else { path }
}

/// What the parser said, without the place that is said already.
fn problem(said: &str) -> String {
    let said = said.strip_prefix("error: ").unwrap_or(said);
    let first = said.lines().next().unwrap_or_default();
    first.rsplit_once(" at line ").map_or(first, |(before, _)| before).to_owned()
}
