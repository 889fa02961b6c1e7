//! The daemon that leaves when nobody needs it. Only the stand-in can be told to leave soon.

use std::time::{Duration, Instant};

use proof::rpmostreed::faults::Switch;

use crate::client::{Dict, NAME, SYSROOT, SYSROOT_INTERFACE};
use crate::host::Host;
use crate::knob::Knob;
use crate::verdict::{Stop, Verdict, ensure, fail, skip};

/// A daemon that leaves after a second, for as long as this lives.
fn impatient(host: &Host) -> Result<Knob, Stop> {
    match Knob::turn(host, Switch::IdleSeconds, "1") {
        Some(knob) => Ok(knob),
        None => skip("how long this daemon waits is its own affair, and others may be registered with it"),
    }
}

async fn owner(host: &Host) -> Option<String> {
    let reply = host.control.call_bus("GetNameOwner", &NAME).await.ok()?;
    reply.body().deserialize::<String>().ok()
}

/// Takes the only registration back and waits for the daemon to leave.
async fn leave(host: &Host) -> Verdict {
    host.control.call(SYSROOT, SYSROOT_INTERFACE, "UnregisterClient", &(Dict::new(),)).await?;
    let began = Instant::now();
    while owner(host).await.is_some() {
        if began.elapsed() > host.limit {
            return fail(format!("the daemon is still there after {:?}", host.limit));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

pub(crate) async fn leaves_when_idle(host: &Host) -> Verdict {
    let knob = impatient(host)?;
    let left = leave(host).await;
    drop(knob);
    host.revive().await?;
    left?;
    ensure!(owner(host).await.is_some(), "the next call did not start it again");
    host.unchanged().await
}

pub(crate) async fn registered_clients_keep_it(host: &Host) -> Verdict {
    let knob = impatient(host)?;
    let before = owner(host).await;
    // Time passing is what is tried here: three times what it takes to leave.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = owner(host).await;
    let left = leave(host).await;
    drop(knob);
    host.revive().await?;
    ensure!(before.is_some() && before == after, "the owner was {before:?} and is {after:?}");
    // Without the registration it did leave, so the wait above was long enough to tell.
    left
}
