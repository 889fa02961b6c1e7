//! The one file that knows compression formats, and what a layer may grow to.
//!
//! A layer passes through three readers: [`Blob`] counts and hashes the bytes as they lie in the registry, the decoder
//! inflates them, [`Inflated`] counts and hashes what comes out and stops bombs. Whoever finds something wrong says it
//! through [`Fault`], because archives and decoders in between would wrap a typed error until nobody knows it.

use std::cell::{Cell, RefCell};
use std::io::{self, BufReader, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use extensions_manifest::Sha256Digest;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::error::PayloadError;

/// Most bytes that one layer may inflate to.
const INFLATED_BYTES: u64 = 8 << 30;
/// From here on the ratio counts; small layers of zeros are common and harmless.
const RATIO_FROM_BYTES: u64 = 64 << 20;
/// Most bytes out for one byte in.
const RATIO: u64 = 200;
/// Most bytes of names and attributes before one entry of an archive; its reader holds them in memory.
pub(super) const ENTRY_HEADER_BYTES: u64 = 1 << 20;
/// zstd's recommended bound on a window that every decoder must have: 8 MiB.
const WINDOW_LOG: u32 = 23;
/// How much is asked of the source at once: what a pipe holds.
const BUFFER_BYTES: usize = 64 << 10;

/// How the bytes of a layer are compressed, as its media type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

impl Compression {
    /// Reads a layer's media type; foreign and unknown ones are `None`.
    pub(super) fn of_media_type(media_type: &str) -> Option<Self> {
        match media_type {
            "application/vnd.oci.image.layer.v1.tar" | "application/vnd.docker.image.rootfs.diff.tar" => {
                Some(Self::Plain)
            }
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Some(Self::Gzip),
            "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What the first bytes say.
    fn of_bytes(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame: zstd:chunked and others put them first.
            [low, 0x2a, 0x4d, 0x18, ..] if low & 0xf0 == 0x50 => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// The first thing that went wrong inside a stack of readers.
#[derive(Clone, Default)]
pub(super) struct Fault(Rc<RefCell<Option<PayloadError>>>);

impl Fault {
    /// Keeps the error and gives what a reader may return.
    pub(super) fn raise(&self, error: PayloadError) -> io::Error {
        let shown = io::Error::other(error.to_string());
        self.0.borrow_mut().get_or_insert(error);
        shown
    }

    /// The error that was raised, if any.
    pub(super) fn take(&self) -> Option<PayloadError> {
        self.0.borrow_mut().take()
    }
}

/// The bytes of a layer as they lie in the registry, counted, hashed, and held against the size of the descriptor.
pub(super) struct Blob {
    inner: Box<dyn Read + Send>,
    object: String,
    size: u64,
    hash: Sha256,
    read: Rc<Cell<u64>>,
    watched: Arc<AtomicU64>,
    fault: Fault,
}

impl Blob {
    /// `watched` counts along for whoever shows progress.
    pub(super) fn new(
        inner: Box<dyn Read + Send>,
        object: &str,
        size: u64,
        watched: Arc<AtomicU64>,
        fault: Fault,
    ) -> Self {
        let read = Rc::default();
        Self { inner, object: object.to_owned(), size, hash: Sha256::new(), read, watched, fault }
    }

    /// Reads what is left and holds the whole against its digest.
    pub(super) fn finish(mut self, expected: Sha256Digest) -> Result<(), PayloadError> {
        let drained = drain(&mut self);
        drained.map_err(|source| self.fault.take().unwrap_or_else(|| unavailable(&self.object, source)))?;
        let found = self.read.get();
        if found != self.size {
            return Err(PayloadError::Size { object: self.object, expected: self.size, found });
        }
        let found = Sha256Digest::from_bytes(self.hash.finalize().into());
        if found != expected {
            return Err(PayloadError::Digest { object: self.object, expected, found });
        }
        Ok(())
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.inner.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(self.fault.raise(unavailable(&self.object, error))),
        };
        let total = self.read.get() + read as u64;
        self.read.set(total);
        self.watched.fetch_add(read as u64, Ordering::Relaxed);
        if total > self.size {
            let (object, expected) = (self.object.clone(), self.size);
            return Err(self.fault.raise(PayloadError::Size { object, expected, found: total }));
        }
        self.hash.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

fn unavailable(object: &str, source: io::Error) -> PayloadError {
    PayloadError::Unavailable { operation: "reading", object: object.to_owned(), source: Box::new(source) }
}

enum Decoder {
    Plain(Box<BufReader<Blob>>),
    Gzip(Box<MultiGzDecoder<BufReader<Blob>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Blob>>>),
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(inner) => inner.read(buffer),
            Self::Gzip(inner) => inner.read(buffer),
            Self::Zstd(inner) => inner.read(buffer),
        }
    }
}

/// What comes out of a layer: the archive, counted, hashed and bounded.
pub(super) struct Inflated {
    decoder: Decoder,
    object: String,
    hash: Sha256,
    written: u64,
    consumed: Rc<Cell<u64>>,
    allowance: Rc<Cell<u64>>,
    ended: bool,
    fault: Fault,
}

impl Inflated {
    /// Refuses a blob whose first bytes are of another format than its media type.
    pub(super) fn new(blob: Blob, compression: Compression) -> Result<Self, PayloadError> {
        let (object, fault, consumed) = (blob.object.clone(), blob.fault.clone(), blob.read.clone());
        let refused = |problem: String| PayloadError::Image { object: object.clone(), problem };
        let mut source = BufReader::with_capacity(BUFFER_BYTES, blob);
        let start = io::BufRead::fill_buf(&mut source);
        let start = start.map_err(|error| fault.take().unwrap_or_else(|| refused(error.to_string())))?;
        let found = Compression::of_bytes(start);
        if found != compression {
            return Err(refused(format!("its media type says {compression:?}, its bytes {found:?}")));
        }
        let decoder = match compression {
            Compression::Plain => Decoder::Plain(Box::new(source)),
            Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(source))),
            Compression::Zstd => {
                let opened = zstd::stream::read::Decoder::with_buffer(source).and_then(|mut decoder| {
                    decoder.window_log_max(WINDOW_LOG)?;
                    Ok(decoder)
                });
                Decoder::Zstd(Box::new(opened.map_err(|error| refused(error.to_string()))?))
            }
        };
        let allowance = Rc::new(Cell::new(u64::MAX));
        let (hash, written, ended) = (Sha256::new(), 0, false);
        Ok(Self { decoder, object, hash, written, consumed, allowance, ended, fault })
    }

    /// How many bytes may still come out before somebody looks; set by whoever reads, to bound what readers in between
    /// may swallow at once.
    pub(super) fn allowance(&self) -> Rc<Cell<u64>> {
        self.allowance.clone()
    }

    /// Whether the end of the stream has been seen.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// The digest of everything that came out, and the blob below for its own digest.
    pub(super) fn into_parts(self) -> (Sha256Digest, Blob) {
        let blob = match self.decoder {
            Decoder::Plain(inner) => inner.into_inner(),
            Decoder::Gzip(inner) => inner.into_inner().into_inner(),
            Decoder::Zstd(inner) => inner.finish().into_inner(),
        };
        (Sha256Digest::from_bytes(self.hash.finalize().into()), blob)
    }

    fn limit(&self) -> Option<(&'static str, u64)> {
        let allowed_by_ratio = self.consumed.get().saturating_mul(RATIO);
        if self.written > INFLATED_BYTES {
            Some(("inflated bytes of", INFLATED_BYTES))
        } else if self.written > RATIO_FROM_BYTES && self.written > allowed_by_ratio {
            Some(("ratio of inflated to compressed bytes of", RATIO))
        } else {
            None
        }
    }
}

impl Read for Inflated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer)?;
        self.ended |= read == 0 && !buffer.is_empty();
        self.written += read as u64;
        if let Some((what, limit)) = self.limit() {
            let found = if limit == RATIO { self.written / self.consumed.get().max(1) } else { self.written };
            let what = format!("{what} {}", self.object);
            return Err(self.fault.raise(PayloadError::Limit { what, found, limit }));
        }
        let Some(left) = self.allowance.get().checked_sub(read as u64) else {
            let what = format!("bytes of one entry's names and attributes in {}", self.object);
            let limit = ENTRY_HEADER_BYTES;
            return Err(self.fault.raise(PayloadError::Limit { what, found: limit + 1, limit }));
        };
        if self.allowance.get() != u64::MAX {
            self.allowance.set(left);
        }
        self.hash.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Reads to the end.
pub(super) fn drain(from: &mut dyn Read) -> io::Result<u64> {
    io::copy(&mut BufReader::with_capacity(BUFFER_BYTES, from), &mut io::sink())
}
