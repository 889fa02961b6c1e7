//! A deployment as the dictionary that clients read.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use zbus::{OwnedVariant, Variant};

use super::engine::deployments::Deployment;
use super::engine::origin::LocalRequest;
use super::engine::package::Facts;
use super::engine::repo::{self, Commit};

/// `a{sv}`.
pub type Dictionary = HashMap<String, OwnedVariant>;

/// The dictionary of one deployment.
pub fn of(dir: &Path, deployment: &Deployment) -> Dictionary {
    let commit = repo::commit(dir, &deployment.checksum).unwrap_or_default();
    let mut all = Builder::default();
    all.put("id", deployment.id());
    all.put("osname", deployment.osname.clone());
    all.put("checksum", deployment.checksum.clone());
    all.put("serial", deployment.serial.cast_signed());
    all.put("booted", deployment.booted);
    all.put("staged", deployment.staged);
    all.put("pinned", false);
    all.put("unlocked", "none".to_owned());
    all.put("timestamp", commit.timestamp);
    if let Some(version) = &commit.version {
        all.put("version", version.clone());
    }
    all.put("regenerate-initramfs", false);
    requests(&mut all, deployment);
    overrides(&mut all, &commit);
    if let Some(base) = &commit.base {
        layered(&mut all, dir, base, &commit);
    }
    origin(&mut all, dir, deployment, &commit);
    all.0
}

/// What `GetDeploymentBootConfig` gives.
pub fn boot_config(dir: &Path, deployment: &Deployment) -> Dictionary {
    let mut all = Builder::default();
    all.put("staged", deployment.staged);
    let order = super::engine::deployments::boot_order(dir).unwrap_or_default();
    let file = order.into_iter().find(|(_, id)| *id == deployment.id() || deployment.staged);
    let text = file.and_then(|(file, _)| fs::read_to_string(file).ok()).unwrap_or_default();
    for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        // Nothing is in the loader yet for a staged one: only its options are known.
        if !deployment.staged || key == "options" {
            all.put(key, value.to_owned());
        }
    }
    all.0
}

#[derive(Default)]
struct Builder(Dictionary);

impl Builder {
    fn put<'v>(&mut self, key: &str, value: impl Into<Variant<'v>>) {
        let value = value.into().try_into_owned().expect("no descriptors in here");
        self.0.insert(key.to_owned(), value);
    }
}

fn requests(all: &mut Builder, deployment: &Deployment) {
    let nevras =
        |requests: &[LocalRequest]| requests.iter().map(|each| each.nevra.clone()).collect::<Vec<_>>();
    let origin = &deployment.origin;
    // Layered from repositories, which there are none of. Local packages are never in here.
    all.put("packages", Vec::<String>::new());
    all.put("requested-packages", origin.requested.clone());
    all.put("requested-local-packages", nevras(&origin.local));
    all.put("requested-local-fileoverride-packages", nevras(&origin.local_fileoverride));
    all.put("requested-base-removals", origin.remove.clone());
    all.put("requested-base-local-replacements", nevras(&origin.replace_local));
}

fn overrides(all: &mut Builder, commit: &Commit) {
    let removed: Vec<Variant<'_>> = commit.removed.iter().filter_map(|text| nevra(text)).collect();
    let replaced: Vec<(Variant<'_>, Variant<'_>)> = commit
        .replaced
        .iter()
        .filter_map(|text| text.split_once('>'))
        .filter_map(|(new, old)| Some((nevra(new)?, nevra(old)?)))
        .collect();
    all.put("base-removals", removed);
    all.put("base-local-replacements", replaced);
    all.put("base-remote-replacements", Dictionary::new());
}

fn nevra(record: &str) -> Option<Variant<'static>> {
    let facts = Facts::parse(record)?;
    let nevra = facts.nevra();
    Some(Variant::from((nevra, facts.name, facts.epoch, facts.version, facts.release, facts.arch)))
}

fn layered(all: &mut Builder, dir: &Path, base: &str, commit: &Commit) {
    let info = repo::commit(dir, base).unwrap_or_default();
    all.put("base-checksum", base.to_owned());
    all.put("base-timestamp", info.timestamp);
    if let Some(version) = &info.version {
        all.put("base-version", version.clone());
    }
    let mut meta = Builder::default();
    meta.put("rpmostree.clientlayer", true);
    meta.put("rpmostree.clientlayer_version", 6_u32);
    if let Some(state) = &commit.state {
        meta.put("rpmostree.state-sha512", state.clone());
    }
    all.put("layered-commit-meta", meta.0);
}

fn origin(all: &mut Builder, dir: &Path, deployment: &Deployment, commit: &Commit) {
    let base = commit.base.as_deref().unwrap_or(&deployment.checksum);
    let info = repo::commit(dir, base).unwrap_or_default();
    let mut meta = Builder::default();
    if let Some(version) = &info.version {
        meta.put("version", version.clone());
    }
    all.put("base-commit-meta", meta.0);
    all.put("origin", deployment.origin.refspec.clone());
    all.put("gpg-enabled", false);
}
