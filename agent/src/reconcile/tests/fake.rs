//! A stand-in host in memory, and one node made of it and of what is offered to it.

use std::collections::{BTreeSet, VecDeque};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use extensions_manifest::package::BasePackage;
use extensions_manifest::{Base, Sha256Digest};
use tokio::sync::{Notify, watch};

use super::super::{Parts, PayloadRules, once, preview};
use super::offer::{FakeClock, FakeSource};
use crate::apply::{PassReport, State};
use crate::desired::Desired;
use crate::host::{
    Deployment, FinalizeRequest, Host, HostError, LayerRequest, LocalPackage, Observed, Outcome, Progress,
    RunningTransaction,
};
use crate::payload::Payload;
use crate::plan::tests::{USBGUARD, booted, deployment, release, small_base};

/// What the host does with one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// Stages it and says so.
    Finish,
    /// Says so and stages nothing.
    Pretend,
    /// Fails.
    Fail,
    /// Is cancelled by somebody.
    Cancel,
    /// Goes away, with or without having staged it.
    Lose { staged: bool },
    /// Joins the call to somebody else's, which may stage the very same.
    Join { staged: bool },
    /// Refuses, because somebody else's transaction runs.
    Busy,
    /// Never answers: the moment at which a test lets the agent die.
    Hang { started: bool, staged: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) install: BTreeSet<LocalPackage>,
    pub(super) uninstall: BTreeSet<String>,
    pub(super) nonce: String,
}

#[derive(Default)]
pub(super) struct World {
    pub(super) deeds: VecDeque<Deed>,
    pub(super) calls: Vec<Call>,
    /// What becomes of the running transaction when it ends.
    pub(super) at_idle: VecDeque<Deployment>,
    pub(super) waits: u32,
    /// The base of each deployment that was to be finalized.
    pub(super) finalized: Vec<String>,
    /// Why the next reboot is refused.
    pub(super) inhibitor: Option<String>,
    staged: u32,
}

pub(super) struct FakeHost {
    pub(super) observed: Mutex<Observed>,
    pub(super) world: Mutex<World>,
    pub(super) hanging: Notify,
    pub(super) changes: watch::Sender<u64>,
    pub(super) descriptors: usize,
}

impl FakeHost {
    fn stage(&self, request: &Call) {
        let mut observed = self.observed.lock().unwrap();
        let number = {
            let mut world = self.world.lock().unwrap();
            world.staged += 1;
            world.staged
        };
        let start = observed.pending_or_booted().unwrap().clone();
        let mut packages = start.local_packages.clone();
        for gone in &request.uninstall {
            let there = packages.iter().find(|package| package.nevra.to_string() == *gone).cloned();
            assert!(packages.remove(&there.expect("only what is there can be uninstalled")), "{gone}");
        }
        for package in &request.install {
            let same = packages.iter().any(|there| there.nevra == package.nevra);
            assert!(!same, "`{}` is layered already: this would poison a real host", package.nevra);
            packages.insert(package.clone());
        }
        observed.deployments.retain(|deployment| !deployment.staged);
        let id = format!("staged-{number}");
        let packages: Vec<LocalPackage> = packages.into_iter().collect();
        let next = Deployment {
            staged: true,
            base_checksum: start.base_checksum,
            base_removals: start.base_removals,
            ..deployment(&id, &packages)
        };
        observed.deployments.insert(0, next);
    }

    /// The next boot becomes the booted deployment, the old one the rollback.
    pub(super) fn reboot(&self) {
        let mut observed = self.observed.lock().unwrap();
        for deployment in &mut observed.deployments {
            (deployment.booted, deployment.staged) = (false, false);
        }
        observed.deployments[0].booted = true;
        observed.deployments.truncate(2);
        observed.transaction = None;
    }

    /// The power goes before the staged deployment is finalized.
    pub(super) fn lose_staged(&self) {
        self.observed.lock().unwrap().deployments.retain(|deployment| !deployment.staged);
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.world.lock().unwrap().calls.clone()
    }

    pub(super) fn will(&self, deeds: &[Deed]) {
        self.world.lock().unwrap().deeds = deeds.iter().cloned().collect();
    }

    fn run(&self, title: String) {
        let running = RunningTransaction {
            method: "UpdateDeployment".to_owned(),
            sender: ":1.7".to_owned(),
            title: Some(title),
        };
        self.observed.lock().unwrap().transaction = Some(running);
    }

    /// Somebody else's transaction is running; when it ends, `next` is what the next boot takes.
    pub(super) fn is_busy(&self, title: &str, next: Option<Deployment>) {
        self.run(title.to_owned());
        self.world.lock().unwrap().at_idle.extend(next);
    }
}

/// The content of a fake package file is the text of its header digest.
fn read_head(fd: OwnedFd) -> Sha256Digest {
    let mut text = String::new();
    std::fs::File::from(fd).read_to_string(&mut text).unwrap();
    text.parse().unwrap()
}

impl Host for FakeHost {
    async fn observe(&self) -> Result<Observed, HostError> {
        Ok(self.observed.lock().unwrap().clone())
    }

    /// The base `with usbguard` has what its name says.
    async fn base(&self, deployment: &Deployment, _: &BTreeSet<String>) -> Result<Base, HostError> {
        let mut base = small_base();
        if deployment.base_checksum == "with usbguard" {
            base.packages.push(BasePackage::new(USBGUARD.parse().unwrap()));
        }
        Ok(base)
    }

