//! Reading the dictionary of one deployment.

use zbus::Variant;

use crate::client::Dict;
use crate::verdict::{Stop, Verdict, ensure, fail};

/// A string value.
pub(crate) fn text(deployment: &Dict, key: &str) -> Option<String> {
    deployment.get(key).and_then(|value| <&str>::try_from(value).ok()).map(str::to_owned)
}

/// A boolean value.
pub(crate) fn flag(deployment: &Dict, key: &str) -> Option<bool> {
    deployment.get(key).and_then(|value| bool::try_from(value).ok())
}

/// A list of strings.
pub(crate) fn strings(deployment: &Dict, key: &str) -> Result<Vec<String>, Stop> {
    let Some(Variant::Array(array)) = deployment.get(key).map(|value| &**value) else {
        return fail(format!("`{key}` is not there as a list"));
    };
    array.iter().map(|item| Ok(String::try_from(item)?)).collect()
}

/// The ids, in order.
pub(crate) fn ids(deployments: &[Dict]) -> Vec<String> {
    deployments.iter().map(|deployment| text(deployment, "id").unwrap_or_default()).collect()
}

/// The value is there with this signature.
pub(crate) fn has_type(deployment: &Dict, key: &str, signature: &str) -> Verdict {
    let Some(value) = deployment.get(key) else {
        return fail(format!("`{key}` is missing"));
    };
    let seen = value.value_signature().to_string();
    ensure!(seen == signature, "`{key}` is `{seen}`, not `{signature}`");
    Ok(())
}

/// The requested local packages of ours are exactly these, in any order.
pub(crate) fn layers(deployment: &Dict, wanted: &[&str]) -> Verdict {
    let mut seen = strings(deployment, "requested-local-packages")?;
    seen.retain(|nevra| nevra.starts_with(crate::packages::PREFIX));
    seen.sort();
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    ensure!(seen == wanted, "the requested local packages are {seen:?}, not {wanted:?}");
    Ok(())
}
