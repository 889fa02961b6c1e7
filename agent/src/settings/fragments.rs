//! Drop-in files, as they lie on disk: which of them count, and what they say, unchecked.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::SettingsError;

/// The three directories, least important first: a file in a later one replaces its namesake in an earlier one.
pub const DIRECTORIES: [&str; 3] = ["usr/lib", "etc", "run"];
/// What stands below each of them.
pub(super) const BELOW: &str = "extensions-agent/config.d";
/// Names another root above the three directories, for tests and for containers that mount the host elsewhere.
pub const CONFIG_ROOT_ENV: &str = "EXTENSIONS_AGENT_CONFIG_ROOT";

/// Largest drop-in, in bytes; ours has under 4 KiB.
const FILE_BYTES: usize = 64 * 1024;
/// Most drop-ins.
const FILES: usize = 256;

/// One drop-in file.
#[derive(Debug)]
pub(super) struct Fragment {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// What it says.
    pub(super) values: toml::Table,
}

/// The drop-ins that count, in file-name order, and remarks on entries that were passed over.
pub(super) fn read(root: &Path) -> Result<(Vec<Fragment>, Vec<String>), SettingsError> {
    let bases = DIRECTORIES.map(|directory| root.join(directory));
    let mut warnings = Vec::new();
    for base in &bases {
        warnings.extend(passed_over(&base.join(BELOW))?);
    }
    // Dot-files are left out: editors and atomic writers make them.
    let files = liboverdrop::scan(&bases, BELOW, &["toml"], true);
    if files.len() > FILES {
        return Err(SettingsError::Limit {
            path: root.join(BELOW),
            what: "the number of files",
            limit: FILES,
        });
    }
    let fragments = files.into_values().map(load).collect::<Result<_, _>>()?;
    Ok((fragments, warnings))
}

fn load(path: PathBuf) -> Result<Fragment, SettingsError> {
    let mut bytes = Vec::new();
    fs::File::open(&path)
        .and_then(|file| file.take(FILE_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|source| SettingsError::Read { path: path.clone(), source })?;
    if bytes.len() > FILE_BYTES {
        return Err(SettingsError::Limit { path, what: "the size in bytes", limit: FILE_BYTES });
    }
    let values = parse(&bytes).map_err(|problem| SettingsError::Syntax { path: path.clone(), problem })?;
    Ok(Fragment { path, values })
}

/// The values of one drop-in, or line and fault.
pub(super) fn parse(bytes: &[u8]) -> Result<toml::Table, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())?;
    text.parse::<toml::Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let fault = error.message().lines().next().unwrap_or_default();
        format!("line {}: {fault}", before.matches('\n').count() + 1)
    })
}

/// The scanner leaves out links (other than masks) and unreadable directories without a word; we say it.
fn passed_over(directory: &Path) -> Result<Vec<String>, SettingsError> {
    let failed = |source| SettingsError::Read { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut warnings = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let named_toml = path.extension().is_some_and(|extension| extension == "toml");
        let link = fs::read_link(&path).ok().filter(|target| target != Path::new("/dev/null"));
        if named_toml && link.is_some() {
            warnings.push(format!(
                "`{}` is a link and was ignored: only a link to /dev/null counts",
                path.display()
            ));
        }
    }
    warnings.sort();
    Ok(warnings)
}
