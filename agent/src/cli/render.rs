//! One value, three forms. Text is for people; JSON and YAML are the value itself.

use std::time::Duration;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
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

    /// Rows under a header, without lines, as `kubectl` shows them.
    ///
    /// Names are never cut, so that they can be copied: only the last column wraps, between words. Where the screen is
    /// too narrow for that, each row's last cell goes below it.
    pub fn table<const N: usize>(
        self,
        header: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> String {
        let rows: Vec<[String; N]> = rows.into_iter().collect();
        let mut table = grid(&header, &rows);
        let Some(screen) = self.width else { return text(&table) };
        let Some((last, others)) =
            table.column_max_content_widths().split_last().map(|(a, b)| (*a, b.to_vec()))
        else {
            return text(&table);
        };
        let left = screen.saturating_sub(others.iter().map(|width| width + GAP).sum::<u16>() + GAP);
        let words = rows.iter().filter_map(|row| row.last()).flat_map(|cell| cell.split_whitespace());
        let longest = words.map(|word| word.chars().count()).max().unwrap_or_default();
        if longest > usize::from(left) || (left < READABLE && last > left) {
            return below(&header, &rows);
        }
        table.set_width(screen).set_content_arrangement(ContentArrangement::Dynamic);
        for column in table.column_iter_mut().take(others.len()) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        text(&table)
    }
}

/// The gap between columns.
const GAP: u16 = 2;
/// The narrowest column that text is wrapped in.
const READABLE: u16 = 24;

fn grid<'a, C: AsRef<str> + 'a>(
    header: &[&str],
    rows: impl IntoIterator<Item = &'a (impl AsRef<[C]> + 'a)>,
) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty().set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table.add_rows(rows.into_iter().map(|row| row.as_ref().iter().map(AsRef::as_ref).collect::<Vec<&str>>()));
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table
}

fn text(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

/// The last cell of each row below it.
fn below<const N: usize>(header: &[&str; N], rows: &[[String; N]]) -> String {
    let front = |row: &[String; N]| row.iter().take(N.saturating_sub(1)).cloned().collect::<Vec<_>>();
    let fronts: Vec<Vec<String>> = rows.iter().map(front).collect();
    let heads: Vec<&str> = header.iter().take(N.saturating_sub(1)).copied().collect();
    let table = text(&grid(&heads, &fronts));
    let mut lines = table.lines();
    let mut shown = format!("{}\n", lines.next().unwrap_or_default());
    for (line, row) in lines.zip(rows) {
        shown += &format!("{line}\n");
        shown += &row
            .last()
            .filter(|cell| !cell.is_empty())
            .map(|cell| format!("    {cell}\n"))
            .unwrap_or_default();
    }
    shown
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
    fn a_name_is_whole_on_every_screen() {
        let name = "usbguard-selinux-1.0.0-15.el9.noarch";
        let because = "usbguard-1.0.0-15.el9.x86_64 requires `libqb.so.100()(64bit)`, which libqb provides";
        for width in 20..=200 {
            let rows = [[name, "usbguard", because], ["x", "y", ""]].map(|row| row.map(str::to_owned));
            let text = Screen { width: Some(width) }.table(["PACKAGE", "FOR", "BECAUSE"], rows);
            assert!(text.lines().any(|line| line.starts_with(name)), "{width}: {text}");
            assert!(text.contains("usbguard-1.0.0-15.el9.x86_64"), "{width}: {text}");
            assert!(text.contains("`libqb.so.100()(64bit)`,"), "{width}: {text}");
        }
    }

    #[test]
    fn on_a_narrow_screen_the_last_cell_goes_below_its_row() {
        let rows =
            [["usbguard", "after reboot", "one two"], ["x", "y", ""]].map(|row| row.map(str::to_owned));
        let text = Screen { width: Some(26) }.table(["EXTENSION", "STAGE", "PACKAGES"], rows);
        assert_eq!(text, "EXTENSION  STAGE\nusbguard   after reboot\n    one two\nx          y\n");
    }

    #[test]
    fn spans_are_short() {
        let told = [0, 59, 60, 3_725, 100_000].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(told, ["0 ms", "59 s", "1 min 0 s", "1 h 2 min", "1 d 3 h"]);
    }
}
