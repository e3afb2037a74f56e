//! What `poll` asks of a descriptor, kept up to date by whoever changes it.
//!
//! It does not wait. Reading it takes one load.
//!
//! Invariant: the bits say what is so now (level-triggered), and a bit that appears wakes every waiter.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicI16, Ordering};

use super::wait;
use crate::fd::PollEvent;

/// There is something to read, or the end of it.
pub(crate) const READABLE: PollEvent = PollEvent::POLLIN.union(PollEvent::POLLRDNORM);
/// There is room to write.
pub(crate) const WRITABLE: PollEvent = PollEvent::POLLOUT.union(PollEvent::POLLWRNORM);
/// What is reported though nobody asked (POSIX `poll`).
const UNASKED: PollEvent = PollEvent::POLLERR.union(PollEvent::POLLHUP);

/// The readiness of one open object, shared by the object and whoever serves it.
#[derive(Debug)]
pub(crate) struct Ready(AtomicI16);

impl Ready {
    pub(crate) fn new(events: PollEvent) -> Arc<Self> {
        Arc::new(Self(AtomicI16::new(events.bits())))
    }

    /// Replaces the bits; wakes the waiters if one appears.
    pub(crate) fn set(&self, events: PollEvent) {
        let before = self.0.swap(events.bits(), Ordering::AcqRel);
        if events.bits() & !before != 0 {
            wait::notify();
        }
    }

    /// What of `asked` is so.
    pub(crate) fn among(&self, asked: PollEvent) -> PollEvent {
        PollEvent::from_bits_retain(self.0.load(Ordering::Acquire)) & (asked | UNASKED)
    }
}
