//! Cancel, by anybody, and the death of the daemon.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::child::{self, Task};
use crate::host::Host;
use crate::lifecycle::running_post;
use crate::packages::{plain, slow};
use crate::peer::{Event, Peer};
use crate::request::Request;
use crate::verdict::{Stop, Verdict, ensure, skip};

/// A started transaction that sits in a scriptlet.
async fn sitting(host: &Host) -> Result<(crate::client::Caller, String, Peer), Stop> {
    let caller = host.caller().await?;
    let address = host.begin(&caller, &Request::install(&[&slow()])).await?;
    let mut peer = host.peer(&address).await?;
    ensure!(peer.start().await?, "Start() said false");
    peer.until("the post scripts", running_post).await?;
    Ok((caller, address, peer))
}

async fn ended_by_cancel(host: &Host, mut peer: Peer) -> Verdict {
    let (success, text) = peer.finished().await?;
    let tail: Vec<Event> = peer.events.iter().rev().take(2).cloned().collect();
    peer.close().await;
    host.idle().await?;
    ensure!(!success, "a cancelled transaction finished with success");
    ensure!(text.ends_with("Operation was cancelled"), "the text is `{text}`");
    let ended = matches!(tail.get(1), Some(Event::TaskEnd(_)));
    ensure!(ended, "no TaskEnd before Finished: {tail:?}");
    host.unchanged().await
}

pub(crate) async fn cancel(host: &Host) -> Verdict {
    let (caller, _, peer) = sitting(host).await?;
    peer.cancel().await?;
    ended_by_cancel(host, peer).await?;
    Ok(caller.close().await?)
}

pub(crate) async fn cancel_by_a_second_peer(host: &Host) -> Verdict {
    let (caller, _, peer) = sitting(host).await?;
    let address = host.control.active_path().await?;
    let stranger = host.peer(&address).await?;
    stranger.cancel().await?;
    stranger.close().await;
    ended_by_cancel(host, peer).await?;
    Ok(caller.close().await?)
}

pub(crate) async fn cancel_by_nobody(host: &Host) -> Verdict {
    child::possible()?;
    let (caller, address, peer) = sitting(host).await?;
    let daemon = host.daemon_pid().await;
    let answer = child::run(Task::Cancel, &address, daemon).await;
    if !answer.as_ref().is_ok_and(|answer| answer == "cancelled") {
        peer.cancel().await?;
    }
    let ended = ended_by_cancel(host, peer).await;
    caller.close().await?;
    let answer = answer?;
    ensure!(answer == "cancelled", "uid 65534 was told: `{answer}`");
    ended
}

pub(crate) async fn death(host: &Host) -> Verdict {
    if host.sandbox.is_none() && std::env::var_os("CONFORMANCE_ALLOW_KILL").is_none() {
        return skip("killing the daemon of this host was not allowed (CONFORMANCE_ALLOW_KILL=1 does)");
    }
    let Some(pid) = host.daemon_pid().await else {
        return skip("the bus does not tell the daemon's process");
    };
    let (caller, _, mut peer) = sitting(host).await?;
    let Ok(pid) = i32::try_from(pid) else {
        return skip("the daemon's process id is out of range");
    };
    if let Err(error) = kill(Pid::from_raw(pid), Signal::SIGKILL) {
        peer.cancel().await?;
        peer.finished().await?;
        return skip(format!("killing process {pid}: {error}"));
    }
    let mut heard = peer.next().await?;
    while heard.is_some() && peer.ends() == 0 {
        heard = peer.next().await?;
    }
    ensure!(peer.ends() == 0, "Finished came from a dead daemon");
    caller.close().await?;
    // The next call starts a new daemon; a call that meets the dying one is retried.
    host.revive().await?;
    host.idle().await?;
    host.unchanged().await?;
    host.run(Request::install(&[&plain("a")]).dry()).await?.succeeded()
}
