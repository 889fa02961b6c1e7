//! The default file and the page of settings, both written from the table.

use std::fmt::Write as _;

use super::fragments::{BELOW, CONFIG_ROOT_ENV, DIRECTORIES};
use super::table::{KEYS, Key, Kind};

/// Width of the comments in the default file.
const WIDTH: usize = 100;

/// The text of `10-defaults.toml`: every key at its default, keys without one commented out.
pub fn default_file() -> String {
    let mut text =
        String::from("# Every setting at its default. Do not edit: put changes into a file of your own in\n");
    let _ = writeln!(
        text,
        "# /etc/{BELOW}/, where this file's name replaces it as a whole and a later name adds to it."
    );
    let mut section = "";
    for key in KEYS {
        if key.section != section {
            section = key.section;
            let _ = writeln!(text, "\n[{section}]");
        }
        for line in wrapped(key.doc) {
            let _ = writeln!(text, "# {line}");
        }
        let mark = if key.default.is_some() { "" } else { "# " };
        let _ = writeln!(text, "{mark}{} = \"{}\"", key.name, shown(key));
    }
    text
}

/// The page `docs/settings.md`.
pub fn page() -> String {
    let mut text = String::from("# Settings\n\n");
    text.push_str("Generated from `agent/src/settings/table.rs`; a test compares.\n\n");
    text.push_str("The agent reads `*.toml` drop-ins from these directories:\n\n");
    for (number, directory) in DIRECTORIES.iter().enumerate() {
        let _ = writeln!(text, "{}. `/{directory}/{BELOW}/`", number + 1);
    }
    let _ = write!(
        text,
        "\nFiles are merged key by key in the order of their names, whatever directory they lie in; the last one that sets \
         a key wins.\nA file replaces its namesake in an earlier directory as a whole, and a link to `/dev/null` masks it. \
         Other links and dot-files\nare ignored. An unknown key is a warning in the log; a value that is not allowed stops \
         the agent with `InvalidSettings`.\n`extensions-agent config dump` shows each value and the file it comes from. \
         `--config-root DIR` (or `{CONFIG_ROOT_ENV}`)\nputs another root above the three directories.\n\n"
    );
    text.push_str("| Key | Default | Allowed | Meaning |\n|---|---|---|---|\n");
    for key in KEYS {
        let default = key.default.map_or("unset".to_owned(), |value| format!("`{value}`"));
        let _ = writeln!(text, "| `{}` | {default} | {} | {} |", key.path(), key.kind.allowed(), key.doc);
    }
    text.push_str("\nDurations are written as `500ms`, `2s`, `10m`, `1h 30m`; sizes as `512MiB`, `4GiB` or a number of bytes.\n");
    text
}

fn shown(key: &Key) -> &'static str {
    match key.kind {
        Kind::Path(_)
        | Kind::Text(_)
        | Kind::Bytes(..)
        | Kind::Count(..)
        | Kind::Duration(..)
        | Kind::Word(..) => key.default.unwrap_or_default(),
        Kind::OptionalPath(_) | Kind::OptionalText(_) | Kind::OptionalLoopback(_) => {
            key.default.or(key.example).unwrap_or_default()
        }
    }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines.last().is_some_and(|line| !line.is_empty() && line.len() + 1 + word.len() > WIDTH);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
