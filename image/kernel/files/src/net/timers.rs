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
    /// Whether the next entry would take more memory.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() == self.0.capacity()
    }

    /// Forgets entries that nobody needs. Where most are needed, there is room for as many again afterwards.
    pub(super) fn retain(&mut self, is_needed: impl Fn(u64, Name) -> bool) {
        self.0.retain(|Reverse((deadline, name))| is_needed(*deadline, *name));
        if self.0.len() > self.0.capacity() / 2 {
            self.0.reserve(self.0.len());
        }
    }

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
