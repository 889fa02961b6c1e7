//! `org.projectatomic.rpmostree1.OS`: one stateroot. Nearly every method makes a transaction and gives its address.
//!
//! What the stand-in cannot do (initramfs, repositories, kernel arguments, diffs) it refuses in its own name, so that
//! nobody takes the refusal for the daemon's.
#![allow(clippy::too_many_arguments, reason = "the arguments are those of the D-Bus methods")]

use std::collections::HashMap;
use std::sync::Arc;

use zbus::{OwnedVariant, interface};

use super::call::Call;
use super::daemon::Daemon;
use super::dictionary::{self, Dictionary};
use super::engine::deployments::{self, Deployment};
use super::engine::{CleanupWhat, Job};
use super::errors::BusError;
use super::request::{Options, Update};

type Given = HashMap<String, OwnedVariant>;
/// Package, kind of change, and details of each difference.
type Diff = Vec<(String, u32, Dictionary)>;

/// The object of one stateroot.
pub struct Os {
    daemon: Arc<Daemon>,
    name: String,
}

impl Os {
    /// The object for the stateroot `name`.
    pub fn new(daemon: Arc<Daemon>, name: &str) -> Self {
        Self { daemon, name: name.to_owned() }
    }

    async fn begin(&self, title: &str, job: Job) -> Result<String, BusError> {
        self.daemon.begin(Call::current(), title, job).await
    }

    async fn update(&self, update: Update) -> Result<String, BusError> {
        self.begin("new-deployment", Job::Update { osname: self.name.clone(), update: Box::new(update) })
            .await
    }

    fn role(&self, pick: impl FnOnce(&deployments::View, &str) -> Option<Deployment>) -> Dictionary {
        let view = deployments::read(self.daemon.dir()).unwrap_or_default();
        pick(&view, &self.name).map(|each| dictionary::of(self.daemon.dir(), &each)).unwrap_or_default()
    }
}

fn unsupported<T>(what: &str) -> Result<T, BusError> {
    Err(BusError::daemon_failed(format!("{what}: not supported by this stand-in")))
}

#[interface(name = "org.projectatomic.rpmostree1.OS")]
impl Os {
    #[zbus(out_args("transaction_address"))]
    async fn update_deployment(&self, modifiers: Given, options: Given) -> Result<String, BusError> {
        let descriptors = Call::current().descriptors;
        self.update(Update::new(modifiers, options, descriptors)?).await
    }

    #[zbus(out_args("transaction_address"))]
    async fn pkg_change(
        &self,
        options: Given,
        packages_added: Vec<String>,
        packages_removed: Vec<String>,
    ) -> Result<String, BusError> {
        let mut update = Update::new(HashMap::new(), options, 0)?;
        update.install = packages_added;
        update.uninstall = packages_removed;
        update.options.no_pull_base = true;
        self.update(update).await
    }

    #[zbus(out_args("transaction_address"))]
    async fn deploy(&self, revision: &str, options: Given) -> Result<String, BusError> {
        let mut update = Update::new(HashMap::new(), options, 0)?;
        update.revision = Some(revision.to_owned());
        self.update(update).await
    }

    #[zbus(out_args("transaction_address"))]
    async fn upgrade(&self, options: Given) -> Result<String, BusError> {
        self.update(Update::new(HashMap::new(), options, 0)?).await
    }

    #[zbus(out_args("transaction_address"))]
    async fn rebase(&self, options: Given, refspec: &str, packages: Vec<String>) -> Result<String, BusError> {
        drop(packages);
        let revision = options.get("revision").and_then(|value| String::try_from(value.clone()).ok());
        let mut update = Update::new(HashMap::new(), options, 0)?;
        update.refspec = Some(refspec.to_owned());
        update.revision = revision;
        self.update(update).await
    }

    #[zbus(out_args("transaction_address"))]
    async fn rollback(&self, options: Given) -> Result<String, BusError> {
        let reboot = Options::of(&options).reboot;
        self.begin("rollback", Job::Rollback { osname: self.name.clone(), reboot }).await
    }

