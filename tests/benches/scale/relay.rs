//! The relay that counts bytes, as a process of its own: one line in asks, one line out answers.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{ChildStdin, ChildStdout, Stdio};

use proof::process::{Running, bound};
use proof::relay::Relay;

/// What the relay has counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bytes {
    pub(crate) connections: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

/// A relay that runs.
pub(crate) struct Counter {
    address: SocketAddr,
    ask: ChildStdin,
    hear: BufReader<ChildStdout>,
    _process: Running,
}

impl Counter {
    /// Starts one before the server at `target`.
    pub(crate) fn start(target: SocketAddr) -> Self {
        let mut command = bound(std::env::current_exe().unwrap());
        command.arg("relay").arg(target.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Running::start(command);
        let ask = process.child().stdin.take().unwrap();
        let mut hear = BufReader::new(process.child().stdout.take().unwrap());
        let mut address = String::new();
        hear.read_line(&mut address).unwrap();
        Counter { address: address.trim().parse().unwrap(), ask, hear, _process: process }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What went through so far.
    pub(crate) fn bytes(&mut self) -> Bytes {
        writeln!(self.ask).unwrap();
        let mut answer = String::new();
        self.hear.read_line(&mut answer).unwrap();
        let mut numbers = answer.split_whitespace().map(|number| number.parse().unwrap());
        let mut next = || numbers.next().unwrap();
        Bytes { connections: next(), sent: next(), received: next() }
    }
}

/// Is the relay, until nobody asks any more.
pub(crate) fn serve(target: SocketAddr) {
    let relay = Relay::to(target);
    println!("{}", relay.address());
    for _ in std::io::stdin().lines() {
        println!("{} {} {}", relay.connections(), relay.bytes_received(), relay.bytes_served());
    }
}
