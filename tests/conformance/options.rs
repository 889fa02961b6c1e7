//! The two dictionaries of `UpdateDeployment`: what is read, what is not, and what one call may hold.

use crate::deployment::{layers, strings, text};
use crate::host::Host;
use crate::packages::{needing, newer, plain, providing};
use crate::request::Request;
use crate::verdict::{Verdict, ensure};

pub(crate) async fn unknown_is_ignored(host: &Host) -> Verdict {
    let request = Request::install(&[&plain("a")]).dry();
    let request = request.option("xagent-conf-unknown", 7_u32).modifier("xagent-conf-unknown", "x");
    host.run(request).await?.succeeded()
}

pub(crate) async fn mistyped_is_ignored(host: &Host) -> Verdict {
    let package = plain("a");
    // A dry run that is asked for with a string is no dry run.
    let staged = host.stage(Request::install(&[&package]).option("dry-run", "true")).await?;
    layers(&staged, &[&package.nevra])
}

pub(crate) async fn spelled_as_the_code_reads(host: &Host) -> Verdict {
    let package = plain("a");
    // The name in the XML is not read, so nobody claims the handle.
    let files = vec![package.open()];
    let request = Request::new().files("install-local-fileoverride-packages", files);
    host.run(request).await?.failed_anywhere(&["Expected 0 fds but received 1"])?;
    host.unchanged().await
}

pub(crate) async fn too_many_fds(host: &Host) -> Verdict {
    let extra = zbus::Fd::from(std::os::fd::OwnedFd::from(plain("b").open()));
    let request = Request::install(&[&plain("a")]).option("xagent-conf-unknown", zbus::Variant::Fd(extra));
    host.run(request).await?.failed_anywhere(&["Expected 1 fds but received 2"])?;
    host.unchanged().await
}

pub(crate) async fn exclusions(host: &Host) -> Verdict {
    let pairs = [("cache-only", "download-only"), ("dry-run", "download-only")];
    for (one, other) in pairs {
        let request = Request::install(&[&plain("a")]).option(one, true).option(other, true);
        let outcome = host.run(request).await?;
        ensure!(!outcome.success, "{one} with {other} was accepted");
    }
    let request = Request::install(&[&plain("a")]).modifier("set-revision", "0000");
    let outcome = host.run(request).await?;
    ensure!(!outcome.success, "no-pull-base with set-revision was accepted");
    host.unchanged().await
}

pub(crate) async fn no_pull_base(host: &Host) -> Verdict {
    let staged = host.stage(Request::install(&[&plain("a")])).await?;
    let base = text(&staged, "base-checksum").unwrap_or_default();
    ensure!(base == host.base(), "the base moved from `{}` to `{base}`", host.base());
    Ok(())
}

pub(crate) async fn dry_run(host: &Host) -> Verdict {
    let package = plain("a");
    let outcome = host.run(Request::install(&[&package]).dry()).await?;
    outcome.succeeded()?;
    outcome.said("Installing 1 packages:")?;
    outcome.said(&format!("  {} (@commandline)", package.nevra))?;
    host.unchanged().await
}

pub(crate) async fn dry_run_imports(host: &Host) -> Verdict {
    let capability = "xagent-conf-seen-in-a-dry-run";
    let (dependency, package) = (providing("imported", capability), needing("importing", capability));
    let alone = || Request::install(&[&package]).dry();
    host.run(alone()).await?.failed(&["nothing provides", capability])?;
    host.run(Request::install(&[&dependency]).dry()).await?.succeeded()?;
    // Only cache-only looks at what an earlier request left behind.
    host.run(alone()).await?.failed(&["nothing provides", capability])?;
    host.run(alone().option("cache-only", true)).await?.succeeded()?;
    // A successful deploy drops what nobody refers to.
    host.stage(Request::install(&[&plain("a")])).await?;
    Ok(())
}

pub(crate) async fn cache_only_takes_more(host: &Host) -> Verdict {
    let capability = "xagent-conf-left-by-a-failure";
    let dependency = providing("leftover", capability);
    let stuck = needing("stuck", "xagent-conf-nowhere");
    let package = needing("greedy", capability);
    host.run(Request::install(&[&dependency, &stuck])).await?.failed(&["nothing provides"])?;
    let staged = host.stage(Request::install(&[&package]).option("cache-only", true)).await?;
    // What it took from the cache is not even listed as a request.
    layers(&staged, &[&package.nevra])
}

