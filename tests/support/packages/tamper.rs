//! Files that are not what they say: one byte turned over, at a place that is meant.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::cache;

/// Which part of the file is hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A letter of the summary: the header still parses, its digest is wrong.
    Header,
    /// The middle of the compressed files.
    Payload,
    /// The last byte but forty: decompressors notice nothing, the payload digest does.
    PayloadEnd,
    /// Everything after the first half is missing.
    Truncated,
}

/// A copy of the file with that part hurt; same base name, other directory.
pub fn tampered(rpm: &Path, part: Part) -> PathBuf {
    let mut bytes = fs::read(rpm).unwrap();
    let sections = sections(&bytes);
    match part {
        Part::Header => {
            let at = find(&bytes[sections.header.clone()], b"Fake of ").expect("every summary starts so");
            bytes[sections.header.start + at] ^= 0x20;
        }
        Part::Payload => {
            let middle = usize::midpoint(sections.payload.start, sections.payload.end);
            bytes[middle] ^= 0x01;
        }
        Part::PayloadEnd => {
            let at = bytes.len().saturating_sub(40).max(sections.payload.start);
            bytes[at] ^= 0x01;
        }
        Part::Truncated => bytes.truncate(bytes.len() / 2),
    }
    keep(&bytes, rpm.file_name().unwrap().to_str().unwrap())
}

/// A file of this content and name, kept with the built ones.
pub fn keep(bytes: &[u8], name: &str) -> PathBuf {
    let key = cache::key([bytes, name.as_bytes()]);
    cache::entry("tampered", &key, |place| fs::write(place.join(name), bytes).unwrap()).join(name)
}

/// Where the parts of an RPM lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sections {
    /// The header proper, after lead and signature.
    pub header: Range<usize>,
    /// The compressed files.
    pub payload: Range<usize>,
}

/// Finds the parts of a well-made RPM.
pub fn sections(bytes: &[u8]) -> Sections {
    const LEAD: usize = 96;
    let header = (LEAD + structure(&bytes[LEAD..])).next_multiple_of(8);
    let payload = header + structure(&bytes[header..]);
    Sections { header: header..payload, payload: payload..bytes.len() }
}

/// The length of one header structure: its introduction, 16 bytes an entry, and the data.
fn structure(bytes: &[u8]) -> usize {
    assert_eq!(bytes[..4], [0x8e, 0xad, 0xe8, 0x01], "a header starts here");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    16 + 16 * number(8) + number(12)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
