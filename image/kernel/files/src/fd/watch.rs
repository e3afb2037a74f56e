//! Watches: which of many descriptors became usable, without a look at each.
//!
//! Whoever changes a descriptor's readiness puts it on the list of its watch. A wait takes that list, so it costs what
//! happened, not what is open. It is edge-triggered: a descriptor is reported when it becomes usable, once.
//!
//! Invariant: what becomes usable after it was watched is on the list, or was taken from it.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicI16, Ordering};
use core::time::Duration;

use hermit_sync::InterruptTicketMutex;

use super::table::{self, Open};
use super::{FileDescriptor, PollEvent};
use crate::io::{Error, Result};
use crate::net::{stack, tick, wait};

/// What happened to one descriptor, as the application sees it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Happening {
    /// The bits of `poll` that appeared.
    pub events: i16,
    /// What the application called the descriptor.
    pub token: u64,
}

/// One list.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    changed: InterruptTicketMutex<VecDeque<Arc<Watched>>>,
}

/// A descriptor's place in a watch.
#[derive(Debug)]
pub(crate) struct Watched {
    watch: Arc<Watch>,
    token: u64,
    asked: PollEvent,
    /// Bits that appeared and were not taken.
    appeared: AtomicI16,
    is_listed: AtomicBool,
}

impl Watched {
    /// Notes what appeared. Safe in an interrupt.
    pub(crate) fn report(self: &Arc<Self>, events: PollEvent) {
        let events = events & (self.asked | PollEvent::POLLERR | PollEvent::POLLHUP);
        if events.is_empty() {
            return;
        }
        self.appeared.fetch_or(events.bits(), Ordering::AcqRel);
        if !self.is_listed.swap(true, Ordering::AcqRel) {
            self.watch.changed.lock().push_back(self.clone());
        }
    }

    /// Nothing more is reported of it.
    pub(crate) fn forget(&self) {
        self.appeared.store(0, Ordering::Release);
    }

    fn take(&self) -> Option<Happening> {
        self.is_listed.store(false, Ordering::Release);
        let events = self.appeared.swap(0, Ordering::AcqRel);
        (events != 0).then_some(Happening { events, token: self.token })
    }
}

impl Watch {
    fn take(&self, into: &mut [Happening]) -> usize {
        let mut taken = 0;
        while taken < into.len() {
            let Some(watched) = self.changed.lock().pop_front() else { break };
            if let Some(happening) = watched.take() {
                into[taken] = happening;
                taken += 1;
            }
        }
        taken
    }
}

/// A new watch's descriptor.
pub(crate) fn open() -> Result<FileDescriptor> {
    table::insert(Open::Watch(Arc::default()))
}

fn find(watch: FileDescriptor) -> Result<Arc<Watch>> {
    match table::find(watch)? {
        Open::Watch(watch) => Ok(watch),
        _ => Err(Error::EINVAL),
    }
}

/// Watches `fd` for what is `asked`, instead of what was asked before. What is so already is reported at once.
pub(crate) fn watch(
    watch: FileDescriptor,
    fd: FileDescriptor,
    asked: PollEvent,
    token: u64,
) -> Result<()> {
    let watch = find(watch)?;
    let ready = table::find(fd)?.ready().ok_or(Error::EINVAL)?;
    let (appeared, is_listed) = (AtomicI16::new(0), AtomicBool::new(false));
    ready.watch(Arc::new(Watched { watch, token, asked, appeared, is_listed }));
    Ok(())
}

/// Watches `fd` no longer.
pub(crate) fn unwatch(fd: FileDescriptor) -> Result<()> {
    table::find(fd)?.ready().ok_or(Error::EINVAL)?.unwatch();
    Ok(())
}

/// Waits until something happened, or the time is over. Returns how much of `into` was filled.
pub(crate) fn wait_for(
    watch: FileDescriptor,
    into: &mut [Happening],
    timeout: Option<Duration>,
) -> Result<usize> {
    let watch = find(watch)?;
    let deadline = super::deadline(timeout);
    crate::console::be_patient();
    loop {
        let seen = wait::events();
        stack::run();
        let taken = watch.take(into);
        if taken > 0 {
            tick::keep();
            return Ok(taken);
        }
        if deadline.is_some_and(|deadline| deadline <= wait::now()) {
            return Ok(0);
        }
        wait::pause(seen, deadline);
    }
}
