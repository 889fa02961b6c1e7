//! Many MachineConfigs → one [`Desired`], by the operator's own rules. Pure.
//!
//! Order: those with role `worker` by name, then all others by name, so that a custom pool's word always comes after
//! every worker's. The lists of extensions are joined; we also trim, drop duplicates and sort, which the operator does
//! not: for it, another order of the same names is a change that costs a reboot.

use std::collections::BTreeMap;

use extensions_manifest::limits;

use super::machine_config::MachineConfig;
use super::{Desired, DesiredError, KernelType};

/// What `configs` mean together, in whatever order they are given.
///
/// # Errors
/// When they ask for more extensions than one node may have.
pub fn merge<'a>(configs: impl IntoIterator<Item = &'a MachineConfig>) -> Result<Desired, DesiredError> {
    let mut ordered: Vec<&MachineConfig> = configs.into_iter().collect();
    ordered.sort_by_key(|config| (config.role.as_deref() != Some("worker"), config.name.as_str()));

    let mut extensions = BTreeMap::new();
    for config in &ordered {
        for name in &config.extensions {
            let asking: &mut std::collections::BTreeSet<String> = extensions.entry(name.clone()).or_default();
            asking.insert(config.name.clone());
        }
    }
    if extensions.len() > limits::EXTENSIONS {
        return Err(DesiredError::TooManyExtensions { found: extensions.len(), limit: limits::EXTENSIONS });
    }
    // An explicit `default` never takes back an earlier wish for another kernel.
    let kernel = ordered.iter().rfind(|config| config.kernel_type != KernelType::Default);
    let payload = deciding(&ordered, |config| config.extensions_image.is_some());
    let os_image = deciding(&ordered, |config| config.os_image.is_some());
    Ok(Desired {
        extensions,
        kernel_type: kernel.map_or(KernelType::Default, |config| config.kernel_type),
        kernel_type_from: kernel.map(|config| config.name.clone()),
        payload: payload.and_then(|config| config.extensions_image.clone()),
        payload_from: payload.map(|config| config.name.clone()),
        os_image: os_image.and_then(|config| config.os_image.clone()),
        rendered: None,
    })
}

/// Who decides an image: the last user's MachineConfig that names one, else the last one of the operator.
fn deciding<'a>(
    ordered: &[&'a MachineConfig],
    naming: impl Fn(&MachineConfig) -> bool,
) -> Option<&'a MachineConfig> {
    let names = |config: &&&MachineConfig| naming(config);
    let user = ordered.iter().filter(names).rfind(|config| !config.generated);
    user.or_else(|| ordered.iter().rfind(names)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str, role: &str) -> MachineConfig {
        MachineConfig {
            name: name.to_owned(),
            role: Some(role.to_owned()),
            generated: false,
            extensions: Vec::new(),
            kernel_type: KernelType::Default,
            os_image: None,
            extensions_image: None,
            fips: false,
        }
    }

    fn asking(name: &str, role: &str, extensions: &[&str]) -> MachineConfig {
        let extensions = extensions.iter().map(|name| name.parse().unwrap()).collect();
        MachineConfig { extensions, ..config(name, role) }
    }

    fn kernel(name: &str, role: &str, kernel_type: KernelType) -> MachineConfig {
        MachineConfig { kernel_type, ..config(name, role) }
    }

    fn image(name: &str, role: &str, image: &str) -> MachineConfig {
        MachineConfig { extensions_image: Some(image.to_owned()), ..config(name, role) }
    }

    #[test]
    fn nothing_asked_is_nothing_desired() {
        let empty = merge(&[]).unwrap();
        assert!(empty.extensions.is_empty());
        assert_eq!(
            (empty.kernel_type, empty.kernel_type_from, empty.payload),
            (KernelType::Default, None, None)
        );
    }

    #[test]
    fn extensions_are_joined_without_duplicates_and_remember_who_asked() {
        let a = asking("50-a", "worker", &["usbguard", "kerberos", "usbguard"]);
        let b = asking("99-b", "infra", &["kerberos"]);
        let desired = merge(&[a, b]).unwrap();
        let told: Vec<(&str, Vec<&str>)> = desired
            .extensions
            .iter()
            .map(|(name, from)| (name.as_str(), from.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(told, [("kerberos", vec!["50-a", "99-b"]), ("usbguard", vec!["50-a"])]);
    }

    #[test]
    fn neither_the_order_of_files_nor_of_names_changes_the_wish() {
        let one = [asking("a", "worker", &["ipsec", "sysstat"]), asking("b", "worker", &["usbguard"])];
        let two =
            [asking("b", "worker", &["usbguard"]), asking("a", "worker", &["sysstat", "ipsec", "ipsec"])];
        let (one, two) = (merge(&one).unwrap(), merge(&two).unwrap());
        assert_eq!(one, two);
        assert_eq!(one.generation(), two.generation());
    }

    #[test]
    fn a_custom_pool_speaks_after_every_worker_whatever_the_names() {
        let custom = image("00-custom", "infra", "custom");
        let worker = image("99-worker", "worker", "worker");
        let desired = merge(&[custom, worker]).unwrap();
        assert_eq!(desired.payload.as_deref(), Some("custom"));
        assert_eq!(desired.payload_from.as_deref(), Some("00-custom"));
    }

    #[test]
    fn the_last_kernel_that_is_not_default_wins_and_default_takes_nothing_back() {
        let realtime = kernel("10", "worker", KernelType::Realtime);
        let pages = kernel("20", "worker", KernelType::Pages64k);
        let default = kernel("30", "worker", KernelType::Default);
        let desired = merge(&[default, pages, realtime]).unwrap();
        assert_eq!(desired.kernel_type, KernelType::Pages64k);
        assert_eq!(desired.kernel_type_from.as_deref(), Some("20"));
    }

    #[test]
    fn a_users_image_wins_over_the_operators_own() {
        let operator = MachineConfig { generated: true, ..image("zz", "worker", "release") };
        let user = image("aa", "worker", "mine");
        assert_eq!(merge(&[operator.clone(), user]).unwrap().payload.as_deref(), Some("mine"));
        assert_eq!(merge(&[operator]).unwrap().payload.as_deref(), Some("release"));
    }

    #[test]
    fn the_os_image_is_decided_alike_and_changes_no_generation() {
        let with = |name: &str, image: &str, generated| MachineConfig {
            os_image: Some(image.to_owned()),
            generated,
            ..config(name, "worker")
        };
        let (operator, user) = (with("zz", "release", true), with("aa", "mine", false));
        let both = merge(&[operator.clone(), user]).unwrap();
        let alone = merge(&[operator]).unwrap();
        assert_eq!((both.os_image.as_deref(), alone.os_image.as_deref()), (Some("mine"), Some("release")));
        assert_eq!(both.generation(), alone.generation());
    }

    #[test]
    fn more_extensions_than_a_node_may_have_are_refused() {
        let names: Vec<String> = (0..limits::EXTENSIONS).map(|number| format!("x{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let many = asking("many", "worker", &names);
        assert_eq!(merge([&many]).unwrap().extensions.len(), limits::EXTENSIONS);
        let one_more = asking("more", "worker", &["one-more"]);
        let error = merge([&many, &one_more]).unwrap_err();
        assert!(matches!(error, DesiredError::TooManyExtensions { found: 65, limit: 64 }), "{error}");
    }
}
