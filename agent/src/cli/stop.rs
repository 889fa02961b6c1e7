//! Why a command ends early. The one place where an error becomes text.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Output;
use crate::apply::Problem;
use crate::error::{Class, Failure, Reason};
use crate::plan::API_VERSION;

/// Why a command ends without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop(Box<Problem>);

impl<F: Failure> From<F> for Stop {
    fn from(failure: F) -> Self {
        Self(Box::new(Problem::of(&failure)))
    }
}

impl Stop {
    /// Something of ours that cannot happen did.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        let problem = Problem {
            reason: Reason::Internal,
            class: Class::Bug,
            message: error.to_string(),
            cure: Reason::Internal.cure().map(str::to_owned),
        };
        Self(Box::new(problem))
    }

    /// The problem, to be shown.
    pub fn problem(&self) -> &Problem {
        &self.0
    }
}

/// An error as a document.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorDocument<'a> {
    /// Always `extensions.agent/v1`.
    api_version: &'static str,
    /// Always `Error`.
    kind: &'static str,
    /// The exit code of the command.
    exit_code: u8,
    /// What went wrong.
    #[serde(flatten)]
    problem: &'a Problem,
}

/// Writes `problem` to `out`, once, in the form that was asked for.
///
/// # Errors
/// When `out` cannot be written.
pub fn tell(problem: &Problem, output: Output, mut out: impl Write) -> io::Result<()> {
    let exit_code = problem.reason.exit_code();
    let document = ErrorDocument { api_version: API_VERSION, kind: "Error", exit_code, problem };
    match output {
        Output::Text => {
            writeln!(out, "error: {}", problem.message)?;
            writeln!(out, "reason: {}", problem.reason.code())?;
            problem.cure.iter().try_for_each(|cure| writeln!(out, "cure: {cure}"))
        }
        Output::Json => writeln!(out, "{}", serde_json::to_string(&document)?),
        Output::Yaml => write!(out, "{}", serde_saphyr::to_string(&document).map_err(io::Error::other)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsError;

    fn stop() -> Stop {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        SettingsError::Read { path: "/etc/x.toml".into(), source }.into()
    }

    fn told(output: Output) -> String {
        let mut text = Vec::new();
        tell(stop().problem(), output, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn an_error_is_told_once_with_its_causes_its_reason_and_its_cure() {
        assert_eq!(
            told(Output::Text),
            "error: reading settings from `/etc/x.toml`: permission denied\nreason: InvalidSettings\ncure: see \
             `extensions-agent config dump` for each value and the file it comes from\n"
        );
    }

    #[test]
    fn a_program_gets_the_error_as_a_document() {
        let json: serde_json::Value = serde_json::from_str(&told(Output::Json)).unwrap();
        assert_eq!(
            (&json["kind"], &json["reason"], &json["exitCode"]),
            (&"Error".into(), &"InvalidSettings".into(), &10.into())
        );
        let yaml: serde_json::Value = serde_saphyr::from_str(&told(Output::Yaml)).unwrap();
        assert_eq!(yaml, json);
    }
}
