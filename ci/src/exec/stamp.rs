//! A log of both outputs in one file, each line with the time at which it came.
//!
//! Decides: the form of a line. Must not: read a clock or write. Input: pieces of output, and when they came.

use jiff::Timestamp;

use super::view::Output;

/// A line longer than this, in bytes, is broken.
const LONGEST: usize = 64 << 10;

/// Lines that have not ended yet.
#[derive(Debug, Default)]
pub struct Stamper {
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Stamper {
    /// The lines that are whole with these bytes: `TIME stdout| TEXT`.
    pub fn lines(&mut self, output: Output, bytes: &[u8], now: Timestamp) -> Vec<u8> {
        let held = self.held(output);
        let mut lines = Vec::with_capacity(bytes.len().saturating_mul(2));
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in part.chunks(LONGEST) {
                let whole = piece.ends_with(b"\n");
                if !whole && held.len().saturating_add(piece.len()) <= LONGEST {
                    held.extend_from_slice(piece);
                    continue;
                }
                stamp(&mut lines, output, now);
                lines.append(held);
                lines.extend_from_slice(piece);
                if !whole {
                    lines.push(b'\n');
                }
            }
        }
        lines
    }

    /// What never got an end.
    pub fn rest(&mut self, now: Timestamp) -> Vec<u8> {
        let mut lines = Vec::new();
        for output in [Output::Out, Output::Err] {
            let held = self.held(output);
            if !held.is_empty() {
                stamp(&mut lines, output, now);
                lines.append(held);
                lines.push(b'\n');
            }
        }
        lines
    }

    fn held(&mut self, output: Output) -> &mut Vec<u8> {
        match output {
            Output::Out => &mut self.out,
            Output::Err => &mut self.err,
        }
    }
}

fn stamp(lines: &mut Vec<u8>, output: Output, now: Timestamp) {
    let name = match output {
        Output::Out => "stdout",
        Output::Err => "stderr",
    };
    lines.extend_from_slice(format!("{now:.6} {name}| ").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn row_14_each_line_has_the_time_at_which_it_was_whole() {
        let mut stamper = Stamper::default();
        let mut log = stamper.lines(Output::Out, b"one\ntw", at(1));
        log.extend(stamper.lines(Output::Err, b"other\n", at(2)));
        log.extend(stamper.lines(Output::Out, b"o\nthree", at(3)));
        log.extend(stamper.rest(at(4)));
        assert_eq!(
            String::from_utf8(log).unwrap(),
            "1970-01-01T00:00:01.000000Z stdout| one\n1970-01-01T00:00:02.000000Z stderr| other\n\
             1970-01-01T00:00:03.000000Z stdout| two\n1970-01-01T00:00:04.000000Z stdout| three\n"
        );
    }

    #[test]
    fn a_line_without_an_end_takes_bounded_memory_and_loses_nothing() {
        let mut stamper = Stamper::default();
        let mut log = Vec::new();
        for _ in 0..100 {
            log.extend(stamper.lines(Output::Out, &[b'x'; 10_000], at(0)));
            assert!(stamper.out.len() <= LONGEST);
        }
        log.extend(stamper.lines(Output::Out, &[b'x'; 1_000_000], at(0)));
        log.extend(stamper.rest(at(0)));
        assert_eq!(log.iter().filter(|byte| **byte == b'x').count(), 2_000_000);
    }
}
