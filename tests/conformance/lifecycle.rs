//! The life of one transaction: its address, its start, its end, and who holds on to it.

use proof::rpmostreed::faults::Switch;

use crate::client::{OS_INTERFACE, SYSROOT, SYSROOT_INTERFACE};
use crate::deployment::layers;
use crate::host::Host;
use crate::knob::Knob;
use crate::packages::{plain, slow};
use crate::peer::Event;
use crate::request::Request;
use crate::verdict::{Verdict, ensure, fail};
use crate::watch::{Watch, brief};

/// What an error reply is called when another transaction is in the way.
pub(crate) const BUSY: &str = "org.gtk.GDBus.UnmappedGError.Quark._g_2dio_2derror_2dquark.Code26";

fn anything() -> Request {
    Request::install(&[&plain("a")]).dry()
}

pub(crate) async fn address(host: &Host) -> Verdict {
    let caller = host.caller().await?;
    let address = host.begin(&caller, &anything()).await?;
    let named = host.control.active_path().await?;
    host.peer(&address).await?.close().await;
    caller.close().await?;
    ensure!(
        address.starts_with("unix:path=") || address.starts_with("unix:abstract="),
        "the address is `{address}`"
    );
    ensure!(!address.contains("guid="), "the address `{address}` has a guid");
    ensure!(named == address, "ActiveTransactionPath is `{named}`, the method said `{address}`");
    Ok(())
}

pub(crate) async fn active_transaction(host: &Host) -> Verdict {
    let caller = host.caller().await?;
    let name = caller.unique_name();
    host.begin(&caller, &anything()).await?;
    let seen = host.control.active().await?;
    caller.close().await?;
    let wanted = ("UpdateDeployment".to_owned(), name, host.os.clone());
    ensure!(seen == wanted, "ActiveTransaction is {seen:?}, not {wanted:?}");
    host.idle().await?;
    let after = host.control.active().await?;
    ensure!(after == Default::default(), "ActiveTransaction is {after:?} afterwards");
    Ok(())
}

pub(crate) async fn changes_are_told(host: &Host) -> Verdict {
    let mut watch = Watch::begin(host).await?;
    host.run(anything()).await?.succeeded()?;
    let begun = watch.until("the beginning of a transaction", |change| change.transaction(true)).await?;
    let told = begun.last().is_some_and(|change| change.sysroot("ActiveTransaction"));
    ensure!(told, "ActiveTransaction did not change with ActiveTransactionPath: {}", brief(&begun));
    let ended = watch.until("the end of the transaction", |change| change.transaction(false)).await?;
    let told = ended.last().is_some_and(|change| change.sysroot("ActiveTransaction"));
    ensure!(told, "ActiveTransaction did not change with ActiveTransactionPath: {}", brief(&ended));
    Ok(())
}

pub(crate) async fn nothing_before_start(host: &Host) -> Verdict {
    let caller = host.caller().await?;
    let address = host.begin(&caller, &Request::install(&[&plain("a")])).await?;
    let mut peer = host.peer(&address).await?;
    let title = peer.title().await?;
    let heard = peer.drain().await?;
    host.unchanged().await?;
    peer.close().await;
    caller.close().await?;
    ensure!(title == "new-deployment", "the title before Start is `{title}`");
    ensure!(heard.is_empty(), "signals before Start: {heard:?}");
    Ok(())
}

pub(crate) async fn start_tells_who(host: &Host) -> Verdict {
    let caller = host.caller().await?;
    let address = host.begin(&caller, &anything()).await?;
    let mut first = host.peer(&address).await?;
    let mut second = host.peer(&address).await?;
    let answers = (first.start().await?, second.start().await?, first.start().await?);
    let ends = (first.finished().await?, second.finished().await?);
    first.close().await;
    second.close().await;
    caller.close().await?;
    ensure!(answers == (true, false, false), "Start said {answers:?}");
    ensure!(ends.0.0 && ends.0 == ends.1, "the two peers were told {ends:?}");
    Ok(())
}

pub(crate) async fn no_hello(host: &Host) -> Verdict {
    let caller = host.caller().await?;
    let address = host.begin(&caller, &anything()).await?;
    // Our peers never say Hello and send no destination; an answer is the proof.
    let peer = host.peer(&address).await?;
    let answered = peer.property("InitiatingClientDescription").await;
    peer.close().await;
    caller.close().await?;
    let value = answered?;
    let signature = value.value_signature().to_string();
    ensure!(signature == "s", "InitiatingClientDescription is `{signature}`");
    Ok(())
}

