//! What `poll` asks of a descriptor, kept up to date by whoever changes it.
//!
//! It does not wait. Reading it takes one load.
//!
//! Invariant: the bits say what is so now (level-triggered), and a bit that appears wakes every waiter.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicI16, Ordering};

use hermit_sync::InterruptTicketMutex;

use super::wait;
use crate::fd::PollEvent;
use crate::fd::watch::Watched;

/// There is something to read, or the end of it.
pub(crate) const READABLE: PollEvent = PollEvent::POLLIN.union(PollEvent::POLLRDNORM);
/// There is room to write.
pub(crate) const WRITABLE: PollEvent = PollEvent::POLLOUT.union(PollEvent::POLLWRNORM);
/// What is reported though nobody asked (POSIX `poll`).
const UNASKED: PollEvent = PollEvent::POLLERR.union(PollEvent::POLLHUP);

/// The readiness of one open object, shared by the object and whoever serves it.
#[derive(Debug)]
pub(crate) struct Ready {
    bits: AtomicI16,
    is_watched: AtomicBool,
    watched: InterruptTicketMutex<Option<Arc<Watched>>>,
}

impl Ready {
    pub(crate) fn new(events: PollEvent) -> Arc<Self> {
        Arc::new(Self {
            bits: AtomicI16::new(events.bits()),
            is_watched: AtomicBool::new(false),
            watched: InterruptTicketMutex::new(None),
        })
    }

    /// Replaces the bits; wakes the waiters if one appears.
    pub(crate) fn set(&self, events: PollEvent) {
        let before = PollEvent::from_bits_retain(self.bits.swap(events.bits(), Ordering::AcqRel));
        self.renew(events.difference(before));
    }

    /// Says that these bits are so, as if they had just appeared.
    pub(crate) fn renew(&self, events: PollEvent) {
        if events.is_empty() {
            return;
        }
        if self.is_watched.load(Ordering::Acquire)
            && let Some(watched) = self.watched.lock().as_ref()
        {
            watched.report(events);
        }
        wait::notify();
    }

    /// Reports to this watch instead of another. What is so already is reported at once.
    pub(crate) fn watch(&self, watched: Arc<Watched>) {
        let before = self.watched.lock().replace(watched);
        self.is_watched.store(true, Ordering::Release);
        if let Some(before) = before {
            before.forget();
        }
        self.renew(PollEvent::from_bits_retain(self.bits.load(Ordering::Acquire)));
    }

    /// Reports to no watch.
    pub(crate) fn unwatch(&self) -> Option<Arc<Watched>> {
        self.is_watched.store(false, Ordering::Release);
        let watched = self.watched.lock().take();
        if let Some(watched) = &watched {
            watched.forget();
        }
        watched
    }

    /// What of `asked` is so.
    pub(crate) fn among(&self, asked: PollEvent) -> PollEvent {
        PollEvent::from_bits_retain(self.bits.load(Ordering::Acquire)) & (asked | UNASKED)
    }
}
