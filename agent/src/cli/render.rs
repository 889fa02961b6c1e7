//! One value, three forms. Text is for people; JSON and YAML are the value itself.

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::args::Output;
use super::stop::Stop;
use crate::apply::Problem;

/// What a command answers.
pub trait Answer: Serialize {
    /// The value for people.
    fn text(&self, screen: Screen) -> String;

    /// Why the command did not get there, although it has an answer.
    fn problem(&self) -> Option<Problem> {
        None
    }

    /// The exit code when there is no problem.
    fn exit_code(&self) -> u8 {
        0
    }
}

/// Where text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Characters in a line; none where nobody wraps, as in a pipe.
    pub width: Option<u16>,
}

impl Screen {
    /// The screen behind stdout, if it is one.
    pub fn of_stdout() -> Self {
        Self { width: Table::new().width() }
    }

    /// Rows under a header, without lines, as `kubectl` shows them. Cells wrap where there is a screen to wrap at.
    pub fn table<const N: usize>(
        self,
        header: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).force_no_tty();
        if let Some(width) = self.width {
            table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        table.set_header(header);
        table.add_rows(rows);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n") + "\n"
    }
}

/// `value` in the form that was asked for, with a final newline.
///
/// # Errors
/// Never for our own values; the writers allow it.
pub fn render<A: Answer>(value: &A, output: Output, screen: Screen) -> Result<String, Stop> {
    let mut text = match output {
        Output::Text => value.text(screen),
        Output::Json => serde_json::to_string_pretty(value).map_err(Stop::internal)?,
        Output::Yaml => serde_saphyr::to_string(value).map_err(Stop::internal)?,
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// The items on one line, or a dash where there are none.
pub(super) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "-".to_owned() } else { items.join(", ") }
}

/// A number of bytes for people: `12.4 MiB`.
pub(super) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// A span for people, in its two largest units: `3 min 12 s`.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..=86399 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_has_no_blanks_at_the_end() {
        let rows = [["usbguard", "active"], ["x", ""]].map(|row| row.map(str::to_owned));
        let text = Screen { width: None }.table(["EXTENSION", "STAGE"], rows);
        assert_eq!(text, "EXTENSION  STAGE\nusbguard   active\nx\n");
    }

    #[test]
    fn a_long_cell_wraps_on_a_screen_and_nowhere_else() {
        let row = || [["a".to_owned(), "word ".repeat(40)]];
        assert_eq!(Screen { width: None }.table(["A", "B"], row()).lines().count(), 2);
        let wrapped = Screen { width: Some(60) }.table(["A", "B"], row());
        assert!(
            wrapped.lines().count() > 2 && wrapped.lines().all(|line| line.chars().count() <= 60),
            "{wrapped}"
        );
    }

    #[test]
    fn sizes_and_spans_are_short() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(13_000_000), "12.40 MiB");
        let told = [0, 59, 60, 3_725, 100_000].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(told, ["0 ms", "59 s", "1 min 0 s", "1 h 2 min", "1 d 3 h"]);
    }
}