pub(crate) async fn vanished_before_start(host: &Host) -> Verdict {
    let caller = host.caller().await?;
    host.begin(&caller, &Request::install(&[&plain("a")])).await?;
    caller.close().await?;
    host.idle().await?;
    host.unchanged().await?;
    host.run(anything()).await?.succeeded()
}

pub(crate) async fn dropped_after_start(host: &Host) -> Verdict {
    let package = plain("a");
    let caller = host.caller().await?;
    let address = host.begin(&caller, &Request::install(&[&package])).await?;
    let peer = host.peer(&address).await?;
    ensure!(peer.start().await?, "Start() said false");
    peer.close().await;
    caller.close().await?;
    host.idle().await?;
    layers(&host.default().await?, &[&package.nevra])
}

pub(crate) async fn finished_again_for_the_late(host: &Host) -> Verdict {
    let caller = host.caller().await?;
    let address = host.begin(&caller, &anything()).await?;
    let mut early = host.peer(&address).await?;
    early.start().await?;
    let end = early.finished().await?;
    let mut late = host.peer(&address).await?;
    let started = late.start().await?;
    let again = late.finished().await?;
    early.drain().await?;
    let told = early.ends();
    early.close().await;
    late.close().await;
    caller.close().await?;
    ensure!(!started, "Start() after the end said true");
    ensure!(again == end, "the late peer was told {again:?}, the early one {end:?}");
    ensure!(told == 1, "the early peer was told the end {told} times");
    Ok(())
}

pub(crate) async fn lingers_until_peers_leave(host: &Host) -> Verdict {
    let caller = host.caller().await?;
    let address = host.begin(&caller, &anything()).await?;
    let mut peer = host.peer(&address).await?;
    peer.start().await?;
    peer.finished().await?;
    let other = host.caller().await?;
    let meanwhile = host.begin(&other, &anything()).await;
    peer.close().await;
    host.idle().await?;
    other.close().await?;
    caller.close().await?;
    let Err(error) = meanwhile else {
        return fail("another call went through while a peer was still connected");
    };
    ensure!(error.name == BUSY, "error reply {error}");
    host.run(anything()).await?.succeeded()
}

pub(crate) async fn lingering_is_bounded(host: &Host) -> Verdict {
    let _knob = Knob::turn(host, Switch::LingerSeconds, "2");
    let caller = host.caller().await?;
    let address = host.begin(&caller, &anything()).await?;
    let mut peer = host.peer(&address).await?;
    peer.start().await?;
    peer.finished().await?;
    // The peer stays; the daemon must close it by itself.
    host.idle().await?;
    let left = peer.next().await?;
    peer.close().await;
    caller.close().await?;
    ensure!(left.is_none(), "the socket stayed open and said {left:?}");
    Ok(())
}

pub(crate) async fn every_peer_hears(host: &Host) -> Verdict {
    let caller = host.caller().await?;
    let address = host.begin(&caller, &anything()).await?;
    let mut first = host.peer(&address).await?;
    let mut second = host.peer(&address).await?;
    first.start().await?;
    first.finished().await?;
    second.finished().await?;
    first.close().await;
    caller.close().await?;
    let said = second.events.iter().any(|event| matches!(event, Event::Message(_)));
    let heard = format!("{:?}", second.events);
    second.close().await;
    ensure!(said, "the peer that did not start it heard only {heard}");
    Ok(())
}

pub(crate) async fn properties_during(host: &Host) -> Verdict {
    let caller = host.caller().await?;
    let address = host.begin(&caller, &Request::install(&[&slow()])).await?;
    let mut peer = host.peer(&address).await?;
    peer.start().await?;
    peer.until("the post scripts", running_post).await?;
    let deployments = host.control.deployments().await;
    let booted = host.control.dict(&host.os, OS_INTERFACE, "BootedDeployment").await;
    let reloaded = host.control.call(SYSROOT, SYSROOT_INTERFACE, "Reload", &()).await;
    peer.cancel().await?;
    peer.finished().await?;
    peer.close().await;
    caller.close().await?;
    reloaded?;
    ensure!(!deployments?.is_empty() && !booted?.is_empty(), "the properties are empty during a transaction");
    Ok(())
}

/// The scriptlets are running: with the slow package, for two minutes.
pub(crate) fn running_post(event: &Event) -> bool {
    matches!(event, Event::TaskBegin(task) if task.starts_with("Running post scripts"))
}
