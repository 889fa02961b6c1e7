//! The two dictionaries of `UpdateDeployment` as one value.
//!
//! Options are spelled as the real daemon's code reads them, not as its XML says. Unknown keys and keys of the wrong type
//! are ignored without a word: that is the contract.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use zbus::wire::Fd;
use zbus::{OwnedVariant, Variant};

use super::engine::Failure;
use super::errors::BusError;

type Dictionary = HashMap<String, OwnedVariant>;

/// The flags of the second dictionary.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "each is the option of that name")]
pub struct Options {
    pub no_pull_base: bool,
    pub idempotent_layering: bool,
    pub allow_inactive: bool,
    pub dry_run: bool,
    pub download_only: bool,
    pub cache_only: bool,
    pub reboot: bool,
    pub apply_live: bool,
    pub lock_finalization: bool,
    pub skip_purge: bool,
    pub no_layering: bool,
    pub no_overrides: bool,
    pub register_driver: Option<String>,
    pub command_line: Option<String>,
}

impl Options {
    /// Reads what is known and well typed.
    pub fn of(options: &Dictionary) -> Self {
        let flag = |key: &str| options.get(key).is_some_and(|value| matches!(**value, Variant::Bool(true)));
        Self {
            no_pull_base: flag("no-pull-base"),
            idempotent_layering: flag("idempotent-layering"),
            allow_inactive: flag("allow-inactive"),
            dry_run: flag("dry-run"),
            download_only: flag("download-only"),
            cache_only: flag("cache-only"),
            reboot: flag("reboot"),
            apply_live: flag("apply-live"),
            lock_finalization: flag("lock-finalization"),
            skip_purge: flag("skip-purge"),
            no_layering: flag("no-layering"),
            no_overrides: flag("no-overrides"),
            register_driver: text(options, "register-driver"),
            command_line: text(options, "initiating-command-line"),
        }
    }
}

/// One request to change the deployment.
#[derive(Debug)]
pub struct Update {
    /// `set-refspec`.
    pub refspec: Option<String>,
    /// `set-revision`.
    pub revision: Option<String>,
    /// Names wanted from repositories, of which there are none.
    pub install: Vec<String>,
    /// Names or NEVRAs to take away.
    pub uninstall: Vec<String>,
    /// Local RPMs.
    pub local: Vec<OwnedFd>,
    /// Local RPMs that may replace files of the base.
    pub local_fileoverride: Vec<OwnedFd>,
    /// Base packages to remove.
    pub override_remove: Vec<String>,
    /// Overrides to take back.
    pub override_reset: Vec<String>,
    /// Local RPMs that replace base packages.
    pub override_replace_local: Vec<OwnedFd>,
    /// `override-replace-packages` was given, which the daemon rejects.
    pub override_replace: bool,
    /// `install-fileoverride-packages` was given, which the daemon rejects.
    pub fileoverride: bool,
    /// The flags.
    pub options: Options,
    /// How many descriptors came with the message.
    pub descriptors: usize,
}

impl Update {
    /// Reads both dictionaries of a message that carried `descriptors`.
    ///
    /// # Errors
    /// When a descriptor cannot be taken.
    pub fn new(modifiers: Dictionary, options: Dictionary, descriptors: usize) -> Result<Self, BusError> {
        Ok(Self {
            refspec: text(&modifiers, "set-refspec"),
            revision: text(&modifiers, "set-revision"),
            install: list(&modifiers, "install-packages"),
            uninstall: list(&modifiers, "uninstall-packages"),
            local: files(&modifiers, "install-local-packages")?,
            local_fileoverride: files(&modifiers, "install-fileoverride-local-packages")?,
            override_remove: list(&modifiers, "override-remove-packages"),
            override_reset: list(&modifiers, "override-reset-packages"),
            override_replace_local: files(&modifiers, "override-replace-local-packages")?,
            override_replace: !list(&modifiers, "override-replace-packages").is_empty(),
            fileoverride: !list(&modifiers, "install-fileoverride-packages").is_empty(),
            options: Options::of(&options),
            descriptors,
        })
    }

