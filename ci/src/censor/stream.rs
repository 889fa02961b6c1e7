//! One stream: pieces go in as they come, and come out without secrets.
//!
//! Decides: how much is held back. Must not: let the result depend on where the stream is cut. Input: bytes of others.

use std::fmt;
use std::sync::Arc;

use super::Secrets;

/// What stands where a secret stood.
pub const MARK: &[u8] = b"***";
/// How much is looked at in one go.
const PIECE: usize = 64 * 1024;

/// One stream.
pub struct Censor {
    secrets: Arc<Secrets>,
    /// What may be the beginning of a secret.
    held: Vec<u8>,
    /// How many bytes of it belong to a secret that is marked already.
    covered: usize,
}

impl fmt::Debug for Censor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Censor").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

impl Censor {
    /// A stream that begins.
    pub fn new(secrets: Arc<Secrets>) -> Self {
        Censor { secrets, held: Vec::new(), covered: 0 }
    }

    /// Takes the next bytes, and adds to `out` what is decided by now.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.secrets.is_empty() {
            out.extend_from_slice(bytes);
            return;
        }
        for piece in bytes.chunks(PIECE) {
            if self.held.is_empty() {
                self.look(piece, self.secrets.undecided(piece), out);
            } else {
                let mut text = std::mem::take(&mut self.held);
                text.extend_from_slice(piece);
                self.look(&text, self.secrets.undecided(&text), out);
            }
        }
    }

    /// Nothing comes any more: adds what was held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let text = std::mem::take(&mut self.held);
        self.look(&text, text.len(), out);
    }

    /// Writes `text` up to `hold`, and holds the rest back. Every form that begins before `hold` is whole. Forms may
    /// overlap; then one mark stands for all of them.
    fn look(&mut self, text: &[u8], hold: usize, out: &mut Vec<u8>) {
        let mut done = self.covered;
        let mut from = 0;
        while let Some((start, end)) = self.secrets.next(text, from).filter(|(start, _)| *start < hold) {
            if start >= done {
                out.extend_from_slice(text.get(done..start).unwrap_or_default());
                out.extend_from_slice(MARK);
            }
            done = done.max(end);
            from = start + 1;
        }
        out.extend_from_slice(text.get(done..hold).unwrap_or_default());
        self.covered = done.saturating_sub(hold);
        self.held = text.get(hold..).unwrap_or_default().to_vec();
    }
}
