//! `apply`: one pass, now, with visible progress.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::context::Context;
use super::parts::{Asked, OwnParts};
use super::plan;
use super::render::{Answer, Screen};
use super::status::StatusAnswer;
use super::stop::Stop;
use super::wishing::Around;
use crate::apply::{PassReport, Problem};
use crate::error::chain;
use crate::plan::Decision;
use crate::reconcile::{Parts, once};
use crate::report::Status;

/// What a pass came to.
#[derive(Debug)]
pub(super) struct ApplyAnswer {
    report: PassReport,
    status: StatusAnswer,
}

/// Makes one pass and leaves the status where `status` finds it.
///
/// # Errors
/// When the pass could not begin: no store, no bus, another agent at work. How it ends is an answer.
pub(super) async fn apply(context: &Context) -> Result<ApplyAnswer, Stop> {
    let parts = OwnParts::open(context).await?;
    let lock = parts.state.lock()?;
    let watcher = |step| context.progress.step(step);
    let wish = context.wish().map_err(Arc::new);
    let asked = Asked::from(Around::the_host(context.settings()));
    let lent = Parts { insist: true, locked_in: None, ..parts.lent(context.settings(), &asked, &watcher) };
    let report = once(&lent, &lock, &wish).await;
    context.progress.clear();
    let status = Status::of(&report);
    if let Err(error) = status.write(&context.settings().state.directory) {
        // The host is what it is; only `status` will not know of it.
        tracing::warn!(error = %chain(&error), "the status was not kept");
    }
    let shown_at: Timestamp = report.at;
    Ok(ApplyAnswer { report, status: StatusAnswer::new(status, shown_at) })
}

impl Serialize for ApplyAnswer {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.status.serialize(out)
    }
}

impl Answer for ApplyAnswer {
    fn text(&self, screen: Screen) -> String {
        // A plan that was refused is told by the status, and one with nothing to do says nothing.
        let changed = self.report.plan.as_ref().filter(|plan| plan.decision == Decision::Change);
        let plan = changed.map(|plan| plan::text(plan, screen) + "\n").unwrap_or_default();
        plan + &self.status.text(screen)
    }

    fn problem(&self) -> Option<Problem> {
        self.report.problem().cloned()
    }
}
