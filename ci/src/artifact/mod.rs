//! Large data: files that builds leave to their children.
//!
//! ```text
//!  file ──► digest, size ──► blob, manifest ──► the buildset's record ──► child: blob, digest again, one rename
//!                            registry of a build   names it by digest       through the API server
//! ```
//!
//! Decides: in whose registry a file lies, and who may have it. Must not: hand a file to a build that does not inherit from
//! both who returned it and who has it. Input: a build, a name, and a local file. Every step can be done again: what is there
//! already is not sent twice, and the record comes last.

mod digest;
mod error;
mod file;
mod remote;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use digest::{Digest, ImageRef, Repository};
pub use error::ArtifactError;
pub use file::TYPE;
pub(crate) use file::{describe, empty, send_empty};
pub(crate) use remote::{MANIFESTS, Stored};
pub use remote::{Opens, Remote};

use crate::buildset::Returned;
use crate::drive::{Desk, Stop};
use crate::forward::Port;
use crate::registry::{Access, PORT};
use crate::request::Keep;
use crate::state::{Artifact, Buildset, BuildsetError, Record};
use file::{Measured, fetch, manifest, measure, push};

/// The repository of files.
const REPOSITORY: &str = "artifacts";

/// A registry in a cluster, reached through the API server for as long as this is held.
pub struct Inside {
    /// Talks to it.
    pub remote: Remote,
    /// Its address in the cluster: `ADDRESS:PORT`.
    pub address: String,
    tunnel: JoinHandle<()>,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.tunnel.abort();
    }
}

impl Inside {
    /// Opens the way. Its certificate names this end of it too.
    ///
    /// # Errors
    /// When nothing can be listened on here.
    async fn open(port: Port, access: &Access) -> Result<Self, ArtifactError> {
        let listening = |source| ArtifactError::Local { path: "127.0.0.1".into(), source };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(listening)?;
        let here = listener.local_addr().map_err(listening)?.to_string();
        // A connection that fails is seen by whoever uses it.
        let tunnel = tokio::spawn(async move { drop(port.listen(listener, drop).await) });
        let host = match access.address {
            std::net::IpAddr::V4(address) => address.to_string(),
            std::net::IpAddr::V6(address) => format!("[{address}]"),
        };
        let address = format!("{host}:{}", access.port);
        let remote = Remote::new(&address, &here, &access.into()).await;
        match remote {
            Ok(remote) => Ok(Inside { remote, address, tunnel }),
            Err(error) => {
                tunnel.abort();
                Err(error)
            }
        }
    }
}

/// The builds in whose registries a file of a build may lie, the best first: it must stay when the build ends.
fn holders<'a>(record: &'a Record, set: &'a Buildset) -> Vec<&'a str> {
    let request = &record.body.request;
    let kept = |build: &&String| set.member(build).is_some_and(|(_, member)| member.keep == Keep::Buildset);
    std::iter::once(&request.build).chain(&request.inherits).filter(kept).map(String::as_str).collect()
}

/// The file of that name that a build is handed, as its inventory has it: of two parents the later wins.
fn handed<'a>(record: &Record, set: &'a Buildset, name: &str) -> Result<&'a Artifact, ArtifactError> {
    let request = &record.body.request;
    let parents = request.inherits.iter().rev().filter_map(|parent| set.member(parent));
    let mut found = parents.filter_map(|(_, member)| member.artifacts.get(name));
    let found = found
        .next()
        .ok_or_else(|| ArtifactError::NotReturned { build: request.build.clone(), name: name.to_owned() })?;
    if !request.inherits.contains(&found.build) {
        return Err(ArtifactError::NotInherited {
            build: request.build.clone(),
            name: name.to_owned(),
            holder: found.build.clone(),
        });
    }
    Ok(found)
}

/// The bytes of a document. The same document always has the same ones.
pub(crate) fn document(made: Result<impl Serialize, String>) -> Result<Stored, ArtifactError> {
    let defect = |why: String| ArtifactError::Document { what: "a manifest of ours".to_owned(), why };
    let value = serde_json::to_value(made.map_err(defect)?).map_err(|error| defect(error.to_string()))?;
    let bytes = serde_json::to_vec(&value).map_err(|error| defect(error.to_string()))?;
    Ok(Stored { media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(), bytes })
}

