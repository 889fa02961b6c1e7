//! Bytes → [`MachineConfig`]s. Pure.
//!
//! A MachineConfig carries an Ignition config that may be megabytes and hold secrets. Only the named fields are kept;
//! the rest is skipped by the parser without being stored, and no error repeats the text of a document.

use std::fmt;

use extensions_manifest::{ExtensionName, ManifestError, limits};
use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::KernelType;
use crate::text::one_line;

/// Largest file, in bytes: the API server takes 1.5 MiB per object.
pub const FILE_BYTES: usize = 8 << 20;
/// Most documents in one file.
pub const DOCUMENTS: usize = 128;
/// Deepest nesting of a document.
pub const DEPTH: usize = 64;
/// Most names in one list, duplicates counted. The merged list is held to the bound; this keeps one document from growing.
const NAMES: usize = limits::EXTENSIONS * 4;
/// Longest pullspec, in bytes.
const IMAGE_BYTES: usize = 1024;

/// The fields of one MachineConfig that the agent acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineConfig {
    /// `metadata.name`.
    pub name: String,
    /// The value of the role label.
    pub role: Option<String>,
    /// Whether the operator made it: its image is a default, which a user's image overrides.
    pub generated: bool,
    /// `spec.extensions`, trimmed and within the grammar; order and duplicates as written.
    pub extensions: Vec<ExtensionName>,
    /// `spec.kernelType`.
    pub kernel_type: KernelType,
    /// `spec.osImageURL`, where it is not empty.
    pub os_image: Option<String>,
    /// `spec.baseOSExtensionsContainerImage`, where it is not empty.
    pub extensions_image: Option<String>,
    /// `spec.fips`.
    pub fips: bool,
}

/// What is wrong with one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is not a MachineConfig, or not a readable one.
    Document {
        /// Which document, from 1.
        number: usize,
        /// What is wrong, escaped and cut.
        problem: String,
    },
    /// It names an extension outside the grammar.
    ExtensionName {
        /// The MachineConfig.
        machine_config: String,
        /// The name and the grammar.
        source: ManifestError,
    },
    /// Its list of extensions, or the number of documents, is over a bound.
    Limit {
        /// What was counted.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
}

/// All MachineConfigs in `bytes`, YAML or JSON, in the order they stand.
///
/// # Errors
/// The first document that is not a usable MachineConfig.
pub fn parse(bytes: &[u8]) -> Result<Vec<MachineConfig>, Fault> {
    if bytes.len() > FILE_BYTES {
        return Err(Fault::Limit { what: "the size in bytes", limit: FILE_BYTES });
    }
    let mut found = Vec::new();
    for (index, document) in documents(bytes)?.into_iter().enumerate() {
        if let Some(document) = document {
            found.push(check(document, index + 1)?);
        }
    }
    Ok(found)
}

/// A document whose errors say where in it they are: `spec.extensions: …`.
struct Located(Document);

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_path_to_error::deserialize(deserializer).map(Located).map_err(|error| {
            let path = error.path().to_string();
            // What is wrong with the whole has no path.
            if path == "." {
                error.into_inner()
            } else {
                D::Error::custom(format_args!("`{path}`: {}", error.inner()))
            }
        })
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
    kind: Option<String>,
    metadata: Option<Metadata>,
    spec: Option<Spec>,
}

#[derive(Deserialize)]
struct Metadata {
    name: Option<String>,
    labels: Option<Labels>,
    annotations: Option<Annotations>,
}

/// The others may be many, and are not kept.
#[derive(Deserialize)]
struct Annotations {
    /// Stands on MachineConfigs that the operator made itself.
    #[serde(rename = "machineconfiguration.openshift.io/generated-by-controller-version")]
    #[serde(default, deserialize_with = "there")]
    generated: bool,
}

fn there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

#[derive(Deserialize)]
struct Labels {
    #[serde(rename = "machineconfiguration.openshift.io/role")]
    role: Option<String>,
}

/// Names as they stand, one more of them than may be: a document can hold millions.
#[derive(Default)]
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_seq(Names::default())
    }
}

impl<'de> Visitor<'de> for Names {
    type Value = Self;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self, A::Error> {
        while self.0.len() <= NAMES {
            let Some(name) = list.next_element()? else { return Ok(self) };
            self.0.push(name);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self)
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Spec {
    extensions: Option<Names>,
    kernel_type: Option<String>,
    #[serde(rename = "osImageURL")]
    os_image: Option<String>,
    #[serde(rename = "baseOSExtensionsContainerImage")]
    extensions_image: Option<String>,
    fips: Option<bool>,
}

/// Splits and decodes. An empty document (between two `---`) is `None`.
fn documents(bytes: &[u8]) -> Result<Vec<Option<Document>>, Fault> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Fault::Document { number: 1, problem: "it is not UTF-8 text".to_owned() })?;
    let mut found = Vec::new();
    // JSON is YAML too, but its own parser skips an Ignition config of megabytes much faster.
    if text.trim_start().starts_with('{') {
        for document in serde_json::Deserializer::from_str(text).into_iter::<Located>() {
            let document = document.map_err(|error| unreadable(found.len(), &json_problem(&error)))?;
            push(&mut found, Some(document.0))?;
        }
    } else {
        let mut input = bytes;
        for document in serde_saphyr::read_with_options::<_, Option<Located>>(&mut input, yaml_options()) {
            let document =
                document.map_err(|error| unreadable(found.len(), &error.without_snippet().to_string()))?;
            push(&mut found, document.map(|located| located.0))?;
        }
    }
    Ok(found)
}

