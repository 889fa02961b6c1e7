//! The directory that all containers of a pod share, and who receives repositories in it.
//!
//! Decides: what can be said of it. Must not: make objects. Input: the key `workspace` of a label.

use serde::Deserialize;

use super::amounts::Amount;
use super::words::{Directory, Image};

/// The name of the volume, and of the side-car that serves it.
pub const WORKSPACE: &str = "workspace";

/// Which container receives repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sync {
    /// The machine itself: its image has git.
    #[default]
    Main,
    /// A container beside it, so that no other image needs git.
    Sidecar,
}

/// An empty directory that every container of the pod mounts at the same path. It ends with the pod.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Workspace {
    /// Where it is mounted.
    #[serde(default = "Directory::workspace")]
    pub path: Directory,
    /// Most that it may hold, in MB; a pod that writes more is evicted.
    pub size: Option<Amount>,
    /// Which container receives repositories.
    #[serde(default)]
    pub sync: Sync,
    /// The image of the side-car; none means that of the machine. It needs `sh` and git.
    pub image: Option<Image>,
    /// A group that owns the directory and that every container is in. None is needed where all containers run as root;
    /// without it the directory is root's, and everybody may write there.
    pub fs_group: Option<Amount>,
}
