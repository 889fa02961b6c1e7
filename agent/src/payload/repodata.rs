//! Which packages an image's own repository metadata lists: a hint how far to read, and nothing else.
//!
//! Whatever is odd here (an unknown compression, a path, too much of anything) makes the hint unusable, so that every
//! layer is read. It never makes a payload, and never breaks one.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use extensions_manifest::limits;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Most bytes of metadata after inflating.
const DOCUMENT_BYTES: u64 = 64 << 20;
/// Most bytes of one element with its attributes, or of one text.
const EVENT_BYTES: u64 = 1 << 20;

/// The file names that `primary.xml` lists, where repository metadata is there and plain.
pub(super) fn listed<'a>(metadata: impl Fn(&str) -> Option<&'a [u8]>) -> Option<BTreeSet<String>> {
    let index = metadata("repodata/repomd.xml")?;
    let mut places = BTreeSet::new();
    let mut in_primary = false;
    each_element(index, |element| {
        match element.local_name().as_ref() {
            "data" => in_primary = attribute(element, "type")? == "primary",
            "location" if in_primary => {
                places.insert(attribute(element, "href")?);
            }
            _ => {}
        }
        Some(())
    })?;
    let [place] = places.iter().collect::<Vec<_>>().try_into().ok()?;
    let primary = metadata(place)?;
    let document: Box<dyn Read + '_> = match place.rsplit_once('.')?.1 {
        "xml" => Box::new(primary),
        "gz" => Box::new(flate2::read::MultiGzDecoder::new(primary)),
        "zst" => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(primary).ok()?;
            decoder.window_log_max(23).ok()?;
            Box::new(decoder)
        }
        _ => return None,
    };
    package_names(document)
}

fn package_names(document: impl Read) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    each_element(document, |element| {
        if element.local_name().as_ref() == "location" {
            let href = attribute(element, "href")?;
            // A path could only be one of another layout.
            let plain =
                href.ends_with(".rpm") && !href.contains('/') && names.len() < limits::PAYLOAD_PACKAGES;
            plain.then(|| names.insert(href))?;
        }
        Some(())
    })?;
    (!names.is_empty()).then_some(names)
}

/// Calls `see` with every opening element; stops and gives `None` at the first thing that is wrong.
fn each_element(document: impl Read, mut see: impl FnMut(&BytesStart<'_>) -> Option<()>) -> Option<()> {
    let allowance = Rc::new(Cell::new(EVENT_BYTES));
    let measured = Measured { inner: document.take(DOCUMENT_BYTES), allowance: allowance.clone() };
    let mut reader = Reader::from_reader(BufReader::new(measured));
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        allowance.set(EVENT_BYTES);
        match reader.read_event_into(&mut buffer).ok()? {
            Event::Start(element) | Event::Empty(element) => see(&element)?,
            // A document type could define entities; repository metadata has none.
            Event::DocType(_) => return None,
            Event::Eof => return Some(()),
            Event::End(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::GeneralRef(_) => {}
        }
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = element.try_get_attribute(name).ok()??;
    let text = found.value.as_ref();
    // Names of packages need no escapes; whoever writes one is not worth guessing at.
    (!text.contains('&') && text.len() <= limits::SPEC_BYTES).then(|| text.to_owned())
}

/// Fails when one event wants more than its share.
struct Measured<R> {
    inner: R,
    allowance: Rc<Cell<u64>>,
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let left = self.allowance.get().checked_sub(read as u64);
        self.allowance.set(left.ok_or_else(|| io::Error::other("one element is too large"))?);
        Ok(read)
    }
}
