//! The message behind a method call.
//!
//! Joining compares whole messages byte by byte, handles by index: exactly what the real daemon's comparison amounts to.
//! zbus hands methods their decoded arguments only, so [`Remembered`] wraps an object, logs each call and keeps the
//! message within reach of the method that runs.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use zbus::export::async_trait::async_trait;
use zbus::message::{Header, Message};
use zbus::names::{InterfaceName, MemberName};
use zbus::object_server::{DispatchResult, Interface, SignalEmitter};
use zbus::{BoxDBusError, Connection, ObjectServer, OwnedVariant, Variant, fdo};

use super::log::Log;

tokio::task_local! {
    static MESSAGE: Message;
}

/// Who called what with which bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Unique name of the caller.
    pub sender: String,
    /// Object path the call went to.
    pub path: String,
    /// Method name.
    pub member: String,
    /// How many descriptors came with the message.
    pub descriptors: usize,
    signature: String,
    body: Vec<u8>,
}

impl Call {
    /// The call that is being answered by this task.
    ///
    /// # Panics
    /// Outside a method of a [`Remembered`] object.
    pub fn current() -> Self {
        MESSAGE.with(Self::of)
    }

    fn of(message: &Message) -> Self {
        let header = message.header();
        let body = message.body();
        Self {
            sender: header.sender().map(ToString::to_string).unwrap_or_default(),
            path: header.path().map(ToString::to_string).unwrap_or_default(),
            member: header.member().map(ToString::to_string).unwrap_or_default(),
            descriptors: message.data().fds().len(),
            signature: body.signature().to_string(),
            body: body.data().bytes().to_vec(),
        }
    }

    /// The trap of the contract: same method and equal parameters are *the same request*, whoever sent it. A handle is
    /// its index in the message, so two different files look equal.
    pub fn joins(&self, other: &Self) -> bool {
        self.member == other.member && self.signature == other.signature && self.body == other.body
    }
}

/// An object whose calls are logged and whose messages can be looked at.
pub struct Remembered<I> {
    inner: I,
    log: Arc<Log>,
}

impl<I> Remembered<I> {
    /// Wraps `inner`.
    pub fn new(inner: I, log: Arc<Log>) -> Self {
        Self { inner, log }
    }
}

#[async_trait]
impl<I: Interface> Interface for Remembered<I> {
    fn name() -> InterfaceName<'static> {
        I::name()
    }

    async fn get(
        &self,
        property: &str,
        server: &ObjectServer,
        connection: &Connection,
        header: Option<&Header<'_>>,
        emitter: &SignalEmitter<'_>,
    ) -> Option<Result<OwnedVariant, BoxDBusError>> {
        self.inner.get(property, server, connection, header, emitter).await
    }

    async fn get_all(
        &self,
        server: &ObjectServer,
        connection: &Connection,
        header: Option<&Header<'_>>,
        emitter: &SignalEmitter<'_>,
    ) -> fdo::Result<HashMap<String, OwnedVariant>> {
        self.inner.get_all(server, connection, header, emitter).await
    }

    async fn set_mut(
        &mut self,
        property: &str,
        value: &Variant<'_>,
        server: &ObjectServer,
        connection: &Connection,
        header: Option<&Header<'_>>,
        emitter: &SignalEmitter<'_>,
    ) -> Option<Result<(), BoxDBusError>> {
        self.inner.set_mut(property, value, server, connection, header, emitter).await
    }

    fn call<'call>(
        &'call self,
        server: &'call ObjectServer,
        connection: &'call Connection,
        message: &'call Message,
        name: MemberName<'call>,
    ) -> DispatchResult<'call> {
        let call = Call::of(message);
        self.log.line(&format!(
            "call {} on {} by {} with {} descriptors",
            call.member, call.path, call.sender, call.descriptors
        ));
        match self.inner.call(server, connection, message, name) {
            DispatchResult::Async(answer) => {
                DispatchResult::Async(Box::pin(MESSAGE.scope(message.clone(), answer)))
            }
            other @ (DispatchResult::NotFound | DispatchResult::RequiresMut) => other,
        }
    }

    fn call_mut<'call>(
        &'call mut self,
        server: &'call ObjectServer,
        connection: &'call Connection,
        message: &'call Message,
        name: MemberName<'call>,
    ) -> DispatchResult<'call> {
        self.inner.call_mut(server, connection, message, name)
    }

    fn introspect_to_writer(&self, writer: &mut dyn Write, level: usize) {
        self.inner.introspect_to_writer(writer, level);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs::File;

    use zbus::wire::Fd;

    use super::*;

    fn install(file: &str, nonce: &str) -> Call {
        let file = File::open(file).unwrap();
        let modifiers = HashMap::from([("install-local-packages", Variant::from(vec![Fd::from(&file)]))]);
        let options = HashMap::from([("initiating-command-line", Variant::from(nonce))]);
        let message = Message::method_call("/", "UpdateDeployment").build(&(modifiers, options)).unwrap();
        Call::of(&message)
    }

    #[test]
    fn two_different_files_under_one_index_look_like_the_same_request() {
        assert!(install("/proc/self/stat", "x").joins(&install("/proc/self/status", "x")));
    }

    #[test]
    fn a_nonce_keeps_two_requests_apart() {
        assert!(!install("/proc/self/stat", "x").joins(&install("/proc/self/stat", "y")));
    }
}
