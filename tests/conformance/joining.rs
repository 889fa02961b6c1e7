//! Two callers at once: equal parameters join, anything else is told to wait.

use crate::client::CallError;
use crate::deployment::layers;
use crate::host::Host;
use crate::lifecycle::BUSY;
use crate::packages::plain;
use crate::request::Request;
use crate::verdict::{Stop, Verdict, ensure, fail};

/// Begins the first request, tries `second` against it, and gives back what the second caller was told.
async fn against(
    host: &Host,
    first: Request,
    second: Request,
) -> Result<(String, Result<String, CallError>), Stop> {
    let holder = host.caller().await?;
    let address = host.begin(&holder, &first).await?;
    let other = host.caller().await?;
    let answer = host.begin(&other, &second).await;
    other.close().await?;
    holder.close().await?;
    host.idle().await?;
    Ok((address, answer))
}

pub(crate) async fn equal_parameters_join(host: &Host) -> Verdict {
    let request = || Request::install(&[&plain("a")]).without_nonce();
    let (address, answer) = against(host, request(), request()).await?;
    ensure!(answer? == address, "the second caller was given another address");
    Ok(())
}

pub(crate) async fn handles_compare_by_index(host: &Host) -> Verdict {
    let (mine, theirs) = (plain("a"), plain("b"));
    let (first, second) = (host.caller().await?, host.caller().await?);
    let address = host.begin(&first, &Request::install(&[&mine]).without_nonce()).await?;
    let joined = host.begin(&second, &Request::install(&[&theirs]).without_nonce()).await?;
    ensure!(joined == address, "the second caller was given `{joined}`, not `{address}`");
    let mut starter = host.peer(&address).await?;
    let mut follower = host.peer(&joined).await?;
    let started = (starter.start().await?, follower.start().await?);
    starter.finished().await?;
    let told = follower.finished().await?;
    starter.close().await;
    follower.close().await;
    host.idle().await?;
    first.close().await?;
    second.close().await?;
    ensure!(started == (true, false), "Start said {started:?}");
    ensure!(told == (true, String::new()), "the one that joined was told {told:?}");
    layers(&host.default().await?, &[&mine.nevra])
}

pub(crate) async fn a_nonce_makes_unequal(host: &Host) -> Verdict {
    let request = || Request::install(&[&plain("a")]);
    let (_, answer) = against(host, request(), request()).await?;
    busy(answer, "new-deployment")
}

pub(crate) async fn the_command_line_makes_unequal(host: &Host) -> Verdict {
    let request = |line: &'static str| {
        Request::install(&[&plain("a")]).without_nonce().option("initiating-command-line", line)
    };
    let (_, answer) = against(host, request("first"), request("second")).await?;
    let Err(error) = answer else {
        return fail("calls with different command lines joined");
    };
    ensure!(error.name == BUSY, "error reply {error}");
    Ok(())
}

fn busy(answer: Result<String, CallError>, title: &str) -> Verdict {
    let Err(error) = answer else {
        return fail("a different call was let through");
    };
    ensure!(error.name == BUSY, "error reply {error}");
    let wanted = format!(
        "Transaction in progress: {title}\n You can cancel the current transaction with `rpm-ostree cancel`"
    );
    ensure!(error.text == wanted, "the text is `{}`, not `{wanted}`", error.text);
    Ok(())
}

pub(crate) async fn busy_name_and_text(host: &Host) -> Verdict {
    let (_, answer) =
        against(host, Request::install(&[&plain("a")]), Request::uninstall(&["xagent-conf-b"])).await?;
    busy(answer, "new-deployment")
}

pub(crate) async fn busy_for_every_method(host: &Host) -> Verdict {
    let holder = host.caller().await?;
    host.begin(&holder, &Request::install(&[&plain("a")])).await?;
    let cleanup = host.transact("Cleanup", &(vec!["pending-deploy"],)).await?;
    let options = crate::client::Dict::new();
    let refresh = host.transact("RefreshMd", &(&options,)).await?;
    let changes = (&options, Vec::<&str>::new(), vec!["xagent-conf-a"]);
    let change = host.transact("PkgChange", &changes).await?;
    holder.close().await?;
    for (method, outcome) in [("Cleanup", cleanup), ("RefreshMd", refresh), ("PkgChange", change)] {
        let name = outcome.refused.map(|error| error.name);
        ensure!(name.as_deref() == Some(BUSY), "{method} was answered {name:?} `{}`", outcome.text);
    }
    Ok(())
}