    async fn layer(
        &self,
        request: LayerRequest,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Outcome, HostError> {
        let install = request
            .install
            .into_iter()
            .map(|file| LocalPackage { nevra: file.nevra, head: Some(read_head(file.fd)) });
        let call = Call {
            install: install.collect(),
            uninstall: request.uninstall.iter().map(ToString::to_string).collect(),
            nonce: request.nonce,
        };
        let deed = {
            let mut world = self.world.lock().unwrap();
            world.calls.push(call.clone());
            world.deeds.pop_front().unwrap_or(Deed::Finish)
        };
        if deed == Deed::Busy {
            return Err(HostError::Busy { title: "somebody else's".to_owned() });
        }
        if !matches!(deed, Deed::Join { .. } | Deed::Hang { started: false, .. }) {
            progress(Progress::Task("Checking out tree".to_owned()));
        }
        let stages = match deed {
            Deed::Finish => true,
            Deed::Lose { staged } | Deed::Join { staged } | Deed::Hang { staged, .. } => staged,
            Deed::Pretend | Deed::Fail | Deed::Cancel | Deed::Busy => false,
        };
        if stages {
            self.stage(&call);
        }
        self.changes.send_modify(|version| *version += 1);
        Ok(match deed {
            Deed::Finish | Deed::Pretend => Outcome::Finished,
            Deed::Fail => Outcome::Failed { message: "no space left".to_owned() },
            Deed::Cancel => Outcome::Cancelled { message: "Operation was cancelled".to_owned() },
            Deed::Lose { .. } => Outcome::Lost,
            Deed::Join { .. } => Outcome::NotOurs,
            Deed::Busy => unreachable!("answered above"),
            Deed::Hang { started, staged } => {
                if started && !staged {
                    self.run(format!("extensions-agent {}", call.nonce));
                }
                self.hanging.notify_one();
                std::future::pending::<()>().await;
                Outcome::Lost
            }
        })
    }

    async fn finalize(&self, request: FinalizeRequest) -> Result<Outcome, HostError> {
        let mut world = self.world.lock().unwrap();
        world.finalized.push(request.base_checksum);
        match world.inhibitor.take() {
            Some(message) => Ok(Outcome::Failed { message }),
            None => Ok(Outcome::Finished),
        }
    }

    async fn wait_idle(&self, _: Duration) -> Result<(), HostError> {
        let mut observed = self.observed.lock().unwrap();
        observed.transaction = None;
        let mut world = self.world.lock().unwrap();
        world.waits += 1;
        if let Some(next) = world.at_idle.pop_front() {
            observed.deployments.retain(|deployment| !deployment.staged);
            observed.deployments.insert(0, next);
        }
        Ok(())
    }

    async fn descriptors_per_call(&self) -> Result<usize, HostError> {
        Ok(self.descriptors)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// A host, a source and a state directory. Each pass is a new process as far as the state is concerned.
pub(super) struct Node {
    pub(super) host: FakeHost,
    pub(super) source: FakeSource,
    pub(super) state: State,
    pub(super) directory: tempfile::TempDir,
    pub(super) clock: FakeClock,
    /// The release of its settings.
    pub(super) release: Option<&'static str>,
    nonces: AtomicU32,
}

impl Node {
    /// A pristine node that is offered the first release.
    pub(super) fn new() -> Self {
        Self::having(&[])
    }

    /// A node on which these packages were layered by somebody else.
    pub(super) fn having(foreign: &[LocalPackage]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            host: FakeHost {
                observed: Mutex::new(booted(foreign)),
                world: Mutex::default(),
                hanging: Notify::new(),
                changes: watch::Sender::new(0),
                descriptors: 16,
            },
            source: FakeSource {
                payload: Mutex::new(Some(release())),
                loads: AtomicU32::new(0),
                release: Mutex::default(),
                labels: Mutex::default(),
            },
            release: None,
            state: State::new(directory.path()),
            directory,
            clock: FakeClock::default(),
            nonces: AtomicU32::new(0),
        }
    }

    pub(super) fn nonce(&self) -> String {
        format!("nonce-{}", self.nonces.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn parts<'a>(
        &'a self,
        nonce: &'a (dyn Fn() -> String + Send + Sync),
    ) -> Parts<'a, FakeHost, FakeSource> {
        Parts {
            host: &self.host,
            source: &self.source,
            state: &self.state,
            rules: PayloadRules { release: self.release, ..PayloadRules::default() },
            wait_limit: Duration::from_secs(600),
            transaction_limit: Duration::from_secs(600),
            owner: &|| None,
            source_problem: &|| None,
            locked_in: None,
            insist: false,
            clock: &self.clock,
            nonce,
            watcher: &|_| {},
        }
    }

    /// One pass, as `apply` runs it.
    pub(super) async fn pass(&self, wish: &Desired) -> PassReport {
        let lock = self.state.lock().unwrap();
        once(&self.parts(&|| self.nonce()), &lock, &Ok(wish.clone())).await
    }

    pub(super) async fn preview(&self, wish: &Desired) -> PassReport {
        preview(&self.parts(&|| self.nonce()), &Ok(wish.clone())).await
    }

    /// One pass in which the agent dies while the host does what it was told with [`Deed::Hang`].
    pub(super) async fn pass_and_die(&self, wish: &Desired) {
        tokio::select! {
            report = self.pass(wish) => panic!("the pass should have hung: {report:?}"),
            () = self.host.hanging.notified() => {}
        }
    }

    pub(super) fn loads(&self) -> u32 {
        self.source.loads.load(Ordering::Relaxed)
    }

    pub(super) fn offer(&self, payload: Payload) {
        *self.source.payload.lock().unwrap() = Some(payload);
    }

    /// The packages of the next boot.
    pub(super) fn next(&self) -> BTreeSet<LocalPackage> {
        let observed = self.host.observed.lock().unwrap();
        observed.pending_or_booted().unwrap().local_packages.clone()
    }
}
