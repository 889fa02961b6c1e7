//! Where an entry of an archive may lie, and where a link may lead.
//!
//! Decides: which names are refused. Must not: touch a file system. Input: bytes of an archive, untrusted.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Longest path, in bytes.
const PATH: usize = 4096;
/// Longest name in it.
const NAME: usize = 255;
/// Deepest path.
const DEPTH: usize = 200;

/// The place of an entry below the root of a copy; empty for the root itself.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn place(bytes: &[u8]) -> Result<PathBuf, &'static str> {
    if bytes.len() > PATH {
        return Err("the path is too long");
    }
    if bytes.starts_with(b"/") {
        return Err("the path is absolute");
    }
    let mut path = PathBuf::new();
    for (depth, part) in parts(bytes).enumerate() {
        match part {
            b".." => return Err("the path leaves the copy"),
            _ if part.contains(&0) => return Err("the path has a zero byte"),
            _ if part.len() > NAME => return Err("a name in the path is too long"),
            _ if depth >= DEPTH => return Err("the path is too deep"),
            _ => path.push(OsStr::from_bytes(part)),
        }
    }
    Ok(path)
}

/// Where a symbolic link at `at` leads, if it cannot leave the copy. It may first go up, as far as the root, and then down:
/// what lies below is either real or a link that was held to the same, so no way out can be put together.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn link(at: &Path, target: &[u8]) -> Result<PathBuf, &'static str> {
    if target.is_empty() || target.len() > PATH || target.contains(&0) {
        return Err("the link leads nowhere");
    }
    if target.starts_with(b"/") {
        return Err("the link is absolute");
    }
    let above = at.components().count().saturating_sub(1);
    let mut up = 0;
    let mut down = false;
    for part in parts(target) {
        match part {
            b".." if down => return Err("the link goes up again after it went down"),
            b".." => up += 1,
            _ => down = true,
        }
    }
    if up > above {
        return Err("the link leaves the copy");
    }
    Ok(PathBuf::from(OsStr::from_bytes(target)))
}

fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn row_18_a_path_stays_below_the_root() {
        for (bytes, path) in
            [(&b"./"[..], ""), (b"./a//b/", "a/b"), ("ä/\u{1F600}".as_bytes(), "ä/\u{1F600}")]
        {
            assert_eq!(place(bytes).unwrap(), Path::new(path));
        }
        for bad in
            [&b"/a"[..], b"..", b"a/../../b", b"a/..", b"./../a", b"a\0b", &[b'a'; 256], &b"a/".repeat(201)]
        {
            assert!(place(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn row_18_a_link_stays_below_the_root() {
        for (at, target) in [("a", "b"), ("a/b", "../c"), ("a/b/c", "../../d/e"), ("a", "./b"), ("a", ".")] {
            assert!(link(Path::new(at), target.as_bytes()).is_ok(), "{at} -> {target}");
        }
        for (at, target) in [
            ("a", ".."),
            ("a", "../b"),
            ("a/b", "../../c"),
            ("a", "/etc/passwd"),
            ("a/b", "c/../../.."),
            ("a", ""),
        ] {
            assert!(link(Path::new(at), target.as_bytes()).is_err(), "{at} -> {target}");
        }
    }

    proptest! {
        #[test]
        fn row_18_no_path_that_is_taken_has_a_part_that_leads_out(bytes in proptest::collection::vec(prop_oneof![Just(b'/'), Just(b'.'), Just(b'a'), Just(0)], 0..12)) {
            if let Ok(path) = place(&bytes) {
                prop_assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
            }
        }
    }
}
