//! Labels and annotations of objects: what the API takes, and what is ours alone.
//!
//! Decides: which keys may be used, and how any text becomes the value of a label. Must not: know what they are used
//! for. Input: untrusted text.

use sha2::{Digest, Sha256};

/// The prefix of labels and annotations that are ours.
pub const OURS: &str = "build-resources/";
/// Longest name of a key, and longest value of a label.
const LONGEST: usize = 63;

fn inner(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn ends_well(text: &str) -> bool {
    let good = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    good(text.bytes().next()) && good(text.bytes().last())
}

/// Whether the API takes this as the value of a label.
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || (text.len() <= LONGEST && ends_well(text) && text.bytes().all(inner))
}

/// Any text as the value of a label: itself where the API takes it, else what is left of it and a digest of the whole,
/// so that different texts stay different.
pub fn label_value(text: &str) -> String {
    if is_label_value(text) {
        return text.to_owned();
    }
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    let digest = digest.get(..10).unwrap_or(&digest);
    let kept: String = text
        .chars()
        .map(|char| if u8::try_from(char).is_ok_and(inner) { char } else { '-' })
        .take(50)
        .collect();
    let kept = kept.trim_matches(|char: char| !char.is_ascii_alphanumeric());
    if kept.is_empty() { digest.to_owned() } else { format!("{kept}-{digest}") }
}

/// Whether the API takes this as the key of a label, an annotation or a resource.
pub(super) fn is_key(key: &str) -> bool {
    let (prefix, name) = parts(key);
    let dns = |part: &str| {
        (1..=LONGEST).contains(&part.len())
            && ends_well(part)
            && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    let named = !name.is_empty() && is_label_value(name);
    named && prefix.is_none_or(|prefix| prefix.len() <= 253 && prefix.split('.').all(dns))
}

fn parts(key: &str) -> (Option<&str>, &str) {
    match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    }
}

/// What is wrong with a key that an operator chose: malformed, or reserved.
pub(super) fn bad_key(key: &str) -> Option<&'static str> {
    let reserved = |prefix: &str| {
        format!("{prefix}/") == OURS
            || ["kubernetes.io", "k8s.io"].iter().any(|domain| {
                prefix.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
    };
    if !is_key(key) {
        Some("is no key of a label")
    } else if parts(key).0.is_some_and(reserved) {
        Some("has a reserved prefix")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_44_any_text_becomes_a_value_that_the_api_takes() {
        for text in ["", "a", "A.b_c-d", "-", "ä", "refs/changes/12/34", "a\n", &"x".repeat(64), "..", "x/"]
        {
            assert!(is_label_value(&label_value(text)), "{text:?} -> {:?}", label_value(text));
        }
        assert_eq!(label_value("plain"), "plain");
        assert_ne!(label_value("a/b"), label_value("a?b"));
    }

    #[test]
    fn reserved_and_malformed_keys_are_told_apart() {
        for good in ["a", "team/x", "example.org/x_y.z"] {
            assert_eq!(bad_key(good), None, "{good}");
        }
        for reserved in
            ["build-resources/system", "kubernetes.io/x", "pod-security.kubernetes.io/enforce", "k8s.io/a"]
        {
            assert_eq!(bad_key(reserved), Some("has a reserved prefix"), "{reserved}");
        }
        for malformed in ["", "/a", "a/", "a/b/c", "Ä", "A.B/x", "-a", &"x".repeat(64)] {
            assert_eq!(bad_key(malformed), Some("is no key of a label"), "{malformed}");
        }
    }
}
