//! The host under test: how it is found, what it looked like before, and how it is brought back to that.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proof::sandbox::Sandbox;

use crate::client::{Bus, CallError, Caller, Dict, NAME, OS_INTERFACE, SYSROOT, SYSROOT_INTERFACE};
use crate::deployment::{flag, ids, text};
use crate::outcome::Outcome;
use crate::peer::Peer;
use crate::request::Request;
use crate::verdict::{Stop, Verdict, ensure, fail, skip};

/// The host under test.
pub(crate) struct Host {
    /// Which bus it is on.
    pub(crate) bus: Bus,
    /// The stand-in's sandbox, when we started one.
    pub(crate) sandbox: Option<Sandbox>,
    /// A registered client, which keeps the daemon from leaving between two clauses.
    pub(crate) control: Caller,
    /// The object of the booted stateroot.
    pub(crate) os: String,
    /// The deployments before the first clause.
    pub(crate) before: Vec<Dict>,
    /// How long any single thing may take.
    pub(crate) limit: Duration,
    names: RefCell<BTreeSet<String>>,
}

impl Host {
    /// Looks at the host and refuses, in words, when a clause could do harm there.
    pub(crate) async fn find(bus: Bus, sandbox: Option<Sandbox>, limit: Duration) -> Result<Self, String> {
        let shown = |error: CallError| format!("the daemon does not answer: {error}");
        let control = Caller::connect(&bus, limit).await.map_err(|error| format!("no bus: {error}"))?;
        let options = Dict::from([("id".to_owned(), id())]);
        let registered = control.call(SYSROOT, SYSROOT_INTERFACE, "RegisterClient", &(options,)).await;
        registered.map_err(shown)?;
        let os = control.text(SYSROOT, SYSROOT_INTERFACE, "Booted").await.map_err(shown)?;
        if os == "/" {
            return Err("the host is not booted into an ostree deployment".to_owned());
        }
        let active = control.active().await.map_err(shown)?;
        if !active.1.is_empty() || !active.0.is_empty() {
            return Err(format!("a transaction that is not ours is running: {active:?}"));
        }
        let before = control.deployments().await.map_err(shown)?;
        refuse_pending(&before)?;
        let names = RefCell::new(BTreeSet::from([control.unique_name()]));
        Ok(Host { bus, sandbox, control, os, before, limit, names })
    }

    /// A new connection to the bus.
    pub(crate) async fn caller(&self) -> Result<Caller, Stop> {
        let caller = Caller::connect(&self.bus, self.limit).await?;
        self.names.borrow_mut().insert(caller.unique_name());
        Ok(caller)
    }

    /// Calls `UpdateDeployment` and gives the address.
    pub(crate) async fn begin(&self, caller: &Caller, request: &Request) -> Result<String, CallError> {
        let body = (&request.modifiers, &request.options);
        let reply = caller.call(&self.os, OS_INTERFACE, "UpdateDeployment", &body).await?;
        Ok(reply.body().deserialize::<String>()?)
    }

    /// Joins the private socket at an address.
    pub(crate) async fn peer(&self, address: &str) -> Result<Peer, Stop> {
        Peer::connect(address, self.daemon_pid().await, self.limit).await
    }

    /// One `UpdateDeployment` from call to end, by a caller of its own.
    pub(crate) async fn run(&self, request: Request) -> Result<Outcome, Stop> {
        let caller = self.caller().await?;
        let answer = self.begin(&caller, &request).await;
        drop(request);
        self.follow(caller, answer).await
    }

    /// One call of any other method that makes a transaction, from call to end.
    pub(crate) async fn transact<B>(&self, member: &str, body: &B) -> Result<Outcome, Stop>
    where
        B: serde::Serialize + zbus::wire::DynamicType,
    {
        let caller = self.caller().await?;
        let answer = caller.call(&self.os, OS_INTERFACE, member, body).await;
        let answer = answer.and_then(|reply| Ok(reply.body().deserialize::<String>()?));
        self.follow(caller, answer).await
    }

    async fn follow(&self, caller: Caller, answer: Result<String, CallError>) -> Result<Outcome, Stop> {
        let address = match answer {
            Ok(address) => address,
            Err(error) => {
                caller.close().await?;
                return Ok(Outcome::refused(error));
            }
        };
        let mut peer = self.peer(&address).await?;
        ensure!(peer.start().await?, "Start() said false to the only caller");
        let (success, text) = peer.finished().await?;
        // The title arrives from an idle handler: a last round trip lets it in.
        peer.drain().await?;
        let events = peer.events.clone();
        peer.close().await;
        self.idle().await?;
        caller.close().await?;
        Ok(Outcome { success, text, refused: None, events })
    }

    /// Stages these files, which must succeed, and gives the new default deployment.
    pub(crate) async fn stage(&self, request: Request) -> Result<Dict, Stop> {
        self.run(request).await?.succeeded()?;
        self.default().await
    }

    /// `Cleanup(["pending-deploy"])` from call to end.
    pub(crate) async fn clean(&self) -> Result<Outcome, Stop> {
        self.transact("Cleanup", &(vec!["pending-deploy"],)).await
    }

