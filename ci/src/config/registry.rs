//! Whether a label comes with a registry of its own, and what serves it.
//!
//! Decides: which of label and provider says the image. Must not: make anything. Input: one label and its provider.

use serde::{Deserialize, Deserializer};

use super::Provider;
use super::amounts::Amount;
use super::words::Image;

/// What the server of a registry requests: thousandths of a core, and MiB.
pub(crate) const REQUESTED: (u64, u64) = (100, 256);
/// What it may take at most, on top of what the namespace may: thousandths of a core, and MiB.
pub(crate) const SHARE: (u64, u64) = (1_000, 256);

/// What a label wants of a registry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegistryWish {
    /// The image of the server; without it the provider's.
    pub image: Option<Image>,
    /// Most storage, in MB.
    #[serde(default = "ten_gigabytes")]
    pub storage: Amount,
}

const fn ten_gigabytes() -> Amount {
    Amount::known(10_000)
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`true`, or a map with `image` and `storage`, is wanted")]
enum Said {
    Whether(bool),
    How(RegistryWish),
}

/// Reads `true`, `false`, or what is wanted.
pub(super) fn wish<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RegistryWish>, D::Error> {
    Ok(match Said::deserialize(from)? {
        Said::Whether(false) => None,
        Said::Whether(true) => Some(RegistryWish { image: None, storage: ten_gigabytes() }),
        Said::How(wish) => Some(wish),
    })
}

/// What serves the registry of a label.
#[derive(Debug, Clone, Copy)]
pub struct RegistryServer<'a> {
    /// The image.
    pub image: &'a Image,
    /// The program in it; without it the one that the image starts by itself.
    pub command: Option<&'a [String]>,
    /// Most storage, in MB.
    pub storage: Amount,
}

impl<'a> RegistryServer<'a> {
    /// The server of a label that wants one, where an image is named.
    pub fn of(provider: &'a Provider, wish: Option<&'a RegistryWish>) -> Option<Self> {
        let wish = wish?;
        let image = wish.image.as_ref().or(provider.registry_image.as_ref())?;
        Some(RegistryServer { image, command: provider.registry_command.as_deref(), storage: wish.storage })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::GOOD;
    use crate::config::{ConfigError, RegistryServer, parse};

    fn with(provider: &str, label: &str) -> String {
        let text = GOOD.replacen("driver: kubernetes", &format!("driver: kubernetes\n    {provider}"), 1);
        text.replacen("type: namespace", &format!("type: namespace\n            {label}"), 1)
    }

    fn refusal(text: &str) -> (u64, String, String) {
        match parse(text.as_bytes()).unwrap_err() {
            ConfigError::Wrong { line, path, problem } => (line, path, problem),
            other @ (ConfigError::Read { .. } | ConfigError::Size) => panic!("{other}"),
        }
    }

    #[test]
    fn row_34_the_image_is_the_labels_or_else_the_providers() {
        for (label, image, storage) in [
            ("registry: true", "one:1", 10_000),
            ("registry: {storage: 5}", "one:1", 5),
            ("registry: {image: 'two:1'}", "two:1", 10_000),
        ] {
            let config = parse(with("registry-image: 'one:1'", label).as_bytes()).unwrap();
            let (provider, pool) = config.pools()[0];
            let server = RegistryServer::of(
                provider,
                pool.label(&"space".parse().unwrap()).unwrap().registry.as_ref(),
            )
            .unwrap();
            assert_eq!((server.image.as_str(), server.storage.get()), (image, storage));
        }
        assert!(parse(with("kubelet-pull: true", "registry: false").as_bytes()).is_ok());
    }

    #[test]
    fn row_34_a_registry_that_nothing_serves_is_refused_with_its_line() {
        let (line, path, problem) = refusal(&with("rate: 50", "registry: true"));
        assert!(problem.contains("rate") && line == 8 && path.contains("rate"), "{line} {path} {problem}");
        let (line, path, problem) = refusal(&with("kubelet-pull: false", "registry: true"));
        assert!(
            path.ends_with("labels[space].registry") && problem.contains("registry-image"),
            "{path} {problem}"
        );
        assert!(line > 8, "{line}");
        let (_, path, problem) = refusal(&with("registry-image: 'one:1'", "registry: 'yes'"));
        assert!(path.ends_with("registry") && problem.contains("`storage`"), "{path} {problem}");
    }

    #[test]
    fn row_27_only_a_pod_is_reached_by_ssh_and_its_environment_can_be_said() {
        let (_, path, problem) = refusal(&with("kubelet-pull: false", "access: ssh"));
        assert!(path.ends_with("labels[space].access") && problem.contains("pod"), "{path} {problem}");
        let (_, path, problem) = refusal(&with("kubelet-pull: false", "ssh-service: node-port"));
        assert!(path.ends_with("labels[space].ssh-service") && problem.contains("pod"), "{path} {problem}");
        let plain = GOOD.replacen("type: pod", "type: pod\n            ssh-service: node-port", 1);
        let (_, path, problem) = refusal(&plain);
        assert!(path.ends_with("labels[builder].ssh-service") && problem.contains("access: ssh"), "{path}");
        let odd = GOOD.replacen("value: /workspace", "value: 'a\"b'", 1);
        let odd = odd.replacen("type: pod", "type: pod\n            access: ssh", 1);
        let (_, path, problem) = refusal(&odd);
        assert!(path.ends_with("labels[builder].env") && problem.contains("quotation"), "{path} {problem}");
    }
}
