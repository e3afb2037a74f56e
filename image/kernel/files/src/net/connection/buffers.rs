//! What a connection holds of the heap: buffers that grow with use and are given back; and its turn while memory is short.
//!
//! It moves no bytes. Invariant: the budget counts what the buffers take.

use alloc::vec::Vec;

use smoltcp::socket::tcp::{SocketBuffer, State};

use super::{Connection, INITIAL_BYTES, Owner, RECORD_BYTES};
use crate::mm::allocator;
use crate::net::budget::Budget;
use crate::net::frame::{Segment, flags};
use crate::net::settings::LARGEST_RECEIVE_BYTES;

/// What a writer is given however little is left, so that its answer gets on: two segments as Ethernet has them, which a
/// peer acknowledges at once (RFC 9293, 3.8.6.3), where it may keep one waiting.
const LEAST_SEND_BYTES: usize = 3 << 10;
/// Who says nothing for so long, in microseconds, and has nothing to take, needs no buffers until it speaks.
const REST_US: u64 = 1_000_000;
/// Whose peer was heard within this time is spared when memory is short.
const SPARED_US: u64 = 5_000_000;

impl Connection {
    /// Gives it its first buffers, or those that it gave back, unless it has them. Strangers get none before their SYN|ACK
    /// came back. While memory is not ample, the one for sending comes with the first word.
    pub(in crate::net) fn furnish(&mut self, budget: &mut Budget) -> bool {
        if self.socket_ref().recv_capacity() != 0 {
            return true;
        }
        let sends_at_once = self.socket_ref().send_capacity() == 0 && (budget.is_ample() || self.is_ours);
        let sends = if sends_at_once { INITIAL_BYTES } else { 0 };
        self.furnish_with(self.offered, sends, budget)
            || self.offered > INITIAL_BYTES && self.furnish_with(INITIAL_BYTES, sends, budget)
    }

    fn furnish_with(&mut self, receives: usize, sends: usize, budget: &mut Budget) -> bool {
        let buffers = storage(receives).zip(storage(sends));
        let Some((receive, transmit)) = buffers.filter(|_| budget.take(receives + sends)) else {
            return false;
        };
        self.socket().resize_receive(receive) && (sends == 0 || self.socket().resize_transmit(transmit))
    }

    /// Whether it must have a receive buffer before smoltcp sees this segment: where there is something to keep, where a
    /// handshake ends, and where a reset is judged by the window.
    pub(in crate::net) fn needs_room_for(&self, segment: Segment) -> bool {
        let is_kept = !self.is_embryo() && (segment.has_payload || segment.flags & flags::RST != 0);
        is_kept || self.is_embryo() && segment.says(flags::ACK, flags::ACK | flags::RST)
    }

    /// Whether it gave its buffers back until its peer speaks again.
    fn rests(&self) -> bool {
        self.owner == Owner::Socket && self.cost() == RECORD_BYTES
    }

    /// When it may give its buffers back, microseconds since start; `None` while they are in use, and for those that we
    /// began: they are few, and nobody else could be asked to make room for them.
    pub(in crate::net) fn rests_at(&self) -> Option<u64> {
        let socket = self.socket_ref();
        let is_idle =
            socket.state() == State::Established && socket.recv_queue() == 0 && socket.send_queue() == 0;
        let holds = self.owner == Owner::Socket && !self.is_ours && socket.recv_capacity() > 0;
        (holds && is_idle).then(|| self.heard.saturating_add(REST_US))
    }

    /// How dispensable it is when memory is short: those that nobody holds first, then those whose peer owes an
    /// acknowledgement, then the idle; among them the longest silent. `None` for those that we began or that have nothing
    /// to give, and for those that were heard of late or rest, unless there is `no_other` way.
    pub(in crate::net) fn dispensability(&self, now: u64, no_other: bool) -> Option<(u8, u64)> {
        // One that answers our probes and takes nothing is as good as silent.
        let silence = now.saturating_sub(self.heard.min(self.took));
        match self.owner {
            Owner::Embryo { .. } => None,
            Owner::Orphan { .. } => Some((3, silence)),
            _ if self.is_ours || self.owner != Owner::Socket && self.cost() == RECORD_BYTES => None,
            // Who waits for us is not silent.
            _ if (silence < SPARED_US || self.is_held) && !no_other => None,
            // It would give but its record, and what the service has for it, and that not at once.
            _ if self.rests() => no_other.then_some((0, silence)),
            _ => Some((1 + u8::from(self.socket_ref().send_queue() > 0), silence)),
        }
    }

    pub(super) fn watch_progress(&mut self, now: u64) {
        let untaken = self.socket_ref().send_queue();
        if untaken == 0 || untaken < self.untaken {
            self.took = now;
        }
        self.untaken = untaken;
    }

