//! Where the lines of the controller go: stderr, for people or as one JSON object a line.
//!
//! Decides: the form. Must not: be called twice to another end. Input: the form that was asked for.
//!
//! A JSON line has `timestamp`, `level`, `message`, and the fields of the event beside them.

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Overrides what is told, with `target=level` filters.
pub const LOG_ENV: &str = "BUILD_RESOURCES_LOG";

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends the lines to stderr. A second call changes nothing.
pub fn init(form: Form) {
    let told = std::env::var(LOG_ENV).ok().and_then(|text| EnvFilter::try_new(text).ok());
    let filter = told.unwrap_or_else(|| EnvFilter::new("warn,kube_client=off,build_resources=info"));
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(false);
    let lines = match form {
        Form::Text => lines.boxed(),
        Form::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
    };
    // Fails only when somebody was first.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}
