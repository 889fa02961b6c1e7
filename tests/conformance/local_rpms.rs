//! Local packages: what is accepted, what is not, and in which words.

use crate::deployment::{layers, strings};
use crate::host::Host;
use crate::packages::{
    anonymous, flipped_header, flipped_payload, incompressible, needing, newer, plain, providing, with_post,
};
use crate::peer::Event;
use crate::request::Request;
use crate::verdict::{Verdict, ensure};

/// A request that hands over this one file.
fn file(file: std::fs::File) -> Request {
    Request::new().files("install-local-packages", vec![file])
}

pub(crate) async fn installs(host: &Host) -> Verdict {
    let (first, second) = (plain("a"), plain("b"));
    let staged = host.stage(Request::install(&[&first, &second])).await?;
    layers(&staged, &[&first.nevra, &second.nevra])
}

pub(crate) async fn nameless_files(host: &Host) -> Verdict {
    let package = plain("a");
    let staged = host.stage(file(package.open_nameless())).await?;
    layers(&staged, &[&package.nevra])
}

pub(crate) async fn missing_dependency(host: &Host) -> Verdict {
    let package = needing("wants", "xagent-conf-absent >= 1.0");
    let outcome = host.run(Request::install(&[&package])).await?;
    let needed =
        format!("nothing provides xagent-conf-absent >= 1.0 needed by {} from @commandline", package.nevra);
    outcome.failed(&[
        "Could not depsolve transaction; 1 problem detected:",
        "conflicting requests",
        &needed,
    ])?;
    host.unchanged().await
}

pub(crate) async fn task_ends_on_failure(host: &Host) -> Verdict {
    let package = needing("wants", "xagent-conf-absent >= 1.0");
    let outcome = host.run(Request::install(&[&package])).await?;
    outcome.failed(&["nothing provides"])?;
    let last = outcome.tasks().last().map(ToString::to_string).unwrap_or_default();
    ensure!(last.starts_with("Resolving dependencies"), "the last task is `{last}`");
    let end =
        outcome.events.iter().rev().find(|event| matches!(event, Event::TaskEnd(_) | Event::TaskBegin(_)));
    ensure!(end == Some(&Event::TaskEnd("done".to_owned())), "the last task ended with {end:?}");
    Ok(())
}

pub(crate) async fn closure_in_one_call(host: &Host) -> Verdict {
    let capability = "xagent-conf-bundled = 1";
    let (dependency, package) = (providing("bundled", capability), needing("bundling", capability));
    let staged = host.stage(Request::install(&[&package, &dependency])).await?;
    layers(&staged, &[&package.nevra, &dependency.nevra])
}

pub(crate) async fn layered_satisfies(host: &Host) -> Verdict {
    let capability = "xagent-conf-first = 1";
    let (dependency, package) = (providing("first", capability), needing("then", capability));
    host.stage(Request::install(&[&dependency])).await?;
    let staged = host.stage(Request::install(&[&package])).await?;
    layers(&staged, &[&package.nevra, &dependency.nevra])
}

pub(crate) async fn needed_stays(host: &Host) -> Verdict {
    let capability = "xagent-conf-needed = 1";
    let (dependency, package) = (providing("needed", capability), needing("needer", capability));
    let staged = host.stage(Request::install(&[&dependency, &package])).await?;
    let outcome = host.run(Request::uninstall(&[&dependency.name])).await?;
    outcome.failed(&[
        "Could not depsolve transaction",
        "nothing provides xagent-conf-needed = 1",
        &package.nevra,
    ])?;
    let now = host.default().await?;
    ensure!(now.get("id") == staged.get("id"), "the pending deployment changed");
    Ok(())
}

pub(crate) async fn already_layered(host: &Host) -> Verdict {
    let package = plain("a");
    let staged = host.stage(Request::install(&[&package])).await?;
    let outcome = host.run(Request::install(&[&package])).await?;
    outcome.failed(&["Package '", &package.nevra, "is already layered"])?;
    let identity = outcome.text.split('\'').nth(1).unwrap_or_default();
    let digest = identity.split(':').next().unwrap_or_default();
    let hex = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    ensure!(hex, "`{identity}` does not begin with a SHA-256");
    let now = host.default().await?;
    ensure!(now.get("id") == staged.get("id"), "the pending deployment changed");
    Ok(())
}

pub(crate) async fn idempotent_no_change(host: &Host) -> Verdict {
    let package = plain("a");
    let staged = host.stage(Request::install(&[&package])).await?;
    let outcome = host.run(Request::install(&[&package]).idempotent()).await?;
    outcome.succeeded()?;
    outcome.said("No change.")?;
    let now = host.default().await?;
    ensure!(now.get("id") == staged.get("id"), "the pending deployment changed");
    Ok(())
}