    #[zbus(out_args("transaction_address"))]
    async fn clear_rollback_target(&self, options: Given) -> Result<String, BusError> {
        drop(options);
        let what = CleanupWhat { rollback: true, ..CleanupWhat::default() };
        self.begin("clear-rollback", Job::Cleanup { osname: self.name.clone(), what }).await
    }

    #[zbus(out_args("transaction_address"))]
    async fn cleanup(&self, elements: Vec<String>) -> Result<String, BusError> {
        let mut what = CleanupWhat::default();
        for element in &elements {
            match element.as_str() {
                "base" => what.base = true,
                "pending-deploy" => what.pending = true,
                "rollback-deploy" => what.rollback = true,
                "repomd" => what.repomd = true,
                other => return Err(BusError::gio_failed(format!("Invalid cleanup type: {other}"))),
            }
        }
        self.begin("cleanup", Job::Cleanup { osname: self.name.clone(), what }).await
    }

    #[zbus(out_args("transaction_address"))]
    async fn finalize_deployment(&self, options: Given) -> Result<String, BusError> {
        let text = |key: &str| options.get(key).and_then(|value| String::try_from(value.clone()).ok());
        let title = text("initiating-command-line").unwrap_or_else(|| "finalize-deployment".to_owned());
        let flag =
            |key: &str| options.get(key).is_some_and(|value| bool::try_from(value.clone()).unwrap_or(false));
        let job = Job::Finalize {
            osname: self.name.clone(),
            checksum: text("checksum"),
            allow_missing_checksum: flag("allow-missing-checksum"),
            allow_unlocked: flag("allow-unlocked"),
        };
        self.begin(&title, job).await
    }

    #[zbus(out_args("transaction_address"))]
    async fn refresh_md(&self, options: Given) -> Result<String, BusError> {
        let force = options.get("force").is_some_and(|value| bool::try_from(value.clone()).unwrap_or(false));
        self.begin(if force { "refresh-md (force)" } else { "refresh-md" }, Job::RefreshMd).await
    }

    #[zbus(out_args("enabled", "transaction_address"))]
    async fn automatic_update_trigger(&self, options: Given) -> Result<(bool, String), BusError> {
        drop(options);
        Ok((false, String::new()))
    }

    #[zbus(out_args("transaction_address"))]
    async fn kernel_args(
        &self,
        existing_kernel_arg_string: &str,
        kernel_args_added: Vec<String>,
        kernel_args_replaced: Vec<String>,
        kernel_args_removed: Vec<String>,
        options: Given,
    ) -> Result<String, BusError> {
        let _ = (
            existing_kernel_arg_string,
            kernel_args_added,
            kernel_args_replaced,
            kernel_args_removed,
            options,
        );
        unsupported("KernelArgs")
    }

    #[zbus(out_args("transaction_address"))]
    async fn set_initramfs_state(
        &self,
        regenerate: bool,
        args: Vec<String>,
        options: Given,
    ) -> Result<String, BusError> {
        let _ = (regenerate, args, options);
        unsupported("SetInitramfsState")
    }

    #[zbus(out_args("transaction_address"))]
    async fn initramfs_etc(
        &self,
        track: Vec<String>,
        untrack: Vec<String>,
        untrack_all: bool,
        force_sync: bool,
        options: Given,
    ) -> Result<String, BusError> {
        let _ = (track, untrack, untrack_all, force_sync, options);
        unsupported("InitramfsEtc")
    }

    #[zbus(out_args("transaction_address"))]
    async fn modify_yum_repo(
        &self,
        repo_id: &str,
        settings: HashMap<String, String>,
    ) -> Result<String, BusError> {
        drop(settings);
        Err(BusError::gio_failed(format!("Yum repo '{repo_id}' not found")))
    }

    #[zbus(out_args("repos"))]
    async fn list_repos(&self) -> Vec<Dictionary> {
        Vec::new()
    }