fn push(found: &mut Vec<Option<Document>>, document: Option<Document>) -> Result<(), Fault> {
    if found.len() >= DOCUMENTS {
        return Err(Fault::Limit { what: "the number of documents", limit: DOCUMENTS });
    }
    found.push(document);
    Ok(())
}

fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(FILE_BYTES),
            max_documents: DOCUMENTS + 1,
            max_depth: DEPTH,
            max_aliases: 1_000,
            max_anchors: 1_000,
        },
        with_snippet: false,
    }
}

/// The parser's words without the text of the document that it may quote.
pub(super) fn json_problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match (text.split_once(" \""), text.rsplit_once('"')) {
        (Some((before, _)), Some((_, after))) => format!("{before}{after}"),
        (_, _) => text,
    }
}

fn unreadable(index: usize, problem: &str) -> Fault {
    Fault::Document { number: index + 1, problem: excerpt(problem) }
}

fn check(document: Document, number: usize) -> Result<MachineConfig, Fault> {
    let wrong = |problem: String| Fault::Document { number, problem };
    let group =
        document.api_version.as_deref().and_then(|version| version.split_once('/')).map(|(group, _)| group);
    let kind = document.kind.as_deref();
    if group != Some("machineconfiguration.openshift.io") || kind != Some("MachineConfig") {
        let version = excerpt(document.api_version.as_deref().unwrap_or("none"));
        let kind = excerpt(kind.unwrap_or("none"));
        return Err(wrong(format!("its kind is `{kind}` of apiVersion `{version}`")));
    }
    let metadata = document.metadata.ok_or_else(|| wrong("it has no `metadata`".to_owned()))?;
    let name = metadata.name.ok_or_else(|| wrong("it has no `metadata.name`".to_owned()))?;
    if !is_object_name(&name) {
        return Err(wrong(format!("`{}` is not a name that a Kubernetes object can have", excerpt(&name))));
    }
    let spec = document.spec.unwrap_or_default();
    Ok(MachineConfig {
        kernel_type: kernel_type(spec.kernel_type.as_deref()).map_err(&wrong)?,
        os_image: image(spec.os_image, "osImageURL").map_err(&wrong)?,
        extensions_image: image(spec.extensions_image, "baseOSExtensionsContainerImage").map_err(&wrong)?,
        extensions: extensions(&spec.extensions.unwrap_or_default().0, &name)?,
        fips: spec.fips.unwrap_or_default(),
        role: metadata.labels.and_then(|labels| labels.role),
        generated: metadata.annotations.is_some_and(|all| all.generated),
        name,
    })
}

fn extensions(names: &[String], machine_config: &str) -> Result<Vec<ExtensionName>, Fault> {
    if names.len() > NAMES {
        return Err(Fault::Limit { what: "the number of extensions", limit: NAMES });
    }
    let parse = |name: &String| name.trim().parse::<ExtensionName>();
    names
        .iter()
        .map(parse)
        .collect::<Result<_, _>>()
        .map_err(|source| Fault::ExtensionName { machine_config: machine_config.to_owned(), source })
}

fn kernel_type(text: Option<&str>) -> Result<KernelType, String> {
    match text.map(str::trim) {
        None | Some("" | "default") => Ok(KernelType::Default),
        Some("realtime") => Ok(KernelType::Realtime),
        Some("64k-pages") => Ok(KernelType::Pages64k),
        Some(other) => {
            Err(format!("its `kernelType` is `{}`; use `default`, `realtime` or `64k-pages`", excerpt(other)))
        }
    }
}

fn image(text: Option<String>, field: &str) -> Result<Option<String>, String> {
    let Some(text) = text else { return Ok(None) };
    let text = text.trim();
    if text.len() > IMAGE_BYTES || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("its `{field}` is `{}`, which is no reference of an image", excerpt(text)));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// RFC 1123 subdomain: what the API server accepts as a name.
pub(super) fn is_object_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let label = |label: &str| {
        let (first, last) = (label.bytes().next(), label.bytes().last());
        first.is_some_and(plain)
            && last.is_some_and(plain)
            && label.bytes().all(|byte| plain(byte) || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// At most 200 characters of untrusted text, on one line and without control characters.
fn excerpt(text: &str) -> String {
    let mut shown = one_line(text, 200);
    if text.chars().nth(200).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
