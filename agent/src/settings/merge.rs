//! Fragments and arguments → inputs → [`Settings`].

use std::path::{Path, PathBuf};

use super::fragments::{self, Fragment};
use super::table::{self, KEYS, Key};
use super::{DumpLine, Loaded, Origin, SettingsError};

/// What the arguments of one command set; they win over every file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--machine-config`.
    pub machine_config: Option<PathBuf>,
    /// `--payload`.
    pub payload: Option<String>,
}

/// One unchecked value and where it stands.
struct Input {
    value: toml::Value,
    origin: Origin,
}

/// Reads the drop-ins below `root` (normally `/`), applies `overrides` and checks every value.
///
/// # Errors
/// When a drop-in cannot be read or parsed, or a value is not allowed; the error names file, key and what is allowed.
pub fn load(root: &Path, overrides: &Overrides) -> Result<Loaded, SettingsError> {
    let (fragments, mut warnings) = fragments::read(root)?;
    warnings.extend(fragments.iter().flat_map(unknown_keys));
    let mut settings = table::blank();
    let mut dump = Vec::new();
    for key in KEYS {
        let input = input(key, &fragments, overrides);
        let origin = input.as_ref().map_or(Origin::Default, |input| input.origin.clone());
        let value = match input {
            None => None,
            Some(Input { value, origin }) => {
                let put = key.kind.put(&value, &mut settings);
                Some(put.map_err(|refused| SettingsError::Value {
                    key: key.path(),
                    origin,
                    found: refused.found,
                    allowed: refused.allowed,
                })?)
            }
        };
        dump.push(DumpLine { key: key.path(), value, origin });
    }
    Ok(Loaded { settings, dump, warnings })
}

/// The value that counts for `key`: the argument, else the last fragment that has it, else the default.
fn input(key: &Key, fragments: &[Fragment], overrides: &Overrides) -> Option<Input> {
    let argument = argument(key, overrides);
    let file = fragments.iter().rev().find_map(|fragment| {
        let value = fragment.values.get(key.section)?.get(key.name)?.clone();
        Some(Input { value, origin: Origin::File(fragment.path.clone()) })
    });
    let default = key.default.map(|text| Input { value: text.into(), origin: Origin::Default });
    argument.or(file).or(default)
}

fn argument(key: &Key, overrides: &Overrides) -> Option<Input> {
    let (name, text) = match (key.section, key.name) {
        ("machine-config", "directory") => {
            // A relative path is fine on a command line and nowhere else.
            let path = std::path::absolute(overrides.machine_config.as_ref()?).ok()?;
            ("--machine-config", path.to_string_lossy().into_owned())
        }
        ("payload", "image") => ("--payload", overrides.payload.clone()?),
        _ => return None,
    };
    Some(Input { value: text.into(), origin: Origin::Argument(name) })
}

fn unknown_keys(fragment: &Fragment) -> Vec<String> {
    let mut unknown = Vec::new();
    for (section, value) in &fragment.values {
        let known = |name: &str| KEYS.iter().any(|key| key.section == section && key.name == name);
        if !KEYS.iter().any(|key| key.section == section) {
            unknown.push(section.clone());
        } else if let Some(table) = value.as_table() {
            unknown.extend(table.keys().filter(|name| !known(name)).map(|name| format!("{section}.{name}")));
        } else {
            unknown.push(section.clone());
        }
    }
    let file = fragment.path.display();
    unknown
        .into_iter()
        .map(|key| format!("`{}` in `{file}` is not a key of this agent", key.escape_default()))
        .collect()
}
