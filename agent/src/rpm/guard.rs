//! librpm's bounds on a header, checked before any parser sees the bytes.
//!
//! The `rpm` crate trusts the numbers in an index: given hostile ones it panics, or aborts on an allocation that no
//! handler can catch. Everything here is arithmetic on bytes that are already in memory: nothing is allocated by a
//! claimed size. The tighter caps (librpm allows 65,535 tags and 256 MiB) keep the whole agent inside its memory bound;
//! the largest header in Fedora is about 3 MiB.

use std::io::Read;

use super::error::RpmError;

/// The lead: magic, version, and a name that nobody reads any more.
pub(super) const LEAD_BYTES: usize = 96;
/// Magic, reserved, number of tags, size of the data.
pub(super) const INTRO_BYTES: usize = 16;
/// One tag: number, type, offset, count.
pub(super) const ENTRY_BYTES: usize = 16;
/// librpm's own bound on tags; real headers have about a hundred.
const TAGS: u32 = 0xffff;
/// Largest data section of a main header.
const HEADER_DATA_BYTES: u32 = 8 << 20;
/// Largest data section of a signature header; librpm allows 64 MiB, real ones are below 20 KiB.
const SIGNATURE_DATA_BYTES: u32 = 1 << 20;
/// Most strings in one tag: files, or dependencies, of the largest packages times three.
const STRINGS: u32 = 250_000;

const REGION_SIGNATURE: u32 = 62;
const REGION_IMMUTABLE: u32 = 63;
const FIRST_TAG: u32 = 100;
const TYPE_BINARY: u32 = 7;

/// Which of the two headers of a package it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Digests and signatures of the other one.
    Signature,
    /// The package.
    Main,
}

/// One entry of the index, inside its bounds.
struct Entry {
    tag: u32,
    kind: u32,
    offset: u32,
    count: u32,
}

/// Reads the lead and refuses what is not a binary package of rpm's third format.
pub(super) fn read_lead(from: &mut dyn Read, head: &mut Vec<u8>) -> Result<(), RpmError> {
    let lead = take(from, LEAD_BYTES, head)?;
    let (magic, rest) = lead.split_at_checked(4).ok_or(RpmError::Truncated)?;
    if magic != [0xed, 0xab, 0xee, 0xdb] {
        return Err(RpmError::Malformed {
            part: "lead",
            problem: "it does not start with rpm's magic".into(),
        });
    }
    match rest {
        // 4.0 is what rpm 6 writes into this field; 3.0 is every other rpm since 1997.
        [3 | 4, _, 0, 0, ..] => Ok(()),
        [3 | 4, _, 0, 1, ..] => Err(RpmError::SourcePackage),
        _ => Err(RpmError::Malformed { part: "lead", problem: "its version or kind is not known".into() }),
    }
}

/// Reads one header into `head` and holds it against every bound. Returns where in `head` it lies.
pub(super) fn read_header(
    from: &mut dyn Read,
    part: Part,
    head: &mut Vec<u8>,
) -> Result<std::ops::Range<usize>, RpmError> {
    let start = head.len();
    let intro = take(from, INTRO_BYTES, head)?;
    let (tags, data) = intro_sizes(intro, part)?;
    let index = tags as usize * ENTRY_BYTES;
    take(from, index + data as usize, head)?;
    let end = head.len();
    let header = head.get(start..end).ok_or(RpmError::Truncated)?;
    check_header(header, part)?;
    if part == Part::Signature {
        // Only the signature header is padded, to eight bytes.
        let padding = (8 - data as usize % 8) % 8;
        take(from, padding, head)?;
    }
    Ok(start..end)
}

/// Appends exactly `count` bytes to `head`. Grows with what arrives, never with what is claimed.
fn take<'a>(from: &mut dyn Read, count: usize, head: &'a mut Vec<u8>) -> Result<&'a [u8], RpmError> {
    let start = head.len();
    let read = from.take(count as u64).read_to_end(head).map_err(RpmError::Read)?;
    if read == count { head.get(start..).ok_or(RpmError::Truncated) } else { Err(RpmError::Truncated) }
}

fn intro_sizes(intro: &[u8], part: Part) -> Result<(u32, u32), RpmError> {
    let refused = |problem: String| RpmError::Malformed { part: part.name(), problem };
    if intro.get(..8) != Some(&[0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0]) {
        return Err(refused("it does not start with a header's magic".into()));
    }
    let (tags, data) = (number(intro, 8)?, number(intro, 12)?);
    if tags == 0 || tags > TAGS {
        return Err(refused(format!("{tags} tags, where 1 to {TAGS} are allowed")));
    }
    let cap = match part {
        Part::Signature => SIGNATURE_DATA_BYTES,
        Part::Main => HEADER_DATA_BYTES,
    };
    if data > cap {
        return Err(refused(format!("{data} bytes of data, where {cap} are allowed")));
    }
    Ok((tags, data))
}

