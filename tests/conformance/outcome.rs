//! How one request ended, and the few questions that clauses ask of it.

use crate::client::CallError;
use crate::peer::Event;
use crate::verdict::{Stop, Verdict, ensure, fail};

/// How one request ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Whether `Finished(true)` came.
    pub(crate) success: bool,
    /// The text of `Finished`, or of the error reply.
    pub(crate) text: String,
    /// The error reply, when there was never a transaction.
    pub(crate) refused: Option<CallError>,
    /// The signals, in order.
    pub(crate) events: Vec<Event>,
}

impl Outcome {
    /// The method itself answered with an error.
    pub(crate) fn refused(error: CallError) -> Self {
        Outcome { success: false, text: error.text.clone(), refused: Some(error), events: Vec::new() }
    }

    /// It succeeded, with an empty text.
    pub(crate) fn succeeded(&self) -> Verdict {
        ensure!(self.refused.is_none(), "an error reply: {:?}", self.refused);
        ensure!(self.success, "Finished(false, `{}`)", self.text);
        ensure!(self.text.is_empty(), "Finished(true) with the text `{}`", self.text);
        Ok(())
    }

    /// It failed inside the transaction, and the text holds each of these parts.
    pub(crate) fn failed(&self, parts: &[&str]) -> Verdict {
        if let Some(error) = &self.refused {
            return fail(format!("an error reply instead of Finished(false): {error}"));
        }
        self.failed_anywhere(parts)
    }

    /// It failed, by an error reply or inside the transaction, and the text holds each of these parts.
    pub(crate) fn failed_anywhere(&self, parts: &[&str]) -> Verdict {
        ensure!(!self.success, "it succeeded");
        for part in parts {
            ensure!(self.text.contains(part), "`{part}` is not in `{}`", self.text);
        }
        Ok(())
    }

    /// The messages for humans, in order.
    pub(crate) fn messages(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| if let Event::Message(text) = event { Some(&**text) } else { None })
            .collect()
    }

    /// The tasks begun, in order.
    pub(crate) fn tasks(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| if let Event::TaskBegin(text) = event { Some(&**text) } else { None })
            .collect()
    }

    /// One of the messages is exactly this.
    pub(crate) fn said(&self, message: &str) -> Result<(), Stop> {
        ensure!(self.messages().contains(&message), "no Message `{message}` among {:?}", self.messages());
        Ok(())
    }
}
