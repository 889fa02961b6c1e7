//! The client of a person at a terminal: their kubeconfig, read as kubectl reads it.

use std::path::{Path, PathBuf};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::ClusterError;
use super::kubeconfig::say_who_asks;

/// A client with the rights of whoever runs the command. Unlike a node's kubeconfig this one may name programs, proxies
/// and plugins: it is the person's own file, and they run what they like. Nothing of its text stands in an error.
///
/// # Errors
/// When there is none, or it cannot be used.
pub async fn person(path: Option<&Path>) -> Result<Client, ClusterError> {
    let shown = || path.map_or_else(|| PathBuf::from("~/.kube/config"), Path::to_owned);
    let read = path.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    let kubeconfig = read.map_err(|_| ClusterError::Person { path: shown() })?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.map_err(|_| ClusterError::Person { path: shown() })?;
    say_who_asks(&mut config);
    Client::try_from(config).map_err(|source| ClusterError::Client { source: Box::new(source) })
}
