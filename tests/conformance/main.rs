//! The conformance suite: what rpm-ostreed promises on D-Bus, tried against any bus.
//!
//! ```text
//!  ./tests/run conformance                                          a sandbox host with the stand-in
//!  CONFORMANCE_BUS=unix:path=SOCKET ./tests/run conformance         the daemon on that bus
//!  CONFORMANCE_BUS=system ./tests/run conformance                   the daemon on this machine's system bus
//!      --list   C-017   "part of a sentence"   --check-page   --bless
//! ```
//!
//! Nothing here knows the stand-in from the inside: the suite has its own client and its own packages. It stages, and drops
//! what it staged; it never reboots, and never touches base, rollback or what others layered. It kills the daemon only on
//! the stand-in or with `CONFORMANCE_ALLOW_KILL=1`. Left over are unreferenced packages in the daemon's cache, which its
//! next deployment drops.
//!
//! Exit code: 0 all clauses hold, 1 some do not, 3 this host is not to be touched (and why), 130 interrupted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is test code: a failed step must stop the test where it stands"
)]

mod arguments;
mod cancelling;
mod child;
mod client;
mod deployment;
mod deployments;
mod errors;
mod host;
mod idle;
mod introspection;
mod joining;
mod knob;
mod lifecycle;
mod local_rpms;
mod options;
mod outcome;
mod packages;
mod page;
mod peer;
mod poison;
mod request;
mod signals;
mod surface;
mod table;
mod verdict;
mod watch;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::FutureExt;
use proof::sandbox::Sandbox;

use arguments::Arguments;
use client::Bus;
use host::Host;
use table::{CLAUSES, Clause};
use verdict::{Stop, Verdict};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if runtime.block_on(child::main(&words)).is_some() {
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::read(words);
    if arguments.bless {
        page::bless().unwrap();
    }
    if arguments.list {
        CLAUSES
            .iter()
            .for_each(|clause| println!("{} {:8} {}", clause.name(), clause.section, clause.statement));
        return ExitCode::SUCCESS;
    }
    if let Err(why) = page::check() {
        println!("conformance: {why}");
        return ExitCode::FAILURE;
    }
    if arguments.bless || arguments.check_page {
        println!("conformance: the page of {} clauses is true", CLAUSES.len());
        return ExitCode::SUCCESS;
    }
    runtime.block_on(conformance(&arguments))
}

async fn conformance(arguments: &Arguments) -> ExitCode {
    let found = match std::env::var("CONFORMANCE_BUS") {
        Err(_) => {
            let sandbox = Sandbox::start();
            println!("on the stand-in, in a sandbox: this says nothing about a real rpm-ostreed");
            let bus = Bus::At(sandbox.bus_address());
            Host::find(bus, Some(sandbox), Duration::from_secs(120)).await
        }
        Ok(address) => {
            println!("on the bus `{address}`");
            let bus = if address == "system" { Bus::System } else { Bus::At(address) };
            Host::find(bus, None, Duration::from_secs(900)).await
        }
    };
    match found {
        Ok(host) => all(&host, arguments).await,
        Err(why) => {
            println!("conformance: not started: {why}");
            ExitCode::from(3)
        }
    }
}

/// Runs what is asked for, one after the other, and counts.
async fn all(host: &Host, arguments: &Arguments) -> ExitCode {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for clause in CLAUSES.iter().filter(|clause| arguments.want(clause)) {
        let name = clause.name();
        let verdict = tokio::select! {
            verdict = one(host, clause) => Some(verdict),
            // The clause is dropped where it stands, with its connections; what it left is cleaned up below.
            _ = tokio::signal::ctrl_c() => None,
        };
        let interrupted = verdict.is_none();
        match verdict {
            None => println!("{name} interrupted"),
            Some(Ok(())) => {
                passed += 1;
                println!("{name} ok   {}", clause.statement);
            }
            Some(Err(Stop::Fail(why))) => {
                failed += 1;
                println!("{name} FAIL {}: {why}", clause.statement);
            }
            Some(Err(Stop::Skip(why))) => {
                skipped += 1;
                println!("{name} skip {}: {why}", clause.statement);
            }
        }
        if let Err(why) = host.settle().await {
            println!("conformance: after {name} the host cannot be brought back to what it was: {why:?}");
            return ExitCode::FAILURE;
        }
        if interrupted {
            return ExitCode::from(130);
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One clause, which may neither hang nor take the others with it.
async fn one(host: &Host, clause: &Clause) -> Verdict {
    let attempt = AssertUnwindSafe((clause.run)(host)).catch_unwind();
    match tokio::time::timeout(host.limit * 4, attempt).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(_)) => verdict::fail("the clause itself panicked"),
        Err(_) => verdict::fail(format!("no end within {:?}", host.limit * 4)),
    }
}
