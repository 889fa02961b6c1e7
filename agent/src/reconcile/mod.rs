//! The loop that joins the parts: one pass at a time, whenever something may have changed.
//!
//! Decides: when a pass runs. Must not: decide what a pass does. Input: the wish, wake-ups of the host, and a timer.
//! Level-triggered: a wake-up only says *look*, and a pass that finds nothing to do does nothing.

mod after;
mod clock;
mod gather;
mod hold;
mod notes;
mod offer;
mod onlooker;
mod pace;
mod parts;
mod pass;
mod recover;
mod run;
#[cfg(test)]
mod tests;

pub use after::Coordinated;
pub use clock::{Clock, SystemClock};
pub use offer::{OfferError, Offered, PayloadRules};
pub use pace::{Pace, Wake};
pub use parts::Parts;
pub use pass::{once, preview};
pub use run::{AfterPass, GRACE, Nothing, Schedule, run};
