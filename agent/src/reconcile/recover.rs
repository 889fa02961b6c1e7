//! What an earlier run left open, settled by looking at the host; never by doing it again.

use super::notes::Notes;
use super::parts::Parts;
use crate::apply::{ApplyError, HostLock, PayloadSource, Problem, Step, Verdict};
use crate::host::{Host, Observed};

/// Observes the host, settles an intent that was left open, and brings the ledger up to date with the booted deployment.
///
/// Safe to repeat: a crash in between leaves the intent open for the next run.
pub(super) async fn recover<H: Host, S: PayloadSource>(
    parts: &Parts<'_, H, S>,
    lock: &HostLock,
    notes: &mut Notes<'_>,
) -> Result<Observed, Problem> {
    let observed = loop {
        let observed = parts.observe(notes).await?;
        let Some(mut intent) = parts.state.intent().map_err(problem)? else { break observed };
        (parts.watcher)(Step::Recovering { nonce: intent.nonce.clone() });
        let ledger = parts.state.ledger().map_err(problem)?;
        match intent.verdict(&observed) {
            Verdict::Running { ours } => {
                if ours && !intent.started {
                    intent.started = true;
                    parts.state.open_intent(lock, &intent).map_err(problem)?;
                }
                let title = observed.transaction.and_then(|transaction| transaction.title);
                // Ends with an error when the limit has passed, so this loop does too.
                parts.wait_idle(title, notes).await?;
            }
            Verdict::Done { deployment } => {
                tracing::info!(deployment, "an earlier call went through");
                parts.state.settle_intent(lock, &intent.ledger).map_err(problem)?;
            }
            Verdict::NotDone => {
                tracing::info!(nonce = intent.nonce, "an earlier call did not go through");
                let ledger = intent.ledger_if_not_done(&ledger, &observed);
                parts.state.settle_intent(lock, &ledger).map_err(problem)?;
            }
        }
    };
    let ledger = parts.state.ledger().map_err(problem)?;
    let settled = ledger.settled(&observed);
    if settled != ledger {
        parts.state.keep_ledger(lock, &settled).map_err(problem)?;
    }
    notes.ledger = settled;
    Ok(observed)
}

#[expect(clippy::needless_pass_by_value, reason = "it is a mapping of errors")]
fn problem(error: ApplyError) -> Problem {
    Problem::of(&error)
}
