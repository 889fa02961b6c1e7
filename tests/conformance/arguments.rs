//! What the runner is asked for. Flags of `cargo test` that mean nothing here are taken and ignored.

use crate::table::Clause;

/// What to do.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Arguments {
    /// Print the clauses and stop.
    pub(crate) list: bool,
    /// Compare the page with the table and stop.
    pub(crate) check_page: bool,
    /// Write the page and stop.
    pub(crate) bless: bool,
    /// Only clauses that match one of these.
    filters: Vec<String>,
}

/// Flags of test runners that are followed by a value.
const VALUED: [&str; 7] =
    ["--test-threads", "--format", "--color", "--skip", "--logfile", "--shuffle-seed", "-Z"];

impl Arguments {
    /// Reads the command line, without the program's name.
    pub(crate) fn read(words: impl IntoIterator<Item = String>) -> Self {
        let mut arguments = Arguments::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--list" => arguments.list = true,
                "--check-page" => arguments.check_page = true,
                "--bless" => arguments.bless = true,
                valued if VALUED.contains(&valued) => drop(words.next()),
                flag if flag.starts_with('-') => {}
                filter => arguments.filters.push(filter.to_lowercase()),
            }
        }
        arguments
    }

    /// Whether this clause is asked for: by number, or by a part of its statement or section.
    pub(crate) fn want(&self, clause: &Clause) -> bool {
        let line = format!("{} {} {}", clause.name(), clause.section, clause.statement).to_lowercase();
        self.filters.is_empty() || self.filters.iter().any(|filter| line.contains(filter))
    }
}
