//! Event counters (`eventfd`): how one thread wakes another that polls.
//!
//! It does not queue waiters: a write wakes every waiter, and each looks again.
//!
//! Invariant: the counter never exceeds `u64::MAX - 1`, and `ready` says whether it is zero.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use hermit_sync::InterruptTicketMutex;

use super::{EventFlags, PollEvent};
use crate::io::{Error, Result};
use crate::net::ready::{READABLE, Ready, WRITABLE};
use crate::net::retry;

const LARGEST: u64 = u64::MAX - 1;

/// The counter.
#[derive(Debug)]
pub(crate) struct EventCounter {
    count: InterruptTicketMutex<u64>,
    ready: Arc<Ready>,
    is_semaphore: bool,
    is_nonblocking: AtomicBool,
}

impl EventCounter {
    pub(crate) fn new(count: u64, flags: EventFlags) -> Self {
        Self {
            count: InterruptTicketMutex::new(count),
            ready: Ready::new(readiness(count)),
            is_semaphore: flags.contains(EventFlags::EFD_SEMAPHORE),
            is_nonblocking: AtomicBool::new(flags.contains(EventFlags::EFD_NONBLOCK)),
        }
    }

    pub(crate) fn ready(&self) -> Arc<Ready> {
        self.ready.clone()
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.is_nonblocking.load(Ordering::Relaxed)
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) {
        self.is_nonblocking.store(nonblocking, Ordering::Relaxed);
    }

    /// Takes the count, or one of it where it is a semaphore. Waits while it is zero.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> Result<usize> {
        let bytes = bytes.first_chunk_mut::<8>().ok_or(Error::EINVAL)?;
        let taken = retry(self.is_nonblocking(), None, || self.take())?;
        *bytes = taken.to_ne_bytes();
        Ok(bytes.len())
    }

    /// Adds to the count. Waits while it is full.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize> {
        let bytes = bytes.first_chunk::<8>().ok_or(Error::EINVAL)?;
        let added = u64::from_ne_bytes(*bytes);
        if added == u64::MAX {
            return Err(Error::EINVAL);
        }
        retry(self.is_nonblocking(), None, || self.add(added))?;
        Ok(bytes.len())
    }

    fn take(&self) -> Result<u64> {
        let mut count = self.count.lock();
        let taken = if self.is_semaphore { (*count).min(1) } else { *count };
        *count -= taken;
        self.ready.set(readiness(*count));
        if taken == 0 { Err(Error::EAGAIN) } else { Ok(taken) }
    }

    fn add(&self, added: u64) -> Result<()> {
        let mut count = self.count.lock();
        if added > LARGEST - *count {
            return Err(Error::EAGAIN);
        }
        *count += added;
        self.ready.set(readiness(*count));
        // Nobody needs to have read the count: every write is news.
        self.ready.renew(READABLE);
        Ok(())
    }
}

fn readiness(count: u64) -> PollEvent {
    let mut events = PollEvent::empty();
    if count > 0 {
        events |= READABLE;
    }
    if count < LARGEST {
        events |= WRITABLE;
    }
    events
}