    #[zbus(out_args("packages"))]
    async fn get_packages(&self, names: Vec<String>) -> Vec<Dictionary> {
        drop(names);
        Vec::new()
    }

    #[zbus(out_args("packages"))]
    async fn what_provides(&self, provides: Vec<String>) -> Vec<Dictionary> {
        drop(provides);
        Vec::new()
    }

    #[zbus(out_args("packages"))]
    async fn search(&self, names: Vec<String>) -> Vec<Dictionary> {
        drop(names);
        Vec::new()
    }

    #[zbus(out_args("result"))]
    async fn get_deployments_rpm_diff(&self, deployid0: &str, deployid1: &str) -> Result<Diff, BusError> {
        let _ = (deployid0, deployid1);
        unsupported("GetDeploymentsRpmDiff")
    }

    #[zbus(out_args("result", "details"))]
    async fn get_cached_update_rpm_diff(&self, deployid: &str) -> Result<(Diff, Dictionary), BusError> {
        let _ = deployid;
        unsupported("GetCachedUpdateRpmDiff")
    }

    #[zbus(out_args("result", "details"))]
    async fn get_cached_deploy_rpm_diff(
        &self,
        revision: &str,
        packages: Vec<String>,
    ) -> Result<(Diff, Dictionary), BusError> {
        let _ = (revision, packages);
        unsupported("GetCachedDeployRpmDiff")
    }

    #[zbus(out_args("result", "details"))]
    async fn get_cached_rebase_rpm_diff(
        &self,
        refspec: &str,
        packages: Vec<String>,
    ) -> Result<(Diff, Dictionary), BusError> {
        let _ = (refspec, packages);
        unsupported("GetCachedRebaseRpmDiff")
    }

    #[zbus(out_args("transaction_address"))]
    async fn download_update_rpm_diff(&self) -> Result<String, BusError> {
        unsupported("DownloadUpdateRpmDiff")
    }

    #[zbus(out_args("transaction_address"))]
    async fn download_deploy_rpm_diff(
        &self,
        revision: &str,
        packages: Vec<String>,
    ) -> Result<String, BusError> {
        let _ = (revision, packages);
        unsupported("DownloadDeployRpmDiff")
    }

    #[zbus(out_args("transaction_address"))]
    async fn download_rebase_rpm_diff(
        &self,
        refspec: &str,
        packages: Vec<String>,
    ) -> Result<String, BusError> {
        let _ = (refspec, packages);
        unsupported("DownloadRebaseRpmDiff")
    }

    #[zbus(out_args("bootconfig"))]
    async fn get_deployment_boot_config(
        &self,
        deployid: &str,
        is_pending: bool,
    ) -> Result<Dictionary, BusError> {
        let view =
            deployments::read(self.daemon.dir()).map_err(|error| BusError::gio_failed(error.to_string()))?;
        let found = match (deployid, is_pending) {
            ("", true) => view.default_of(&self.name).cloned(),
            ("", false) => view.booted_of(&self.name).cloned(),
            (id, _) => view.deployments().find(|each| each.id() == id).cloned(),
        };
        let found = found
            .ok_or_else(|| BusError::daemon_failed(format!("Deployment with id '{deployid}' not found")))?;
        Ok(dictionary::boot_config(self.daemon.dir(), &found))
    }

    #[zbus(property)]
    async fn booted_deployment(&self) -> Dictionary {
        self.role(|view, name| view.booted_of(name).cloned())
    }

    #[zbus(property)]
    async fn default_deployment(&self) -> Dictionary {
        self.role(|view, name| view.default_of(name).cloned())
    }

    #[zbus(property)]
    async fn rollback_deployment(&self) -> Dictionary {
        self.role(|view, name| view.rollback_of(name).cloned())
    }

    #[zbus(property)]
    async fn cached_update(&self) -> Dictionary {
        Dictionary::new()
    }

    #[zbus(property)]
    async fn has_cached_update_rpm_diff(&self) -> bool {
        false
    }

    #[zbus(property)]
    async fn name(&self) -> String {
        self.name.clone()
    }
}
