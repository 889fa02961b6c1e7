//! Takes known secrets out of a stream: as they are, and as base64 writes them, wherever the stream is cut.
//!
//! Decides: what of a stream is a secret. Must not: keep more of the stream than the longest secret, delay what cannot be
//! the beginning of one, or show a secret in an error. Input: secrets, and bytes of others.
//!
//! | Looked for | Not looked for |
//! | --- | --- |
//! | the secret without white space around it | a secret of less than [`SHORTEST`] bytes: it would be found everywhere, and can be guessed |
//! | each line of it, but for the armour of a PEM file | the one character at each end of a base64 form that carries bits of its neighbour as well |
//! | its base64 at each of the three alignments, in both alphabets, padded or not | base64 that is broken over lines within the secret |

mod forms;
mod stream;
mod writer;

pub use forms::{CensorError, SHORTEST, Secrets};
pub use stream::{Censor, MARK};
pub use writer::Censored;

#[cfg(test)]
mod tests;