impl Desk<'_> {
    async fn family(&self, build: &str) -> Result<(Record, Buildset), ArtifactError> {
        let record = self.find(build).await?;
        let name = record.body.request.buildset.clone();
        let name = name.ok_or_else(|| Stop::from(BuildsetError::Alone(build.to_owned())))?;
        let set = self.store.buildset(&name).await.map_err(Stop::from)?;
        Ok((record, set.ok_or_else(|| Stop::from(BuildsetError::Unknown(name)))?))
    }

    /// The way to the registry beside a node of a build, with that build's own credentials.
    ///
    /// # Errors
    /// When there is no such registry, it is not ready, or the cluster refuses or is away.
    pub async fn inside(&self, build: &str, node: &str) -> Result<Inside, ArtifactError> {
        let access = self.access(build, node).await?;
        let port = self.port(build, node, PORT).await?;
        Inside::open(port, &access).await
    }

    /// Puts files into a registry that stays as long as the buildset does, and remembers where: each by its name, all or none.
    /// Each at most `most` bytes.
    ///
    /// # Errors
    /// When a file cannot be read, no such registry is there, or a name cannot be handed on.
    pub async fn give_files(
        &self,
        build: &str,
        files: &BTreeMap<String, &Path>,
        most: u64,
    ) -> Result<BTreeMap<String, Artifact>, ArtifactError> {
        let (record, mut set) = self.family(build).await?;
        let mut found = None;
        for holder in holders(&record, &set) {
            let node = self.with_registry(holder).await?;
            found = found.or(node.map(|node| (holder.to_owned(), node)));
        }
        let (holder, node) = found.ok_or_else(|| ArtifactError::NoRegistry(build.to_owned()))?;
        let inside = self.inside(&holder, &node).await?;
        let mut all = BTreeMap::new();
        let mut ways: Vec<(&Path, Measured, Stored)> = Vec::new();
        for (name, path) in files {
            let measured = measure(path, most).await?;
            let manifest = manifest(&measured)?;
            let digest = Digest::of(&manifest.bytes);
            let artifact = Artifact {
                build: holder.clone(),
                node: node.clone(),
                image: format!("{}/{REPOSITORY}@{digest}", inside.address),
                sha256: measured.digest.hex().to_owned(),
                size: measured.size,
            };
            all.insert(name.clone(), artifact);
            ways.push((path, measured, manifest));
        }
        set.give_artifacts(&record.id, &all).map_err(Stop::from)?; // a wrong name is said before anything is sent
        for (path, measured, manifest) in &ways {
            push(&inside.remote, REPOSITORY, path, measured, manifest).await?;
        }
        self.give(build, &Returned { artifacts: all.clone(), ..Returned::default() }).await?;
        Ok(all)
    }

    /// Fetches a file that a parent returned, and returns what is known of it. `path` has all of it, or is as it was.
    ///
    /// # Errors
    /// When no parent returned it, it is larger than `most`, or what comes is not what was returned.
    pub async fn take_file(
        &self,
        build: &str,
        name: &str,
        path: &Path,
        most: u64,
    ) -> Result<Artifact, ArtifactError> {
        let (record, set) = self.family(build).await?;
        let artifact = handed(&record, &set, name)?;
        if artifact.size > most {
            return Err(ArtifactError::TooLarge { what: format!("the file `{name}`"), most });
        }
        let digest = format!("sha256:{}", artifact.sha256).parse();
        let digest = digest
            .map_err(|why: &str| ArtifactError::Document { what: name.to_owned(), why: why.to_owned() })?;
        let wanted = Measured { title: name.to_owned(), digest, size: artifact.size };
        let inside = self.inside(&artifact.build, &artifact.node).await?;
        fetch(&inside.remote, REPOSITORY, &wanted, path).await?;
        Ok(artifact.clone())
    }
}

#[cfg(test)]
mod tests;
