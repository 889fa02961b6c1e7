//! The parts of the agent, opened as the settings say, for the commands that need them.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use jiff::Timestamp;

use super::args::{Common, Wish};
use super::inputs::InputError;
use super::progress::Progress;
use super::stop::Stop;
use crate::apply::Step;
use crate::desired::cluster::kept;
use crate::desired::{Desired, DesiredError, read_once};
use crate::host::{self, RpmOstree};
use crate::payload::{Loader, Payload, Reference, Store, Transport};
use crate::reconcile::{Offered, PayloadRules};
use crate::settings::{self, Loaded, Overrides, Settings};

/// What a command may use: the settings, the time, the way to show progress.
pub struct Context {
    /// The settings with their story.
    pub loaded: Loaded,
    /// When the command began.
    pub now: Timestamp,
    /// Where progress is shown.
    pub progress: Progress,
    /// The payload that the command line names.
    payload: Option<String>,
    /// Whether the command line names a directory of MachineConfigs.
    files: bool,
}

/// A loader and, where the store could not be written, the directory that stands in for it until the end.
pub struct Fetching {
    /// The loader.
    pub loader: Loader,
    _temporary: Option<tempfile::TempDir>,
}

impl Context {
    /// Loads the settings for a command with these arguments.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(common: &Common, wish: Option<&Wish>, now: Timestamp) -> Result<Self, Stop> {
        let overrides = wish.map_or_else(Overrides::default, |wish| Overrides {
            machine_config: wish.machine_config.clone(),
            payload: wish.payload.clone(),
        });
        let loaded = settings::load(&common.config_root, &overrides)?;
        let files = overrides.machine_config.is_some();
        let progress = Progress::new(common.quiet);
        Ok(Self { loaded, now, progress, payload: overrides.payload, files })
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.loaded.settings
    }

    /// What the MachineConfigs want; the payload is that of the command line, else theirs.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn wish(&self) -> Result<Desired, DesiredError> {
        let mut desired = self.asked_for()?;
        if let Some(payload) = &self.payload {
            desired.payload = Some(payload.clone());
            desired.payload_from = None;
        }
        Ok(desired)
    }

    /// What the cluster last wanted, as the service kept it, where there is a cluster; else what the files say.
    fn asked_for(&self) -> Result<Desired, DesiredError> {
        let settings = self.settings();
        if settings.cluster.kubeconfig.is_none() || self.files {
            return read_once(&settings.machine_config.directory);
        }
        self.progress.remark("the wish is what the service last heard from the cluster");
        kept(&settings.state.directory)?.ok_or(DesiredError::NotAskedYet)
    }

    /// The same, with the payload of the settings where nobody else names one.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn desired(&self) -> Result<Desired, Stop> {
        let mut desired = self.wish()?;
        if desired.payload.is_none() {
            desired.payload.clone_from(&self.settings().payload.image);
        }
        Ok(desired)
    }

    /// The same, asking whoever has a say in it: the release, or an OS image that holds extensions.
    ///
    /// A payload of the command line is only looked at here, so it need not be of the release that is set: the next one
    /// never is.
    ///
    /// # Errors
    /// When they cannot be read, or the release does not name the payload.
    pub async fn offered(&self, loader: &Loader, arch: &str) -> Result<Offered, Stop> {
        let rules = PayloadRules::of(&self.settings().payload);
        let release = rules.release.filter(|_| self.payload.is_none());
        Ok(Offered::new(loader, PayloadRules { release, ..rules }, self.wish()?, arch).await?)
    }

    /// The payload that `desired` names; where it could not be read, that of the settings.
    ///
    /// # Errors
    /// When none is named, or its name cannot be read.
    pub fn reference(&self, desired: Option<&Desired>) -> Result<Reference, Stop> {
        let text = desired.map_or(&self.settings().payload.image, |desired| &desired.payload);
        Ok(text.as_ref().ok_or(InputError::NoPayload)?.parse::<Reference>()?)
    }

    /// A loader on the store of the settings.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub fn loader(&self) -> Result<Loader, Stop> {
        let store = &self.settings().store;
        Ok(Loader::new(Store::open(&store.directory, store.max_bytes)?, self.transport()))
    }

    /// A loader on the store of the settings, or on a temporary one where that cannot be written: looking at a payload
    /// needs no rights on the host.
    ///
    /// # Errors
    /// When not even a temporary store can be made.
    pub fn fetching(&self) -> Result<Fetching, Stop> {
        if let Ok(loader) = self.loader() {
            return Ok(Fetching { loader, _temporary: None });
        }
        let made = tempfile::Builder::new().prefix("extensions-agent-").tempdir();
        let temporary = made.map_err(|source| InputError::Temporary { source })?;
        let store = Store::open(temporary.path(), self.settings().store.max_bytes)?;
        Ok(Fetching { loader: Loader::new(store, self.transport()), _temporary: Some(temporary) })
    }

    /// Loads the payload, with visible progress.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn load(&self, loader: &Loader, reference: &Reference, arch: &str) -> Result<Payload, Stop> {
        let shown = |at| self.progress.step(Step::Fetching(at));
        let (payload, _) = loader.load(reference, arch, &shown).await?;
        Ok(payload)
    }

    /// The host of the settings.
    ///
    /// # Errors
    /// When its bus or rpm-ostreed cannot be reached.
    pub async fn host(&self) -> Result<RpmOstree, Stop> {
        let settings = self.settings().host.clone();
        Ok(RpmOstree::connect(host::HostSettings { bus: settings.bus, sysroot: settings.sysroot }).await?)
    }

    fn transport(&self) -> Transport {
        let payload = &self.settings().payload;
        Transport { authfile: payload.authfile.clone(), registries: payload.registries_conf.clone() }
    }
}

/// Largest document of `observe`, in bytes: the provides of a large base take some megabytes.
const DOCUMENT_BYTES: u64 = 64 << 20;

/// A document that another command wrote, JSON or YAML.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read_document<T: serde::de::DeserializeOwned>(path: &Path) -> io::Result<T> {
    let mut text = String::new();
    fs::File::open(path)?.take(DOCUMENT_BYTES).read_to_string(&mut text)?;
    if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(io::Error::from)
    } else {
        serde_saphyr::from_str(&text).map_err(|error| io::Error::other(error.without_snippet().to_string()))
    }
}
