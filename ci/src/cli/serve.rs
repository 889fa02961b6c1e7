//! `serve`: the controller, for ever or once.
//!
//! Decides: what it prints and how it ends. Must not: decide what is to be done. Input: arguments and a desk.

use std::fmt::Write as _;
use std::net::SocketAddr;

use tokio_util::sync::CancellationToken;

use super::{Cli, Problem, Said, show};
use crate::drive::{Clusters, Desk};
use crate::error::{Reason, shown};
use crate::metrics;
use crate::serve::{ConfigFile, Controller, Form, Outcome, init_log, once, stop_at_signals};

/// What `serve` is told.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Several may run: each provider is the affair of one of them, and of another once that one is silent.\n\
    SIGTERM ends it in good order. A change of the configuration's file is taken up; a bad one is told and left.\n\n\
    Examples:\n  build-resources serve --listen 127.0.0.1:9464 --log json\n  \
    build-resources serve --once   # after a crash: every request is ready or gone, and nothing belongs to nobody"
)]
pub struct ServeArgs {
    /// Do all that is to be done now, and end.
    #[arg(long, conflicts_with_all = ["listen", "log"])]
    pub once: bool,
    /// Where `/metrics` is served.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// How lines are written to stderr.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub log: Form,
}

/// Runs it until it is told to stop.
pub(super) async fn keep_on(desk: &Desk<'_>, cli: &Cli, args: &ServeArgs) -> Result<Said, Problem> {
    let (file, config) = ConfigFile::new(&cli.config)?;
    let clusters = Clusters::connect(&config, cli.kubeconfig.as_deref()).await?;
    let listener = match args.listen {
        Some(address) => Some(metrics::bind(address).await?),
        None => None,
    };
    init_log(args.log);
    let stop = CancellationToken::new();
    stop_at_signals(stop.clone()).map_err(|error| bug(&error))?;
    let kubeconfig = cli.kubeconfig.clone();
    let (me, clock) = (desk.me.clone(), desk.clock);
    Controller { file, config, clusters, kubeconfig, me, clock, listener }.work(&stop).await;
    Ok(Said::new(String::new(), serde_json::json!({"state": "ended"})))
}

/// Does it once.
pub(super) async fn run_once(desk: &Desk<'_>) -> Result<Said, Problem> {
    let outcome = once(desk).await?;
    let report = &outcome.cleaned;
    let mut text = String::new();
    for build in &outcome.adopted {
        let _ = writeln!(text, "taken up, and ready now: {}", shown(build)); // writing to a String cannot fail
    }
    for (build, why) in &outcome.given_up {
        let _ = writeln!(text, "given up: {}: {}", shown(build), shown(why));
    }
    for why in &outcome.not_stocked {
        let _ = writeln!(text, "not kept ready: {}", shown(why));
    }
    text.push_str(&show::cleaned_text(report, false));
    Ok(Said { text, json: json(&outcome)?, code: show::cleaned_code(report) })
}

fn json(outcome: &Outcome) -> Result<serde_json::Value, Problem> {
    serde_json::to_value(outcome).map_err(|error| bug(&error))
}

fn bug(error: &dyn std::error::Error) -> Problem {
    Problem { reason: Reason::Bug, message: error.to_string(), cure: None }
}
