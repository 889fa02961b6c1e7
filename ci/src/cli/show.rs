//! Records and reports, as text and as JSON.
//!
//! Decides: the columns and keys. Must not: ask a cluster. Input: values.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Problem, Said};
use crate::cleanup::Report;
use crate::config::Kind;
use crate::drive::Desk;
use crate::error::{Reason, shown};
use crate::request::Keep;
use crate::state::{Listing, Record, Spot};

/// One build.
pub(super) fn one(desk: &Desk<'_>, record: &Record) -> Said {
    let body = &record.body;
    let mut text = format!("build     {}\n", shown(&body.request.build));
    if let Some(buildset) = &body.request.buildset {
        let _ = writeln!(text, "buildset  {}", shown(buildset)); // writing to a String cannot fail
    }
    if body.request.keep == Keep::Buildset {
        let _ = writeln!(text, "kept      until the buildset ends");
    }
    for parent in &body.request.inherits {
        let _ = writeln!(text, "inherits  {}", shown(parent));
    }
    let _ = writeln!(text, "state     {}", record.state());
    if let Some(spot) = &body.spot {
        let _ = writeln!(text, "place     {} / {}", spot.provider, spot.pool);
    }
    let _ = writeln!(text, "lapses    {} (at the latest {})", record.lapses(), body.until);
    for (node, holder) in body.request.nodes.iter().zip(record.holders()) {
        let _ = writeln!(text, "node      {} ({}) in {holder}", node.name, node.label);
    }
    for tried in &body.tried {
        let Spot { provider, pool } = &tried.spot;
        let _ = writeln!(
            text,
            "tried     {provider} / {pool}, choice {}: {}",
            tried.choice + 1,
            shown(&tried.why)
        );
    }
    if let Some(held) = desk.held(record) {
        let _ = writeln!(text, "held      by {}: {}", shown(&held.by), shown(&held.reason));
    }
    for failure in &body.failures {
        let _ = writeln!(text, "failure   {}", shown(failure));
    }
    Said::new(text, value(desk, record))
}

fn value(desk: &Desk<'_>, record: &Record) -> Value {
    let body = &record.body;
    let names = record.holders();
    let made = desk.nodes(record).ok(); // none where it is not placed, or not configured any more
    let nodes: Vec<Value> = body
        .request
        .nodes
        .iter()
        .enumerate()
        .map(|(at, node)| {
            let made = made.as_ref().and_then(|nodes| nodes.get(at));
            json!({
                "name": node.name,
                "label": node.label,
                "type": made.map(|node| node.kind),
                "namespace": made.map(|node| &node.namespace).or(names.get(at)),
                "pod": made.filter(|node| node.kind == Kind::Pod).map(|node| &node.pod),
                "held-by": names.get(at),
                "attempt": body.attempts.get(at),
            })
        })
        .collect();
    json!({
        "id": record.id,
        "build": body.request.build,
        "buildset": body.request.buildset,
        "change": body.request.change,
        "keep": body.request.keep,
        "inherits": body.request.inherits,
        "priority": body.request.priority,
        "viewers": body.request.viewers,
        "phase": body.phase,
        "state": record.state(),
        "provider": body.spot.as_ref().map(|spot| &spot.provider),
        "pool": body.spot.as_ref().map(|spot| &spot.pool),
        "nodes": nodes,
        "lapses": record.lapses().to_string(),
        "until": body.until.to_string(),
        "driven-by": record.holder,
        "tried": body.tried,
        "held": desk.held(record),
        "failures": body.failures,
    })
}

/// Every build.
pub(super) fn all(desk: &Desk<'_>, listing: &Listing) -> Said {
    let now = (desk.clock)();
    let mut text = String::new();
    for record in &listing.records {
        let held = desk.held(record);
        let state = match &held {
            Some(_) => "held",
            None if record.lapsed(now) => "lapsed",
            None => record.state(),
        };
        let nodes: Vec<&str> = record.body.request.nodes.iter().map(|node| node.name.as_str()).collect();
        let build = shown(&record.body.request.build);
        let _ = write!(text, "{build:<24} {state:<13} {:<28} {}", record.lapses(), nodes.join(" "));
        match held {
            Some(held) => writeln!(text, "  ({}: {})", shown(&held.by), shown(&held.reason)),
            None => writeln!(text),
        }
        .unwrap_or(()); // writing to a String cannot fail
    }
    for odd in &listing.odd {
        let _ = writeln!(text, "unreadable: {odd}");
    }
    let odd: Vec<String> = listing.odd.iter().map(ToString::to_string).collect();
    let builds: Vec<Value> = listing.records.iter().map(|record| value(desk, record)).collect();
    Said::new(text, json!({"builds": builds, "unreadable": odd}))
}

/// What a pass of the cleaner did. A namespace that is held up, or a provider that is away, is said in the exit code.
pub(super) fn cleaned(report: &Report, dry: bool) -> Result<Said, Problem> {
    let json = serde_json::to_value(report).map_err(|error| Problem {
        reason: Reason::Bug,
        message: error.to_string(),
        cure: None,
    })?;
    Ok(Said { text: cleaned_text(report, dry), json, code: cleaned_code(report) })
}

/// What asks for a person comes before what a later pass mends.
pub(super) fn cleaned_code(report: &Report) -> u8 {
    match (report.is_blocked(), report.away.is_empty()) {
        (true, _) => Reason::Blocked.exit_code(),
        (false, false) => Reason::Again.exit_code(),
        (false, true) => 0,
    }
}

/// The same for people.
pub(super) fn cleaned_text(report: &Report, dry: bool) -> String {
    let would = if dry { "would be " } else { "" };
    let mut text = format!("{} kept, {} reservations dropped\n", report.kept, report.pruned);
    for (what, names) in [
        ("idle", &report.idle),
        ("marked", &report.condemned),
        ("deleted", &report.deleted),
        ("finished", &report.finished),
        ("ended", &report.ended),
    ] {
        for name in names {
            let _ = writeln!(text, "{would}{what}: {}", shown(name));
        }
    }
    for name in &report.waiting {
        let _ = writeln!(text, "waits for its second sighting: {}", shown(name));
    }
    if report.queued > 0 {
        let _ = writeln!(text, "{} more may go, when others are gone", report.queued);
    }
    for (name, why) in &report.going {
        let _ = writeln!(text, "is going: {}: {why}", shown(name));
    }
    for odd in &report.odd {
        let _ = writeln!(text, "unreadable: {odd}");
    }
    for (provider, why) in &report.away {
        let _ = writeln!(text, "provider {provider} is away: {why}");
    }
    text
}
