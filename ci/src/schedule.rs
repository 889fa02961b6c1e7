//! Whose turn it is in a pool: who fits goes, and whoever was passed too often is waited for.
//!
//! Decides: whether a request may reserve now. Must not: reserve part of a request, ask anything, or read a clock. Input: a
//! snapshot of a pool's ledger. The order is priority, then arrival. A smaller request may pass one that does not fit, but
//! only so often; from then on all room that comes free is left for the one that was passed.

use crate::config::{Pool, Size};
use crate::state::{Entry, Ledger, Waiter};

/// How often one waiting request is passed before nobody behind it may go.
pub const PASSES: u32 = 8;
/// Most waiting requests that a ledger holds; more wait without a place in the order.
const WAITERS: usize = 400;

/// One request at a pool.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// Its id.
    pub id: &'a str,
    /// The UID of its Lease.
    pub lease: &'a str,
    /// What all its nodes take together.
    pub size: Size,
    /// Which goes first: the lower number.
    pub priority: u32,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The request may reserve all that it wants.
    Go,
    /// It must wait, with so many before it.
    Wait {
        /// How many are before it.
        behind: usize,
    },
}

/// Whether it is this request's turn.
pub fn turn(ledger: &Ledger, pool: &Pool, claim: &Claim<'_>) -> Turn {
    let mut taken = ledger.used_beside(claim.id);
    let ahead = ahead(ledger, claim);
    for (_, waiter) in &ahead {
        if taken.plus(&waiter.size).exceeds(pool).is_none() {
            taken = taken.plus(&waiter.size); // it goes when it looks; its room is left to it
        } else if waiter.passed >= PASSES {
            return Turn::Wait { behind: ahead.len() };
        }
    }
    if taken.plus(&claim.size).exceeds(pool).is_none() {
        Turn::Go
    } else {
        Turn::Wait { behind: ahead.len() }
    }
}

/// Reserves for a request whose turn it is, and counts it for those that it passed.
pub fn admit(ledger: &mut Ledger, pool: &Pool, claim: &Claim<'_>) {
    let mut taken = ledger.used_beside(claim.id);
    let mut passed = Vec::new();
    for (id, waiter) in ahead(ledger, claim) {
        if taken.plus(&waiter.size).exceeds(pool).is_none() {
            taken = taken.plus(&waiter.size);
        } else {
            passed.push(id.to_owned());
        }
    }
    for id in passed {
        if let Some(waiter) = ledger.waiting.get_mut(&id) {
            waiter.passed = waiter.passed.saturating_add(1);
        }
    }
    ledger.waiting.remove(claim.id);
    ledger
        .entries
        .insert(claim.id.to_owned(), Entry { size: claim.size.clone(), lease: claim.lease.to_owned() });
}

/// Gives a request a place in the order; returns whether that changed anything.
pub fn enlist(ledger: &mut Ledger, claim: &Claim<'_>) -> bool {
    let known = ledger.waiting.get(claim.id).is_some_and(|waiter| {
        waiter.lease == claim.lease && waiter.size == claim.size && waiter.priority == claim.priority
    });
    if known || ledger.waiting.len() >= WAITERS {
        return false;
    }
    let waiter = Waiter {
        size: claim.size.clone(),
        lease: claim.lease.to_owned(),
        priority: claim.priority,
        turn: ledger.next,
        passed: 0,
    };
    ledger.next = ledger.next.saturating_add(1);
    ledger.waiting.insert(claim.id.to_owned(), waiter);
    true
}

/// Who is before a request, the first one first. One without a place in the order is behind all of its priority.
fn ahead<'a>(ledger: &'a Ledger, claim: &Claim<'_>) -> Vec<(&'a str, &'a Waiter)> {
    let own = ledger.waiting.get(claim.id).map_or(u64::MAX, |waiter| waiter.turn);
    let mut ahead: Vec<_> = ledger
        .waiting
        .iter()
        .filter(|(id, waiter)| *id != claim.id && (waiter.priority, waiter.turn) < (claim.priority, own))
        .map(|(id, waiter)| (id.as_str(), waiter))
        .collect();
    ahead.sort_by_key(|(_, waiter)| (waiter.priority, waiter.turn));
    ahead
}

#[cfg(test)]
mod tests;
