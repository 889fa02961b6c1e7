//! The bus side of the suite's own client: raw calls, nothing typed, nothing shared with the agent.
//!
//! A [`Caller`] is one connection, so one unique name: what the daemon ties to a caller (an unstarted transaction, a
//! registration) ends when that caller is closed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use zbus::wire::DynamicType;
use zbus::{Connection, DBusError, Message, OwnedVariant};

/// The well-known name.
pub(crate) const NAME: &str = "org.projectatomic.rpmostree1";
/// Where the object manager is.
pub(crate) const ROOT: &str = "/org/projectatomic/rpmostree1";
/// The one sysroot object.
pub(crate) const SYSROOT: &str = "/org/projectatomic/rpmostree1/Sysroot";
/// Its interface.
pub(crate) const SYSROOT_INTERFACE: &str = "org.projectatomic.rpmostree1.Sysroot";
/// The interface of a stateroot.
pub(crate) const OS_INTERFACE: &str = "org.projectatomic.rpmostree1.OS";
/// The second interface of a stateroot.
pub(crate) const EXPERIMENTAL_INTERFACE: &str = "org.projectatomic.rpmostree1.OSExperimental";
/// The interface on the private socket.
pub(crate) const TRANSACTION_INTERFACE: &str = "org.projectatomic.rpmostree1.Transaction";

/// A decoded `a{sv}`.
pub(crate) type Dict = BTreeMap<String, OwnedVariant>;

/// An error reply, or what zbus says when there is no reply at all.
#[derive(Debug, Clone)]
pub(crate) struct CallError {
    /// The D-Bus error name; `local` when the error was not a reply.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

impl fmt::Display for CallError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}`: `{}`", self.name, self.text)
    }
}

impl From<zbus::Error> for CallError {
    fn from(error: zbus::Error) -> Self {
        if let zbus::Error::MethodError(name, text, _) = &error {
            return CallError { name: name.to_string(), text: text.clone().unwrap_or_default() };
        }
        if let zbus::Error::FDO(inner) = &error {
            return CallError {
                name: inner.name().to_string(),
                text: inner.description().unwrap_or_default().to_owned(),
            };
        }
        CallError { name: "local".to_owned(), text: error.to_string() }
    }
}

/// Which bus.
#[derive(Debug, Clone)]
pub(crate) enum Bus {
    /// The system bus of this machine.
    System,
    /// The bus at an address.
    At(String),
}

/// One connection to the bus.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    bus: Connection,
}

impl Caller {
    /// A new connection with a unique name of its own; no call waits longer than `limit`.
    pub(crate) async fn connect(bus: &Bus, limit: Duration) -> Result<Self, CallError> {
        let builder = match bus {
            Bus::System => zbus::connection::Builder::system(),
            Bus::At(address) => zbus::connection::Builder::address(address.as_str()),
        };
        Ok(Caller { bus: builder.method_timeout(limit).build().await? })
    }

    /// The connection, for what needs more than a call.
    pub(crate) fn connection(&self) -> &Connection {
        &self.bus
    }

    /// The name the bus gave it.
    pub(crate) fn unique_name(&self) -> String {
        self.bus.unique_name().map(ToString::to_string).unwrap_or_default()
    }

    /// Calls a method of the daemon.
    pub(crate) async fn call<B>(
        &self,
        path: &str,
        interface: &str,
        member: &str,
        body: &B,
    ) -> Result<Message, CallError>
    where
        B: Serialize + DynamicType,
    {
        Ok(self.bus.call_method(Some(NAME), path, Some(interface), member, body).await?)
    }

    /// Calls a method of the bus itself.
    pub(crate) async fn call_bus<B>(&self, member: &str, body: &B) -> Result<Message, CallError>
    where
        B: Serialize + DynamicType,
    {
        let bus = "org.freedesktop.DBus";
        Ok(self.bus.call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), member, body).await?)
    }

    /// Reads one property.
    pub(crate) async fn property(
        &self,
        path: &str,
        interface: &str,
        name: &str,
    ) -> Result<OwnedVariant, CallError> {
        let reply = self.call(path, "org.freedesktop.DBus.Properties", "Get", &(interface, name)).await?;
        Ok(reply.body().deserialize::<OwnedVariant>()?)
    }

    /// Reads one property as a string or object path.
    pub(crate) async fn text(&self, path: &str, interface: &str, name: &str) -> Result<String, CallError> {
        let value = self.property(path, interface, name).await?;
        if let zbus::Variant::ObjectPath(path) = &*value {
            return Ok(path.to_string());
        }
        <&str>::try_from(&value).map(str::to_owned).map_err(|_| mistyped(name, "s or o", &value))
    }

    /// Reads one property as a dictionary.
    pub(crate) async fn dict(&self, path: &str, interface: &str, name: &str) -> Result<Dict, CallError> {
        let value = self.property(path, interface, name).await?;
        let seen = value.value_signature().to_string();
        let wrong =
            |_| CallError { name: "local".to_owned(), text: format!("{name} is `{seen}`, not `a{{sv}}`") };
        Dict::try_from(value).map_err(wrong)
    }

    /// The deployments in boot order.
    pub(crate) async fn deployments(&self) -> Result<Vec<Dict>, CallError> {
        let value = self.property(SYSROOT, SYSROOT_INTERFACE, "Deployments").await?;
        let zbus::Variant::Array(array) = &*value else {
            return Err(mistyped("Deployments", "aa{sv}", &value));
        };
        let dicts = array.iter().map(|item| {
            let owned = item.try_to_owned()?;
            Dict::try_from(owned)
        });
        Ok(dicts.collect::<Result<_, zbus::Error>>()?)
    }

    /// The address of the running transaction, empty when there is none.
    pub(crate) async fn active_path(&self) -> Result<String, CallError> {
        self.text(SYSROOT, SYSROOT_INTERFACE, "ActiveTransactionPath").await
    }

    /// Method, caller and object of the running transaction; three empty strings when there is none.
    pub(crate) async fn active(&self) -> Result<(String, String, String), CallError> {
        let value = self.property(SYSROOT, SYSROOT_INTERFACE, "ActiveTransaction").await?;
        let seen = value.try_clone()?;
        <(String, String, String)>::try_from(value).map_err(|_| mistyped("ActiveTransaction", "(sss)", &seen))
    }

    /// Leaves the bus: the unique name is gone when this returns.
    pub(crate) async fn close(self) -> Result<(), CallError> {
        Ok(self.bus.close().await?)
    }
}

fn mistyped(name: &str, wanted: &str, seen: &zbus::Variant<'_>) -> CallError {
    let text = format!("{name} is `{}`, not `{wanted}`", seen.value_signature());
    CallError { name: "local".to_owned(), text }
}
