//! The texts that a secret can be recognised by.
//!
//! Decides: which forms are looked for, and how many are too many. Must not: see the stream. Input: secrets.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use crate::error::{Failure, Reason};

/// A secret with fewer bytes is not looked for.
pub const SHORTEST: usize = 8;
/// Most secrets, and most bytes of all of them: what one Secret of the cluster can hold.
const SECRETS: usize = 1_000;
const BYTES: usize = 1 << 20;
/// A longer secret is looked for in pieces of so many bytes: it bounds what is held back, and the comparisons.
const PIECE: usize = 4_096;
/// Bytes that are looked up at once.
const GRAM: usize = 4;
/// How far apart two look-ups may be so that none of the first [`SHORTEST`] bytes of a form slips through between them.
const STRIDE: usize = SHORTEST - GRAM + 1;
/// Bits of a look-up; the table of them fits into the fastest cache.
const BITS: u32 = 18;

/// Why a set of secrets cannot be censored.
#[derive(Debug, thiserror::Error)]
#[error(
    "{count} secrets of {bytes} bytes together cannot be censored; at most {SECRETS} of {BYTES} bytes can"
)]
pub struct CensorError {
    /// How many.
    pub count: usize,
    /// How many bytes they have together.
    pub bytes: usize,
}

impl Failure for CensorError {
    fn reason(&self) -> Reason {
        Reason::Usage
    }
}

/// The first bytes of a form.
type Head = [u8; SHORTEST];

/// What is looked for. Made once, used for any number of streams.
///
/// Most of a stream is passed over five bytes at a time: four of them are looked up in a table of all that can stand in the
/// first eight bytes of a form. Only where they are found is anything compared.
pub struct Secrets {
    /// A bit for each gram of a head.
    grams: Vec<u64>,
    /// The forms by their head, the longest first.
    by_head: HashMap<Head, Vec<Vec<u8>>>,
    /// All forms, sorted.
    forms: Vec<Vec<u8>>,
    longest: usize,
    ignored: usize,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Secrets").field("forms", &self.forms.len()).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Prepares the search for these secrets.
    ///
    /// # Errors
    /// When there are too many.
    pub fn new<S: AsRef<[u8]>>(secrets: &[S]) -> Result<Self, CensorError> {
        let bytes = secrets.iter().map(|secret| secret.as_ref().len()).sum();
        if secrets.len() > SECRETS || bytes > BYTES {
            return Err(CensorError { count: secrets.len(), bytes });
        }
        let mut forms = Vec::new();
        let mut ignored = 0;
        for secret in secrets {
            let secret = secret.as_ref().trim_ascii();
            if secret.len() < SHORTEST {
                ignored += 1;
                continue;
            }
            for piece in pieces(secret) {
                all_forms(piece, &mut forms);
            }
        }
        forms.sort_unstable();
        forms.dedup();
        let mut all = Secrets {
            grams: vec![0; 1 << (BITS - u64::BITS.ilog2())],
            by_head: HashMap::new(),
            longest: forms.iter().map(Vec::len).max().unwrap_or(0),
            forms: Vec::new(),
            ignored,
        };
        for form in forms.iter().rev() {
            all.add(form); // reversed: of two that begin alike, the longer comes first
        }
        all.forms = forms;
        Ok(all)
    }

    fn add(&mut self, form: &[u8]) {
        let Some(head) = form.first_chunk::<SHORTEST>() else { return };
        for gram in head.windows(GRAM).filter_map(|window| window.first_chunk::<GRAM>()) {
            let (word, bit) = place(*gram);
            if let Some(word) = self.grams.get_mut(word) {
                *word |= bit;
            }
        }
        self.by_head.entry(*head).or_default().push(form.to_vec());
    }

    /// How many of them are too short to be looked for.
    pub const fn ignored(&self) -> usize {
        self.ignored
    }

    /// Whether nothing is looked for.
    pub(super) const fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// The first form in `text` that begins at `from` or later: where it begins and ends.
    pub(super) fn next(&self, text: &[u8], mut from: usize) -> Option<(usize, usize)> {
        loop {
            let (start, forms) = self.begun(text, from)?;
            let rest = text.get(start..)?;
            if let Some(form) = forms.iter().find(|form| rest.starts_with(form)) {
                return Some((start, start + form.len()));
            }
            from = start + 1;
        }
    }

