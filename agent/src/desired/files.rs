//! MachineConfigs from a directory: read once for a command, or watched for the daemon.
//!
//! Level-triggered: whatever woke us, the whole directory is read again, so that a lost or merged event costs nothing.
//! Files may be swapped as kubelet swaps them (a link `..data` that is renamed over), one by one, or with the whole
//! directory.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchDescriptor, WatchMask};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::machine_config::{self, FILE_BYTES, Fault, MachineConfig};
use super::merge::merge;
use super::{Desired, DesiredError, DesiredSource, Latest};

/// Most files in the directory.
const FILES: usize = 1024;
/// Most bytes in all of them.
const TOTAL_BYTES: usize = 64 << 20;
/// Read again at least this often: some file systems send no events.
const RESYNC: Duration = Duration::from_secs(60);

/// What the documents in `directory` mean: every `*.yaml`, `*.yml` and `*.json` there, links followed, dot-files not.
///
/// # Errors
/// When anything there cannot be read or is not a usable MachineConfig: half a wish is another wish.
pub fn read_once(directory: &Path) -> Result<Desired, DesiredError> {
    let mut configs: Vec<(PathBuf, MachineConfig)> = Vec::new();
    let mut total = 0;
    for path in listing(directory)? {
        let bytes = read_file(&path)?;
        total += bytes.len();
        if total > TOTAL_BYTES {
            return Err(limit(directory, "the size of all files in bytes", TOTAL_BYTES));
        }
        let found = machine_config::parse(&bytes).map_err(|fault| fault_in(&path, fault))?;
        configs.extend(found.into_iter().map(|config| (path.clone(), config)));
    }
    configs.sort_by(|(_, left), (_, right)| left.name.cmp(&right.name));
    for (left, right) in configs.iter().zip(configs.iter().skip(1)) {
        if left.1.name == right.1.name {
            let (first, second) = (left.0.clone(), right.0.clone());
            return Err(DesiredError::Duplicate { name: left.1.name.clone(), first, second });
        }
    }
    merge(configs.iter().map(|(_, config)| config))
}

