//! The daemon that leaves when nobody needs it.

use crate::host::Host;
use crate::verdict::{Verdict, skip};

pub(crate) async fn leaves_when_idle(host: &Host) -> Verdict {
    knob(host)
}

pub(crate) async fn registered_clients_keep_it(host: &Host) -> Verdict {
    knob(host)
}

fn knob(host: &Host) -> Verdict {
    match &host.sandbox {
        None => {
            skip("the idle time of this host is its own (60 s and more), and other clients may be registered")
        }
        Some(_) => skip("the stand-in has no knob for its idle time yet"),
    }
}
