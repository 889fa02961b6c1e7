//! The pages of commands and of exit codes, written from the code that they describe.

use std::fmt::Write as _;

use clap::CommandFactory;

use super::args::Cli;
use crate::error::{Class, Reason};

/// The page `docs/cli.md`.
pub fn commands_page() -> String {
    let mut text = String::from("# Commands\n\nGenerated from `agent/src/cli/args.rs`; a test compares.\n\n");
    let mut top = Cli::command().term_width(100);
    // Builds the tree, so that global arguments are in every help.
    top.build();
    section(&mut text, &mut top, "");
    text
}

fn section(text: &mut String, command: &mut clap::Command, above: &str) {
    let name = format!("{above}{}", command.get_name());
    let help = command.clone().term_width(100).render_long_help().to_string();
    let _ = writeln!(text, "## {name}\n\n```text");
    for line in help.lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push_str("```\n\n");
    for inner in command.get_subcommands_mut() {
        section(text, inner, &format!("{name} "));
    }
}

/// The page `docs/exit-codes.md`.
pub fn reasons_page() -> String {
    let mut text = String::from(
        "# Exit codes and reasons\n\nGenerated from `agent/src/error.rs`; a test compares. A code keeps its meaning for ever.\n\n\
         One reason is one word everywhere: on stderr, in `status`, as the label `reason` of the metrics, and here.\n\n\
         | Code | Reason | What to do | Meaning | Cure |\n|---|---|---|---|---|\n\
         | 0 | | | Done, or nothing to do. | |\n\
         | 2 | | correct it | Wrong arguments; with `plan --detailed-exitcode`: something would change. | `--help` |\n\
         | 77 | | | `status --pending-exit-77`: a reboot is pending. | reboot |\n",
    );
    for reason in Reason::ALL {
        let cure = reason.cure().unwrap_or("the message says it");
        let _ = writeln!(
            text,
            "| {} | `{}` | {} | {} | {cure} |",
            reason.exit_code(),
            reason.code(),
            what_to_do(reason.class()),
            reason.meaning()
        );
    }
    text
}

const fn what_to_do(class: Class) -> &'static str {
    match class {
        Class::Retry => "try again; the daemon does",
        Class::Wait => "wait; the daemon does",
        Class::Refuse => "change something",
        Class::Bug => "report it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    #[test]
    fn the_pages_are_checked_in() {
        golden::check("docs/cli.md", &commands_page());
        golden::check("docs/exit-codes.md", &reasons_page());
    }

    #[test]
    fn what_programs_read_has_a_schema_that_is_checked_in() {
        let schemas = [
            ("offer", schemars::schema_for!(crate::cli::list::Offer)),
            ("forecast", crate::plan::Forecast::schema()),
            ("explanation", schemars::schema_for!(crate::cli::explain::Explanation)),
            ("fleet", schemars::schema_for!(crate::cli::fleet::Fleet)),
            ("config-dump", schemars::schema_for!(crate::cli::config::ConfigDump)),
            ("error", schemars::schema_for!(crate::cli::stop::ErrorDocument<'_>)),
        ];
        for (name, schema) in schemas {
            let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
            golden::check(&format!("schema/{name}.json"), &text);
        }
    }

    #[test]
    fn what_stands_below_the_options_fits_a_terminal() {
        let top = Cli::command();
        let commands = top.get_subcommands().filter_map(clap::Command::get_after_long_help);
        let helps = commands.chain(top.get_after_long_help()).map(ToString::to_string).collect::<Vec<_>>();
        assert!(helps.len() > 6);
        // Paragraphs are one line and wrapped by clap; lines that are laid out by hand must fit as they stand.
        for line in helps.iter().flat_map(|help| help.lines()).filter(|line| line.starts_with("  ")) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn the_arguments_are_well_formed() {
        Cli::command().debug_assert();
    }
}
