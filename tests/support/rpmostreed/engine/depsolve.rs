//! Whether the packages fit the base: rpm's own answer, in the words of the daemon's solver.
//!
//! The base is locked: nothing of it is upgraded, obsoleted or removed to make room.

use std::path::{Path, PathBuf};

use super::Failure;
use super::context::Context;
use super::import;
use super::package::{self, Facts, rpm, rpm_in};

/// A package file that is to be installed.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Where it is.
    pub file: PathBuf,
    /// What it is.
    pub facts: Facts,
}

/// Solves: gives what is to be installed, which is `wanted`, and with `cache_only` whatever else the cache had to offer.
///
/// # Errors
/// With the solver's report.
pub fn solve(
    context: &Context,
    tree: &Path,
    wanted: Vec<Candidate>,
    cache_only: bool,
) -> Result<Vec<Candidate>, Failure> {
    let base = package::installed(context, &tree.join(package::DATABASE.trim_start_matches('/')))?;
    let mut problems = same_name(&wanted, &base);
    let mut chosen = wanted;
    if problems.is_empty() {
        problems = ask_rpm(context, tree, &chosen, &base)?;
    }
    if cache_only && problems.iter().any(|problem| problem.contains("nothing provides ")) {
        // The hazard of the contract: anything that lies in the cache is a candidate, wanted or not.
        let more = from_cache(context, &problems, &chosen)?;
        if !more.is_empty() {
            chosen.extend(more);
            problems = ask_rpm(context, tree, &chosen, &base)?;
        }
    }
    if problems.is_empty() { Ok(chosen) } else { Err(Failure::new(report(&problems))) }
}

/// The solver's report about these problems.
pub fn report(problems: &[String]) -> String {
    let mut text = "Could not depsolve transaction; ".to_owned();
    match problems {
        [one] => text.push_str(&format!("1 problem detected:\n Problem: {one}")),
        many => {
            text.push_str(&format!("{} problems detected:", many.len()));
            for (number, problem) in many.iter().enumerate() {
                text.push_str(&format!("\n Problem {}: {problem}", number + 1));
            }
        }
    }
    text
}

fn same_name(wanted: &[Candidate], base: &[Facts]) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, candidate) in wanted.iter().enumerate() {
        let new = &candidate.facts;
        if let Some(old) = base.iter().find(|old| old.name == new.name && old.arch == new.arch) {
            problems.push(conflicting(&format!(
                "cannot install both {new} from @commandline and {old} from @System"
            )));
        }
        let second = wanted.iter().skip(number + 1).find(|other| other.facts.name == new.name);
        if let Some(second) = second {
            problems.push(conflicting(&format!(
                "cannot install both {} from @commandline and {new} from @commandline",
                second.facts
            )));
        }
    }
    problems
}

fn conflicting(detail: &str) -> String {
    format!("conflicting requests\n  - {detail}")
}

fn ask_rpm(
    context: &Context,
    tree: &Path,
    candidates: &[Candidate],
    base: &[Facts],
) -> Result<Vec<String>, Failure> {
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = rpm_in(tree);
    command.args(["--test", "--install", "--ignoresize", "--replacefiles", "--nodigest"]);
    command.args(candidates.iter().map(|candidate| &candidate.file));
    let said = context.run(&mut command, "Resolving dependencies")?;
    if said.ok() {
        return Ok(Vec::new());
    }
    let problems: Vec<String> =
        said.err.lines().filter_map(|line| translate(line.trim(), candidates, base)).collect();
    if problems.is_empty() {
        return Err(Failure::new(format!("Could not depsolve transaction; {}", said.err.trim())));
    }
    Ok(problems)
}

/// One line of rpm's report as a problem of the solver.
fn translate(line: &str, candidates: &[Candidate], base: &[Facts]) -> Option<String> {
    let from = |who: &str| match who.strip_prefix("(installed) ") {
        Some(old) => format!("{old} from @System"),
        None => format!("{who} from @commandline"),
    };
    if let Some((what, who)) = line.split_once(" is needed by ") {
        return Some(conflicting(&format!("nothing provides {what} needed by {}", from(who))));
    }
    let provider = |what: &str| {
        let name = what.split_whitespace().next().unwrap_or(what);
        let old = base.iter().find(|old| old.name == name).map(|old| format!("{old} from @System"));
        let new = candidates.iter().find(|each| each.facts.name == name);
        old.or_else(|| new.map(|each| format!("{} from @commandline", each.facts)))
            .unwrap_or_else(|| format!("{name} from @System"))
    };
    for (verb, word) in [(" is obsoleted by ", "obsoletes"), (" conflicts with ", "conflicts with")] {
        if let Some((what, who)) = line.split_once(verb) {
            let who = from(who);
            let provider = provider(what);
            return Some(conflicting(&format!("package {who} {word} {what} provided by {provider}")));
        }
    }
    None
}

fn from_cache(
    context: &Context,
    problems: &[String],
    chosen: &[Candidate],
) -> Result<Vec<Candidate>, Failure> {
    let missing: Vec<&str> = problems
        .iter()
        .filter_map(|problem| problem.split_once("nothing provides ")?.1.split_whitespace().next())
        .collect();
    let mut more = Vec::new();
    for file in import::fetch_everything(context)? {
        let Ok(facts) = package::in_file(context, &file)? else { continue };
        let said = context.run(rpm().args(["-qp", "--provides"]).arg(&file), "Resolving dependencies")?;
        let provides = said.out.lines().filter_map(|line| line.split_whitespace().next());
        let known = chosen.iter().any(|each| each.facts.name == facts.name);
        if !known && provides.into_iter().any(|name| missing.contains(&name)) {
            more.push(Candidate { file, facts });
        }
    }
    Ok(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str) -> Facts {
        Facts::parse(text).unwrap()
    }

    fn candidate(text: &str) -> Candidate {
        Candidate { file: PathBuf::new(), facts: facts(text) }
    }

    #[test]
    fn a_missing_requirement_is_named_with_who_wants_it() {
        let problem = translate("dep-b >= 1.0 is needed by dep-a-1.0-1.el9.x86_64", &[], &[]).unwrap();
        assert_eq!(
            report(&[problem]),
            "Could not depsolve transaction; 1 problem detected:\n Problem: conflicting requests\n  - nothing provides \
             dep-b >= 1.0 needed by dep-a-1.0-1.el9.x86_64 from @commandline"
        );
    }

    #[test]
    fn the_base_is_locked_against_newer_versions() {
        let base = [facts("bash|0|5.1.8|9.el9|x86_64")];
        let problems = same_name(&[candidate("bash|0|5.2.0|1.el9|x86_64")], &base);
        let said = "cannot install both bash-5.2.0-1.el9.x86_64 from @commandline and bash-5.1.8-9.el9.x86_64 from @System";
        assert_eq!(problems, [conflicting(said)]);
    }

    #[test]
    fn obsoleting_the_base_is_a_problem() {
        let base = [facts("coreutils|0|8.32|1|x86_64")];
        let problem = translate("coreutils < 99 is obsoleted by x-1-1.noarch", &[], &base).unwrap();
        assert!(problem.ends_with(
            "package x-1-1.noarch from @commandline obsoletes coreutils < 99 provided by coreutils-8.32-1.x86_64 from @System"
        ));
    }
}
