//! `plan`: what would be done, and the proof that it is enough, or why it cannot be.

use std::path::Path;

use extensions_manifest::closure::Provider;
use serde::{Serialize, Serializer};

use super::context::Context;
use super::gather::Gathered;
use super::render::{Answer, Screen, list};
use super::stop::Stop;
use crate::apply::Problem;
use crate::error::size;
use crate::plan::{Decision, InstallLine, PlanDocument, Refusal, UninstallLine, document};

/// Exit code of `--detailed-exitcode` when something would change, as `diff` and `terraform` have it.
const CHANGES: u8 = 2;

/// A plan, and how it ends the command.
#[derive(Debug)]
pub(super) struct PlanAnswer {
    document: PlanDocument,
    detailed: bool,
}

/// What would be done on this host, or on the one in `observed`.
///
/// # Errors
/// When wish, payload or host cannot be had. A plan that refuses is an answer.
pub(super) async fn plan(
    context: &Context,
    observed: Option<&Path>,
    detailed: bool,
) -> Result<PlanAnswer, Stop> {
    let gathered = Gathered::new(context, observed).await?;
    let inputs = gathered.inputs();
    let document = document(&inputs, &crate::plan::plan(&inputs));
    Ok(PlanAnswer { document, detailed })
}

impl Serialize for PlanAnswer {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(out)
    }
}

impl Answer for PlanAnswer {
    fn text(&self, screen: Screen) -> String {
        text(&self.document, screen)
    }

    fn problem(&self) -> Option<Problem> {
        Refusal::of(self.document.refusals.iter().cloned()).map(|refusal| Problem::of(&refusal))
    }

    fn exit_code(&self) -> u8 {
        match self.document.decision {
            Decision::Change if self.detailed => CHANGES,
            Decision::Change | Decision::Nothing | Decision::Refuse => 0,
        }
    }
}

/// The plan for people.
pub(super) fn text(plan: &PlanDocument, screen: Screen) -> String {
    let headline = match plan.decision {
        Decision::Nothing => "nothing to do: the host has what is wanted",
        Decision::Change => "one transaction, then a reboot",
        Decision::Refuse => "refused: the host stays as it is",
    };
    let mut text = format!("Plan:     {headline}\n");
    if let Some(payload) = &plan.payload {
        let version = payload.version.as_deref().unwrap_or("unknown");
        text += &format!(
            "Payload:  {}\n          version {version}, {} packages\n",
            payload.reference, payload.packages
        );
    }
    if let Some(start) = &plan.start {
        let place = if start.booted { "booted" } else { "staged" };
        let version = start.version.as_deref().unwrap_or("unknown");
        text += &format!("Start:    {}\n          {place}, version {version}\n", start.deployment);
    }
    let wanted = plan.requested_by.iter().map(|(name, from)| format!("{name} ({})", list(from)));
    text += &format!("Wanted:   {}\n", list(wanted));
    let rows = rows(plan);
    if !rows.is_empty() {
        text += "\n";
        text += &screen.table(["ACTION", "PACKAGE", "SIZE", "FOR", "BECAUSE"], rows);
        text += &totals(plan);
    }
    for warning in &plan.warnings {
        text += &format!("\nwarning: {}: {}\n", warning.reason.code(), warning.message);
    }
    for objection in &plan.refusals {
        text += &format!("\n{}: {}\n", objection.reason.code(), objection.message);
        text += &objection.cure.iter().map(|cure| format!("  cure: {cure}\n")).collect::<String>();
        if !objection.requested_by.is_empty() {
            text += &format!("  asked for by: {}\n", list(&objection.requested_by));
        }
    }
    text
}

