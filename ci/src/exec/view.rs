//! What a view of a run says: pieces of output, each with its place, signs of life, and the end.
//!
//! Decides: whether what was said can be true. Must not: read or write. Input: bytes, untrusted.

use super::ExecError;
use super::remote::Offsets;

/// Longest line between two pieces.
const LINE: usize = 200;

/// Which output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// stdout.
    Out,
    /// stderr.
    Err,
}

/// One thing that a view said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// The run has begun.
    Begun,
    /// It still runs.
    Beat,
    /// The next bytes of an output.
    Bytes(Output, &'a [u8]),
    /// It has ended, and everything was said.
    Ended {
        /// The exit code.
        code: i32,
        /// Why it was ended, where it did not end by itself.
        cause: Option<String>,
    },
    /// It has not ended; this is all there is yet.
    Paused,
    /// The view ends, the run does not: ask again.
    Again,
    /// Whoever supervised the run is gone, and left no exit code.
    Lost,
    /// There is no such run.
    Missing,
    /// What it wrote is not kept any more.
    Trimmed,
}

/// Takes a view in, from what is known.
#[derive(Debug)]
pub(super) struct View {
    known: Offsets,
    line: Vec<u8>,
    piece: Option<(Output, u64)>,
}

impl View {
    pub(super) fn from(known: Offsets) -> Self {
        View { known, line: Vec::new(), piece: None }
    }

    /// What is known by now.
    pub(super) fn known(&self) -> Offsets {
        self.known
    }

    /// The next thing in `input`, which shrinks; none where it needs more.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, ExecError> {
        if let Some((output, left)) = self.piece {
            return Ok(self.bytes(output, left, input));
        }
        loop {
            let Some((first, rest)) = input.split_first() else { return Ok(None) };
            *input = rest;
            if *first == b'\n' {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8(line).map_err(|_| odd("a line that is no text"))?;
                return match self.said(&line)? {
                    Some(event) => Ok(Some(event)),
                    None => self.next(input),
                };
            }
            if self.line.len() >= LINE {
                return Err(odd("a line without an end"));
            }
            self.line.push(*first);
        }
    }

    fn bytes<'a>(&mut self, output: Output, left: u64, input: &mut &'a [u8]) -> Option<Event<'a>> {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let (piece, rest) = input.split_at(length);
        *input = rest;
        if piece.is_empty() {
            return None;
        }
        let length = u64::try_from(length).unwrap_or(left);
        let known = match output {
            Output::Out => &mut self.known.stdout,
            Output::Err => &mut self.known.stderr,
        };
        *known = known.saturating_add(length);
        let left = left.saturating_sub(length);
        self.piece = (left > 0).then_some((output, left));
        Some(Event::Bytes(output, piece))
    }

    /// What a line says; none for the head of a piece.
    fn said<'a>(&mut self, line: &str) -> Result<Option<Event<'a>>, ExecError> {
        let wrong = || odd(line);
        let mut words = line.split(' ');
        let word = words.next().unwrap_or_default();
        let mut number = || words.next().and_then(|text| text.parse::<u64>().ok());
        Ok(Some(match word {
            "O" | "E" => {
                let (output, known) = match word {
                    "O" => (Output::Out, self.known.stdout),
                    _ => (Output::Err, self.known.stderr),
                };
                let (Some(at), Some(length @ 1..)) = (number(), number()) else { return Err(wrong()) };
                if at != known {
                    return Err(odd("a piece that does not follow on the one before"));
                }
                self.piece = Some((output, length));
                return Ok(None);
            }
            "X" => {
                let (Some(code @ 0..=255), Some(stdout), Some(stderr)) = (number(), number(), number())
                else {
                    return Err(wrong());
                };
                if (Offsets { stdout, stderr }) != self.known {
                    return Err(odd("an end before everything was said"));
                }
                let cause = words.next().filter(|cause| !cause.is_empty()).map(str::to_owned);
                Event::Ended { code: i32::try_from(code).map_err(|_| wrong())?, cause }
            }
            "S" => Event::Begun,
            "B" => Event::Beat,
            "P" => Event::Paused,
            "R" => Event::Again,
            "L" => Event::Lost,
            "N" => Event::Missing,
            "T" => Event::Trimmed,
            _ => return Err(wrong()),
        }))
    }
}

