//! How many files one message may carry on this bus.
//!
//! **Trap:** dbus-daemon allows 16 descriptors in a message, and at the 17th it *drops the connection* instead of
//! answering with an error; dbus-broker passes 253, the most that the kernel takes. Nothing in the protocol tells, so the
//! bus is asked for its process and the process for its name. What is not known for sure counts as dbus-daemon.

use std::path::Path;

use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;

/// What dbus-daemon allows by default (`max_message_unix_fds`).
const DBUS_DAEMON: usize = 16;
/// What the kernel allows (`SCM_MAX_FD`), and dbus-broker with it.
const DBUS_BROKER: usize = 253;

/// The most descriptors that one message on this bus may carry.
pub(super) async fn descriptors(connection: &Connection) -> zbus::Result<usize> {
    let bus = DBusProxy::new(connection).await?;
    let name = BusName::from_static_str("org.freedesktop.DBus")?;
    // dbus-daemon gives its own process, dbus-broker that of its launcher. An error is an answer too: not known.
    let process = bus.get_connection_unix_process_id(name).await.ok();
    Ok(process.map_or(DBUS_DAEMON, |process| allowed(Path::new("/proc"), process)))
}

/// What the bus with this process allows. Seen from another process namespace, it is 0 or somebody else's.
fn allowed(proc: &Path, process: u32) -> usize {
    let name = std::fs::read_to_string(proc.join(process.to_string()).join("comm")).unwrap_or_default();
    // `comm` is cut at 15 bytes: `dbus-broker-launch` reads `dbus-broker-lau`.
    if matches!(name.trim_end(), "dbus-broker" | "dbus-broker-lau") { DBUS_BROKER } else { DBUS_DAEMON }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bus_that_is_known_to_take_more_is_given_more() {
        let proc = tempfile::tempdir().unwrap();
        let named = |process: &str, name: &str| {
            std::fs::create_dir(proc.path().join(process)).unwrap();
            std::fs::write(proc.path().join(process).join("comm"), name).unwrap();
        };
        named("1", "dbus-broker-lau\n");
        named("2", "dbus-broker\n");
        named("3", "dbus-daemon\n");
        named("4", "dbus-broker-not\n");
        let table = [(0, 16), (1, 253), (2, 253), (3, 16), (4, 16), (5, 16)];
        for (process, limit) in table {
            assert_eq!(allowed(proc.path(), process), limit, "{process}");
        }
    }
}
