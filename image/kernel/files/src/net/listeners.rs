//! Who listens, and who was let in and not yet fetched.
//!
//! It does not speak TCP: connections come here when their handshake is complete.
//!
//! Invariant: no queue is longer than its backlog plus the handshakes that were under way.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use smoltcp::wire::{IpAddress, IpListenEndpoint};

use super::ready::{READABLE, Ready};
use crate::fd::PollEvent;

/// No service of ours lets more wait.
const LARGEST_BACKLOG: usize = 4096;

/// One listening socket.
pub(super) struct Listener {
    local: IpListenEndpoint,
    backlog: usize,
    queue: VecDeque<u32>,
    ready: Arc<Ready>,
}

/// All listening sockets. There are few, and a SYN looks at each.
#[derive(Default)]
pub(super) struct Listeners(Vec<Option<Listener>>);

impl Listeners {
    /// Starts to listen. `None` if another listens there.
    pub(super) fn add(&mut self, local: IpListenEndpoint, backlog: usize, ready: Arc<Ready>) -> Option<u32> {
        if self.is_taken(&local) {
            return None;
        }
        ready.set(PollEvent::empty());
        let backlog = backlog.clamp(1, LARGEST_BACKLOG);
        let listener = Some(Listener { local, backlog, queue: VecDeque::new(), ready });
        let vacant = self.0.iter().position(Option::is_none);
        let index = vacant.unwrap_or_else(|| {
            self.0.push(None);
            self.0.len() - 1
        });
        self.0[index] = listener;
        Some(index as u32)
    }

    /// Whether someone listens at this port and address already.
    pub(super) fn is_taken(&self, local: &IpListenEndpoint) -> bool {
        self.0.iter().flatten().any(|listener| {
            let same_address =
                listener.local.addr.is_none() || local.addr.is_none() || listener.local.addr == local.addr;
            listener.local.port == local.port && same_address
        })
    }

    /// Who listens for a SYN to this address, if it has room.
    pub(super) fn for_syn(&self, address: IpAddress, port: u16) -> Match {
        let found = self.0.iter().enumerate().find_map(|(index, listener)| {
            let listener = listener.as_ref()?;
            let fits = listener.local.port == port && listener.local.addr.is_none_or(|own| own == address);
            fits.then_some((index as u32, listener.queue.len() < listener.backlog))
        });
        match found {
            None => Match::Nobody,
            Some((_, false)) => Match::Full,
            Some((index, true)) => Match::Listener(index),
        }
    }

    /// Lets a connection wait for `accept`. False if the listener is gone.
    pub(super) fn enqueue(&mut self, listener: u32, slot: u32) -> bool {
        let Some(Some(listener)) = self.0.get_mut(listener as usize) else { return false };
        listener.queue.push_back(slot);
        listener.ready.set(READABLE);
        true
    }

    /// Fetches the next connection.
    pub(super) fn accept(&mut self, listener: u32) -> Option<u32> {
        let listener = self.0.get_mut(listener as usize)?.as_mut()?;
        let slot = listener.queue.pop_front();
        if listener.queue.is_empty() {
            listener.ready.set(PollEvent::empty());
        }
        slot
    }

    /// Stops listening. Returns those that nobody will fetch.
    pub(super) fn remove(&mut self, listener: u32) -> VecDeque<u32> {
        let listener = self.0.get_mut(listener as usize).and_then(Option::take);
        listener.map(|listener| listener.queue).unwrap_or_default()
    }

    pub(super) fn local(&self, listener: u32) -> Option<IpListenEndpoint> {
        Some(self.0.get(listener as usize)?.as_ref()?.local)
    }
}

/// Who is there for a SYN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Match {
    Listener(u32),
    /// Somebody listens and has no room: say nothing, the peer asks again.
    Full,
    Nobody,
}
