//! The progress of a transaction, made honest.

use super::Progress;
use super::proxy::transaction::Signal;
use crate::text::shown;

/// What to show for a signal; nothing for the last one.
pub(super) fn progress(signal: &Signal) -> Option<Progress> {
    match signal {
        Signal::TaskBegin(text) => Some(Progress::Task(shown(text))),
        Signal::Message(text) => Some(Progress::Message(shown(text))),
        Signal::PercentProgress(text, number) => Some(Progress::Percent(shown(text), percent(text, *number))),
        Signal::Finished(..) => None,
    }
}

/// How far a step is.
///
/// **Trap:** for counted work, `Checking out packages (3/9)`, a wrong division in the daemon makes the number stay 0
/// until the last item; the truth is in the text.
fn percent(text: &str, number: u32) -> Option<u8> {
    let counted = counts(text).and_then(|(done, of)| done.min(of).saturating_mul(100).checked_div(of));
    u8::try_from(counted.unwrap_or_else(|| u64::from(number.min(100)))).ok()
}

/// The `(n/m)` at the end of a text.
fn counts(text: &str) -> Option<(u64, u64)> {
    let (_, inside) = text.trim_end().strip_suffix(')')?.rsplit_once('(')?;
    let (done, of) = inside.split_once('/')?;
    Some((done.parse().ok()?, of.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_work_is_read_from_its_text() {
        let table = [
            ("Checking out packages", 0, Some(0)),
            ("Checking out packages (3/9)", 0, Some(33)),
            ("Checking out packages (9/9)", 100, Some(100)),
            ("Checking out packages (9/3)", 0, Some(100)),
            ("Odd (0/0)", 7, Some(7)),
            ("Odd (a/b)", 7, Some(7)),
            ("Odd ()", 7, Some(7)),
            ("Importing rpm-md", 50, Some(50)),
            ("Importing rpm-md", u32::MAX, Some(100)),
            ("Huge (18446744073709551615/18446744073709551615)", 0, Some(1)),
        ];
        for (text, number, expected) in table {
            assert_eq!(percent(text, number), expected, "{text} {number}");
        }
    }

    #[test]
    fn the_text_of_a_step_is_escaped() {
        let signal = Signal::TaskBegin("Checking out tree 11b440b\u{1b}".to_owned());
        assert_eq!(progress(&signal), Some(Progress::Task("Checking out tree 11b440b\\u{1b}".to_owned())));
    }
}
