//! What the parser is shown of a header: the tags that are read, and nothing else.
//!
//! A header of megabytes is mostly change logs, and the sizes, times and digests of files. The parser copies all that it
//! is shown several times over, so what nobody reads is not shown to it. Digests are taken of the bytes as they came.

use std::io::{self, BufRead, Read};

use super::error::RpmError;
use super::guard::{ENTRY_BYTES, INTRO_BYTES, number};

/// Every tag that `header` asks for, or the parser for itself.
const READ: [u32; 28] = [
    1000, 1001, 1002, 1003, // name, version, release, epoch
    1009, 5009, // size of the installed files, in 32 and 64 bits
    1021, 1022, // system, architecture
    1044, 1106, // what tells a source package
    1047, 1112, 1113, // provides: names, flags, versions
    1048, 1049, 1050, // requires
    1053, 1054, 1055, // conflicts
    1090, 1114, 1115, // obsoletes
    1116, 1117, 1118, // files: places, names, directories
    5062, // encoding
    5092, 5093, // digest of the payload, its algorithm
];

/// `before`, and behind it a header with those tags of `header`, which the guard has let pass, that are read.
pub(super) fn slim(before: &[u8], header: &[u8]) -> Result<Shown, RpmError> {
    let count = number(header, 8)? as usize;
    let rest = header.get(INTRO_BYTES..).ok_or(RpmError::Truncated)?;
    let (index, data) = rest.split_at_checked(count * ENTRY_BYTES).ok_or(RpmError::Truncated)?;
    // The first entry and the last bytes of the data are the region's, which covered the whole header.
    let entries: Vec<&[u8]> = index.chunks_exact(ENTRY_BYTES).skip(1).collect();
    let (mut own_index, mut values, mut size) = (Vec::new(), Vec::new(), 0_usize);
    for (place, entry) in entries.iter().enumerate() {
        if !READ.contains(&number(entry, 0)?) {
            continue;
        }
        // Values lie one behind the other, so each reaches at most to the next.
        let start = number(entry, 8)? as usize;
        let next = entries.get(place + 1).map(|next| number(next, 8)).transpose()?;
        let end = next.map_or(data.len().saturating_sub(ENTRY_BYTES), |next| next as usize);
        let value = data.get(start..end).ok_or(RpmError::Truncated)?;
        own_index.extend_from_slice(entry.get(..8).ok_or(RpmError::Truncated)?);
        own_index.extend_from_slice(&(size as u32).to_be_bytes());
        own_index.extend_from_slice(entry.get(12..).ok_or(RpmError::Truncated)?);
        // The widest type is aligned to eight bytes.
        size += value.len().next_multiple_of(8);
        values.push(value);
    }
    let mut bytes = Vec::with_capacity(before.len() + INTRO_BYTES + own_index.len() + size);
    bytes.extend_from_slice(before);
    bytes.extend_from_slice(header.get(..8).ok_or(RpmError::Truncated)?);
    bytes.extend_from_slice(&(values.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&(size as u32).to_be_bytes());
    bytes.extend_from_slice(&own_index);
    for value in values {
        bytes.extend_from_slice(value);
        let padding = value.len().next_multiple_of(8) - value.len();
        bytes.extend(std::iter::repeat_n(0, padding));
    }
    Ok(Shown { bytes, read: 0 })
}

/// Bytes that are let go of as soon as they have been read.
pub(super) struct Shown {
    bytes: Vec<u8>,
    read: usize,
}

impl Read for Shown {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Shown {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.bytes.get(self.read..).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.read += bytes;
        if self.read >= self.bytes.len() {
            (self.bytes, self.read) = (Vec::new(), 0);
        }
    }
}
