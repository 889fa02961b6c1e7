//! One value against its key: allowed and put into place, or refused with what would be allowed. Pure.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use extensions_manifest::excerpt;
use jiff::SignedDuration;

use super::Settings;
use super::table::Kind;

/// Longest text or path, in bytes: Linux's own limit for a path.
const TEXT_BYTES: usize = 4096;

/// What is wrong with a value.
pub(super) struct Refused {
    /// What was found, safe to show.
    pub(super) found: String,
    /// What may stand there.
    pub(super) allowed: String,
}

impl Kind {
    /// Checks `value` and puts it into `settings`; says how it is written in its one canonical form.
    pub(super) fn put(&self, value: &toml::Value, settings: &mut Settings) -> Result<String, Refused> {
        self.try_put(value, settings).ok_or_else(|| Refused { found: found(value), allowed: self.allowed() })
    }

    fn try_put(&self, value: &toml::Value, settings: &mut Settings) -> Option<String> {
        match self {
            Kind::Path(slot) => {
                let path = absolute(text(value)?)?;
                let shown = path.display().to_string();
                *slot(settings) = path;
                Some(shown)
            }
            Kind::OptionalPath(slot) => {
                let path = absolute(text(value)?)?;
                let shown = path.display().to_string();
                *slot(settings) = Some(path);
                Some(shown)
            }
            Kind::OptionalText(slot) => {
                let text = text(value)?;
                *slot(settings) = Some(text.to_owned());
                Some(text.to_owned())
            }
            Kind::OptionalLoopback(slot) => {
                let address = loopback(text(value)?)?;
                *slot(settings) = Some(address);
                Some(address.to_string())
            }
            Kind::Bytes(least, most, slot) => {
                let bytes = bytes(value).filter(|bytes| (*least..=*most).contains(bytes))?;
                *slot(settings) = bytes;
                Some(show_bytes(bytes))
            }
            Kind::Duration(least, most, slot) => {
                let span = duration(text(value)?).filter(|span| (*least..=*most).contains(span))?;
                *slot(settings) = span;
                Some(show_duration(span))
            }
            Kind::Text(slot) => {
                let text = text(value)?;
                text.clone_into(slot(settings));
                Some(text.to_owned())
            }
            Kind::Count(least, most, slot) => {
                let count = count(value).filter(|count| (*least..=*most).contains(count))?;
                *slot(settings) = count;
                Some(count.to_string())
            }
            Kind::Word(_, put) => {
                let word = text(value)?;
                put(settings, word).then(|| word.to_owned())
            }
        }
    }

    /// What a key of this kind may hold, in words.
    pub fn allowed(&self) -> String {
        match self {
            Kind::Path(_) | Kind::OptionalPath(_) => "an absolute path without `..`".to_owned(),
            Kind::OptionalText(_) | Kind::Text(_) => "one line of text".to_owned(),
            Kind::OptionalLoopback(_) => {
                "a loopback address and a port, such as `127.0.0.1:9472` or `[::1]:9472`".to_owned()
            }
            Kind::Count(least, most, _) => format!("a number from `{least}` to `{most}`"),
            Kind::Bytes(least, most, _) => {
                format!("a size from `{}` to `{}`", show_bytes(*least), show_bytes(*most))
            }
            Kind::Duration(least, most, _) => {
                format!("a duration from `{}` to `{}`", show_duration(*least), show_duration(*most))
            }
            Kind::Word(words, _) => either(words),
        }
    }
}

fn text(value: &toml::Value) -> Option<&str> {
    let text = value.as_str()?;
    let plain = !text.is_empty() && text.len() <= TEXT_BYTES && !text.chars().any(char::is_control);
    plain.then_some(text)
}

fn absolute(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    let upwards = path.components().any(|part| part == Component::ParentDir);
    (path.is_absolute() && !upwards).then(|| path.components().collect())
}

/// Metrics are served without encryption and to whoever asks, so never beyond this host.
fn loopback(text: &str) -> Option<SocketAddr> {
    text.parse::<SocketAddr>().ok().filter(|address| address.ip().is_loopback() && address.port() != 0)
}

/// `4GiB`, `512MiB`, `1048576` or the bare number.
fn bytes(value: &toml::Value) -> Option<u64> {
    if let Some(number) = value.as_integer() {
        return u64::try_from(number).ok();
    }
    let text = text(value)?;
    let (number, shift) = SIZES
        .iter()
        .find_map(|(unit, shift)| text.strip_suffix(unit).map(|number| (number, *shift)))
        .unwrap_or((text, 0));
    number.trim_end().parse::<u64>().ok()?.checked_mul(1 << shift)
}

const SIZES: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];

fn show_bytes(bytes: u64) -> String {
    SIZES
        .iter()
        .find(|(_, shift)| bytes > 0 && bytes.trailing_zeros() >= *shift)
        .map_or_else(|| bytes.to_string(), |(unit, shift)| format!("{}{unit}", bytes >> shift))
}

fn duration(text: &str) -> Option<Duration> {
    let span: SignedDuration = text.parse().ok()?;
    Duration::try_from(span).ok()
}

fn show_duration(span: Duration) -> String {
    SignedDuration::try_from(span).map_or_else(|_| format!("{span:?}"), |span| format!("{span:#}"))
}

/// `7` or `"7"`.
fn count(value: &toml::Value) -> Option<u64> {
    match value.as_integer() {
        Some(number) => u64::try_from(number).ok(),
        None => text(value)?.parse().ok(),
    }
}

/// "`a`, `b` or `c`".
fn either(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some(_) | None => quoted.concat(),
    }
}

/// The value for an error message: escaped, cut, and without the inside of lists and tables.
fn found(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => {
            format!("`{}`", excerpt(text))
        }
        toml::Value::Integer(number) => format!("`{number}`"),
        toml::Value::Float(number) => format!("`{number}`"),
        toml::Value::Boolean(truth) => format!("`{truth}`"),
        toml::Value::Datetime(_) => "a date".to_owned(),
        toml::Value::Array(_) => "a list".to_owned(),
        toml::Value::Table(_) => "a table".to_owned(),
    }
}
