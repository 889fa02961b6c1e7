//! Where log events go: the journal where systemd connected us to it, else lines on stderr.

use std::os::unix::fs::MetadataExt;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::Level;

/// Overrides `log.level`, and takes `target=level` filters too.
pub const LOG_ENV: &str = "EXTENSIONS_AGENT_LOG";
/// The name in the journal.
const IDENTIFIER: &str = "extensions-agent";

/// Sends log events of `level` and above to where they belong; `filter` is the text of [`LOG_ENV`]. A second call, as
/// tests make it, changes nothing.
pub fn init(level: Level, filter: Option<&str>) {
    let journal = journal_is_ours(std::env::var("JOURNAL_STREAM").ok().as_deref(), stderr_identity());
    let registry = tracing_subscriber::registry().with(filter_for(level, filter));
    // Fails only when somebody was first.
    let _ = registry.with(sink(journal)).try_init();
}

fn sink<S>(journal: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let journald = if journal { tracing_journald::layer().ok() } else { None };
    match journald {
        // Without a prefix, so that fields keep the names the journal knows.
        Some(layer) => layer
            .with_field_prefix(None)
            .with_syslog_identifier(IDENTIFIER.to_owned())
            .with_priority_mappings(priorities())
            .boxed(),
        None => tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_target(false)
            .without_time()
            .with_ansi(
                std::io::IsTerminal::is_terminal(&std::io::stderr())
                    && std::env::var_os("NO_COLOR").is_none(),
            )
            .boxed(),
    }
}

/// `info` is information there, not the notice that the library makes of it.
fn priorities() -> tracing_journald::PriorityMappings {
    use tracing_journald::Priority;
    tracing_journald::PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
        ..tracing_journald::PriorityMappings::new()
    }
}

fn filter_for(level: Level, filter: Option<&str>) -> EnvFilter {
    let default = || {
        EnvFilter::new(format!(
            "warn,kube_client=off,extensions_agent={0},extensions_manifest={0}",
            level.as_str()
        ))
    };
    // A filter that cannot be read must not silence the agent.
    filter.and_then(|text| EnvFilter::try_new(text).ok()).unwrap_or_else(default)
}

/// Device and inode of stderr.
fn stderr_identity() -> Option<(u64, u64)> {
    let link = std::fs::metadata("/proc/self/fd/2").ok()?;
    Some((link.dev(), link.ino()))
}

/// Whether `JOURNAL_STREAM` (`device:inode`) names our stderr: a child of a service inherits the variable even when its
/// output goes elsewhere.
fn journal_is_ours(variable: Option<&str>, stderr: Option<(u64, u64)>) -> bool {
    let named = variable.and_then(|text| {
        let (device, inode) = text.split_once(':')?;
        Some((device.parse().ok()?, inode.parse().ok()?))
    });
    named.is_some() && named == stderr
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_ours_only_when_stderr_is_its_stream() {
        assert!(journal_is_ours(Some("8:1234"), Some((8, 1234))));
        for (variable, stderr) in [
            (None, Some((8, 1234))),
            (Some("8:1234"), Some((8, 1))),
            (Some("8:1234"), None),
            (Some("x"), Some((8, 1234))),
            (Some("8:"), None),
        ] {
            assert!(!journal_is_ours(variable, stderr), "{variable:?} {stderr:?}");
        }
    }

    #[test]
    fn a_filter_from_the_environment_wins_and_a_broken_one_is_as_none() {
        assert_eq!(filter_for(Level::Info, Some("debug")).to_string(), "debug");
        for filter in [None, Some("a=b=c"), Some("extensions_agent=loud")] {
            let text = filter_for(Level::Debug, filter).to_string();
            assert!(text.contains("extensions_agent=debug") && text.contains("warn"), "{filter:?}: {text}");
        }
    }
}
