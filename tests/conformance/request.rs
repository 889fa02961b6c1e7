//! The two dictionaries of `UpdateDeployment`, built in a fixed order so that equal requests are equal on the wire.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;

use zbus::{Fd, Variant};

use crate::packages::Package;

/// One side of a request.
pub(crate) type Side = BTreeMap<String, Variant<'static>>;

/// A request for `UpdateDeployment`.
#[derive(Debug)]
pub(crate) struct Request {
    /// The first dictionary.
    pub(crate) modifiers: Side,
    /// The second.
    pub(crate) options: Side,
}

impl Request {
    /// Nothing yet, but the two things that every layering call must have: `no-pull-base` and a nonce.
    pub(crate) fn new() -> Self {
        let request = Request { modifiers: Side::new(), options: Side::new() };
        request.option("no-pull-base", true).option(NONCE, uuid::Uuid::new_v4().to_string())
    }

    /// Installs these files.
    pub(crate) fn install(packages: &[&Package]) -> Self {
        Request::new().and_install(packages)
    }

    /// Asks for these to be uninstalled.
    pub(crate) fn uninstall(names: &[&str]) -> Self {
        Request::new().and_uninstall(names)
    }

    /// Installs these too.
    pub(crate) fn and_install(self, packages: &[&Package]) -> Self {
        self.files("install-local-packages", packages.iter().map(|package| package.open()).collect())
    }

    /// Uninstalls these too.
    pub(crate) fn and_uninstall(self, names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        self.modifier("uninstall-packages", names)
    }

    /// A modifier that is a list of open files.
    pub(crate) fn files(self, key: &str, files: Vec<File>) -> Self {
        let handles: Vec<Fd<'static>> = files.into_iter().map(|file| Fd::from(OwnedFd::from(file))).collect();
        self.modifier(key, handles)
    }

    /// Any modifier.
    pub(crate) fn modifier(mut self, key: &str, value: impl Into<Variant<'static>>) -> Self {
        self.modifiers.insert(key.to_owned(), value.into());
        self
    }

    /// Any option.
    pub(crate) fn option(mut self, key: &str, value: impl Into<Variant<'static>>) -> Self {
        self.options.insert(key.to_owned(), value.into());
        self
    }

    /// Resolves only.
    pub(crate) fn dry(self) -> Self {
        self.option("dry-run", true)
    }

    /// What is already so is no error.
    pub(crate) fn idempotent(self) -> Self {
        self.option("idempotent-layering", true)
    }

    /// Without the nonce, so that another such request is equal to it.
    pub(crate) fn without_nonce(mut self) -> Self {
        self.options.remove(NONCE);
        self
    }
}

/// A key that the daemon does not know: it is ignored, and makes the parameters unequal to anybody else's.
const NONCE: &str = "xagent-conf-nonce";