fn odd(what: &str) -> ExecError {
    ExecError::Odd(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &[u8] = b"S\nO 0 3\nhi\nB\nE 0 4\nO 1\nO 3 4\nX 1\nX 7 7 4 timeout\n";

    /// stdout, stderr, exit code and cause.
    type Heard = (Vec<u8>, Vec<u8>, Option<(i32, Option<String>)>);

    /// What a view says when it comes in pieces of this size.
    fn heard(said: &[u8], size: usize) -> Result<Heard, ExecError> {
        let mut view = View::from(Offsets::default());
        let (mut out, mut err, mut end) = (Vec::new(), Vec::new(), None);
        for mut input in said.chunks(size) {
            while let Some(event) = view.next(&mut input)? {
                match event {
                    Event::Bytes(Output::Out, bytes) => out.extend_from_slice(bytes),
                    Event::Bytes(Output::Err, bytes) => err.extend_from_slice(bytes),
                    Event::Ended { code, cause } => end = Some((code, cause)),
                    Event::Begun | Event::Beat => {}
                    Event::Paused | Event::Again | Event::Lost | Event::Missing | Event::Trimmed => {
                        panic!("{event:?}")
                    }
                }
            }
        }
        Ok((out, err, end))
    }

    #[test]
    fn row_14_output_is_the_same_however_it_is_cut_into_pieces() {
        for size in 1..=SAID.len() {
            let (out, err, end) = heard(SAID, size).unwrap();
            assert_eq!((out.as_slice(), err.as_slice()), (&b"hi\nX 1\n"[..], &b"O 1\n"[..]), "{size}");
            assert_eq!(end, Some((7, Some("timeout".to_owned()))), "{size}");
        }
    }

    #[test]
    fn row_15_a_view_goes_on_where_the_last_one_was_cut() {
        // Cut at every byte; what the next view says begins at what is known.
        for cut in 0..SAID.len() {
            let mut view = View::from(Offsets::default());
            let mut input = &SAID[..cut];
            let mut out = Vec::new();
            while let Some(event) = view.next(&mut input).unwrap() {
                if let Event::Bytes(Output::Out, bytes) = event {
                    out.extend_from_slice(bytes);
                }
            }
            assert_eq!(out, b"hi\nX 1\n"[..usize::try_from(view.known().stdout).unwrap()], "{cut}");
        }
        let mut view = View::from(Offsets { stdout: 3, stderr: 4 });
        let mut input = &b"S\nO 3 4\nX 1\nX 0 7 4 \n"[..];
        assert_eq!(view.next(&mut input).unwrap(), Some(Event::Begun));
        assert_eq!(view.next(&mut input).unwrap(), Some(Event::Bytes(Output::Out, b"X 1\n")));
        assert_eq!(view.next(&mut input).unwrap(), Some(Event::Ended { code: 0, cause: None }));
    }

    #[test]
    fn row_15_a_piece_at_another_place_and_an_early_end_are_refused() {
        for said in [
            &b"O 1 3\nabc"[..],
            b"O 0 3\nabcO 2 1\nc",
            b"X 0 1 0 \n",
            b"X 256 0 0 \n",
            b"X -1 0 0 \n",
            b"O 0 0\n",
            b"O 0\n",
            b"Q\n",
            b"\xff\n",
            &[b'B'; LINE + 1],
        ] {
            assert!(matches!(heard(said, 5), Err(ExecError::Odd(_))), "{}", String::from_utf8_lossy(said));
        }
    }
}
