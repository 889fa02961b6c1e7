//! One NEVRA, two contents: the trap that a rejected request leaves behind, and its cures.

use crate::deployment::layers;
use crate::host::Host;
use crate::packages::{Package, impostor, plain};
use crate::request::Request;
use crate::verdict::{Stop, Verdict};

/// Layers the original, tries the impostor, and sees the host poisoned.
async fn poisoned(host: &Host, letter: &str) -> Result<Package, Stop> {
    let (original, other) = (plain(letter), impostor(letter));
    host.stage(Request::install(&[&original])).await?;
    host.run(Request::install(&[&other])).await?.failed(&[&original.nevra, "is already layered"])?;
    let innocent = Request::install(&[&plain("innocent")]);
    let outcome = host.run(innocent).await?;
    outcome.failed(&["Checksum mismatch for package", "expected", "found"])?;
    Ok(original)
}

pub(crate) async fn cured_by_original(host: &Host) -> Verdict {
    let original = poisoned(host, "poisoned").await?;
    let outcome = host.run(Request::install(&[&original]).idempotent()).await?;
    outcome.succeeded()?;
    outcome.said("No change.")?;
    let innocent = plain("innocent");
    let staged = host.stage(Request::install(&[&innocent])).await?;
    layers(&staged, &[&original.nevra, &innocent.nevra])
}

pub(crate) async fn cured_by_removal(host: &Host) -> Verdict {
    let original = poisoned(host, "tainted").await?;
    host.stage(Request::uninstall(&[&original.nevra])).await?;
    let innocent = plain("innocent");
    let staged = host.stage(Request::install(&[&innocent])).await?;
    layers(&staged, &[&innocent.nevra])
}

pub(crate) async fn despite_idempotence(host: &Host) -> Verdict {
    let (original, other) = (plain("spoiled"), impostor("spoiled"));
    host.stage(Request::install(&[&original])).await?;
    let outcome = host.run(Request::install(&[&other]).idempotent()).await?;
    outcome.failed(&["Checksum mismatch"])?;
    layers(&host.default().await?, &[&original.nevra])
}

pub(crate) async fn replaced_content(host: &Host) -> Verdict {
    let (original, other) = (plain("swapped"), impostor("swapped"));
    host.stage(Request::install(&[&original])).await?;
    host.stage(Request::install(&[&other]).and_uninstall(&[&original.nevra])).await?;
    // A poisoned host would refuse this one.
    let innocent = plain("innocent");
    let staged = host.stage(Request::install(&[&innocent])).await?;
    layers(&staged, &[&other.nevra, &innocent.nevra])
}
