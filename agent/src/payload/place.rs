//! What the name of an archive entry means to us: pure, and the only place where such a name is read.
//!
//! A name is never joined to a path of the host. It either is one of a few keys, or it is nothing.

use super::Layout;

/// Where packages lie, and what that layout is called. The two older layouts (one directory per extension, and packages
/// at the root of the image) get their rows here.
const ROOTS: [(&[&str], Layout); 2] = [
    (&["usr", "share", "rpm-ostree", "extensions"], Layout::ExtensionsContainer),
    (&["extensions"], Layout::MachineOsContent),
];
/// Longest name of an entry, in bytes.
pub(super) const NAME_BYTES: usize = 4096;
/// Longest name of a file in one of our directories, as file systems have it.
const FILE_NAME_BYTES: usize = 255;

/// What an entry is to one of the roots.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing.
    Elsewhere,
    /// The top of the tree itself.
    Top,
    /// An opaque marker at the top: no lower layer counts.
    HidesAll,
    /// The root itself, or a directory above it: as anything but a directory it hides what lower layers have below.
    Above(Layout),
    /// A whiteout of the root or of a directory above it, or an opaque marker there: lower layers are hidden.
    Hides(Layout),
    /// A file of ours: `usbguard-1.0-1.el9.x86_64.rpm`, `extensions.json`, `repodata/repomd.xml`.
    File(Layout, String),
    /// The whiteout of that file (or of the directory `repodata`) in lower layers.
    HidesFile(Layout, String),
    /// A package one directory deeper: the layout of 4.6 and 4.7.
    Deeper,
}

/// The steps of a name from the top of the tree, without those that mean nothing.
///
/// # Errors
/// Says why a name makes the whole archive unfit.
pub(super) fn steps(name: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    if name.len() > NAME_BYTES {
        return Err("a name is too long");
    }
    if name.contains(&0) {
        return Err("a name holds a zero byte");
    }
    let steps: Vec<&[u8]> =
        name.split(|byte| *byte == b'/').filter(|step| !step.is_empty() && *step != b".").collect();
    if steps.contains(&b"..".as_slice()) {
        return Err("a name holds `..`");
    }
    Ok(steps)
}

/// Reads the name of an entry. The layouts share no directory but the top, so one place is enough.
///
/// # Errors
/// Says why a name makes the whole archive unfit.
pub(super) fn place(name: &[u8]) -> Result<Place, &'static str> {
    let parts = steps(name)?;
    match parts.as_slice() {
        [] => return Ok(Place::Top),
        [only] if *only == b".wh..wh..opq" => return Ok(Place::HidesAll),
        _ => {}
    }
    for (root, layout) in ROOTS {
        let common = parts.iter().zip(root).take_while(|(part, own)| **part == own.as_bytes()).count();
        let rest = parts.get(common..).unwrap_or_default();
        if common == root.len() && !rest.is_empty() {
            return inside(rest, layout);
        }
        match rest {
            [] => return Ok(Place::Above(layout)),
            [only] if hides(only, root.get(common).copied()) => return Ok(Place::Hides(layout)),
            _ => {}
        }
    }
    Ok(Place::Elsewhere)
}

/// Whether a name in a directory above a root is a whiteout of the next step towards it, or opaque.
fn hides(name: &[u8], next: Option<&str>) -> bool {
    let whited = name.strip_prefix(b".wh.");
    whited.is_some_and(|whited| whited == b".wh..opq" || next.is_some_and(|next| whited == next.as_bytes()))
}

fn inside(rest: &[&[u8]], layout: Layout) -> Result<Place, &'static str> {
    if rest.iter().any(|part| part.len() > FILE_NAME_BYTES) {
        return Err("the name of a file among the packages is too long");
    }
    let parts: Result<Vec<&str>, _> = rest.iter().map(|part| std::str::from_utf8(part)).collect();
    let parts = parts.map_err(|_| "the name of a file among the packages is not UTF-8")?;
    if parts.iter().any(|part| part.chars().any(is_deceptive)) {
        return Err("the name of a file among the packages holds control characters");
    }
    Ok(match parts.as_slice() {
        [".wh..wh..opq"] => Place::Hides(layout),
        ["repodata", ".wh..wh..opq"] => Place::HidesFile(layout, "repodata".into()),
        [name] => match name.strip_prefix(".wh.") {
            Some(hidden) => Place::HidesFile(layout, hidden.to_owned()),
            None => Place::File(layout, (*name).to_owned()),
        },
        ["repodata", name] => match name.strip_prefix(".wh.") {
            Some(hidden) => Place::HidesFile(layout, format!("repodata/{hidden}")),
            None => Place::File(layout, format!("repodata/{name}")),
        },
        [_, .., name] if name.ends_with(".rpm") => Place::Deeper,
        _ => Place::Elsewhere,
    })
}

/// Control characters, and those that turn the direction of text around.
fn is_deceptive(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use Layout::{ExtensionsContainer as Container, MachineOsContent as Flat};

    #[test]
    fn a_name_that_could_mean_two_things_makes_the_archive_unfit() {
        for bad in [
            "usr/../extensions/a.rpm".as_bytes(),
            b"../extensions/a.rpm",
            b"extensions/..",
            b"extensions/a\n.rpm",
            b"extensions/a\x1b[31m.rpm",
            "extensions/a\u{202e}mpr.exe".as_bytes(),
            b"extensions/\xff.rpm",
            b"etc/a\0b",
            format!("extensions/{}.rpm", "a".repeat(300)).as_bytes(),
            "a/".repeat(3000).as_bytes(),
        ] {
            assert!(place(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn each_name_is_one_key_or_nothing() {
        let file = |layout, name: &str| Place::File(layout, name.into());
        let hides = |layout, name: &str| Place::HidesFile(layout, name.into());
        for (name, expected) in [
            ("usr/share/rpm-ostree/extensions/a.rpm", file(Container, "a.rpm")),
            ("./usr/share//rpm-ostree/./extensions/a.rpm", file(Container, "a.rpm")),
            ("/extensions/a.rpm", file(Flat, "a.rpm")),
            ("extensions/repodata/repomd.xml", file(Flat, "repodata/repomd.xml")),
            ("extensions/.wh.a.rpm", hides(Flat, "a.rpm")),
            ("extensions/.wh.repodata", hides(Flat, "repodata")),
            ("extensions/repodata/.wh..wh..opq", hides(Flat, "repodata")),
            ("extensions/.wh..wh..opq", Place::Hides(Flat)),
            (".wh.extensions", Place::Hides(Flat)),
            (".wh..wh..opq", Place::HidesAll),
            ("./", Place::Top),
            ("", Place::Top),
            ("usr/.wh.share", Place::Hides(Container)),
            ("usr/share/rpm-ostree/.wh..wh..opq", Place::Hides(Container)),
            ("usr/share", Place::Above(Container)),
            ("usr/share/rpm-ostree/extensions/", Place::Above(Container)),
            ("extensions", Place::Above(Flat)),
            ("extensions/usbguard/a.rpm", Place::Deeper),
            ("extensions/repodata/x/y", Place::Elsewhere),
            ("usr/share/rpm-ostree/extensions.json", Place::Elsewhere),
            ("usr/share/.wh.doc", Place::Elsewhere),
            ("usr/share/extensions/a.rpm", Place::Elsewhere),
            ("etc/passwd", Place::Elsewhere),
        ] {
            assert_eq!(place(name.as_bytes()), Ok(expected), "{name}");
        }
    }
}
