//! Hears when deployments or the running transaction may have changed, and says *look*.
//!
//! Decides: whether a signal is news. A signal's content is never believed, so that a forged, lost or repeated one costs a
//! look at most; and the daemon repeats its signals at every `Reload`, which each of our own looks calls, so what is
//! there is held against what was there at the last signal. Without that, every look would call for the next one.
//! Listens on a connection of its own: a stream that is not drained would stall every call on the connection it shares.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use zbus::message::Type;
use zbus::proxy::CacheProperties;
use zbus::{Connection, MatchRule, MessageStream};

use super::proxy::{NAME, sysroot, sysroot::SysrootProxy};
use super::session::{Expectations, bus};
use super::{Deployment, HostError, observed};

/// A counter that moves with every piece of news, for as long as this value lives.
#[derive(Debug)]
pub(super) struct Changes {
    counter: watch::Sender<u64>,
    listener: JoinHandle<()>,
}

impl Changes {
    /// Starts to listen. When it returns, no later change is missed.
    ///
    /// # Errors
    /// [`HostError::Bus`].
    pub(super) async fn listen(address: Option<String>, expected: Expectations) -> Result<Self, HostError> {
        let counter = watch::Sender::new(0);
        let ears = Ears::open(address.as_deref(), &expected).await?;
        let listener = tokio::spawn(keep_listening(ears, counter.clone(), address, expected));
        Ok(Self { counter, listener })
    }

    /// The counter.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.counter.subscribe()
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// One subscription: the daemon's properties, and its coming and going.
struct Ears {
    properties: MessageStream,
    owner: MessageStream,
    bus: Connection,
    answer: Duration,
    seen: Option<Seen>,
}

/// What the properties showed at the last signal.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    transaction: String,
    deployments: Vec<Deployment>,
}

/// What was heard.
enum Heard {
    /// Something is not as it was.
    News,
    /// A signal that repeats what is known.
    Nothing,
    /// The bus is gone.
    Silence,
}

impl Ears {
    async fn open(address: Option<&str>, expected: &Expectations) -> Result<Self, HostError> {
        let connection = bus(address, expected.answer).await?;
        let failed = |source: zbus::Error| HostError::Bus {
            address: crate::text::shown(address.unwrap_or("system")),
            source: Box::new(source),
        };
        Self::subscribe(connection, expected.answer).await.map_err(failed)
    }

    async fn subscribe(connection: Connection, answer: Duration) -> zbus::Result<Self> {
        let properties = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(NAME)
            .path(sysroot::PATH)
            .interface("org.freedesktop.DBus.Properties")
            .member("PropertiesChanged")
            .add_arg(sysroot::INTERFACE)
            .build()?;
        let owner = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.DBus")
            .interface("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .add_arg(NAME)
            .build()?;
        Ok(Self {
            properties: MessageStream::for_match_rule(properties, &connection, None).await?,
            owner: MessageStream::for_match_rule(owner, &connection, None).await?,
            bus: connection,
            answer,
            seen: None,
        })
    }

    /// Waits for one signal and says what it means.
    async fn hear(&mut self) -> Heard {
        // Cancel-safe: `next` takes a message out of its queue only when it returns it.
        tokio::select! {
            signal = self.properties.next() => match signal {
                Some(Ok(_)) => self.compare().await,
                Some(Err(_)) | None => Heard::Silence,
            },
            signal = self.owner.next() => match signal {
                Some(Ok(_)) => Heard::News,
                Some(Err(_)) | None => Heard::Silence,
            },
        }
    }

    /// Holds the properties against those of the last signal. What cannot be read counts as news: a look will tell.
    async fn compare(&mut self) -> Heard {
        let now = timeout(self.answer, self.read()).await.ok().flatten();
        let known = now.is_some() && now == self.seen;
        self.seen = now;
        if known { Heard::Nothing } else { Heard::News }
    }

    /// No `Reload` here: that would make the next signal.
    async fn read(&self) -> Option<Seen> {
        let proxy =
            SysrootProxy::builder(&self.bus).cache_properties(CacheProperties::No).build().await.ok()?;
        let transaction = proxy.active_transaction_path().await.ok()?;
        let deployments = observed::deployments(proxy.deployments().await.ok()?).ok()?;
        Some(Seen { transaction, deployments })
    }
}

async fn keep_listening(
    mut ears: Ears,
    counter: watch::Sender<u64>,
    address: Option<String>,
    expected: Expectations,
) {
    loop {
        loop {
            match ears.hear().await {
                Heard::News => moved(&counter),
                Heard::Nothing => {}
                Heard::Silence => break,
            }
        }
        // The bus went away. Whatever happens until it is back goes unheard, so that calls for a look, too.
        drop(ears);
        moved(&counter);
        ears = reopen(address.as_deref(), &expected).await;
        moved(&counter);
    }
}

async fn reopen(address: Option<&str>, expected: &Expectations) -> Ears {
    let mut attempt = 0;
    loop {
        sleep(expected.pause_after(attempt).max(Duration::from_millis(10))).await;
        match Ears::open(address, expected).await {
            Ok(ears) => return ears,
            Err(error) => tracing::debug!(%error, "the message bus is still away"),
        }
        attempt = attempt.saturating_add(1);
    }
}

fn moved(counter: &watch::Sender<u64>) {
    counter.send_modify(|count| *count = count.wrapping_add(1));
}
