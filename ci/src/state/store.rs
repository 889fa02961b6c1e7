//! Reads and writes the Leases.
//!
//! Decides: nothing. Must not: write without comparing versions. Input: the hub's cluster and namespace.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams, Preconditions};

use super::{Buildset, Ledger, Phase, Record};
use crate::cluster::{Cluster, ClusterError};
use crate::config::{Config, Name, OURS};
use crate::error::{Failure, Reason, shown};
use crate::objects::system_selector;

/// Most Leases in one answer; more come in further ones.
const PAGE: u32 = 500;

/// What is wrong with the records.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A Lease of ours says what no record says.
    #[error("the Lease `{}` is malformed: {}", shown(lease), shown(problem))]
    Malformed {
        /// Its name.
        lease: String,
        /// What is wrong.
        problem: String,
    },
    /// Another process changed the record in between.
    #[error("another process changed the record `{0}`")]
    Overtaken(String),
    /// It is larger than the API takes.
    #[error("{what}: {bytes} bytes, of at most {most}")]
    Large {
        /// What.
        what: String,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        most: usize,
    },
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Ours to mend.
    #[error("a record cannot be written: {0}")]
    Bug(String),
}

impl Failure for StateError {
    fn reason(&self) -> Reason {
        match self {
            StateError::Malformed { .. } => Reason::Blocked,
            StateError::Overtaken(_) => Reason::Again,
            StateError::Large { .. } => Reason::Usage,
            StateError::Cluster(error) => error.reason(),
            StateError::Bug(_) => Reason::Bug,
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            StateError::Malformed { lease, .. } => {
                Some(format!("look at the Lease `{}`; delete it if nothing needs it", shown(lease)))
            }
            StateError::Large { .. } => {
                Some("keep large things elsewhere, and return where they are".to_owned())
            }
            StateError::Cluster(error) => error.cure(),
            StateError::Overtaken(_) | StateError::Bug(_) => None,
        }
    }
}

/// Every record at one moment.
#[derive(Debug, Default)]
pub struct Listing {
    /// The records.
    pub records: Vec<Record>,
    /// The buildsets.
    pub buildsets: Vec<Buildset>,
    /// Leases that say they are ours but are malformed.
    pub odd: Vec<StateError>,
    /// The UIDs of all of them, the malformed ones too.
    pub living: BTreeSet<String>,
}

impl Listing {
    /// The UIDs of those that wait for room, and whose drivers still say so.
    pub fn waiting(&self, now: Timestamp) -> BTreeSet<String> {
        let waits = |record: &&Record| record.body.phase == Phase::Waiting && !record.lapsed(now);
        self.records.iter().filter(waits).map(|record| record.uid.clone()).collect()
    }

    /// Whether nobody wants what a record holds: it has lapsed, or its buildset is over and no build is left that inherits
    /// from it.
    pub fn over(&self, record: &Record, now: Timestamp) -> bool {
        if record.lapsed(now) {
            return true;
        }
        if record.body.held.is_some() {
            return false; // who holds it decides alone
        }
        let buildset = record.body.request.buildset.as_ref();
        let ended = self.buildsets.iter().any(|set| buildset == Some(&set.name) && set.over(now));
        let heir = |other: &&Record| {
            let other = &other.body.request;
            other.buildset.as_ref() == buildset && other.inherits.contains(&record.body.request.build)
        };
        ended && !self.records.iter().any(|other| heir(&other))
    }

    /// Adds what a Lease of ours says; a ledger is no record.
    pub fn add(&mut self, lease: &Lease) {
        if is_ledger(lease) {
            return;
        }
        if Buildset::is(lease) {
            match Buildset::from_lease(lease) {
                Ok(set) => self.buildsets.push(set),
                Err(error) => self.odd.push(error),
            }
            return;
        }
        self.living.extend(lease.metadata.uid.clone());
        match Record::from_lease(lease) {
            Ok(record) => self.records.push(record),
            Err(error) => self.odd.push(error),
        }
    }
}

/// The Leases of one installation.
#[derive(Clone)]
pub struct Store {
    pub(super) leases: Api<Lease>,
    pub(super) secrets: Api<Secret>,
    pub(super) system: Name,
}

