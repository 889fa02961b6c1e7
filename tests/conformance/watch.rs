//! What the bus tells everybody: the `PropertiesChanged` signals of the daemon, in order.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use zbus::message::Type;
use zbus::{MatchRule, Message, MessageStream};

use crate::client::{Caller, Dict, ROOT, SYSROOT};
use crate::host::Host;
use crate::verdict::{Stop, fail};

/// One signal, cut down to what changed where.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The member, `PropertiesChanged` unless the daemon has signals of its own.
    pub(crate) member: String,
    /// The object.
    pub(crate) path: String,
    /// The properties, with their new values.
    pub(crate) values: Dict,
}

impl Change {
    /// It tells of this property of the sysroot.
    pub(crate) fn sysroot(&self, property: &str) -> bool {
        self.path == SYSROOT && self.values.contains_key(property)
    }

    /// It tells that the address of the transaction is now empty (or now is not).
    pub(crate) fn transaction(&self, running: bool) -> bool {
        let address = self.values.get("ActiveTransactionPath").and_then(|value| <&str>::try_from(value).ok());
        self.path == SYSROOT && address.is_some_and(|address| address.is_empty() != running)
    }
}

/// A listener with a connection of its own.
pub(crate) struct Watch {
    caller: Caller,
    stream: MessageStream,
    limit: Duration,
}

impl Watch {
    /// Listens from now on.
    pub(crate) async fn begin(host: &Host) -> Result<Self, Stop> {
        let caller = host.caller().await?;
        let rule = MatchRule::builder().msg_type(Type::Signal).path_namespace(ROOT).build()?;
        let stream = MessageStream::for_match_rule(rule, caller.connection(), Some(QUEUE)).await?;
        Ok(Watch { caller, stream, limit: host.limit })
    }

    /// Everything up to the first change that is the one waited for, itself included.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        wanted: impl Fn(&Change) -> bool,
    ) -> Result<Vec<Change>, Stop> {
        let mut seen = Vec::new();
        loop {
            let Ok(item) = tokio::time::timeout(self.limit, self.stream.next()).await else {
                return fail(format!("no {what} on the bus within {:?}; saw {}", self.limit, brief(&seen)));
            };
            let Some(Ok(message)) = item else {
                return fail(format!("the bus went away before {what}"));
            };
            let change = read(&message)?;
            let last = wanted(&change);
            seen.push(change);
            if last {
                return Ok(seen);
            }
        }
    }

    /// Everything the daemon had sent before this call.
    pub(crate) async fn drain(&mut self) -> Result<Vec<Change>, Stop> {
        // A reply of the daemon on this connection comes after its earlier signals.
        self.caller.active_path().await?;
        let mut seen = Vec::new();
        while let Some(Some(Ok(message))) = self.stream.next().now_or_never() {
            seen.push(read(&message)?);
        }
        Ok(seen)
    }
}

/// Changes in one line: object and property names.
pub(crate) fn brief(changes: &[Change]) -> String {
    let line = |change: &Change| {
        let names: Vec<&str> = change.values.keys().map(String::as_str).collect();
        format!("{}{{{}}}", change.path.rsplit('/').next().unwrap_or_default(), names.join(","))
    };
    changes.iter().map(line).collect::<Vec<_>>().join(" ")
}

fn read(message: &Message) -> Result<Change, Stop> {
    let header = message.header();
    let member = header.member().map(ToString::to_string).unwrap_or_default();
    let path = header.path().map(ToString::to_string).unwrap_or_default();
    let body = message.body();
    let values = match member.as_str() {
        "PropertiesChanged" => body.deserialize::<(String, Dict, Vec<String>)>()?.1,
        _ => Dict::new(),
    };
    Ok(Change { member, path, values })
}

const QUEUE: std::num::NonZeroUsize = std::num::NonZeroUsize::new(1024).unwrap();