pub(crate) async fn second_version(host: &Host) -> Verdict {
    let (old, new) = (plain("a"), newer("a"));
    host.stage(Request::install(&[&old])).await?;
    let outcome = host.run(Request::install(&[&new])).await?;
    outcome.failed(&["Could not depsolve transaction", "cannot install both", &old.nevra, &new.nevra])?;
    layers(&host.default().await?, &[&old.nevra])
}

pub(crate) async fn not_an_rpm(host: &Host) -> Verdict {
    let package = plain("a");
    let truncated = package.bytes()[..200].to_vec();
    for (what, bytes) in
        [("text", b"this is not a package\n".to_vec()), ("nothing", Vec::new()), ("200 bytes", truncated)]
    {
        let outcome = host.run(file(anonymous(&bytes))).await?;
        ensure!(!outcome.success, "a file with {what} was accepted");
        ensure!(
            outcome.text.contains("Unrecognized archive format"),
            "{what}: the text is `{}`",
            outcome.text
        );
    }
    host.unchanged().await
}

pub(crate) async fn header_flip_is_seen(host: &Host) -> Verdict {
    let outcome = host.run(file(flipped_header(&plain("a")))).await?;
    outcome.failed(&["Verification of", "failed"])?;
    host.unchanged().await
}

pub(crate) async fn payload_flip_is_not_seen(host: &Host) -> Verdict {
    let package = incompressible("noise");
    let staged = host.stage(file(flipped_payload(&package))).await?;
    layers(&staged, &[&package.nevra])
}

pub(crate) async fn failing_scriptlet(host: &Host) -> Verdict {
    let package = with_post("failing", "exit 3\n");
    let outcome = host.run(Request::install(&[&package])).await?;
    outcome.failed(&[&format!("Running %post for {}", package.name)])?;
    // 2024.9 misreads the status 3 as a signal; later versions name it.
    let misread = outcome.text.contains("killed by signal 3");
    let named = outcome.text.contains("exited with code 3");
    ensure!(misread || named, "the text does not tell the status: `{}`", outcome.text);
    host.unchanged().await
}

pub(crate) async fn scriptlets_have_run(host: &Host) -> Verdict {
    let package = with_post("passing", "test -d /usr && exit 0\n");
    let outcome = host.run(Request::install(&[&package])).await?;
    outcome.succeeded()?;
    let ran = outcome.tasks().iter().any(|task| task.starts_with("Running post scripts"));
    ensure!(ran, "no task `Running post scripts` among {:?}", outcome.tasks());
    Ok(())
}

pub(crate) async fn unknown_removal(host: &Host) -> Verdict {
    let name = "xagent-conf-never-layered";
    let outcome = host.run(Request::uninstall(&[name])).await?;
    outcome.failed(&[&format!("Package/capability '{name}' is not currently requested")])?;
    host.unchanged().await
}

pub(crate) async fn unknown_removal_idempotent(host: &Host) -> Verdict {
    host.run(Request::uninstall(&["xagent-conf-never-layered"]).idempotent()).await?.succeeded()?;
    host.unchanged().await
}

pub(crate) async fn same_file_twice(host: &Host) -> Verdict {
    let package = plain("a");
    let outcome = host.run(Request::install(&[&package, &package])).await?;
    outcome.failed(&[&package.nevra, "is already layered"])?;
    host.unchanged().await
}

pub(crate) async fn no_repositories(host: &Host) -> Verdict {
    host.needs_no_repos().await?;
    let request = Request::new().modifier("install-packages", vec!["xagent-conf-from-a-repo".to_owned()]);
    host.run(request).await?.failed(&["No enabled repositories"])?;
    host.unchanged().await
}

pub(crate) async fn no_repositories_needed(host: &Host) -> Verdict {
    host.needs_no_repos().await?;
    let outcome = host.run(Request::install(&[&plain("a")]).dry()).await?;
    outcome.succeeded()?;
    outcome.said("No enabled rpm-md repositories.")
}

pub(crate) async fn file_override(host: &Host) -> Verdict {
    let package = plain("a");
    let request = Request::new().files("install-fileoverride-local-packages", vec![package.open()]);
    let staged = host.stage(request).await?;
    let requested = strings(&staged, "requested-local-fileoverride-packages")?;
    ensure!(requested == [package.nevra.clone()], "requested-local-fileoverride-packages is {requested:?}");
    layers(&staged, &[])
}
