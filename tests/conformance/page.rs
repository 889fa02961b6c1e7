//! The page of clauses: made from the table, checked in, and compared on every run.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::table::CLAUSES;

/// Where the page is.
fn place() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conformance/CLAUSES.md")
}

/// What it should say.
fn text() -> String {
    let mut page = String::from(
        "# The clauses of the rpm-ostree D-Bus contract\n\n\
         Made from `table.rs`; `./tests/run conformance --bless` writes it again. Numbers are for ever. Sections are those of\n\
         the contract page, whose §0 lists the ten things a client must get right.\n\n\
         | clause | section | statement |\n|---|---|---|\n",
    );
    for clause in CLAUSES {
        let statement = clause.statement.replace('|', "\\|");
        writeln!(page, "| {} | {} | {statement} |", clause.name(), clause.section)
            .expect("a String takes everything");
    }
    page
}

/// The page and the numbers agree with the table; otherwise, what is wrong.
pub(crate) fn check() -> Result<(), String> {
    if let Some(pair) = CLAUSES.windows(2).find(|pair| pair[0].id >= pair[1].id) {
        return Err(format!("{} does not come before {}", pair[0].name(), pair[1].name()));
    }
    let there = std::fs::read_to_string(place()).unwrap_or_default();
    if there == text() {
        return Ok(());
    }
    let line = there.lines().zip(text().lines().map(str::to_owned)).position(|(old, new)| old != new);
    let line = line.unwrap_or_else(|| there.lines().count().min(text().lines().count())) + 1;
    Err(format!("`{}` differs from the table at line {line}; --bless writes it again", place().display()))
}

/// Writes the page.
pub(crate) fn bless() -> std::io::Result<()> {
    std::fs::write(place(), text())
}
