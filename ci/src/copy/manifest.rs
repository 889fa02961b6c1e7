//! The digests of all files of a copy, as the far side computed them.
//!
//! Decides: whether both sides have the same files. Must not: read a file. Input: what sha256sum prints, untrusted.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use super::CopyError;
use super::place::place;

/// Longest line: a digest and a path, every byte of which may be escaped.
const LINE: u64 = 10_000;
/// The last line.
const END: &[u8] = b"end";

/// A digest.
pub(super) type Digest = [u8; 32];
/// The digest of each regular file, by its path below the root of the copy.
pub(super) type Digests = BTreeMap<Vec<u8>, Digest>;

/// Holds what the far side says against what we know.
///
/// # Errors
/// When a digest is different, missing or too many, or the list has no end.
pub(super) fn compare(mut known: Digests, far: &mut impl BufRead) -> Result<(), CopyError> {
    loop {
        let mut line = Vec::new();
        far.take(LINE).read_until(b'\n', &mut line).map_err(CopyError::Stream)?;
        if line.pop() != Some(b'\n') {
            return Err(CopyError::Unproven("the list of digests has no end".to_owned()));
        }
        if line == END {
            return match known.keys().next() {
                None => Ok(()),
                Some(path) => Err(different(path, "the far side has no digest of it")),
            };
        }
        let (path, digest) =
            parse(&line).ok_or_else(|| CopyError::Unproven(String::from_utf8_lossy(&line).into_owned()))?;
        match known.remove(&path) {
            Some(ours) if ours == digest => {}
            Some(_) => return Err(different(&path, "its digest is another on the far side")),
            None => return Err(different(&path, "it is only on the far side")),
        }
    }
}

fn different(path: &[u8], why: &str) -> CopyError {
    CopyError::Different { path: String::from_utf8_lossy(path).into_owned(), why: why.to_owned() }
}

/// A line of sha256sum: `DIGEST  PATH`, and with a backslash before it where it has escaped the path.
fn parse(line: &[u8]) -> Option<(Vec<u8>, Digest)> {
    let (escaped, line) = match line.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digest, path) = line.split_at_checked(64)?;
    let digest = hex::decode(digest).ok()?.try_into().ok()?;
    let path = path.strip_prefix(b"  ").or_else(|| path.strip_prefix(b" *"))?;
    let path = if escaped { unescape(path)? } else { path.to_vec() };
    let place = place(&path).ok()?;
    Some((std::os::unix::ffi::OsStrExt::as_bytes(place.as_os_str()).to_vec(), digest))
}

fn unescape(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    let mut bytes = path.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' => b'\\',
                _ => return None,
            },
            other => *other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn known() -> Digests {
        Digests::from([(b"x".to_vec(), [0xaa; 32]), (b"d/a\n\\b".to_vec(), [0xbb; 32])])
    }

    #[test]
    fn row_18_the_same_digests_in_any_order_are_a_proof() {
        let far = format!("\\{B}  ./d/a\\n\\\\b\n{A} *./x\nend\n");
        compare(known(), &mut far.as_bytes()).unwrap();
        compare(Digests::new(), &mut &b"end\n"[..]).unwrap();
    }

    #[test]
    fn row_18_a_digest_that_is_wrong_missing_or_too_many_is_none() {
        let good = format!("\\{B}  ./d/a\\n\\\\b\n");
        for far in [
            format!("{good}{A}  ./x\n"),
            format!("{good}{A}  ./x\nen"),
            format!("{good}end\n"),
            format!("{good}{B}  ./x\nend\n"),
            format!("{good}{A}  ./x\n{A}  ./x\nend\n"),
            format!("{good}{A}  ./x\n{A}  ./y\nend\n"),
            format!("{good}{A}  ../x\nend\n"),
            format!("{good}{A}\nend\n"),
            "end\n".to_owned(),
            String::new(),
        ] {
            assert!(compare(known(), &mut far.as_bytes()).is_err(), "{far}");
        }
    }
}