/// Holds a whole header (intro, index, data) against every bound.
pub(super) fn check_header(header: &[u8], part: Part) -> Result<(), RpmError> {
    let refused = |problem: String| RpmError::Malformed { part: part.name(), problem };
    let (tags, size) = intro_sizes(header, part)?;
    let index_end = INTRO_BYTES + tags as usize * ENTRY_BYTES;
    let index = header.get(INTRO_BYTES..index_end).ok_or(RpmError::Truncated)?;
    let data = header.get(index_end..).ok_or(RpmError::Truncated)?;
    if data.len() != size as usize {
        return Err(RpmError::Truncated);
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut end = 0;
    for (place, raw) in index.chunks_exact(ENTRY_BYTES).enumerate() {
        let entry = Entry {
            tag: number(raw, 0)?,
            kind: number(raw, 4)?,
            offset: number(raw, 8)?,
            count: number(raw, 12)?,
        };
        if !seen.insert(entry.tag) {
            return Err(refused(format!("tag {} is there twice", entry.tag)));
        }
        if place == 0 {
            check_region(&entry, tags, data, part).map_err(refused)?;
        } else {
            // As librpm: values lie one behind the other, so all of them together are no longer than the data.
            if entry.offset < end {
                return Err(refused(format!("tag {} overlaps the one before", entry.tag)));
            }
            end = check_entry(&entry, data).map_err(refused)?;
        }
    }
    Ok(())
}

/// The first entry must be the region that covers the whole index: what rpm signs is then the whole header.
fn check_region(entry: &Entry, tags: u32, data: &[u8], part: Part) -> Result<(), String> {
    let expected = match part {
        Part::Signature => REGION_SIGNATURE,
        Part::Main => REGION_IMMUTABLE,
    };
    if entry.tag != expected || entry.kind != TYPE_BINARY || entry.count != ENTRY_BYTES as u32 {
        return Err("its first tag is not the region it must be".into());
    }
    let start = entry.offset as usize;
    let trailer = start.checked_add(ENTRY_BYTES).and_then(|end| data.get(start..end));
    let Some(trailer) = trailer else { return Err("the trailer of its region lies outside".into()) };
    let field = |at| number(trailer, at).map_err(|error| error.to_string());
    let covered = tags as usize * ENTRY_BYTES;
    // The offset of a trailer points backwards over the index that the region covers.
    let back = field(8)?.wrapping_neg();
    // rpm has written signature regions whose trailer carries the other tag; librpm accepts both.
    let tag_fits = field(0)? == expected || (part == Part::Signature && field(0)? == REGION_IMMUTABLE);
    if !tag_fits || field(4)? != TYPE_BINARY || field(12)? != ENTRY_BYTES as u32 {
        return Err("the trailer of its region is malformed".into());
    }
    if back as usize != covered {
        return Err("its region does not cover the whole index".into());
    }
    if start + ENTRY_BYTES != data.len() {
        return Err("there is data behind its region".into());
    }
    Ok(())
}

/// Returns where the entry's values end.
fn check_entry(entry: &Entry, data: &[u8]) -> Result<u32, String> {
    let tag = entry.tag;
    if tag < FIRST_TAG {
        return Err(format!("tag {tag} is in the range of regions"));
    }
    let Some(rest) = data.get(entry.offset as usize..).filter(|rest| !rest.is_empty()) else {
        return Err(format!("tag {tag} starts outside the data"));
    };
    if entry.count == 0 {
        return Err(format!("tag {tag} has no value"));
    }
    let width = match entry.kind {
        // Null (0) never occurs in a package.
        1 | 2 | TYPE_BINARY => 1,
        3 => 2,
        4 => 4,
        5 => 8,
        6 if entry.count != 1 => {
            return Err(format!("tag {tag} is one string and has {} values", entry.count));
        }
        6 | 8 | 9 => return check_strings(entry, rest),
        other => return Err(format!("tag {tag} has the unknown type {other}")),
    };
    if !entry.offset.is_multiple_of(width) {
        return Err(format!("tag {tag} is not aligned"));
    }
    if u64::from(entry.count) * u64::from(width) > rest.len() as u64 {
        return Err(format!("tag {tag} reaches outside the data"));
    }
    Ok(entry.offset + entry.count * width)
}

/// `count` strings of UTF-8, each with its NUL inside the data. Returns where the last one ends.
fn check_strings(entry: &Entry, rest: &[u8]) -> Result<u32, String> {
    let (tag, count) = (entry.tag, entry.count);
    if count > STRINGS {
        return Err(format!("tag {tag} has {count} strings, where {STRINGS} are allowed"));
    }
    let last = rest.iter().enumerate().filter(|(_, byte)| **byte == 0).nth(count as usize - 1);
    let Some((last, _)) = last else { return Err(format!("tag {tag} has a string without an end")) };
    if rest.get(..last).is_none_or(|text| std::str::from_utf8(text).is_err()) {
        return Err(format!("tag {tag} has a string that is not UTF-8"));
    }
    Ok(entry.offset + last as u32 + 1)
}

/// The number of four bytes that stands there.
pub(super) fn number(bytes: &[u8], at: usize) -> Result<u32, RpmError> {
    let four = bytes.get(at..at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok());
    four.map(u32::from_be_bytes).ok_or(RpmError::Truncated)
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature header",
            Self::Main => "header",
        }
    }
}
