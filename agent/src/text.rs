//! Texts of others, made fit for a terminal, a log line and a status document. Names that go into errors are
//! [excerpts](extensions_manifest::excerpt).

/// Longest text of rpm-ostree that is kept; a depsolve error of some thirty packages fits.
const LONGEST: usize = 4_096;

/// The text with everything escaped that could steer a terminal or forge a log line, cut to a bound. Line breaks inside
/// become `; `: rpm-ostree writes its longer errors over several lines.
pub fn shown(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut shown = String::new();
    for line in lines {
        if !shown.is_empty() {
            shown.push_str("; ");
        }
        for character in line.chars() {
            if shown.len() >= LONGEST {
                shown.push('…');
                return shown;
            }
            if character.is_control() || invisible(character) {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
    }
    shown
}

/// At most `most` characters of the text on one line, unable to move the cursor.
pub fn one_line(text: &str, most: usize) -> String {
    text.trim().chars().map(|c| if c.is_control() || invisible(c) { ' ' } else { c }).take(most).collect()
}

/// Whether a character changes how others are shown, without being seen.
fn invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_steer_the_terminal_or_forge_a_line() {
        assert_eq!(shown("ok\u{1b}[2Jgone\nlevel=error\r\n"), "ok\\u{1b}[2Jgone; level=error");
        assert_eq!(shown("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn a_line_is_one_line_of_plain_characters() {
        assert_eq!(one_line(" Checking\x1b[2J out\nof\u{202e}x\n", 200), "Checking [2J out of x");
        assert_eq!(one_line(&"é".repeat(1000), 200).chars().count(), 200);
    }

    #[test]
    fn a_text_is_cut() {
        let long = shown(&"é".repeat(LONGEST));
        assert!(long.len() <= LONGEST + '…'.len_utf8() + 1, "{}", long.len());
        assert!(long.ends_with('…'));
    }
}
