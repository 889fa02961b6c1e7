//! A **stand-in** for rpm-ostreed: the same D-Bus surface, the same texts, the same traps, and real layering.
//!
//! What it answers follows the observed contract of the real daemon (2024.9); what it does is done with the `ostree` and
//! `rpm` commands on a real sysroot. It must not be taken for the real daemon anywhere it is shown, and it must not be
//! kinder than the real one: a client that passes here by luck would fail on a node.
//!
//! ```text
//!  bus call ─► call (log, remember the message) ─► sysroot | os ─► daemon (join, busy, lock) ─► transaction
//!                                                                                                │ Start
//!  peers ◄── signals in order ◄────────────────────────── output ◄── engine (one job, blocking) ◄┘
//! ```
//!
//! The sandbox directory it works in:
//! `sysroot/` the libostree sysroot; `run/booted` the booted deployment's id; `run/staged-deployment` what a reboot
//! will finalize; `run/transaction.sock` the peer socket; `run/reboot-requested` written when a reboot was asked for;
//! `control/` what the stand-in is told to do wrong ([`faults`]); `log/stand-in.log` a line per call.

pub mod call;
pub mod daemon;
pub mod dictionary;
pub mod engine;
pub mod errors;
pub mod experimental;
pub mod faults;
pub mod log;
pub mod os;
pub mod peer;
pub mod request;
pub mod service;
pub mod sysroot;
pub mod transaction;
