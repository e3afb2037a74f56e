//! Which connection wants to be looked at next, by time.
//!
//! It does not measure time. A connection may be in it more than once; an entry that came too early is found out by
//! whoever looks at the connection.
//!
//! Invariant: for each connection with a deadline there is an entry at or before it.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

/// A connection's number, and which of the connections that had it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Name {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// Deadlines in microseconds since start.
#[derive(Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(u64, Name)>>);

impl Timers {
    pub(super) fn add(&mut self, deadline: u64, name: Name) {
        self.0.push(Reverse((deadline, name)));
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<u64> {
        self.0.peek().map(|entry| entry.0.0)
    }

    /// Takes an entry whose time has come.
    pub(super) fn due(&mut self, now: u64) -> Option<Name> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|entry| entry.0.1)
    }
}
