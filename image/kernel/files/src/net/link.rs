//! The card and smoltcp's interface: what every connection needs to send.
//!
//! It owns no sockets. Invariant: `now` is the time of the present run and does not change within it.

use smoltcp::iface::Interface;
use smoltcp::time::Instant;

use super::nic::Nic;

/// The way out.
pub(super) struct Link {
    pub(super) nic: Nic,
    pub(super) iface: Interface,
    pub(super) now: Instant,
    /// Whether a neighbour was asked for its address and connections wait for the answer.
    pub(super) awaits_neighbor: bool,
}

impl Link {
    /// `now` in microseconds since start.
    pub(super) fn micros(&self) -> u64 {
        self.now.total_micros() as u64
    }
}