fn rows(plan: &PlanDocument) -> Vec<[String; 5]> {
    let blank = String::new;
    let install = plan.install.iter().map(installed);
    let gone = |line: &&UninstallLine| line.replaced_by.is_none();
    let uninstall = plan.uninstall.iter().filter(gone).map(|line| {
        [
            "uninstall".to_owned(),
            line.nevra.to_string(),
            blank(),
            blank(),
            "nothing wants it any more".to_owned(),
        ]
    });
    let base = |action: &str, names: &std::collections::BTreeSet<String>| {
        let row = |name: &String| {
            [action.to_owned(), name.clone(), String::new(), String::new(), "the kernel".to_owned()]
        };
        names.iter().map(row).collect::<Vec<_>>()
    };
    let keep = plan.keep.iter().map(|line| {
        let owner = if line.ours { "layered already" } else { "layered by an admin" };
        ["keep".to_owned(), line.nevra.to_string(), blank(), list(&line.extensions), owner.to_owned()]
    });
    install
        .chain(uninstall)
        .chain(base("remove from base", &plan.override_remove))
        .chain(base("back to base", &plan.override_reset))
        .chain(keep)
        .collect()
}

fn installed(line: &InstallLine) -> [String; 5] {
    let action = if line.replaces.is_some() { "replace" } else { "install" };
    let replaced = line.replaces.iter().map(|old| format!("instead of {old}"));
    let reason = line.path.last().map(|step| step.trim().to_owned());
    let because: Vec<String> = replaced.chain(reason).collect();
    [action.to_owned(), line.nevra.to_string(), size(line.size), list(&line.extensions), because.join("; ")]
}

fn totals(plan: &PlanDocument) -> String {
    let handed_over = if plan.install.is_empty() {
        String::new()
    } else {
        format!("{} to hand over, {} installed. ", size(plan.bytes), size(plan.installed_bytes))
    };
    let by_base = plan
        .proof
        .iter()
        .filter(|line| match line.provider {
            Provider::Base(_) | Provider::BaseFile(_) => true,
            Provider::Member(_) | Provider::Rpm | Provider::NotNeeded => false,
        })
        .count();
    format!(
        "\n{handed_over}{} requirements checked, each is met, {by_base} of them by the base.\n",
        plan.proof.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Reason;
    use crate::plan::tests::{booted, release, small_base, wish};
    use crate::plan::{Ledger, PlanInputs, SkewInputs};

    fn answer(extensions: &[&str], detailed: bool) -> PlanAnswer {
        let (desired, payload, observed, base) = (wish(extensions), release(), booted(&[]), small_base());
        let ledger = Ledger::default();
        let payload = Some(&payload).filter(|_| !extensions.is_empty());
        let skew = SkewInputs::default();
        let inputs = PlanInputs {
            desired: &desired,
            payload,
            observed: &observed,
            base: &base,
            ledger: &ledger,
            skew,
        };
        PlanAnswer { document: document(&inputs, &crate::plan::plan(&inputs)), detailed }
    }

    fn shown(answer: &PlanAnswer) -> String {
        answer.text(Screen { width: None })
    }

    #[test]
    fn a_change_shows_each_package_with_its_reason_and_the_proof() {
        let text = shown(&answer(&["usbguard"], false));
        assert!(text.starts_with("Plan:     one transaction, then a reboot\n"), "{text}");
        let row = |name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
        assert!(row("install  usbguard-").contains("extension `usbguard` names"), "{text}");
        assert!(row("install  libqb-").contains("requires"), "{text}");
        assert!(text.contains("to hand over") && text.contains("each is met"), "{text}");
    }

    #[test]
    fn nothing_to_do_is_one_line_and_no_table() {
        let text = shown(&answer(&[], true));
        assert!(text.starts_with("Plan:     nothing to do") && !text.contains("ACTION"), "{text}");
    }

    #[test]
    fn a_refusal_is_an_answer_with_its_reason_and_its_cure() {
        let answer = answer(&["nonsense"], true);
        let text = shown(&answer);
        assert!(text.contains("\nUnknownExtension: ") && text.contains("\n  cure: "), "{text}");
        assert_eq!(answer.problem().map(|problem| problem.reason), Some(Reason::UnknownExtension));
    }

    #[test]
    fn the_detailed_exit_code_tells_a_change_from_none() {
        let code = |extensions: &[&str], detailed| answer(extensions, detailed).exit_code();
        assert_eq!((code(&["usbguard"], false), code(&["usbguard"], true)), (0, 2));
        assert_eq!((code(&[], false), code(&[], true)), (0, 0));
    }

    #[test]
    fn two_runs_print_the_same_bytes() {
        let json = || serde_json::to_string_pretty(&answer(&["usbguard"], false)).unwrap();
        assert_eq!(json(), json());
    }
}