    /// The first deployment of the boot order.
    pub(crate) async fn default(&self) -> Result<Dict, Stop> {
        match self.control.deployments().await?.into_iter().next() {
            Some(deployment) => Ok(deployment),
            None => fail("there is no deployment at all"),
        }
    }

    /// The deployment that is booted.
    pub(crate) fn booted(&self) -> &Dict {
        self.before.first().expect("checked when the host was found")
    }

    /// The base commit of the booted deployment.
    pub(crate) fn base(&self) -> String {
        let booted = self.booted();
        text(booted, "base-checksum").or_else(|| text(booted, "checksum")).unwrap_or_default()
    }

    /// Skips when the booted deployment has layers of its own.
    pub(crate) fn needs_bare_base(&self) -> Verdict {
        if self.booted().contains_key("base-checksum") {
            return skip("the booted deployment has packages layered by somebody else");
        }
        Ok(())
    }

    /// Skips when the host has a repo enabled: the daemon would go to the network.
    pub(crate) async fn needs_no_repos(&self) -> Verdict {
        let Ok(reply) = self.control.call(&self.os, OS_INTERFACE, "ListRepos", &()).await else {
            return skip("ListRepos, which would tell whether a repo is enabled, is not there");
        };
        let repos: Vec<Dict> = reply.body().deserialize().map_err(Stop::from)?;
        if repos.iter().any(|repo| flag(repo, "is-enabled") == Some(true)) {
            return skip("a package repository is enabled on this host");
        }
        Ok(())
    }

    /// Nothing is staged: the deployments are those from before.
    pub(crate) async fn unchanged(&self) -> Verdict {
        let now = ids(&self.control.deployments().await?);
        ensure!(now == ids(&self.before), "the deployments changed to {now:?}");
        Ok(())
    }

    /// Waits until no transaction is running.
    pub(crate) async fn idle(&self) -> Verdict {
        self.idle_within(self.limit).await
    }

    async fn idle_within(&self, limit: Duration) -> Verdict {
        let began = Instant::now();
        loop {
            let active = self.control.active_path().await?;
            if active.is_empty() {
                return Ok(());
            }
            if began.elapsed() > limit {
                return fail(format!("`{active}` is still the active transaction after {limit:?}"));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Brings the host back to what it was: ends what a failed clause left running, drops what it left staged.
    pub(crate) async fn settle(&self) -> Verdict {
        if self.idle_within(GRACE).await.is_err() {
            self.end_ours().await?;
        }
        if self.unchanged().await.is_err() {
            let outcome = self.clean().await?;
            ensure!(outcome.success, "Cleanup(pending-deploy) failed: `{}`", outcome.text);
        }
        self.unchanged().await
    }

    async fn end_ours(&self) -> Verdict {
        let (_, owner, _) = self.control.active().await?;
        if self.names.borrow().contains(&owner) {
            let address = self.control.active_path().await?;
            if !address.is_empty() {
                let peer = self.peer(&address).await?;
                peer.cancel().await?;
                peer.close().await;
            }
        }
        self.idle().await
    }

    /// Waits until a daemon answers again after one died, and registers with it.
    pub(crate) async fn revive(&self) -> Verdict {
        let began = Instant::now();
        loop {
            let options = Dict::from([("id".to_owned(), id())]);
            match self.control.call(SYSROOT, SYSROOT_INTERFACE, "RegisterClient", &(options,)).await {
                Ok(_) => return Ok(()),
                // A call that meets the dying daemon gets NoReply; the next one starts a new daemon.
                Err(error) if began.elapsed() > self.limit => return Err(error.into()),
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// The process that owns the name, as far as the bus tells.
    pub(crate) async fn daemon_pid(&self) -> Option<u32> {
        let reply = self.control.call_bus("GetConnectionUnixProcessID", &NAME).await.ok()?;
        reply.body().deserialize::<u32>().ok()
    }
}

fn id() -> zbus::OwnedVariant {
    zbus::OwnedVariant::from(zbus::Str::from_static("xagent-conformance"))
}

fn refuse_pending(before: &[Dict]) -> Result<(), String> {
    if let Some(staged) = before.iter().find(|deployment| flag(deployment, "staged") == Some(true)) {
        return Err(format!("the host has a staged deployment: {:?}", text(staged, "id")));
    }
    match before.first() {
        None => Err("the host has no deployment".to_owned()),
        Some(first) if flag(first, "booted") != Some(true) => {
            Err(format!("the host has a pending deployment: {:?}", text(first, "id")))
        }
        Some(first) => {
            let layered = crate::deployment::strings(first, "requested-local-packages").unwrap_or_default();
            match layered.iter().find(|nevra| nevra.starts_with(crate::packages::PREFIX)) {
                Some(ours) => Err(format!("`{ours}` of an earlier run is part of the booted deployment")),
                None => Ok(()),
            }
        }
    }
}

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);
/// How long a transaction may take to go away by itself after a clause.
const GRACE: Duration = Duration::from_secs(5);