impl Store {
    /// The records of this configuration.
    pub fn new(config: &Config, hub: &Cluster) -> Self {
        let leases = Api::namespaced(hub.client.clone(), config.hub.namespace.as_str());
        let secrets = Api::namespaced(hub.client.clone(), config.hub.namespace.as_str());
        Store { leases, secrets, system: config.system.clone() }
    }

    /// The Leases of the hub's namespace, for those who keep others than records there.
    pub fn leases(&self) -> &Api<Lease> {
        &self.leases
    }

    /// Writes a record that must not be there yet; none when it is.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub async fn create(&self, record: &Record) -> Result<Option<Record>, StateError> {
        let lease = record.to_lease(&self.system)?;
        match self.leases.create(&PostParams::default(), &lease).await {
            Ok(made) => Record::from_lease(&made).map(Some),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(error) => Err(ClusterError::of(format!("create leases/req-{}", record.id), &error).into()),
        }
    }

    /// The record of that id.
    ///
    /// # Errors
    /// When the cluster refuses or is away, or the Lease is malformed.
    pub async fn read(&self, id: &str) -> Result<Option<Record>, StateError> {
        let name = Record::lease_name(id);
        let lease = self.leases.get_opt(&name).await;
        lease
            .map_err(|error| ClusterError::of(format!("get leases/{name}"), &error))?
            .as_ref()
            .map(Record::from_lease)
            .transpose()
    }

    /// Writes a record over the version that was read.
    ///
    /// # Errors
    /// When another process was faster, or the cluster refuses or is away.
    pub async fn write(&self, record: &Record) -> Result<Record, StateError> {
        let name = Record::lease_name(&record.id);
        let lease = record.to_lease(&self.system)?;
        match self.leases.replace(&name, &PostParams::default(), &lease).await {
            Ok(made) => Record::from_lease(&made),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                Err(StateError::Overtaken(name))
            }
            Err(error) => Err(ClusterError::of(format!("update leases/{name}"), &error).into()),
        }
    }

    /// Deletes a record; one that is gone, or is another by now, counts as deleted.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub async fn delete(&self, record: &Record) -> Result<(), StateError> {
        let name = Record::lease_name(&record.id);
        let same = Preconditions { uid: Some(record.uid.clone()), resource_version: record.version.clone() };
        let how = DeleteParams { preconditions: Some(same), ..DeleteParams::default() };
        match self.leases.delete(&name, &how).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(ClusterError::of(format!("delete leases/{name}"), &error).into()),
        }
    }

    /// Every record.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub async fn list(&self) -> Result<Listing, StateError> {
        let mut listing = Listing::default();
        let mut how = ListParams::default().labels(&system_selector(&self.system)).limit(PAGE);
        loop {
            let page =
                self.leases.list(&how).await.map_err(|error| ClusterError::of("list leases", &error))?;
            page.items.iter().for_each(|lease| listing.add(lease));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => how = how.continue_token(&token),
                None => return Ok(listing),
            }
        }
    }

    /// What is reserved in a pool.
    ///
    /// # Errors
    /// When the cluster refuses or is away, or the Lease is malformed.
    pub async fn ledger(&self, provider: &Name, pool: &Name) -> Result<Ledger, StateError> {
        let name = Ledger::lease_name(&self.system, provider, pool);
        let lease = self.leases.get_opt(&name).await;
        let lease = lease.map_err(|error| ClusterError::of(format!("get leases/{name}"), &error))?;
        lease.as_ref().map_or_else(|| Ok(Ledger::default()), Ledger::from_lease)
    }

    /// Writes what is reserved over the version that was read; false when another process was faster.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub async fn put(&self, provider: &Name, pool: &Name, ledger: &Ledger) -> Result<bool, StateError> {
        let name = Ledger::lease_name(&self.system, provider, pool);
        let lease = ledger.to_lease(&self.system, &name)?;
        let done = match ledger.version {
            Some(_) => self.leases.replace(&name, &PostParams::default(), &lease).await,
            None => self.leases.create(&PostParams::default(), &lease).await,
        };
        match done {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
            Err(error) => Err(ClusterError::of(format!("update leases/{name}"), &error).into()),
        }
    }
}

fn is_ledger(lease: &Lease) -> bool {
    lease.metadata.annotations.as_ref().is_some_and(|map| map.contains_key(&format!("{OURS}ledger")))
}