fn listing(directory: &Path) -> Result<Vec<PathBuf>, DesiredError> {
    let failed = |source| DesiredError::Read { path: directory.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !hidden && ["yaml", "yml", "json"].contains(&extension) {
            paths.push(path);
        }
        if paths.len() > FILES {
            return Err(limit(directory, "the number of files", FILES));
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path) -> Result<Vec<u8>, DesiredError> {
    let failed = |source| DesiredError::Read { path: path.to_owned(), source };
    // Without O_NONBLOCK, opening a fifo that somebody left here would wait for ever.
    let nonblock = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = fs::OpenOptions::new().read(true).custom_flags(nonblock).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("not a regular file")));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn limit(path: &Path, what: &'static str, limit: usize) -> DesiredError {
    DesiredError::Limit { path: path.to_owned(), what, limit }
}

fn fault_in(path: &Path, fault: Fault) -> DesiredError {
    let path = path.to_owned();
    match fault {
        Fault::Document { number, problem } => DesiredError::Document { path, number, problem },
        Fault::ExtensionName { machine_config, source } => {
            DesiredError::ExtensionName { path, machine_config, source }
        }
        Fault::Limit { what, limit } => DesiredError::Limit { path, what, limit },
    }
}

/// A directory that is watched until the source is dropped.
#[derive(Debug)]
pub struct FileSource {
    latest: watch::Receiver<Latest>,
    // Ends the watching when the source goes.
    _task: AbortOnDropHandle<()>,
}

impl FileSource {
    /// Reads `directory` now and again whenever it has changed and then been quiet for `settle`. Needs a tokio runtime.
    pub async fn start(directory: PathBuf, settle: Duration) -> Self {
        // Watched first and read second, so that a change between the two is an event and not a loss.
        let watching = Watching::new(directory.clone());
        let first = read(directory).await;
        let (sender, latest) = watch::channel(first);
        let task = AbortOnDropHandle::new(tokio::spawn(follow(watching, settle, sender)));
        Self { latest, _task: task }
    }
}

impl DesiredSource for FileSource {
    fn watch(&self) -> watch::Receiver<Latest> {
        self.latest.clone()
    }
}

async fn follow(mut watching: Watching, settle: Duration, sender: watch::Sender<Latest>) {
    loop {
        watching.changed().await;
        watching.settled(settle).await;
        watching.renew();
        let next = read(watching.directory.clone()).await;
        sender.send_if_modified(|latest| {
            let modified = !same(latest, &next);
            if modified {
                *latest = next;
            }
            modified
        });
    }
}

async fn read(directory: PathBuf) -> Latest {
    let path = directory.clone();
    let read = tokio::task::spawn_blocking(move || read_once(&directory)).await;
    // A panic in there is a bug of ours, told like any other failure to read.
    let read = read.unwrap_or_else(|error| Err(DesiredError::Read { path, source: io::Error::other(error) }));
    read.map_err(Arc::new)
}

pub(super) fn same(left: &Latest, right: &Latest) -> bool {
    match (left, right) {
        (Ok(left), Ok(right)) => left == right,
        (Err(left), Err(right)) => crate::error::chain(left.as_ref()) == crate::error::chain(right.as_ref()),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

/// Wake-ups for one directory, and for its replacement by another of the same name.
struct Watching {
    directory: PathBuf,
    // Nothing where inotify is out of instances: then only the resync is left.
    events: Option<EventStream<Vec<u8>>>,
    own: Option<WatchDescriptor>,
    parent: Option<WatchDescriptor>,
}

impl Watching {
    fn new(directory: PathBuf) -> Self {
        let events = Inotify::init().and_then(|inotify| inotify.into_event_stream(vec![0; 4096]));
        if let Err(error) = &events {
            tracing::warn!(%error, "no change events for MachineConfigs, reading them every {RESYNC:?}");
        }
        let mut watching = Self { directory, events: events.ok(), own: None, parent: None };
        watching.renew();
        watching
    }

    /// Puts the watches where the path leads now. A directory that does not exist is seen through its parent.
    fn renew(&mut self) {
        let Some(events) = &self.events else { return };
        let inside = WatchMask::CREATE
            | WatchMask::CLOSE_WRITE
            | WatchMask::DELETE
            | WatchMask::MOVE
            | WatchMask::ATTRIB
            | WatchMask::ONLYDIR;
        let beside = WatchMask::CREATE | WatchMask::DELETE | WatchMask::MOVE | WatchMask::ONLYDIR;
        let mut watches = events.watches();
        let own = watches.add(&self.directory, inside).ok();
        let parent = self.directory.parent().and_then(|parent| watches.add(parent, beside).ok());
        for (old, new) in [(&self.own, &own), (&self.parent, &parent)] {
            if let Some(old) = old.as_ref().filter(|old| Some(*old) != new.as_ref()) {
                // It may be gone with its directory, which is what we want.
                let _ = watches.remove(old.clone());
            }
        }
        (self.own, self.parent) = (own, parent);
    }

    /// Returns when something happened in or to the directory, or when it is time to look anyway.
    async fn changed(&mut self) {
        let resync = Instant::now() + RESYNC;
        // Cancel-safe: an event that is dropped here is followed by a reading of everything.
        let _ = timeout_at(resync, self.event()).await;
    }

    /// Returns when nothing happened for `settle`, or at the latest after ten times that.
    async fn settled(&mut self, settle: Duration) {
        let limit = Instant::now() + settle * 10;
        loop {
            let quiet = (Instant::now() + settle).min(limit);
            if timeout_at(quiet, self.event()).await.is_err() {
                return;
            }
        }
    }

    async fn event(&mut self) {
        let name: Option<OsString> = self.directory.file_name().map(ToOwned::to_owned);
        let Some(events) = &mut self.events else { return std::future::pending().await };
        while let Some(event) = events.next().await {
            let Ok(event) = event else { break };
            // The parent may be as busy as /etc: only our own entry counts there.
            if Some(&event.wd) != self.parent.as_ref() || event.name == name {
                return;
            }
        }
        // The stream is broken; the resync goes on.
        sleep_until(Instant::now() + RESYNC).await;
    }
}

#[cfg(test)]
mod tests;
