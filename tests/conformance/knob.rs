//! What only the stand-in can be told: to be quicker at what takes the real daemon half a minute and more.

use proof::rpmostreed::faults::{Faults, Switch};

use crate::host::Host;

/// A setting of the stand-in, for as long as this lives.
pub(crate) struct Knob(Faults, Switch);

impl Knob {
    /// Turns it, when there is a stand-in.
    pub(crate) fn turn(host: &Host, switch: Switch, value: &str) -> Option<Self> {
        let faults = Faults::of(host.sandbox.as_ref()?.dir());
        faults.turn_on(switch, value);
        Some(Knob(faults, switch))
    }
}

impl Drop for Knob {
    fn drop(&mut self) {
        self.0.turn_off(self.1);
    }
}
