//! What the service has in hand at this moment: connections, requests, and whether it is about to end.
//!
//! Counters only; who is refused because of them is decided elsewhere. Invariant: what is counted up is counted down when
//! its [`Held`] is dropped, on whatever way that happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Shared by the listeners, the connections and the pages. One thread writes, so that no stronger ordering is needed.
#[derive(Debug, Default)]
pub struct Load {
    connections: Arc<AtomicU32>,
    requests: Arc<AtomicU32>,
    draining: AtomicBool,
}

/// One connection or one request, counted until this is dropped.
#[derive(Debug)]
pub struct Held(Arc<AtomicU32>);

impl Held {
    fn in_(counter: &Arc<AtomicU32>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counter))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Load {
    /// Counts a connection until the handle is dropped.
    pub fn connection(&self) -> Held {
        Held::in_(&self.connections)
    }

    /// Counts a request, until its answer is sent and the handle dropped.
    pub fn request(&self) -> Held {
        Held::in_(&self.requests)
    }

    /// Open connections of all listeners.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Requests whose answers are not sent to the end.
    pub fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Says that no new visitor should be sent here. Never taken back.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the end has begun.
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
