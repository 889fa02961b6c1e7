//! The private socket: whoever connects may follow the transaction, and may cancel it.
//!
//! A plain peer-to-peer server: SASL EXTERNAL, no Hello, one object at `/`. There is no authorization here at all, which
//! is what the real one does.
#![allow(clippy::too_many_arguments, reason = "the arguments are those of the D-Bus signals")]

use std::collections::HashMap;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use zbus::object_server::{ResponseDispatchNotifier, SignalEmitter};
use zbus::{Connection, Guid, Variant, interface};

use super::engine::context::Output;
use super::service::announce;
use super::transaction::Transaction;

const PATH: &str = "/";
const INTERFACE: &str = "org.projectatomic.rpmostree1.Transaction";

/// The object that peers see.
pub struct Peer {
    transaction: Arc<Transaction>,
}

#[interface(name = "org.projectatomic.rpmostree1.Transaction")]
impl Peer {
    /// True when this call started the transaction, false when somebody else already had.
    #[zbus(out_args("started"))]
    async fn start(&self, #[zbus(connection)] connection: &Connection) -> ResponseDispatchNotifier<bool> {
        let job = self.transaction.take_job();
        let (answer, sent) = ResponseDispatchNotifier::new(job.is_some());
        let transaction = Arc::clone(&self.transaction);
        let connection = connection.clone();
        tokio::spawn(async move {
            sent.await;
            match (job, transaction.finished()) {
                (Some(job), _) => transaction.run(job).await,
                (None, Some((success, text))) => finished(&connection, success, &text).await,
                (None, None) => {}
            }
        });
        answer
    }

    async fn cancel(&self) {
        self.transaction.cancel();
    }

    #[zbus(property)]
    async fn title(&self) -> String {
        self.transaction.title()
    }

    #[zbus(property)]
    async fn initiating_client_description(&self) -> String {
        self.transaction.client().to_owned()
    }

    #[zbus(signal)]
    async fn finished(emitter: &SignalEmitter<'_>, success: bool, error_message: &str) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn message(emitter: &SignalEmitter<'_>, text: &str) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn task_begin(emitter: &SignalEmitter<'_>, text: &str) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn task_end(emitter: &SignalEmitter<'_>, text: &str) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn percent_progress(emitter: &SignalEmitter<'_>, text: &str, percentage: u32) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn progress_end(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn download_progress(
        emitter: &SignalEmitter<'_>,
        time: (u64, u64),
        outstanding: (u32, u32),
        metadata: (u32, u32, u32),
        delta: (u32, u32, u32, u64),
        content: (u32, u32),
        transfer: (u64, u64),
    ) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn signature_progress(
        emitter: &SignalEmitter<'_>,
        signatures: Vec<Variant<'_>>,
        commit: &str,
    ) -> zbus::Result<()>;
}

/// Accepts peers until it is aborted.
pub(super) async fn accept(listener: UnixListener, transaction: Arc<Transaction>) {
    let listener = tokio::net::UnixListener::from_std(listener).expect("a non-blocking listener");
    while let Ok((stream, _)) = listener.accept().await {
        let transaction = Arc::clone(&transaction);
        tokio::spawn(async move {
            let Ok(stream) = stream.into_std() else { return };
            let builder = zbus::connection::Builder::unix_stream(stream)
                .server(Guid::generate())
                .p2p()
                .serve_at(PATH, Peer { transaction: Arc::clone(&transaction) });
            // A peer that never says who it is must not be kept for ever.
            let limit = Duration::from_secs(30);
            let Ok(Ok(connection)) = tokio::time::timeout(limit, builder.build()).await else { return };
            let number = transaction.add_peer(connection.clone());
            connection.closed().await;
            transaction.remove_peer(number).await;
        });
    }
}

/// Tells one peer what happened. A peer that has gone is told nothing.
pub(super) async fn tell(peer: &Connection, output: &Output) {
    let Ok(emitter) = SignalEmitter::new(peer, PATH) else { return };
    let _ = match output {
        Output::Title(title) => {
            let changed = HashMap::from([("Title", Variant::from(title.as_str()))]);
            announce(peer, PATH, INTERFACE, changed).await;
            Ok(())
        }
        Output::Message(text) => Peer::message(&emitter, text).await,
        Output::TaskBegin(text) => Peer::task_begin(&emitter, text).await,
        Output::TaskEnd => Peer::task_end(&emitter, "done").await,
        Output::Percent(text, percentage) => Peer::percent_progress(&emitter, text, *percentage).await,
        Output::ProgressEnd => Peer::progress_end(&emitter).await,
        Output::Changed => Ok(()),
    };
}

/// Sends `Finished` to one peer.
pub(super) async fn finished(peer: &Connection, success: bool, text: &str) {
    if let Ok(emitter) = SignalEmitter::new(peer, PATH) {
        let _ = Peer::finished(&emitter, success, text).await;
    }
}
