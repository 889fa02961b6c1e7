//! Look again: the deployment, not the signal, says whether it is done.

use std::collections::BTreeSet;

use crate::host::{Deployment, LocalPackage, Observed};
use crate::plan::Expected;

/// The deployment of the next boot, if it is exactly what was planned; else what is different.
///
/// # Errors
/// What is there instead, in words.
pub fn confirm<'a>(expected: &Expected, observed: &'a Observed) -> Result<&'a Deployment, String> {
    let next = observed.pending_or_booted().ok_or("the host has no deployment any more")?;
    if expected.is(next) { Ok(next) } else { Err(difference(expected, next)) }
}

fn difference(expected: &Expected, next: &Deployment) -> String {
    let mut parts = Vec::new();
    if next.base_checksum != expected.base_checksum {
        parts.push(format!("its base is `{}`, not `{}`", next.base_checksum, expected.base_checksum));
    }
    let missing: BTreeSet<&LocalPackage> = expected.packages.difference(&next.local_packages).collect();
    let beside: BTreeSet<&LocalPackage> = next.local_packages.difference(&expected.packages).collect();
    parts.extend(missing.iter().map(|package| format!("`{}` is missing", described(package))));
    parts.extend(beside.iter().map(|package| format!("`{}` is there", described(package))));
    if next.base_removals != expected.removals {
        parts
            .push(format!("removed from the base are {:?}, not {:?}", next.base_removals, expected.removals));
    }
    // A host may hold hundreds of packages; the first few say what went wrong.
    parts.truncate(8);
    format!("in `{}` {}", next.id, parts.join(", "))
}

fn described(package: &LocalPackage) -> String {
    match package.head {
        Some(head) => format!("{} ({head})", package.nevra),
        None => format!("{} (content unknown)", package.nevra),
    }
}
