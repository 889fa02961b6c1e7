//! What is going on, on stderr: bars on a terminal, one line a step elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::apply::Step;
use crate::error::size;
use crate::host;
use crate::payload::FetchProgress;
use crate::plan::{Decision, PlanDocument};
use crate::text::one_line;

const BYTES: &str = "{msg:22} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}";
const PERCENT: &str = "{msg:50} [{bar:30}] {percent:>3} %";
const BUSY: &str = "{spinner} {msg} {elapsed}";
/// How often a spinner turns: it says that we are alive while rpm-ostree says nothing.
const TURN: Duration = Duration::from_millis(150);
/// Longest text of the daemon that is shown.
const CHARS: usize = 200;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Bars,
    Lines,
    Hidden,
}

impl Way {
    fn of(quiet: bool, can_draw: bool) -> Self {
        match (quiet, can_draw) {
            (true, _) => Way::Hidden,
            (false, true) => Way::Bars,
            (false, false) => Way::Lines,
        }
    }
}

/// What is going on; told of each step of a pass.
#[derive(Debug)]
pub struct Progress {
    shown: Mutex<Shown>,
}

impl Progress {
    /// Bars on a terminal that can draw them, lines elsewhere, nothing when `quiet`.
    pub fn new(quiet: bool) -> Self {
        // Without a usable TERM the library would show nothing at all.
        Self::shown_as(Way::of(quiet, !ProgressDrawTarget::stderr().is_hidden()))
    }

    fn shown_as(way: Way) -> Self {
        let target = match way {
            Way::Bars => ProgressDrawTarget::stderr(),
            Way::Lines | Way::Hidden => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        Self { shown: Mutex::new(Shown { way, bar, line: String::new() }) }
    }

    /// Shows a remark that stays.
    pub fn remark(&self, text: &str) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).remark(text);
    }

    /// Shows a step.
    pub fn step(&self, step: Step) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match step {
            Step::Observing => shown.busy("asking rpm-ostree what the host has"),
            Step::Recovering { nonce } => shown.remark(&format!(
                "an earlier run was interrupted in call {nonce}; looking what became of it"
            )),
            Step::Waiting { title } => shown.busy(&waiting(title.as_deref())),
            Step::Fetching(at) => shown.fetching(at),
            Step::ReadingBase => shown.busy("reading the base's package database"),
            Step::Planned(plan) => shown.remark(&planned(&plan)),
            Step::Opening { nevra } => shown.busy(&format!("checking {nevra}")),
            Step::Calling { files } => shown.busy(&format!("calling rpm-ostree with {files} package files")),
            Step::Transaction(progress) => shown.transaction(progress),
            Step::Confirming => shown.busy("comparing the new deployment with the plan"),
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).bar.finish_and_clear();
    }
}

/// One line on a wait for somebody else.
pub(super) fn waiting(title: Option<&str>) -> String {
    format!("waiting for another transaction to end: {}", title.map_or_else(|| "unknown".to_owned(), plain))
}

fn planned(plan: &PlanDocument) -> String {
    match plan.decision {
        Decision::Nothing => "plan: nothing to do".to_owned(),
        Decision::Refuse => "plan: refused".to_owned(),
        Decision::Change => format!(
            "plan: one transaction, {} to install ({}), {} to uninstall",
            plan.install.len(),
            size(plan.bytes),
            plan.uninstall.len()
        ),
    }
}

/// One bar, and the line that was written last.
#[derive(Debug)]
struct Shown {
    way: Way,
    bar: ProgressBar,
    line: String,
}

impl Shown {
    fn fetching(&mut self, at: FetchProgress) {
        let FetchProgress { layer, layers, bytes, total } = at;
        self.measured(BYTES, &format!("fetching layer {layer}/{layers}"), (bytes, total));
    }

    /// What rpm-ostree says is shown without control characters: it may quote a package.
    fn transaction(&mut self, progress: host::Progress) {
        match progress {
            host::Progress::Task(task) => {
                self.remark(&plain(&task));
                if self.way == Way::Bars {
                    self.busy("rpm-ostree is at work");
                }
            }
            host::Progress::Message(message) => self.remark(&plain(&message)),
            host::Progress::Percent(text, Some(percent)) => {
                self.measured(PERCENT, &plain(&text), (percent.into(), 100));
            }
            host::Progress::Percent(text, None) => self.busy(&plain(&text)),
        }
    }

    /// A step that has a measure.
    fn measured(&mut self, template: &str, message: &str, (position, length): (u64, u64)) {
        // First the measure, then the message: the other way round the new step is drawn at the old one's end.
        self.bar.set_length(length);
        self.bar.set_position(position.min(length));
        self.bar.disable_steady_tick();
        self.begin(template, message);
    }

    /// A step that has none.
    fn busy(&mut self, message: &str) {
        self.begin(BUSY, message);
        if self.way == Way::Bars {
            self.bar.enable_steady_tick(TURN);
        }
        self.bar.tick();
    }

    fn begin(&mut self, template: &str, message: &str) {
        if self.line == message {
            return;
        }
        message.clone_into(&mut self.line);
        match self.way {
            Way::Bars => {
                if let Ok(style) = ProgressStyle::with_template(template) {
                    self.bar.set_style(style.progress_chars("=> "));
                }
                self.bar.reset_elapsed();
                self.bar.set_message(message.to_owned());
            }
            Way::Lines => eprintln!("{message}"),
            Way::Hidden => {}
        }
    }

    /// A remark that stays on the screen.
    fn remark(&mut self, message: &str) {
        match self.way {
            Way::Bars => self.bar.println(message),
            Way::Lines => eprintln!("{message}"),
            Way::Hidden => {}
        }
    }
}

/// A text of the host as one line of the progress.
pub(super) fn plain(text: &str) -> String {
    one_line(text, CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_can_be_read() {
        for template in [BYTES, PERCENT, BUSY] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_terminal_that_cannot_draw_gets_lines() {
        assert_eq!(Way::of(false, true), Way::Bars);
        assert_eq!(Way::of(false, false), Way::Lines);
        assert_eq!(Way::of(true, true), Way::Hidden);
    }

    #[test]
    fn text_of_the_daemon_cannot_move_the_cursor() {
        assert_eq!(plain(" Checking\x1b[2J out\n"), "Checking [2J out");
        assert_eq!(plain(&"x".repeat(1000)).len(), CHARS);
    }

    #[test]
    fn steps_can_be_shown_in_every_way() {
        for way in [Way::Bars, Way::Lines, Way::Hidden] {
            let progress = Progress::shown_as(way);
            progress.step(Step::Observing);
            progress.step(Step::Fetching(FetchProgress { layer: 1, layers: 2, bytes: 5, total: 3 }));
            progress.step(Step::ReadingBase);
            progress.step(Step::Calling { files: 4 });
            progress.step(Step::Waiting { title: None });
            progress.step(Step::Transaction(host::Progress::Percent("Writing".to_owned(), Some(200))));
            progress.step(Step::Transaction(host::Progress::Percent("Writing".to_owned(), None)));
            assert_eq!(progress.shown.lock().unwrap().line, "Writing");
            progress.step(Step::Confirming);
            progress.clear();
        }
    }
}
