//! Origin files: the one place where rpm-ostree records *which content* of a local package was requested.
//!
//! **Trap:** on the bus, `requested-local-packages` shows only names and versions. Two builds with one name and version
//! look the same there, and sending the second over the first poisons the host: the import replaces the package cache
//! before anything is checked, and from then on every layering call fails with "Checksum mismatch". The digest of the
//! head, in the origin file, tells them apart beforehand.
//!
//! Decides: which digest belongs to which package. Input: `<sysroot>/ostree/deploy/<os>/deploy/<commit>.<n>.origin`, in
//! the format of GLib's key files. Where the file cannot be read or understood, digests are unknown: never an error,
//! for the packages themselves are known from the bus.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use extensions_manifest::{Nevra, Sha256Digest};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// Largest origin file that is read. A request is under 400 bytes.
const LARGEST: u64 = 1 << 20;

/// Local package → SHA-256 of everything before its payload.
pub(super) type Heads = BTreeMap<Nevra, Sha256Digest>;

/// Reads the origin file at `path`; empty, with a line in the log, when that cannot be done.
pub(super) fn load(path: &Path) -> Heads {
    match read(path) {
        Ok(text) => parse(&text),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "origin file unreadable: digests of layered packages are unknown");
            Heads::new()
        }
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = File::from(open(path, flags, Mode::empty())?);
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(std::io::Error::other("it is too large"));
    }
    Ok(text)
}

/// The local packages that an origin file requests, from `requested-local=<sha256>:<nevra>;…` in `[packages]`. Entries
/// that cannot be read are left out; so is a package that is named with two different digests.
pub(super) fn parse(text: &str) -> Heads {
    let mut heads = Heads::new();
    let mut doubtful = Vec::new();
    for entry in list(text, "packages", "requested-local") {
        let Some((nevra, head)) = request(&entry) else { continue };
        match heads.insert(nevra.clone(), head) {
            Some(before) if before != head => doubtful.push(nevra),
            Some(_) | None => {}
        }
    }
    for nevra in doubtful {
        heads.remove(&nevra);
    }
    heads
}

/// One request. The name may hold `:` itself, in front of an epoch.
fn request(entry: &str) -> Option<(Nevra, Sha256Digest)> {
    let (digest, nevra) = entry.split_once(':')?;
    Some((nevra.parse().ok()?, Sha256Digest::from_hex(digest).ok()?))
}

/// The values of a list in a key file. As in GLib, the last of several equal keys counts, groups of one name are one
/// group, and keys are case-sensitive.
fn list(text: &str, group: &str, key: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = "";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name == group;
        } else if let Some((name, value)) = line.split_once('=')
            && inside
            && !line.starts_with('#')
            && name.trim_end() == key
        {
            found = value.trim_start();
        }
    }
    split(found)
}

/// Splits at `;` and undoes the escapes of key files: `\s \n \t \r \\ \;`.
fn split(value: &str) -> Vec<String> {
    let mut entries = Vec::new();
    let mut entry = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            ';' => entries.push(std::mem::take(&mut entry)),
            '\\' => entry.extend(characters.next().map(|escaped| match escaped {
                's' => ' ',
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            })),
            other => entry.push(other),
        }
    }
    entries.push(entry);
    entries.retain(|entry| !entry.is_empty());
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(of: &str) -> Sha256Digest {
        Sha256Digest::of(of.as_bytes())
    }

    fn origin(requested: &str) -> String {
        format!(
            "[origin]\nbaserefspec=fedora:fedora/stable\n\n[packages]\nrequested=strace;\nrequested-local={requested}\n\
             requested-local-fileoverride=\n\n[overrides]\nremove=kernel;\n"
        )
    }

    #[test]
    fn each_request_has_the_digest_of_its_head() {
        let text = origin(&format!(
            "{}:usbguard-1.0.0-15.el9.x86_64;{}:dep-b-1:1.0-1.el9.noarch;",
            digest("a").hex(),
            digest("b").hex()
        ));
        let expected = Heads::from([
            ("usbguard-1.0.0-15.el9.x86_64".parse().unwrap(), digest("a")),
            ("dep-b-1:1.0-1.el9.noarch".parse().unwrap(), digest("b")),
        ]);
        assert_eq!(parse(&text), expected);
    }

    #[test]
    fn what_cannot_be_read_is_unknown_and_never_guessed() {
        let good = digest("a").hex();
        for bad in [
            String::new(),
            ";;;".to_owned(),
            "usbguard-1.0.0-15.el9.x86_64".to_owned(),
            format!("{}:usbguard-1-1.x86_64", good.to_uppercase()),
            format!("{good}:usbguard"),
            format!("{good}:a-1-1.x86_64;{}:a-1-1.x86_64", digest("b").hex()),
        ] {
            assert_eq!(parse(&origin(&bad)), Heads::new(), "{bad}");
        }
    }

    #[test]
    fn only_the_right_key_of_the_right_group_counts() {
        let value = format!("{}:a-1-1.x86_64;", digest("a").hex());
        for text in [
            format!("requested-local={value}"),
            format!("[origin]\nrequested-local={value}"),
            format!("[packages]\n#requested-local={value}"),
            format!("[packages]\nrequested-local-fileoverride={value}"),
            format!("[packages]\n[overrides]\nrequested-local={value}"),
        ] {
            assert_eq!(parse(&text), Heads::new(), "{text}");
        }
        assert_eq!(parse(&format!("[packages]\n requested-local = {value}\n")).len(), 1);
    }

    #[test]
    fn escapes_are_undone_as_glib_does() {
        assert_eq!(split(r"a\;b;c\sd;e\\f"), ["a;b", "c d", r"e\f"]);
        assert_eq!(split("trailing\\"), ["trailing"]);
    }

    #[test]
    fn a_file_that_is_a_link_or_missing_or_huge_tells_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real.origin");
        std::fs::write(&real, origin(&format!("{}:a-1-1.x86_64;", digest("a").hex()))).unwrap();
        assert_eq!(load(&real).len(), 1);
        let link = dir.path().join("link.origin");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(load(&link), Heads::new());
        assert_eq!(load(&dir.path().join("missing.origin")), Heads::new());
        let huge = dir.path().join("huge.origin");
        File::create(&huge).unwrap().set_len(LARGEST + 1).unwrap();
        assert_eq!(load(&huge), Heads::new());
    }
}