    /// The first place in `text` from which on it is the beginning of a form, and more text decides; the end where there is
    /// none.
    pub(super) fn undecided(&self, text: &[u8]) -> usize {
        let mut from = text.len().saturating_sub(self.longest);
        let tail = text.len().saturating_sub(SHORTEST - 1).max(from);
        while let Some((start, _)) = self.begun(text, from) {
            if self.is_begun(text.get(start..).unwrap_or_default()) {
                return start;
            }
            from = start + 1;
        }
        // What is shorter than a head.
        (tail..text.len()).find(|&at| self.is_begun(text.get(at..).unwrap_or_default())).unwrap_or(text.len())
    }

    /// The first place at `from` or later where the head of a form stands, and the forms that have it.
    fn begun(&self, text: &[u8], mut from: usize) -> Option<(usize, &[Vec<u8>])> {
        loop {
            from = self.passed_over(text, from)?;
            for start in from..from + STRIDE {
                let head = text.get(start..)?.first_chunk::<SHORTEST>()?;
                let halves = head.first_chunk().zip(head.last_chunk());
                if !halves.is_some_and(|(one, other)| self.may_hold(*one) && self.may_hold(*other)) {
                    continue; // by far the cheaper look
                }
                if let Some(forms) = self.by_head.get(head) {
                    return Some((start, forms));
                }
            }
            from += STRIDE;
        }
    }

    /// The first place at `from` or later at which, or up to [`STRIDE`] behind which, a head can begin.
    fn passed_over(&self, text: &[u8], from: usize) -> Option<usize> {
        let rest = text.get(from + STRIDE - 1..)?;
        let strides = rest
            .chunks(STRIDE)
            .position(|stride| stride.first_chunk().is_some_and(|gram| self.may_hold(*gram)))?;
        Some(from + strides * STRIDE)
    }

    /// Whether the first bytes of a form may hold these.
    fn may_hold(&self, gram: [u8; GRAM]) -> bool {
        let (word, bit) = place(gram);
        self.grams.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Whether a form is longer than `text` and begins with it. Such a form stands right behind it in their order.
    fn is_begun(&self, text: &[u8]) -> bool {
        let next = self.forms.partition_point(|form| form.as_slice() <= text);
        self.forms.get(next).is_some_and(|form| form.starts_with(text))
    }
}

/// Where the bit of a gram is: in which word, and which one.
fn place(gram: [u8; GRAM]) -> (usize, u64) {
    let hash = u32::from_le_bytes(gram).wrapping_mul(0x9e37_79b1) >> (u32::BITS - BITS);
    let word = usize::try_from(hash >> u64::BITS.ilog2()).unwrap_or(0); // 18 bits fit in any word
    (word, 1 << (hash % u64::BITS))
}

/// The pieces of a secret, all of them long; the last two may overlap.
fn pieces(secret: &[u8]) -> impl Iterator<Item = &[u8]> {
    let last = secret.get(secret.len().saturating_sub(PIECE)..).unwrap_or(secret);
    secret.chunks_exact(PIECE).chain([last])
}

fn all_forms(secret: &[u8], forms: &mut Vec<Vec<u8>>) {
    forms.push(secret.to_vec());
    encoded(secret, forms);
    let lines = secret.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    forms.extend(
        lines.filter(|line| line.len() >= SHORTEST && !line.starts_with(b"-----")).map(<[u8]>::to_vec),
    );
}

/// What base64 makes of a secret behind 0, 1 or 2 other bytes: only the characters that carry nothing but the secret.
fn encoded(secret: &[u8], forms: &mut Vec<Vec<u8>>) {
    for before in [0_usize, 1, 2] {
        let text = [vec![0; before], secret.to_vec()].concat();
        let whole = text.len() * 8 / 6;
        let text = BASE64_STANDARD_NO_PAD.encode(text).into_bytes();
        let Some(core) = text.get((before * 8).div_ceil(6)..whole) else { continue };
        let url = |byte: &u8| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        };
        forms.push(core.iter().map(url).collect());
        forms.push(core.to_vec());
    }
}
