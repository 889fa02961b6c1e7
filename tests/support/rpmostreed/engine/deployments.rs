//! The deployments of the sysroot, in boot order, as libostree wrote them, with the staged one in front.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Failure;
use super::origin::Origin;

/// One deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Stateroot.
    pub osname: String,
    /// Commit.
    pub checksum: String,
    /// Tells deployments of one commit apart.
    pub serial: u32,
    /// What it is made of.
    pub origin: Origin,
    /// Whether the host runs it.
    pub booted: bool,
    /// Whether it waits for the shutdown.
    pub staged: bool,
}

impl Deployment {
    /// `osname-checksum.serial`.
    pub fn id(&self) -> String {
        format!("{}-{}.{}", self.osname, self.checksum, self.serial)
    }

    /// Where its tree is.
    pub fn root(&self, dir: &Path) -> PathBuf {
        place(dir, &self.osname, &self.checksum, self.serial)
    }
}

/// What `run/staged-deployment` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Staged {
    /// Stateroot.
    pub osname: String,
    /// Commit.
    pub checksum: String,
    /// Its serial.
    pub serial: u32,
    /// Whether a shutdown must leave it alone.
    pub locked: bool,
}

impl Staged {
    /// The file.
    pub fn file(dir: &Path) -> PathBuf {
        dir.join("run/staged-deployment")
    }

    /// Reads it, when something is staged.
    pub fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::file(dir)).ok()?).ok()
    }

    /// Where its tree is.
    pub fn root(&self, dir: &Path) -> PathBuf {
        place(dir, &self.osname, &self.checksum, self.serial)
    }
}

/// Directory of the deployments of a stateroot.
pub fn deploy_dir(dir: &Path, osname: &str) -> PathBuf {
    dir.join("sysroot/ostree/deploy").join(osname).join("deploy")
}

/// The origin file beside a deployment's root.
pub fn origin_file(root: &Path) -> PathBuf {
    let mut name = root.as_os_str().to_owned();
    name.push(".origin");
    name.into()
}

fn place(dir: &Path, osname: &str, checksum: &str, serial: u32) -> PathBuf {
    deploy_dir(dir, osname).join(format!("{checksum}.{serial}"))
}

/// All deployments at one moment.
#[derive(Debug, Clone, Default)]
pub struct View(Vec<Deployment>);

impl View {
    /// In boot order, the staged one first.
    pub fn deployments(&self) -> impl Iterator<Item = &Deployment> {
        self.0.iter()
    }

    /// Their ids, and which is booted: two views with equal ids need no announcement.
    pub fn ids(&self) -> Vec<String> {
        self.0.iter().map(|each| format!("{} {} {}", each.id(), each.booted, each.staged)).collect()
    }

    /// The stateroots that have a deployment.
    pub fn osnames(&self) -> BTreeSet<String> {
        self.0.iter().map(|each| each.osname.clone()).collect()
    }

    /// The booted one, wherever.
    pub fn booted(&self) -> Option<&Deployment> {
        self.0.iter().find(|each| each.booted)
    }

    /// The booted one of a stateroot.
    pub fn booted_of(&self, osname: &str) -> Option<&Deployment> {
        self.of(osname).find(|each| each.booted)
    }

    /// What the next boot takes, and what a request starts from.
    pub fn default_of(&self, osname: &str) -> Option<&Deployment> {
        self.of(osname).next()
    }

    /// What comes in front of the booted one.
    pub fn pending_of(&self, osname: &str) -> Option<&Deployment> {
        self.default_of(osname).filter(|default| !default.booted && self.booted_of(osname).is_some())
    }

    /// What comes behind the booted one.
    pub fn rollback_of(&self, osname: &str) -> Option<&Deployment> {
        self.of(osname).skip_while(|each| !each.booted).nth(1)
    }

    fn of(&self, osname: &str) -> impl Iterator<Item = &Deployment> {
        self.0.iter().filter(move |each| each.osname == osname)
    }
}

/// Reads the sysroot of the sandbox at `dir`.
///
/// # Errors
/// When a boot entry leads nowhere.
pub fn read(dir: &Path) -> Result<View, Failure> {
    let booted = fs::read_to_string(dir.join("run/booted")).unwrap_or_default();
    let mut found = Vec::new();
    if let Some(staged) = Staged::read(dir) {
        let root = staged.root(dir);
        // A staged deployment whose tree somebody cleaned away is no deployment.
        if root.exists() {
            let mut deployment = deployment(&root, &staged.osname)?;
            deployment.staged = true;
            found.push(deployment);
        }
    }
    for entry in boot_entries(dir)? {
        let mut deployment = deployment(&entry.root, &entry.osname)?;
        deployment.booted = deployment.id() == booted.trim();
        found.push(deployment);
    }
    Ok(View(found))
}

fn deployment(root: &Path, osname: &str) -> Result<Deployment, Failure> {
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    let (checksum, serial) = name
        .split_once('.')
        .and_then(|(checksum, serial)| Some((checksum.to_owned(), serial.parse().ok()?)))
        .ok_or_else(|| Failure::new(format!("not a deployment: {}", root.display())))?;
    let origin = Origin::parse(&fs::read_to_string(origin_file(root))?);
    Ok(Deployment { osname: osname.to_owned(), checksum, serial, origin, booted: false, staged: false })
}

/// One file of the boot loader and what it leads to.
struct Entry {
    version: u32,
    file: PathBuf,
    osname: String,
    root: PathBuf,
}

impl Entry {
    fn id(&self) -> String {
        format!("{}-{}", self.osname, self.root.file_name().unwrap_or_default().to_string_lossy())
    }
}

// Highest version first: that is the order in which the loader offers them.
fn boot_entries(dir: &Path) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    for file in entry_files(dir)? {
        let text = fs::read_to_string(&file)?;
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        let version = value("version ").and_then(|text| text.parse().ok()).unwrap_or(0);
        let link = value("options ")
            .and_then(|text| text.split_whitespace().find_map(|word| word.strip_prefix("ostree=/")))
            .ok_or_else(|| Failure::new(format!("no ostree= in {}", file.display())))?;
        let root = fs::canonicalize(dir.join("sysroot").join(link))?;
        let osname = link.split('/').nth(2).unwrap_or_default().to_owned();
        entries.push(Entry { version, file, osname, root });
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.version));
    Ok(entries)
}

fn entry_files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir.join("sysroot/boot/loader/entries"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The entry files in boot order, each with the id of its deployment.
///
/// # Errors
/// When an entry leads nowhere.
pub fn boot_order(dir: &Path) -> Result<Vec<(PathBuf, String)>, Failure> {
    Ok(boot_entries(dir)?.into_iter().map(|entry| (entry.file.clone(), entry.id())).collect())
}
