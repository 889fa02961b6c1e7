//! Two identifiers of this machine that the roll-out needs: which boot this is, and a name for a FleetLock server.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use extensions_manifest::Sha256Digest;

/// Longest identifier that is read.
const BYTES: u64 = 256;
/// Makes the identifier ours: another program that derives one gets another.
const PURPOSE: &[u8] = b"extensions-agent fleetlock v1\0";

/// The kernel's identifier of this boot; empty where there is none.
pub fn boot_id() -> String {
    read(Path::new("/proc/sys/kernel/random/boot_id")).unwrap_or_default()
}

/// What identifies the machine below `sysroot` to a FleetLock server. Derived from the machine id, which is confidential
/// and never leaves the host; the same in each boot.
///
/// # Errors
/// When the machine has no id (yet).
pub(super) fn client_id(sysroot: &Path) -> io::Result<String> {
    let id = read(&sysroot.join("etc/machine-id"))?;
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "`/etc/machine-id` holds no machine id"));
    }
    let digest = Sha256Digest::of(&[PURPOSE, id.as_bytes()].concat());
    Ok(digest.hex().chars().take(32).collect())
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(BYTES).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_id_itself_is_never_told() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let file = root.path().join("etc/machine-id");
        let raw = "0123456789abcdef0123456789abcdef";
        std::fs::write(&file, format!("{raw}\n")).unwrap();
        let id = client_id(root.path()).unwrap();
        assert_eq!(id, client_id(root.path()).unwrap());
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_ne!(id, raw);
        for text in ["", "uninitialized\n", "zz23456789abcdef0123456789abcdef"] {
            std::fs::write(&file, text).unwrap();
            assert!(client_id(root.path()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_boot_has_an_identifier() {
        assert_eq!(boot_id().len(), 36);
    }
}
