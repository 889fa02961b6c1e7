//! A relay on loopback that counts: whoever got a byte through it finds that byte counted.
//!
//! A server's own log is written when the server likes; a test that says “not one byte was fetched” needs a count that
//! is ahead of the client. The relay can also cut a connection after so many bytes, as a bad network does, refuse all,
//! as a broken one does, and lead to another server from one moment to the next, as a load balancer does.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A running relay; it stops taking connections when dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    route: Mutex<Route>,
    connections: AtomicU64,
    received: AtomicU64,
    served: AtomicU64,
    cut_at: AtomicU64,
    closed: AtomicBool,
}

/// Where new connections go, and which there are. One lock for both: no connection slips through a change.
#[derive(Debug)]
struct Route {
    target: Option<SocketAddr>,
    open: BTreeMap<u64, TcpStream>,
}

impl Relay {
    /// Starts relaying to `target`.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            route: Mutex::new(Route { target: Some(target), open: BTreeMap::new() }),
            connections: AtomicU64::new(0),
            received: AtomicU64::new(0),
            served: AtomicU64::new(0),
            cut_at: AtomicU64::new(u64::MAX),
            closed: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        std::thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || accept(&listener, &accepting))
            .unwrap();
        Relay { address, shared }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections made so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Bytes that clients sent so far.
    pub fn bytes_received(&self) -> u64 {
        self.shared.received.load(Ordering::SeqCst)
    }

    /// Bytes that clients were sent so far, counted before they were.
    pub fn bytes_served(&self) -> u64 {
        self.shared.served.load(Ordering::SeqCst)
    }

    /// From now on every connection breaks as soon as so many more bytes were served; `None` heals the network.
    pub fn cut_after(&self, bytes: Option<u64>) {
        let at = bytes.map_or(u64::MAX, |bytes| self.bytes_served() + bytes);
        self.shared.cut_at.store(at, Ordering::SeqCst);
    }

    /// From now on connections go to another server; those that are open break. `None`: all are refused.
    pub fn lead_to(&self, target: Option<SocketAddr>) {
        let mut route = self.shared.route.lock().unwrap();
        route.target = target;
        for stream in std::mem::take(&mut route.open).into_values() {
            // It may have ended already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, so that it sees the end.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.closed.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        let Some((server, client)) = shared.connect(number, client) else { continue };
        let (Ok(to_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else { continue };
        let (up, down) = (shared.clone(), shared.clone());
        std::thread::spawn(move || {
            pump(client, to_server, |bytes| up.count_up(bytes));
            up.route.lock().unwrap().open.remove(&number);
        });
        std::thread::spawn(move || pump(server, to_client, |bytes| down.count_down(bytes)));
    }
}

impl Shared {
    /// Opens the other half of a client's connection; both are known as long as they live.
    fn connect(&self, number: u64, client: TcpStream) -> Option<(TcpStream, TcpStream)> {
        let mut route = self.route.lock().unwrap();
        let server = TcpStream::connect(route.target?).ok()?;
        // Small messages go both ways; none shall wait for the next.
        client.set_nodelay(true).and(server.set_nodelay(true)).ok()?;
        route.open.insert(number, client.try_clone().ok()?);
        Some((server, client))
    }

    fn count_up(&self, bytes: u64) -> bool {
        self.received.fetch_add(bytes, Ordering::SeqCst);
        true
    }

    fn count_down(&self, bytes: u64) -> bool {
        let before = self.served.fetch_add(bytes, Ordering::SeqCst);
        before + bytes <= self.cut_at.load(Ordering::SeqCst)
    }
}

/// Passes bytes on after `count` has agreed, until either side ends.
fn pump(mut from: TcpStream, mut to: TcpStream, count: impl Fn(u64) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !count(length as u64) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
