//! What every object of the API has, as far as the agent needs it. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::machine_config::{is_object_name, json_problem};
use crate::text::one_line;

/// Largest object that is read, in bytes; the API server takes 1.5 MiB per object.
pub(super) const OBJECT_BYTES: usize = 4 << 20;
/// Most labels of one object.
const LABELS: usize = 512;
/// Longest uid, in bytes.
const UID_BYTES: usize = 128;

/// Who an object is, and which state of it this is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// Its name.
    pub name: String,
    /// Tells it from another one that had its name before.
    pub uid: String,
    /// Grows with every change. 0 where the server counts in another way, which cannot be compared.
    pub version: u64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Raw {
    metadata: Option<RawMeta>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct RawMeta {
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

/// An object with its annotations and the part of it that `T` names.
pub(super) struct Object<T> {
    pub(super) meta: Meta,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) rest: T,
}

/// Decodes the object in `bytes`.
///
/// # Errors
/// When it is none, in words that do not repeat its text.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<Object<T>, String> {
    if bytes.len() > OBJECT_BYTES {
        return Err(format!("{} bytes are more than {OBJECT_BYTES}", bytes.len()));
    }
    // Read twice rather than flattened, which would keep a copy of the whole.
    let Raw { metadata } = serde_json::from_slice(bytes).map_err(|error| json_problem(&error))?;
    let rest = serde_json::from_slice(bytes).map_err(|error| json_problem(&error))?;
    let metadata = metadata.unwrap_or_default();
    let name = metadata.name.unwrap_or_default();
    if !is_object_name(&name) {
        return Err(format!("its name is `{}`, which no object can have", one_line(&name, 100)));
    }
    let uid = metadata.uid.filter(|uid| (1..=UID_BYTES).contains(&uid.len()));
    let uid = uid.ok_or_else(|| "it has no usable `metadata.uid`".to_owned())?;
    let labels = metadata.labels.unwrap_or_default();
    if labels.len() > LABELS {
        return Err(format!("{} labels are more than {LABELS}", labels.len()));
    }
    let version = metadata.resource_version.as_deref().map_or(0, version);
    let annotations = metadata.annotations.unwrap_or_default();
    Ok(Object { meta: Meta { name, uid, version, labels }, annotations, rest })
}

/// A resource version as a number, where it is one.
pub(super) fn version(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IgnoredAny;

    fn refused(text: &str) -> String {
        decode::<IgnoredAny>(text.as_bytes()).err().unwrap_or_else(|| panic!("{text} was taken"))
    }

    #[test]
    fn an_object_is_known_by_name_uid_and_version() {
        let text = r#"{"metadata":{"name":"a.b","uid":"u","resourceVersion":"42","labels":{"x":""},"managedFields":[{}]},"spec":[]}"#;
        let meta = decode::<IgnoredAny>(text.as_bytes()).unwrap().meta;
        let labels = BTreeMap::from([("x".to_owned(), String::new())]);
        assert_eq!(meta, Meta { name: "a.b".to_owned(), uid: "u".to_owned(), version: 42, labels });
    }

    #[test]
    fn what_is_no_object_is_refused_without_its_text() {
        assert!(refused(r#"{"metadata":{"name":"../x","uid":"u"}}"#).contains("`../x`"));
        assert!(refused(r#"{"metadata":{"name":"x"}}"#).contains("uid"));
        assert!(refused(r#"{"kind":"x"}"#).contains("name"));
        assert!(!refused(r#"{"metadata":"s3cret"}"#).contains("s3cret"));
        let labels: Vec<String> = (0..=LABELS).map(|number| format!(r#""l{number}":"""#)).collect();
        let many = format!(r#"{{"metadata":{{"name":"x","uid":"u","labels":{{{}}}}}}}"#, labels.join(","));
        assert!(refused(&many).contains("513 labels"));
        assert!(refused(&" ".repeat(OBJECT_BYTES + 1)).contains("bytes"));
    }

    #[test]
    fn a_version_that_is_no_number_cannot_be_compared() {
        assert_eq!((version("17"), version("v17"), version("")), (17, 0, 0));
    }
}
