//! A FleetLock server on loopback: it says what it is told to say, and keeps what it was asked.
//!
//! No such server can be installed here; this one speaks the protocol's two requests and is never called real.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A running server; it ends with the program.
#[derive(Debug)]
pub struct FleetLockServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    grants: AtomicBool,
    asked: Mutex<Vec<Question>>,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// `/v1/pre-reboot`, `/v1/steady-state`.
    pub path: String,
    /// Whether it had the protocol's header.
    pub marked: bool,
    /// `client_params`.
    pub client: Value,
}

impl FleetLockServer {
    /// Starts one that grants nothing yet.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = FleetLockServer { address: listener.local_addr().unwrap(), shared: Arc::default() };
        let shared = Arc::clone(&server.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.answer(&stream);
            }
        });
        server
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on a slot is granted, or not.
    pub fn grant(&self, grants: bool) {
        self.shared.grants.store(grants, Ordering::SeqCst);
    }

    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<Question> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// How often this was asked.
    pub fn count(&self, path: &str) -> usize {
        self.asked().iter().filter(|question| question.path == path).count()
    }
}

impl Shared {
    fn answer(&self, mut stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            // A client may leave before it has said anything.
            if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_ascii_lowercase());
        }
        let Some(path) = lines.first().and_then(|line| line.split(' ').nth(1).map(str::to_owned)) else {
            return;
        };
        let length = lines.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let marked = lines.iter().any(|line| line == "fleet-lock-protocol: true");
        let granted = path == "/v1/steady-state" || self.grants.load(Ordering::SeqCst);
        self.asked.lock().unwrap().push(Question { path, marked, client: body["client_params"].clone() });
        let (status, body) = if granted {
            ("200 OK", String::new())
        } else {
            ("409 Conflict", r#"{"kind":"failed_lock_semaphore","value":"all slots are taken"}"#.to_owned())
        };
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        // A client that went away needs no answer.
        let _ = stream.write_all(answer.as_bytes());
    }
}
