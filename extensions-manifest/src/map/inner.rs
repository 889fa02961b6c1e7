//! The `extensions.json` that the composer writes beside the RPMs.

use super::json::{At, Json};
use super::{Extension, ExtensionMap, Kind, MapOrigin};
use crate::error::{ManifestError, excerpt};
use crate::limits;

/// What to say of the other file of that name.
const VERSION_LIST: &str = "this is the list of package versions that lies beside the `extensions` directory; \
                            the map is the `extensions.json` inside that directory";

impl ExtensionMap {
    /// Decodes the map that lies beside the RPMs: `repos` and `extensions{name → packages, architectures?,
    /// match-base-evr?, kind}`.
    ///
    /// Fields that are not known are ignored: the composer adds fields (`modules` came and went) and keeps the meaning
    /// of the old ones. A known field with an unknown value is refused, because that is a change of meaning.
    ///
    /// # Errors
    /// Names the place, such as `extensions.usbguard.packages[0]`, and what is wrong there. The flat list of versions
    /// that newer images carry under the same file name is recognised and refused as such.
    pub fn from_inner_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        let limit = limits::MAP_BYTES;
        if bytes.len() > limit {
            let what = "bytes of the extension map".to_owned();
            return Err(ManifestError::Limit { what, found: bytes.len() as u64, limit: limit as u64 });
        }
        let document = Json::parse(bytes)?;
        let root = At::root(&document);
        let fields = root.fields(limit)?;
        let Some((_, extensions)) = fields.iter().find(|(key, _)| *key == "extensions") else {
            let is_version_list = !fields.is_empty() && fields.iter().all(|(_, value)| value.is_text());
            return Err(root.refuse(if is_version_list { VERSION_LIST } else { "there is no `extensions`" }));
        };
        // An image whose newest package happens to be called `extensions` is still a list of versions.
        if extensions.is_text() && fields.iter().all(|(_, value)| value.is_text()) {
            return Err(root.refuse(VERSION_LIST));
        }
        let mut map = Self { origin: MapOrigin::Payload, extensions: Default::default() };
        for (name, body) in extensions.fields(limits::OFFERED_EXTENSIONS)? {
            let name = name.parse().map_err(|error: ManifestError| body.refuse(error.to_string()))?;
            map.extensions.insert(name, extension(&body)?);
        }
        Ok(map)
    }
}

fn extension(body: &At<'_>) -> Result<Extension, ManifestError> {
    let mut extension = Extension::new(Vec::new());
    for (key, value) in body.fields(limits::MAP_BYTES)? {
        if value.is_null() {
            continue;
        }
        match key {
            "packages" => {
                for item in value.items(limits::PACKAGES_PER_EXTENSION)? {
                    extension.packages.push(item.parse()?);
                }
            }
            "architectures" => {
                for item in value.items(limits::PACKAGES_PER_EXTENSION)? {
                    extension.architectures.insert(architecture(&item)?);
                }
            }
            "match-base-evr" => extension.match_base_evr = Some(value.parse()?),
            "kind" => extension.kind = kind(&value)?,
            _ => {}
        }
    }
    // An extension of nothing would always seem to be installed.
    if extension.packages.is_empty() { Err(body.refuse("it names no package")) } else { Ok(extension) }
}

fn architecture(item: &At<'_>) -> Result<String, ManifestError> {
    let text = item.text()?;
    let well_formed = !text.is_empty()
        && text.len() <= limits::VERSION_BYTES
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if well_formed {
        Ok(text.to_owned())
    } else {
        Err(item.refuse(format!("`{}` is not an architecture", excerpt(text))))
    }
}

fn kind(value: &At<'_>) -> Result<Kind, ManifestError> {
    match value.text()? {
        "os-extension" => Ok(Kind::OsExtension),
        "development" => Ok(Kind::Development),
        other => Err(value.refuse(format!("`{}` is not a kind of extension", excerpt(other)))),
    }
}
