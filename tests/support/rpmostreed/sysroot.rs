//! `org.projectatomic.rpmostree1.Sysroot`: the host as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use zbus::message::Header;
use zbus::wire::OwnedObjectPath;
use zbus::{OwnedVariant, interface};

use super::daemon::Daemon;
use super::dictionary::{self, Dictionary};
use super::engine::deployments;
use super::errors::BusError;
use super::service::os_path;

/// The object at `/org/projectatomic/rpmostree1/Sysroot`.
pub struct Sysroot {
    daemon: Arc<Daemon>,
}

impl Sysroot {
    /// The object for `daemon`.
    pub fn new(daemon: Arc<Daemon>) -> Self {
        Self { daemon }
    }

    fn view(&self) -> deployments::View {
        deployments::read(self.daemon.dir()).unwrap_or_default()
    }
}

fn sender(header: &Header<'_>) -> String {
    header.sender().map(ToString::to_string).unwrap_or_default()
}

fn path(text: &str) -> OwnedObjectPath {
    OwnedObjectPath::try_from(text.to_owned()).expect("made of valid bytes only")
}

#[interface(name = "org.projectatomic.rpmostree1.Sysroot")]
impl Sysroot {
    async fn register_client(
        &self,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) {
        let id = options.get("id").and_then(|id| String::try_from(id.clone()).ok());
        self.daemon.register(&sender(&header), id);
    }

    async fn unregister_client(
        &self,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) {
        drop(options);
        self.daemon.unregister(&sender(&header));
    }

    async fn reload(&self) {
        self.daemon.publish().await;
    }

    async fn reload_config(&self, #[zbus(header)] header: Header<'_>) -> Result<(), BusError> {
        self.daemon.authorize(&sender(&header)).await?;
        self.daemon.publish().await;
        Ok(())
    }

    #[zbus(name = "GetOS", out_args("object_path"))]
    async fn get_os(&self, name: &str) -> Result<OwnedObjectPath, BusError> {
        let view = self.view();
        let wanted = if name.is_empty() {
            view.booted().map(|booted| booted.osname.clone())
        } else {
            Some(name.to_owned())
        };
        match wanted {
            Some(wanted) if view.osnames().contains(&wanted) => Ok(path(&os_path(&wanted))),
            Some(wanted) => Err(BusError::not_found(format!("OS name \"{wanted}\" not found"))),
            None => Err(BusError::not_found(format!("OS name \"{name}\" not found"))),
        }
    }

    #[zbus(property)]
    async fn booted(&self) -> OwnedObjectPath {
        self.view().booted().map_or_else(|| path("/"), |booted| path(&os_path(&booted.osname)))
    }

    // The sandbox's sysroot is this host's `/` as far as a client is concerned.
    #[zbus(property)]
    async fn path(&self) -> String {
        "/".to_owned()
    }

    #[zbus(property)]
    async fn active_transaction(&self) -> (String, String, String) {
        self.daemon.active().0
    }

    #[zbus(property)]
    async fn active_transaction_path(&self) -> String {
        self.daemon.active().1
    }

    #[zbus(property)]
    async fn automatic_update_policy(&self) -> String {
        "none".to_owned()
    }

    #[zbus(property)]
    async fn deployments(&self) -> Vec<Dictionary> {
        self.view().deployments().map(|each| dictionary::of(self.daemon.dir(), each)).collect()
    }
}