    /// A connection that has nothing to send needs no buffer to send from where others need memory, and none to receive into
    /// that is empty: it keeps the window that it offered.
    pub(super) fn give_back_unused(&mut self, budget: &mut Budget) {
        let (before, socket) = (self.cost(), self.socket_ref());
        let receives_nothing = socket.state() == State::Established && socket.recv_queue() == 0;
        let (sends_nothing, receives) = (socket.send_queue() == 0 && !self.is_full, socket.recv_capacity());
        if self.is_ours {
            return;
        }
        if sends_nothing {
            self.socket().resize_transmit(SocketBuffer::new(Vec::new()));
        }
        if receives_nothing && receives > 0 && self.socket().resize_receive(SocketBuffer::new(Vec::new())) {
            self.offered = receives;
        }
        budget.give(before - self.cost());
    }

    pub(super) fn give_back_buffers(&mut self, budget: &mut Budget) {
        let before = self.cost();
        let empty = || SocketBuffer::new(Vec::new());
        self.socket().resize_receive(empty());
        self.socket().resize_transmit(empty());
        budget.give(before - self.cost());
    }

    /// Ends it for want of memory, as if it had timed out.
    pub(in crate::net) fn abandon(&mut self, budget: &mut Budget) {
        self.socket().abort();
        self.discard_received();
        self.give_back_buffers(budget);
    }

    /// Whether a reader would take a stranger's words now, which may have to wait for memory.
    pub(in crate::net) fn asks_for_memory(&self, now: u64) -> bool {
        !self.is_ours
            && now >= self.turn_until
            && self.socket_ref().recv_queue() > 0
            && self.socket_ref().may_recv()
    }

    /// Whether its words still wait for memory.
    pub(in crate::net) fn still_waits(&self) -> bool {
        self.is_held && matches!(self.owner, Owner::Socket)
    }

    /// Whether it took all that was said to it before: who does not need not be heard yet.
    pub(in crate::net) fn took_all(&self) -> bool {
        self.socket_ref().send_queue() == 0
    }

    /// Lets it be read, until then however little memory there is.
    pub(in crate::net) fn admit(&mut self, turn_until: u64) {
        self.is_held = false;
        self.turn_until = turn_until;
    }

    /// A reader that finds its buffer half full and empties it could use a larger one.
    pub(super) fn widen_window(&mut self, waiting: usize, budget: &mut Budget) {
        let capacity = self.socket_ref().recv_capacity();
        if waiting * 2 < capacity {
            return;
        }
        self.wants_flush = true;
        let wanted = (capacity * 2).min(self.settings.most_received);
        if wanted > capacity
            && budget.is_ample()
            && budget.take_more(wanted - capacity, allocator::free_bytes())
        {
            let grown = storage(wanted).is_some_and(|storage| self.socket().resize_receive(storage));
            if !grown {
                budget.give(wanted - capacity);
            }
        }
    }

    pub(super) fn make_room(&mut self, bytes: usize, budget: &mut Budget) {
        let (capacity, queued) = (self.socket_ref().send_capacity(), self.socket_ref().send_queue());
        let wanted =
            (queued + bytes).next_power_of_two().min(budget.transmit_limit()).min(self.settings.most_sent);
        if wanted > capacity && budget.take_more(wanted - capacity, allocator::free_bytes()) {
            let grown = storage(wanted).is_some_and(|storage| self.socket().resize_transmit(storage));
            if !grown {
                budget.give(wanted - capacity);
            }
        }
        if self.socket_ref().send_capacity() == 0
            && let Some(storage) = storage(LEAST_SEND_BYTES)
            && self.socket().resize_transmit(storage)
        {
            budget.take_least(LEAST_SEND_BYTES);
        }
    }

    /// An idle connection needs no large buffers, and after a while none.
    pub(in crate::net) fn shrink(&mut self, now: u64, budget: &mut Budget) {
        let before = self.cost();
        if self.rests_at().is_some_and(|at| at <= now) {
            self.offered = self.socket_ref().recv_capacity();
            return self.give_back_buffers(budget);
        }
        let (sends, receives) = (self.socket_ref().send_capacity(), self.socket_ref().recv_capacity());
        if self.socket_ref().send_queue() == 0
            && sends > INITIAL_BYTES
            && let Some(storage) = storage(INITIAL_BYTES)
        {
            self.socket().resize_transmit(storage);
        }
        // The peer may still use the window it was offered, so that one is halved only under pressure.
        if !budget.is_ample()
            && self.socket_ref().recv_queue() == 0
            && receives > LARGEST_RECEIVE_BYTES / 2
            && let Some(storage) = storage(receives / 2)
        {
            self.socket().resize_receive(storage);
        }
        budget.give(before - self.cost());
    }
}

fn storage(bytes: usize) -> Option<SocketBuffer<'static>> {
    let mut storage = Vec::new();
    storage.try_reserve_exact(bytes).ok()?;
    storage.resize(bytes, 0);
    Some(SocketBuffer::new(storage))
}
