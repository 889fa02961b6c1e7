//! The process: connect, serve, watch who leaves the bus, exit when idle.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use zbus::Connection;
use zbus::fdo::{DBusProxy, ObjectManager};

use super::call::Remembered;
use super::daemon::Daemon;
use super::engine::deployments;
use super::experimental::Experimental;
use super::faults::Switch;
use super::os::Os;
use super::sysroot::Sysroot;

/// The well-known name.
pub const BUS_NAME: &str = "org.projectatomic.rpmostree1";
/// Where the object manager is.
pub const ROOT: &str = "/org/projectatomic/rpmostree1";
/// The one object that is always there.
pub const SYSROOT: &str = "/org/projectatomic/rpmostree1/Sysroot";

/// Object path of a stateroot: `/` and `-` become `_`, other odd bytes `_XX`.
pub fn os_path(osname: &str) -> String {
    let mut path = format!("{ROOT}/");
    for byte in osname.bytes() {
        match byte {
            b'/' | b'-' => path.push('_'),
            byte if byte.is_ascii_alphanumeric() => path.push(char::from(byte)),
            byte => path.push_str(&format!("_{byte:02x}")),
        }
    }
    path
}

/// Serves the sandbox at `dir` on the bus at `address` until idle exit or the end of the bus.
///
/// # Errors
/// When the bus cannot be reached, the name is taken, or the sysroot cannot be read.
pub async fn run(dir: &Path, address: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let dir = std::fs::canonicalize(dir)?;
    std::fs::create_dir_all(dir.join("run"))?;
    let bus = zbus::connection::Builder::address(address).build().await?;
    let daemon = Daemon::new(dir.clone(), bus.clone())?;
    let objects = bus.object_server();
    objects.at(ROOT, ObjectManager).await?;
    let log = Arc::clone(daemon.log());
    objects.at(SYSROOT, Remembered::new(Sysroot::new(Arc::clone(&daemon)), Arc::clone(&log))).await?;
    let view = deployments::read(&dir)?;
    for osname in view.osnames() {
        let os = Os::new(Arc::clone(&daemon), &osname);
        objects.at(os_path(&osname), Remembered::new(os, Arc::clone(&log))).await?;
        let experimental = Experimental::new(Arc::clone(&daemon));
        objects.at(os_path(&osname), Remembered::new(experimental, Arc::clone(&log))).await?;
    }
    let gone = tokio::spawn(watch_names(bus.clone(), Arc::clone(&daemon)));
    bus.request_name(BUS_NAME).await?;
    log.line(&format!("serving {} as pid {}", dir.display(), std::process::id()));
    let why = tokio::select! {
        // Both only wait; nothing is lost when the other ends first.
        () = bus.closed() => "the bus is gone",
        () = until_idle(&daemon) => "idle",
    };
    log.line(&format!("exiting: {why}"));
    gone.abort();
    Ok(())
}

// Looks at the sysroot too, as the real daemon does: `ostree admin` may have changed it behind our back.
async fn until_idle(daemon: &Arc<Daemon>) {
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let limit = Duration::from_secs(daemon.faults().number(Switch::IdleSeconds, 60));
        if daemon.idle_for(Instant::now()).is_some_and(|idle| idle >= limit) {
            return;
        }
        daemon.publish_if_changed().await;
    }
}

async fn watch_names(bus: Connection, daemon: Arc<Daemon>) {
    let Ok(proxy) = DBusProxy::new(&bus).await else { return };
    let Ok(mut changes) = proxy.receive_name_owner_changed().await else { return };
    while let Some(change) = changes.next().await {
        let Ok(change) = change.args() else { continue };
        if change.new_owner().is_none() {
            daemon.name_vanished(change.name().as_str()).await;
        }
    }
}

/// Emits one `PropertiesChanged` with all `changed` in it, as GDBus groups them.
pub(super) async fn announce(
    connection: &Connection,
    path: &str,
    interface: &str,
    changed: HashMap<&str, zbus::Variant<'_>>,
) {
    let invalidated: [&str; 0] = [];
    // A bus that is gone needs no news.
    let _ = connection
        .emit_signal(
            None::<zbus::names::BusName<'_>>,
            path,
            "org.freedesktop.DBus.Properties",
            "PropertiesChanged",
            &(interface, changed, invalidated.as_slice()),
        )
        .await;
}

#[cfg(test)]
mod tests {
    use super::os_path;

    #[test]
    fn a_stateroot_becomes_an_object_path_by_the_rule_of_the_daemon() {
        assert_eq!(os_path("fedora-coreos"), "/org/projectatomic/rpmostree1/fedora_coreos");
        assert_eq!(os_path("rhcos"), "/org/projectatomic/rpmostree1/rhcos");
        assert_eq!(os_path("a.b"), "/org/projectatomic/rpmostree1/a_2eb");
    }
}
