//! Sees every message on the bus, in order, and can say when it has seen all that came before a moment.
//!
//! A connection that was made a monitor gets a copy of whatever the bus dispatches. The barrier is a call of our own
//! with a word nobody else uses: the bus dispatches one message after the other, so whatever it had passed on before
//! that call has been seen when the call is seen.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream, Variant};

use super::bus::NAME;

/// One method call that went over the bus.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// The unique name of the caller.
    pub sender: String,
    /// Whom it was for.
    pub destination: String,
    /// The object.
    pub path: String,
    /// The interface, empty where the caller left it out.
    pub interface: String,
    /// The method.
    pub member: String,
    /// The arguments as JSON; a file descriptor is `"fd"`.
    pub args: Vec<Value>,
    /// How many file descriptors it carried.
    pub fds: u32,
}

/// The methods that change the host, or make a transaction that might.
const MUTATING: &[&str] = &[
    "UpdateDeployment",
    "PkgChange",
    "Deploy",
    "Upgrade",
    "Rebase",
    "Rollback",
    "ClearRollbackTarget",
    "Cleanup",
    "KernelArgs",
    "SetInitramfsState",
    "InitramfsEtc",
    "FinalizeDeployment",
    "AutomaticUpdateTrigger",
    "RefreshMd",
    "ModifyYumRepo",
    "LiveFs",
    "Moo",
    "DownloadPackages",
];

impl Call {
    /// Whether the call asks for a change of the host.
    pub fn is_mutating(&self) -> bool {
        MUTATING.contains(&self.member.as_str())
    }
}

/// What was seen so far, on this bus and on those before it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The calls, in order.
    pub(super) calls: Vec<Call>,
    /// Whether somebody has the name of rpm-ostreed.
    pub(super) daemon: bool,
}

/// Watches one bus from a thread of its own.
#[derive(Debug)]
pub(super) struct Monitor {
    barriers: UnboundedSender<mpsc::Sender<()>>,
    seen: Arc<Mutex<Seen>>,
}

impl Monitor {
    /// Starts watching; returns when nothing can be missed any more. What is seen goes behind what `seen` holds.
    pub(super) fn start(address: &str, seen: Arc<Mutex<Seen>>, log: &Path) -> Self {
        seen.lock().unwrap().daemon = false;
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let (barriers, requests) = unbounded_channel();
        let (ready, started) = mpsc::channel();
        let watch = Watch { requests, seen: seen.clone(), log, waiting: VecDeque::new(), asked: 0 };
        let address = address.to_owned();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(watch.run(&address, ready));
        };
        std::thread::Builder::new().name("bus monitor".to_owned()).spawn(run).unwrap();
        started.recv().expect("the monitor starts");
        Monitor { barriers, seen }
    }

    /// All calls that the bus passed on before this moment.
    pub(super) fn calls(&self) -> Vec<Call> {
        let (answer, done) = mpsc::channel();
        // Without a bus nothing more can come.
        if self.barriers.send(answer).is_ok() {
            let _ = done.recv();
        }
        self.seen.lock().unwrap().calls.clone()
    }
}

struct Watch {
    requests: UnboundedReceiver<mpsc::Sender<()>>,
    seen: Arc<Mutex<Seen>>,
    log: File,
    waiting: VecDeque<(String, mpsc::Sender<()>)>,
    asked: u64,
}

impl Watch {
    async fn run(mut self, address: &str, ready: mpsc::Sender<()>) {
        let connect = || zbus::connection::Builder::address(address).build();
        let watching = connect().await.unwrap();
        let asking = connect().await.unwrap();
        let mut messages = MessageStream::from(&watching);
        let monitoring = zbus::fdo::MonitoringProxy::new(&watching).await.unwrap();
        monitoring.become_monitor(&[], 0).await.unwrap();
        ready.send(()).unwrap();
        loop {
            // Both arms only take from a queue, so that dropping the loser loses nothing.
            tokio::select! {
                message = messages.next() => match message {
                    Some(Ok(message)) => self.note(&message),
                    Some(Err(_)) | None => return,
                },
                request = self.requests.recv() => match request {
                    Some(answer) => self.ask(&asking, answer).await,
                    None => return,
                },
            }
        }
    }

    /// Sends the barrier; its reply is of no interest, its own passage is.
    async fn ask(&mut self, asking: &Connection, answer: mpsc::Sender<()>) {
        self.asked += 1;
        let word = format!("org.example.Barrier.n{}", self.asked);
        let call = Message::method_call("/org/freedesktop/DBus", "NameHasOwner")
            .destination("org.freedesktop.DBus")
            .interface("org.freedesktop.DBus")
            .build(&word.as_str())
            .unwrap();
        if asking.send(&call).await.is_ok() {
            self.waiting.push_back((word, answer));
        }
    }

    fn note(&mut self, message: &Message) {
        let member = message.header().member().map(ToString::to_string);
        if member.as_deref() == Some("NameOwnerChanged") {
            let (name, _, owner): (String, String, String) = message.body().deserialize().unwrap();
            if name == NAME {
                self.seen.lock().unwrap().daemon = !owner.is_empty();
            }
        }
        if message.message_type() != Type::MethodCall {
            return;
        }
        let call = call(message);
        if call.destination == "org.freedesktop.DBus" {
            if let Some((word, _)) = self.waiting.front()
                && call.args.first().and_then(Value::as_str) == Some(word)
            {
                // The asker may have given up.
                let _ = self.waiting.pop_front().unwrap().1.send(());
            }
            return;
        }
        writeln!(self.log, "{}", serde_json::to_string(&call).unwrap()).unwrap();
        self.seen.lock().unwrap().calls.push(call);
    }
}

fn call(message: &Message) -> Call {
    let header = message.header();
    let text = |part: Option<String>| part.unwrap_or_default();
    let body = message.body();
    let args = if body.is_empty() {
        Vec::new()
    } else {
        let body: zbus::Structure<'_> =
            body.deserialize().expect("the bus passes on well-formed messages only");
        body.fields().iter().map(json).collect()
    };
    Call {
        sender: text(header.sender().map(ToString::to_string)),
        destination: text(header.destination().map(ToString::to_string)),
        path: text(header.path().map(ToString::to_string)),
        interface: text(header.interface().map(ToString::to_string)),
        member: text(header.member().map(ToString::to_string)),
        args,
        fds: header.unix_fds().unwrap_or(0),
    }
}

/// A value as plain JSON; a file descriptor is `"fd"`.
pub(super) fn json(value: &Variant<'_>) -> Value {
    match value {
        Variant::U8(number) => (*number).into(),
        Variant::Bool(yes) => (*yes).into(),
        Variant::I16(number) => (*number).into(),
        Variant::U16(number) => (*number).into(),
        Variant::I32(number) => (*number).into(),
        Variant::U32(number) => (*number).into(),
        Variant::I64(number) => (*number).into(),
        Variant::U64(number) => (*number).into(),
        Variant::F64(number) => (*number).into(),
        Variant::Str(text) => text.as_str().into(),
        Variant::Signature(signature) => signature.to_string().into(),
        Variant::ObjectPath(path) => path.as_str().into(),
        Variant::Variant(inner) => json(inner),
        Variant::Array(items) => items.inner().iter().map(json).collect(),
        Variant::Dict(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (word(key), json(value))).collect())
        }
        Variant::Structure(fields) => fields.fields().iter().map(json).collect(),
        Variant::Fd(_) => "fd".into(),
    }
}

fn word(key: &Variant<'_>) -> String {
    let key = json(key);
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}
