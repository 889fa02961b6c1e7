//! What is heard during a transaction, and in which order.

use crate::host::Host;
use crate::outcome::Outcome;
use crate::packages::plain;
use crate::peer::Event;
use crate::request::Request;
use crate::verdict::{Stop, Verdict, ensure, fail};
use crate::watch::{Watch, brief};

async fn install_two(host: &Host) -> Result<Outcome, Stop> {
    let outcome = host.run(Request::install(&[&plain("a"), &plain("b")])).await?;
    outcome.succeeded()?;
    Ok(outcome)
}

pub(crate) async fn tasks_of_an_install(host: &Host) -> Verdict {
    let outcome = install_two(host).await?;
    let mut tasks = outcome.tasks().into_iter();
    let order = [
        "Checking out tree ",
        "Resolving dependencies",
        "Running pre scripts",
        "Running post scripts",
        "Running posttrans scripts",
        "Writing rpmdb",
        "Writing OSTree commit",
        "Staging deployment",
    ];
    for wanted in order {
        let found = tasks.any(|task| task.starts_with(wanted));
        ensure!(found, "no task `{wanted}` in its place among {:?}", outcome.tasks());
    }
    Ok(())
}

pub(crate) async fn tasks_are_paired(host: &Host) -> Verdict {
    let outcome = install_two(host).await?;
    let mut open: Option<&str> = None;
    for event in &outcome.events {
        match event {
            Event::TaskBegin(task) => {
                ensure!(open.is_none(), "`{task}` began within {open:?}");
                open = Some(task);
            }
            Event::TaskEnd(text) => {
                ensure!(open.take().is_some(), "a TaskEnd without a TaskBegin");
                ensure!(text == "done", "TaskEnd says `{text}`");
            }
            Event::Finished(..) => ensure!(open.is_none(), "{open:?} was open at the end"),
            Event::Message(_)
            | Event::Percent(..)
            | Event::ProgressEnd
            | Event::Title(_)
            | Event::Other(_) => {}
        }
    }
    Ok(())
}

pub(crate) async fn finished_is_the_last(host: &Host) -> Verdict {
    let outcome = install_two(host).await?;
    let end = outcome.events.iter().position(|event| matches!(event, Event::Finished(..)));
    let after = end.map(|end| outcome.events[end + 1..].to_vec()).unwrap_or_default();
    // Only the title, which comes from an idle handler, may be late.
    let late = after.iter().find(|event| !matches!(event, Event::Title(_) | Event::Other(_)));
    ensure!(late.is_none(), "{late:?} came after Finished");
    Ok(())
}

pub(crate) async fn title_of_an_install(host: &Host) -> Verdict {
    let outcome = install_two(host).await?;
    titled(&outcome, "install; localinstall: 2")
}

pub(crate) async fn title_of_a_removal(host: &Host) -> Verdict {
    install_two(host).await?;
    let outcome = host.run(Request::uninstall(&[&plain("a").name])).await?;
    outcome.succeeded()?;
    titled(&outcome, "uninstall; uninstall: 1")
}

fn titled(outcome: &Outcome, wanted: &str) -> Verdict {
    let found = outcome.events.contains(&Event::Title(wanted.to_owned()));
    let titles: Vec<_> = outcome.events.iter().filter(|event| matches!(event, Event::Title(_))).collect();
    ensure!(found, "no PropertiesChanged with the Title `{wanted}`, only {titles:?}");
    Ok(())
}

pub(crate) async fn counted_work(host: &Host) -> Verdict {
    let outcome = install_two(host).await?;
    let counted: Vec<(u32, u32, u32)> = outcome.events.iter().filter_map(counted_checkout).collect();
    let Some((count, total, percent)) = counted.last().copied() else {
        return fail(format!("no PercentProgress `Checking out packages (n/m)`: {:?}", outcome.events));
    };
    ensure!(count == total && total >= 2, "the last count is {count} of {total}");
    ensure!(percent == 100, "the last percentage is {percent}");
    ensure!(outcome.events.contains(&Event::ProgressEnd), "no ProgressEnd");
    Ok(())
}

/// `Checking out packages (1/2)` with its percentage, as numbers.
fn counted_checkout(event: &Event) -> Option<(u32, u32, u32)> {
    let Event::Percent(text, percent) = event else {
        return None;
    };
    let count = text.strip_prefix("Checking out packages")?.trim().strip_prefix('(')?.strip_suffix(')')?;
    let (count, total) = count.split_once('/')?;
    Some((count.parse().ok()?, total.parse().ok()?, *percent))
}

pub(crate) async fn last_removal_assembles_nothing(host: &Host) -> Verdict {
    host.needs_bare_base()?;
    let package = plain("a");
    host.stage(Request::install(&[&package])).await?;
    let outcome = host.run(Request::uninstall(&[&package.name])).await?;
    outcome.succeeded()?;
    ensure!(outcome.tasks() == ["Staging deployment"], "the tasks were {:?}", outcome.tasks());
    Ok(())
}

pub(crate) async fn bus_tells_of_an_install(host: &Host) -> Verdict {
    let mut watch = Watch::begin(host).await?;
    install_two(host).await?;
    let seen = watch.until("the end of the transaction", |change| change.transaction(false)).await?;
    let place = |what: &str, found: Option<usize>| {
        found.ok_or_else(|| Stop::Fail(format!("no {what} on the bus; saw {}", brief(&seen))))
    };
    let begun = place("beginning", seen.iter().position(|change| change.transaction(true)))?;
    let default = seen
        .iter()
        .position(|change| change.path == host.os && change.values.contains_key("DefaultDeployment"));
    let default = place("DefaultDeployment", default)?;
    let list = place("Deployments", seen.iter().position(|change| change.sysroot("Deployments")))?;
    ensure!(begun < default && default < list, "the order on the bus was {}", brief(&seen));
    let strange = seen.iter().find(|change| change.member != "PropertiesChanged");
    ensure!(strange.is_none(), "a signal of its own: {strange:?}");
    Ok(())
}

pub(crate) async fn bus_is_quiet_on_no_change(host: &Host) -> Verdict {
    let package = plain("a");
    host.stage(Request::install(&[&package])).await?;
    let mut watch = Watch::begin(host).await?;
    let outcome = host.run(Request::install(&[&package]).idempotent()).await?;
    outcome.said("No change.")?;
    let mut seen = watch.until("the end of the transaction", |change| change.transaction(false)).await?;
    seen.extend(watch.drain().await?);
    let told = seen.iter().find(|change| !change.sysroot("ActiveTransaction"));
    ensure!(told.is_none(), "more than the transaction was told: {}", brief(&seen));
    Ok(())
}

pub(crate) async fn bus_tells_of_a_cleanup(host: &Host) -> Verdict {
    host.stage(Request::install(&[&plain("a")])).await?;
    let mut watch = Watch::begin(host).await?;
    host.clean().await?.succeeded()?;
    let seen = watch.until("the end of the transaction", |change| change.transaction(false)).await?;
    ensure!(seen.iter().any(|change| change.sysroot("Deployments")), "no Deployments; saw {}", brief(&seen));
    Ok(())
}