    /// What the daemon refuses before it does anything.
    ///
    /// # Errors
    /// The text of the refusal.
    pub fn check(&self) -> Result<(), Failure> {
        let expected = self.local.len() + self.local_fileoverride.len() + self.override_replace_local.len();
        if expected != self.descriptors {
            return Err(Failure::new(format!("Expected {expected} fds but received {}", self.descriptors)));
        }
        let moved = self.refspec.is_some() || self.revision.is_some();
        let options = &self.options;
        let overrides = self.has_overrides() || self.override_replace;
        let refusals = [
            (
                options.skip_purge && self.refspec.is_none(),
                "Can't specify skip-purge if not setting a new refspec",
            ),
            (
                options.no_pull_base && moved,
                "Can't specify no-pull-base if setting a new refspec or revision",
            ),
            (options.cache_only && options.download_only, "Can't specify cache-only and download-only"),
            (options.dry_run && options.download_only, "Can't specify dry-run and download-only"),
            (self.override_replace, "Non-local replacement overrides not implemented yet"),
            (options.no_overrides && overrides, "Can't specify no-overrides if setting override modifiers"),
            (options.apply_live && options.reboot, "Cannot specify `apply-live` and `reboot`"),
            (self.fileoverride, "Non-local fileoverrides not implemented"),
        ];
        match refusals.into_iter().find(|(refused, _)| *refused) {
            Some((_, text)) => Err(Failure::new(text)),
            None => Ok(()),
        }
    }

    /// Whether it stays on its ref and lets the base move: then it is an upgrade, whatever else it does.
    pub fn is_upgrade(&self) -> bool {
        !self.options.no_pull_base && self.refspec.is_none() && self.revision.is_none()
    }

    /// What `Title` becomes: the caller's words, or what the daemon makes of the request.
    pub fn title(&self) -> String {
        if let Some(words) = &self.options.command_line {
            return words.clone();
        }
        let mut title = self.verb().to_owned();
        if self.options.cache_only {
            title.push_str(" (cache only)");
        } else if self.options.download_only {
            title.push_str(" (download only)");
        }
        let counts = [
            ("uninstall", self.uninstall.len()),
            ("install", self.install.len()),
            ("localinstall", self.local.len()),
            ("fileoverride localinstall", self.local_fileoverride.len()),
        ];
        for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            title.push_str(&format!("; {what}: {count}"));
        }
        title
    }

    fn verb(&self) -> &'static str {
        if self.options.no_pull_base && (self.has_overrides() || self.options.no_overrides) {
            "override"
        } else if self.options.no_pull_base {
            let installs =
                !(self.install.is_empty() && self.local.is_empty() && self.local_fileoverride.is_empty());
            if installs { "install" } else { "uninstall" }
        } else if self.refspec.is_some() {
            "rebase"
        } else if self.revision.is_some() {
            "deploy"
        } else {
            "upgrade"
        }
    }

    fn has_overrides(&self) -> bool {
        !(self.override_remove.is_empty()
            && self.override_reset.is_empty()
            && self.override_replace_local.is_empty())
    }
}

fn text(dictionary: &Dictionary, key: &str) -> Option<String> {
    dictionary.get(key).and_then(|value| String::try_from(value.clone()).ok())
}

fn list(dictionary: &Dictionary, key: &str) -> Vec<String> {
    dictionary.get(key).and_then(|value| Vec::<String>::try_from(value.clone()).ok()).unwrap_or_default()
}

fn files(dictionary: &Dictionary, key: &str) -> Result<Vec<OwnedFd>, BusError> {
    let Some(value) = dictionary.get(key) else { return Ok(Vec::new()) };
    let value = value.try_clone()?;
    let Ok(handles) = Vec::<Fd<'_>>::try_from(value) else { return Ok(Vec::new()) };
    Ok(handles.into_iter().map(OwnedFd::try_from).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests;
