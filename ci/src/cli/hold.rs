//! `hold`: keeps a build for people to look at.
//!
//! Decides: how a length of time is written, and who holds. Must not: give people the job's credentials. Input: arguments.

use std::path::PathBuf;

use super::{Problem, Said, show};
use crate::drive::{Desk, Stop};
use crate::inventory::{self, Handover};
use crate::ssh;

/// What `hold` is told.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "The job's credentials are refused from then on; `--out` has new ones for people, which end with the hold.\n\
    The container of a pod ends with `leases.max-age` all the same; its log and its namespace stay.\n\n\
    Example:\n  build-resources hold 17 --for 4h --reason 'a race in the tests' --out look\n  \
    kubectl --kubeconfig look/kubeconfig get pods"
)]
pub struct HoldArgs {
    /// The build.
    pub build: String,
    /// For how long from now: `90m`, `4h`, `1d`, or seconds; at most `max-hold-age`.
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    pub length: u64,
    /// Why. Whoever wonders about it reads this.
    #[arg(long, value_parser = words)]
    pub reason: String,
    /// Who. Without it the name of the user.
    #[arg(long, env = "USER", default_value = "somebody", value_parser = words)]
    pub by: String,
    /// Where inventory and kubeconfig for people are put.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Reads `90m`, `4h`, `1d`, `30s` or a number of seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "a length of time is wanted: `90m`, `4h`, `1d`, or seconds".to_owned();
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3600),
        Some((at, 'd')) => (text.get(..at), 86_400),
        Some(_) => (Some(text), 1),
        None => (None, 1),
    };
    let digits = digits.filter(|digits| !digits.is_empty() && digits.bytes().all(|one| one.is_ascii_digit()));
    let number: u64 = digits.ok_or_else(wrong)?.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).filter(|all| (1..=10_000_000).contains(all)).ok_or_else(wrong)
}

/// A text that can be shown: 1 to 256 characters, none of them a control character.
fn words(text: &str) -> Result<String, String> {
    if (1..=256).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("1 to 256 characters are wanted, without control characters".to_owned())
    }
}

/// Runs it.
pub(super) async fn run(desk: &Desk<'_>, args: &HoldArgs) -> Result<Said, Problem> {
    let record = desk.hold_build(&args.build, args.length, args.by.clone(), args.reason.clone()).await?;
    if let Some(out) = &args.out {
        let spot = record.body.spot.as_ref();
        let pool = spot.and_then(|spot| desk.config.pool(&spot.provider, &spot.pool));
        let (_, pool) = pool.ok_or_else(|| Stop::Unknown(args.build.clone()))?;
        let granted = desk.grant_people(&record).await?;
        let client = ssh::Client { command: desk.called.clone(), build: args.build.clone() };
        let handover = Handover {
            record: &record,
            pool,
            granted: &granted,
            inherited: &[],
            plugin: None,
            client: &client,
        };
        inventory::write(&handover, out)?;
    }
    Ok(show::one(desk, &record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_42_a_length_of_time_is_a_number_with_a_unit() {
        for (text, wanted) in [("4h", 14_400), ("90m", 5_400), ("1d", 86_400), ("30s", 30), ("7", 7)] {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for bad in ["", "h", "4 h", "-1h", "1w", "4hh", "999999d", "ä", "1ä"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