pub(crate) async fn download_only(host: &Host) -> Verdict {
    let outcome = host.run(Request::install(&[&plain("a")]).option("download-only", true)).await?;
    outcome.succeeded()?;
    outcome.said("Update downloaded.")?;
    host.unchanged().await
}

pub(crate) async fn lock_finalization(host: &Host) -> Verdict {
    let package = plain("a");
    let staged = host.stage(Request::install(&[&package]).option("lock-finalization", true)).await?;
    ensure!(crate::deployment::flag(&staged, "staged") == Some(true), "nothing is staged");
    // Absent under libostree 2025.2, there with an older one: either is right.
    if staged.contains_key("finalization-locked") {
        crate::deployment::has_type(&staged, "finalization-locked", "b")?;
    }
    layers(&staged, &[&package.nevra])
}

pub(crate) async fn command_line_is_the_title(host: &Host) -> Verdict {
    let caller = host.caller().await?;
    let line = "xagent-conformance install";
    let request = Request::install(&[&plain("a")]).dry().option("initiating-command-line", line);
    let address = host.begin(&caller, &request).await?;
    let mut peer = host.peer(&address).await?;
    peer.start().await?;
    peer.finished().await?;
    let title = peer.title().await?;
    peer.close().await;
    caller.close().await?;
    ensure!(title == line, "the title is `{title}`");
    Ok(())
}

pub(crate) async fn accumulates(host: &Host) -> Verdict {
    let (first, second) = (plain("a"), plain("b"));
    host.stage(Request::install(&[&first])).await?;
    let staged = host.stage(Request::install(&[&second])).await?;
    layers(&staged, &[&first.nevra, &second.nevra])
}

pub(crate) async fn cleanup_starts_over(host: &Host) -> Verdict {
    let (first, second) = (plain("a"), plain("b"));
    host.stage(Request::install(&[&first])).await?;
    host.clean().await?.succeeded()?;
    let staged = host.stage(Request::install(&[&second])).await?;
    layers(&staged, &[&second.nevra])
}

pub(crate) async fn replaces_in_one_call(host: &Host) -> Verdict {
    let (old, new, other) = (plain("a"), newer("a"), plain("b"));
    host.stage(Request::install(&[&old, &other])).await?;
    let staged = host.stage(Request::install(&[&new]).and_uninstall(&[&old.nevra])).await?;
    layers(&staged, &[&new.nevra, &other.nevra])
}

pub(crate) async fn removes_by_name_or_nevra(host: &Host) -> Verdict {
    let (first, second, third) = (plain("a"), plain("b"), plain("c"));
    host.stage(Request::install(&[&first, &second, &third])).await?;
    let staged = host.stage(Request::uninstall(&[&first.name, &second.nevra])).await?;
    layers(&staged, &[&third.nevra])
}

pub(crate) async fn pkg_change_removes(host: &Host) -> Verdict {
    let (first, second) = (plain("a"), plain("b"));
    host.stage(Request::install(&[&first, &second])).await?;
    let options = crate::client::Dict::new();
    let outcome = host.transact("PkgChange", &(options, Vec::<&str>::new(), vec![&*first.name])).await?;
    outcome.succeeded()?;
    layers(&host.default().await?, &[&second.nevra])
}

pub(crate) async fn last_removal_is_the_bare_base(host: &Host) -> Verdict {
    host.needs_bare_base()?;
    let package = plain("a");
    host.stage(Request::install(&[&package])).await?;
    let staged = host.stage(Request::uninstall(&[&package.name])).await?;
    let checksum = text(&staged, "checksum").unwrap_or_default();
    ensure!(checksum == host.base(), "the commit is `{checksum}`, the base is `{}`", host.base());
    ensure!(!staged.contains_key("base-checksum"), "it still has a base-checksum");
    ensure!(strings(&staged, "requested-local-packages")?.is_empty(), "it still requests local packages");
    Ok(())
}

pub(crate) async fn no_layering_is_idempotent(host: &Host) -> Verdict {
    host.needs_bare_base()?;
    let bare = || Request::new().option("no-layering", true).option("no-overrides", true);
    host.stage(Request::install(&[&plain("a")])).await?;
    let staged = host.stage(bare()).await?;
    let checksum = text(&staged, "checksum").unwrap_or_default();
    ensure!(checksum == host.base(), "the commit is `{checksum}`, the base is `{}`", host.base());
    let again = host.run(bare()).await?;
    again.succeeded()?;
    again.said("No change.")
}
