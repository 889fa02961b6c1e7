//! Reads a kubeconfig, and refuses one that would run programs, skip checks or send the node's identity elsewhere.

use std::fs;
use std::io::Read;
use std::path::Path;

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::Config;
use kube::config::{AuthInfo, Cluster, KubeConfigOptions, Kubeconfig};

use super::ClusterError;
use super::error::Unsafe;

/// Largest kubeconfig, in bytes: certificates and a token fit many times.
const FILE_BYTES: u64 = 1 << 20;

/// What we call ourselves.
const AGENT: &str = concat!("extensions-agent/", env!("CARGO_PKG_VERSION"));

/// The client settings in the kubeconfig at `path`, by its current context.
///
/// # Errors
/// When it cannot be read, or names something that an agent must not do.
pub fn read(path: &Path) -> Result<Config, ClusterError> {
    let failed = |source| ClusterError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    fs::File::open(path).and_then(|file| file.take(FILE_BYTES).read_to_string(&mut text)).map_err(failed)?;
    let mut kubeconfig = parse(&text).ok_or_else(|| ClusterError::Unreadable { path: path.to_owned() })?;
    if let Some(what) = kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref()).find_map(server)
    {
        return Err(ClusterError::Unsafe { path: path.to_owned(), what });
    }
    if let Some(what) =
        kubeconfig.auth_infos.iter().filter_map(|named| named.auth_info.as_ref()).find_map(user)
    {
        return Err(ClusterError::Unsafe { path: path.to_owned(), what });
    }
    anchor(&mut kubeconfig, path.parent().unwrap_or(Path::new("/")));
    // `from_custom_kubeconfig` only reads the files that were named; it never blocks on a network.
    let made = futures_util::FutureExt::now_or_never(Config::from_custom_kubeconfig(
        kubeconfig,
        &KubeConfigOptions::default(),
    ));
    let mut config =
        made.and_then(Result::ok).ok_or_else(|| ClusterError::Unreadable { path: path.to_owned() })?;
    // The environment may name a proxy; the kubeconfig decides, and it named none.
    config.proxy_url = None;
    // Each caller has a pace of its own, and to some an answer says more than *again*: 429 to an eviction is a disruption
    // budget. A client that tried again by itself would hide it.
    config.default_retry = false;
    say_who_asks(&mut config);
    Ok(config)
}

/// Names us in each request, so that an audit log tells ours from those of others.
pub(super) fn say_who_asks(config: &mut Config) {
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
}

/// Nothing of the text stands in an error: it holds keys and tokens.
fn parse(text: &str) -> Option<Kubeconfig> {
    Kubeconfig::from_yaml(text).ok()
}

fn server(cluster: &Cluster) -> Option<Unsafe> {
    let https = cluster.server.as_deref().is_some_and(|server| server.starts_with("https://"));
    if cluster.insecure_skip_tls_verify == Some(true) {
        Some(Unsafe::SkipsTls)
    } else if cluster.proxy_url.is_some() {
        Some(Unsafe::Proxy)
    } else if https {
        None
    } else {
        Some(Unsafe::Plain)
    }
}

fn user(user: &AuthInfo) -> Option<Unsafe> {
    if user.exec.is_some() {
        Some(Unsafe::Exec)
    } else if user.auth_provider.is_some() {
        Some(Unsafe::AuthProvider)
    } else if user.username.is_some() || user.password.is_some() {
        Some(Unsafe::Password)
    } else if user.impersonate.is_some() || user.impersonate_groups.is_some() {
        Some(Unsafe::Impersonation)
    } else {
        None
    }
}

/// Relative paths in a kubeconfig are relative to the file, as kubectl reads them.
fn anchor(kubeconfig: &mut Kubeconfig, directory: &Path) {
    let anchored = |path: &mut Option<String>| {
        if let Some(path) = path {
            *path = directory.join(&*path).display().to_string();
        }
    };
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        anchored(&mut cluster.certificate_authority);
    }
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        anchored(&mut user.token_file);
        anchored(&mut user.client_certificate);
        anchored(&mut user.client_key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure as _, Reason};

    fn config(cluster: &str, user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
        )
    }

    fn reading(text: &str) -> Result<Config, ClusterError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn a_plain_kubeconfig_is_taken() {
        let read = reading(&config("server: 'https://api.example:6443'", "token: abc")).unwrap();
        assert_eq!(read.cluster_url.to_string(), "https://api.example:6443/");
        assert!(read.proxy_url.is_none() && !read.default_retry);
        assert_eq!(read.headers, [(USER_AGENT, HeaderValue::from_static(AGENT))]);
    }

    #[test]
    fn one_that_runs_programs_or_skips_checks_is_refused_without_its_secrets() {
        let good = "server: 'https://api.example:6443'";
        for (cluster, user, word) in [
            (good, "exec: {apiVersion: client.authentication.k8s.io/v1, command: id}", "exec"),
            (good, "auth-provider: {name: gcp, config: {}}", "auth-provider"),
            (good, "username: hunter2, password: hunter2", "password"),
            (good, "token: hunter2, as: admin", "impersonate"),
            ("server: 'http://api.example'", "token: hunter2", "https"),
            (&format!("{good}, insecure-skip-tls-verify: true"), "token: hunter2", "TLS"),
            (&format!("{good}, proxy-url: 'http://evil.example'"), "token: hunter2", "proxy"),
        ] {
            let error = reading(&config(cluster, user)).unwrap_err();
            let said = crate::error::chain(&error);
            assert_eq!(error.reason(), Reason::InvalidKubeconfig, "{said}");
            assert!(said.contains(word) && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn text_that_is_no_kubeconfig_is_refused_and_not_repeated() {
        let error = reading("password: [hunter2").unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidKubeconfig);
        assert!(!crate::error::chain(&error).contains("hunter2"));
    }
}
