//! What an admin reads at 3 a.m., letter by letter, and when an old word is still good.

use super::*;
use crate::error::{Class, Reason};
use crate::sample::{deployment, state};

const NOW: &str = "2026-11-21T03:00:00Z";

fn report(outcome: PassOutcome, extension: ExtensionState) -> PassReport {
    let deployments =
        vec![deployment("new", false, &["usbguard-1.0-1.x86_64"]), deployment("old", true, &[])];
    PassReport {
        at: "2026-11-21T02:56:48Z".parse().unwrap(),
        reboot_pending: extension.staged != extension.booted,
        outcome,
        owner: None,
        source_problem: None,
        calls: 1,
        extensions: BTreeMap::from([("usbguard".parse().unwrap(), extension)]),
        desired: None,
        payload: None,
        plan: None,
        observed: Some(Observed { deployments, transaction: None, arch: "x86_64".to_owned() }),
        timings: Timings { total: Duration::from_secs(4), ..Timings::default() },
    }
}

fn staged() -> PassReport {
    report(PassOutcome::Staged { deployment: "new".to_owned() }, state(true, true, false))
}

fn text(report: &PassReport) -> String {
    StatusAnswer::new(Status::of(report), NOW.parse().unwrap()).text(Screen { width: None })
}

#[test]
fn a_staged_change_reads_as_one_page() {
    let expected = "\
Reboot to finish: the next boot has what is wanted.
As of 2026-11-21 02:56:48 UTC (3 min 12 s ago).

EXTENSION  STAGE         VERSION  ASKED FOR BY  LAYERED PACKAGES
usbguard   after reboot  1.0-1    80-x          usbguard-1.0-1.x86_64

Booted:     old
            version 39, 0 packages layered from files
Next boot:  new
            version 39, 1 packages layered from files
Last pass:  staged; calls that changed the host: 1; took 4 s
";
    assert_eq!(text(&staged()), expected);
}

#[test]
fn a_problem_is_told_once_with_its_cure_and_whom_it_concerns() {
    let problem = Problem {
        reason: Reason::UnmetRequirement,
        class: Class::Refuse,
        message: "nobody provides `libqb.so`".to_owned(),
        cure: Some("use another payload".to_owned()),
    };
    let text = text(&report(PassOutcome::NotDone { problem }, state(true, false, false)));
    let told =
        "\nUnmetRequirement: nobody provides `libqb.so`\n  cure: use another payload\n  concerns: usbguard\n";
    assert!(text.starts_with("Not ready: UnmetRequirement, see below.\n"), "{text}");
    assert!(text.contains(told) && text.matches("libqb.so").count() == 1, "{text}");
}

#[test]
fn a_pending_reboot_beside_a_problem_is_told_too() {
    let problem = Problem {
        reason: Reason::UnknownExtension,
        class: Class::Refuse,
        message: "no `x`".to_owned(),
        cure: None,
    };
    let text = text(&report(PassOutcome::NotDone { problem }, state(true, true, false)));
    let head = "Not ready: UnknownExtension, see below.\nA reboot is pending: it brings what is staged.\n";
    assert!(text.starts_with(head), "{text}");
}

#[test]
fn a_look_at_the_host_is_not_told_as_a_pass() {
    let answer =
        StatusAnswer { looked: true, ..StatusAnswer::new(Status::of(&staged()), NOW.parse().unwrap()) };
    let text = answer.text(Screen { width: None });
    assert!(text.contains("\nLast pass:  none since") && !text.contains("took"), "{text}");
}

#[test]
fn a_payload_is_spelled_as_admins_write_it_and_pinned_by_its_name() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let pullspec = format!("registry.example/x@{digest}");
    for written in [pullspec.clone(), format!("docker://{pullspec}")] {
        let desired = crate::desired::Desired {
            extensions: BTreeMap::new(),
            kernel_type: crate::desired::KernelType::Default,
            kernel_type_from: None,
            payload: Some(written),
            payload_from: Some("80-x".to_owned()),
            os_image: None,
            rendered: None,
        };
        let status = Status::of(&PassReport { desired: Some(desired), ..staged() });
        let payload = status.payload.clone().unwrap();
        assert_eq!((payload.reference.as_str(), payload.digest), (pullspec.as_str(), digest.parse().ok()));
        let text = StatusAnswer::new(status, NOW.parse().unwrap()).text(Screen { width: None });
        assert!(text.contains(&format!("Payload:    {pullspec} (from 80-x)\n")), "{text}");
    }
}

#[test]
fn a_pending_reboot_ends_with_77_only_when_that_was_asked_for() {
    let answer = |pending_exit| StatusAnswer {
        status: Status::of(&staged()),
        now: NOW.parse().unwrap(),
        looked: false,
        pending_exit,
    };
    assert_eq!((answer(false).exit_code(), answer(true).exit_code()), (0, 77));
}

#[test]
fn the_kept_status_holds_until_host_or_wish_have_moved() {
    let kept = Status::of(&staged());
    assert!(!has_moved(&kept, &kept));
    let mut rebooted = staged();
    rebooted.observed.as_mut().unwrap().deployments =
        vec![deployment("new", true, &["usbguard-1.0-1.x86_64"])];
    assert!(has_moved(&kept, &Status::of(&rebooted)));
    let other_wish = PassReport { extensions: BTreeMap::new(), ..staged() };
    assert!(has_moved(&kept, &Status::of(&other_wish)));
    let blind = Status::of(&PassReport { observed: None, ..staged() });
    assert!(!has_moved(&blind, &kept), "a pass that could not see the host has more to tell");
}

#[test]
fn a_look_tells_how_the_host_stands() {
    let observed = staged().observed.unwrap();
    let of = |facts: &[ExtensionState]| {
        let named = |(number, state): (usize, &ExtensionState)| {
            (format!("x{number}").parse().unwrap(), state.clone())
        };
        standing(&facts.iter().enumerate().map(named).collect(), &observed)
    };
    assert_eq!(of(&[]), PassOutcome::NothingWanted);
    assert_eq!(of(&[state(false, false, false)]), PassOutcome::NothingWanted);
    assert_eq!(of(&[state(true, true, true)]), PassOutcome::Booted { deployment: "old".to_owned() });
    assert_eq!(of(&[state(true, true, false)]), PassOutcome::AwaitingReboot { deployment: "new".to_owned() });
    assert_eq!(
        of(&[state(false, false, true)]),
        PassOutcome::AwaitingReboot { deployment: "new".to_owned() }
    );
    assert_eq!(of(&[state(true, true, true), state(true, false, false)]), PassOutcome::Planned);
}
