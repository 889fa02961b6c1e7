//! The ostree repo of the sysroot, through the `ostree` command.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

use super::Failure;
use super::command::{self, Cancel, tool};

/// What a commit says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// Seconds since 1970.
    pub timestamp: u64,
    /// The version in its metadata.
    pub version: Option<String>,
    /// The base under a layered commit.
    pub base: Option<String>,
    /// Digest of what is layered.
    pub state: Option<String>,
    /// Base packages that are not in it: `name|epoch|version|release|arch`.
    pub removed: Vec<String>,
    /// Base packages that another took the place of: `new>old`, each as above.
    pub replaced: Vec<String>,
}

/// Metadata key of the stand-in for [`Commit::removed`].
pub const REMOVED: &str = "stand-in.removed-base-packages";
/// Metadata key of the stand-in for [`Commit::replaced`].
pub const REPLACED: &str = "stand-in.replaced-base-packages";

/// The repo's directory.
pub fn path(dir: &Path) -> PathBuf {
    dir.join("sysroot/ostree/repo")
}

/// `ostree VERB --repo=…`.
pub fn ostree(dir: &Path, verb: &str) -> Command {
    let mut command = tool("ostree");
    command.arg(verb).arg(format!("--repo={}", path(dir).display()));
    command
}

/// What a ref (or checksum) stands for.
///
/// # Errors
/// When the repo does not have it.
pub fn resolve(dir: &Path, refspec: &str) -> Result<String, Failure> {
    let bare = refspec.strip_prefix(':').unwrap_or(refspec);
    let said = command::run(ostree(dir, "rev-parse").arg(bare), &Cancel::default(), "")?;
    if !said.ok() {
        // Where the real daemon would go to the network, the sandbox has only its own repo.
        return Err(Failure::new(format!(
            "While pulling {refspec}: Refspec '{refspec}' not found in this sandbox"
        )));
    }
    Ok(said.out.trim().to_owned())
}

/// Reads a commit. Commits never change, so each is read once.
///
/// # Errors
/// When the repo does not have it.
pub fn commit(dir: &Path, checksum: &str) -> Result<Commit, Failure> {
    static KNOWN: LazyLock<Mutex<HashMap<(PathBuf, String), Commit>>> = LazyLock::new(Mutex::default);
    let key = (path(dir), checksum.to_owned());
    if let Some(known) = KNOWN.lock().unwrap().get(&key) {
        return Ok(known.clone());
    }
    let said = command::run(ostree(dir, "show").args(["--raw", checksum]), &Cancel::default(), "")?;
    let commit = parse(&said.expect_ok("ostree show")?);
    KNOWN.lock().unwrap().insert(key, commit.clone());
    Ok(commit)
}

/// Writes a ref by its file, as libostree keeps them.
///
/// # Errors
/// When the file cannot be written.
pub fn write_ref(dir: &Path, name: &str, checksum: &str) -> Result<(), Failure> {
    let file = path(dir).join("refs/heads").join(name);
    fs::create_dir_all(file.parent().unwrap_or(&file))?;
    Ok(fs::write(file, format!("{checksum}\n"))?)
}

/// Removes every ref under `prefix`.
///
/// # Errors
/// When one cannot be removed.
pub fn remove_refs(dir: &Path, prefix: &str) -> Result<(), Failure> {
    let place = path(dir).join("refs/heads").join(prefix);
    if place.is_dir() {
        fs::remove_dir_all(place)?;
    }
    Ok(())
}

// The text form of a commit: ({metadata}, parent, related, subject, body, timestamp, tree, meta).
fn parse(text: &str) -> Commit {
    let value = |key: &str| {
        let start = text.find(&format!("'{key}': <'"))? + key.len() + 6;
        let rest = text.get(start..)?;
        Some(rest.get(..rest.find("'>")?)?.to_owned())
    };
    let list = |key: &str| {
        let text = value(key).unwrap_or_default();
        text.split(';').filter(|item| !item.is_empty()).map(str::to_owned).collect()
    };
    let timestamp = text.rfind("uint64 ").and_then(|at| {
        let digits: String = text.get(at + 7..)?.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    let layered = text.contains("'rpmostree.clientlayer': <true>");
    let parent = text.rfind("}, [byte ").and_then(|at| {
        let bytes = text.get(at + 9..)?;
        let bytes = bytes.get(..bytes.find(']')?)?;
        Some(bytes.split(", ").map(|byte| byte.trim_start_matches("0x")).collect::<String>())
    });
    Commit {
        timestamp: timestamp.unwrap_or(0),
        version: value("version"),
        base: parent.filter(|_| layered),
        state: value("rpmostree.state-sha512"),
        removed: list(REMOVED),
        replaced: list(REPLACED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layered_commit_names_its_base() {
        let text = "commit x\n({'version': <'39.1'>, 'rpmostree.clientlayer': <true>, 'stand-in.removed-base-packages': \
                    <'a|0|1|1|noarch;'>}, [byte 0xac, 0x2f], @a(say) [], 'x', '', uint64 1795265138, [byte 0x56], \
                    [byte 0x44])";
        let commit = parse(text);
        assert_eq!(commit.base.as_deref(), Some("ac2f"));
        assert_eq!(commit.version.as_deref(), Some("39.1"));
        assert_eq!(commit.timestamp, 1_795_265_138);
        assert_eq!(commit.removed, ["a|0|1|1|noarch"]);
    }

    #[test]
    fn a_bare_commit_has_no_base() {
        let text = "commit x\n({'version': <'1.0'>}, @ay [], @a(say) [], '', '', uint64 12, [byte 0x33], [byte 0x44])";
        assert_eq!(parse(text).base, None);
    }
}
