//! What the API server writes: pages of lists and lines of watches. Pure; objects inside are left as they are.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::machine_config::json_problem;
use super::super::object::version;
use crate::text::shown;

/// One page of a list.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// The state of the kind that the list shows, as the server writes it.
    pub(super) version: String,
    /// Where the next page begins; none on the last one.
    pub(super) next: Option<String>,
    /// The objects.
    pub(super) items: Vec<&'a [u8]>,
}

/// One line of a watch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// An object was made or changed.
    Changed(&'a [u8]),
    /// An object is gone.
    Removed(&'a [u8]),
    /// Nothing happened up to this version.
    AsOf,
    /// What the watch started from is not kept any more: everything has to be listed anew.
    Gone,
    /// The server ends the watch and says why.
    Failed(String),
}

#[derive(Deserialize)]
struct RawPage<'a> {
    metadata: Option<ListMeta>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct RawLine<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Versioned {
    metadata: Option<ListMeta>,
}

#[derive(Deserialize)]
struct Status {
    code: Option<u16>,
    message: Option<String>,
}

/// Reads a page.
///
/// # Errors
/// When it is none.
pub(super) fn page(bytes: &[u8]) -> Result<Page<'_>, String> {
    let page: RawPage<'_> = serde_json::from_slice(bytes).map_err(|error| json_problem(&error))?;
    let ListMeta { resource_version, next } = page.metadata.unwrap_or_default();
    let items = page.items.unwrap_or_default();
    Ok(Page {
        version: resource_version.unwrap_or_default(),
        next: next.filter(|next| !next.is_empty()),
        items: items.into_iter().map(|item| item.get().as_bytes()).collect(),
    })
}

/// Reads a line, and the version that the kind has with it; as the server writes it, where it says it.
///
/// # Errors
/// When it is none.
pub(super) fn line(bytes: &[u8]) -> Result<(Line<'_>, Option<String>), String> {
    let RawLine { kind, object } = serde_json::from_slice(bytes).map_err(|error| json_problem(&error))?;
    let text = object.get();
    let line = match kind.as_str() {
        "ADDED" | "MODIFIED" => Line::Changed(text.as_bytes()),
        "DELETED" => Line::Removed(text.as_bytes()),
        "BOOKMARK" => Line::AsOf,
        "ERROR" => return failed(text).map(|line| (line, None)),
        _ => return Err("a watch has a line of an unknown type".to_owned()),
    };
    let versioned: Versioned = serde_json::from_str(text).map_err(|error| json_problem(&error))?;
    Ok((line, versioned.metadata.and_then(|metadata| metadata.resource_version)))
}

fn failed(text: &str) -> Result<Line<'static>, String> {
    let status: Status = serde_json::from_str(text).map_err(|error| json_problem(&error))?;
    Ok(match status.code {
        Some(410) => Line::Gone,
        Some(_) | None => Line::Failed(shown(&status.message.unwrap_or_default())),
    })
}

/// The version as a number; 0 where it is none.
pub(super) fn number(text: &str) -> u64 {
    version(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_leaves_its_objects_alone() {
        let text = br#"{"kind":"NodeList","metadata":{"resourceVersion":"12","continue":"abc"},"items":[{"a": 1},{}]}"#;
        let page = page(text).unwrap();
        assert_eq!((page.version.as_str(), page.next.as_deref()), ("12", Some("abc")));
        assert_eq!(page.items, [&br#"{"a": 1}"#[..], b"{}"]);
        let last =
            super::page(br#"{"metadata":{"resourceVersion":"12","continue":""},"items":null}"#).unwrap();
        assert!(last.next.is_none() && last.items.is_empty());
    }

    #[test]
    fn each_type_of_line_is_told() {
        let object = r#"{"metadata":{"resourceVersion":"7"}}"#;
        let of = |kind: &str, object: &str| {
            let text = format!(r#"{{"type":"{kind}","object":{object}}}"#);
            let (line, version) = line(text.as_bytes()).unwrap();
            let word = match line {
                Line::Changed(bytes) => format!("changed {}", bytes.len()),
                Line::Removed(bytes) => format!("removed {}", bytes.len()),
                Line::AsOf => "as of".to_owned(),
                Line::Gone => "gone".to_owned(),
                Line::Failed(message) => format!("failed {message}"),
            };
            (word, version.unwrap_or_default())
        };
        let told = |word: &str, version: &str| (word.to_owned(), version.to_owned());
        assert_eq!(of("ADDED", object), told("changed 36", "7"));
        assert_eq!(of("MODIFIED", object), told("changed 36", "7"));
        assert_eq!(of("DELETED", object), told("removed 36", "7"));
        assert_eq!(of("BOOKMARK", object), told("as of", "7"));
        assert_eq!(of("ERROR", r#"{"kind":"Status","code":410}"#), told("gone", ""));
        assert_eq!(of("ERROR", r#"{"code":500,"message":"a\u001b"}"#), told("failed a\\u{1b}", ""));
    }

    #[test]
    fn what_is_no_line_is_refused_without_its_text() {
        for text in
            [r#"{"type":"SECRET","object":{}}"#, r#"{"type":"ADDED"}"#, "SECRET", "", r#"{"type":"AD"#]
        {
            let problem = line(text.as_bytes()).unwrap_err();
            assert!(!problem.contains("SECRET"), "{problem}");
        }
    }
}
