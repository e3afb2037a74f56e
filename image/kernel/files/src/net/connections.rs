//! All TCP connections: found by flow, flushed when something changed, woken by time.
//!
//! It does not know descriptors, nor who may connect.
//!
//! Invariant: a connection that changed is on `dirty` until it was flushed and refreshed.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use ahash::RandomState;
use hashbrown::HashMap;
use smoltcp::iface::PollResult;
use smoltcp::socket::tcp::State;

use super::budget::Budget;
use super::connection::{Connection, Owner, RECORD_BYTES, Verdict};
use super::frame::{Flow, Segment, flags};
use super::link::Link;
use super::listeners::Listeners;
use super::nic::Received;
use super::port::Port;
use super::random;
use super::timers::{Name, Timers};
use crate::io;
use crate::mm::allocator;

/// Handshakes under way, one for so many bytes of memory. Beyond it the oldest makes room.
const BYTES_PER_EMBRYO: usize = 32 << 10;
/// For the first buffers of one connection, at most so many others go: a record without buffers frees an eighth of them.
const MOST_DISPENSED: usize = 9;
/// Whoever was let in is read at will for so long, in microseconds: a handshake, or the rest of a request.
const TURN_US: u64 = 100_000;
/// While memory is short, one that waits is let in after so long all the same, and one that is dispensable goes.
const PATIENCE_US: u64 = 100_000;
/// When nobody could be let in for so long, connections go, whichever, until somebody can.
const LONG_PATIENCE_US: u64 = 1_000_000;
/// Closed connections that only guard their port numbers. Beyond it the oldest goes early.
const MOST_TIME_WAITS: usize = 1024;

/// Which connections may be ended for their memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sacrifice {
    /// Those that no descriptor holds.
    Unheld,
    /// Those as well whose peer was not heard of late.
    Silent,
    /// Whichever costs least, or the machine would end.
    Any,
}

/// The connections.
pub(super) struct Connections {
    slots: Vec<Option<Box<Connection>>>,
    free: Vec<u32>,
    flows: HashMap<Flow, u32, RandomState>,
    dirty: Vec<u32>,
    flushing: Vec<u32>,
    timers: Timers,
    /// Handshakes under way in the order of their SYNs, among them some that are over.
    embryos: VecDeque<Name>,
    embryo_count: usize,
    most_embryos: usize,
    time_waits: VecDeque<Name>,
    /// Whose words wait for memory to be read, in the order in which they came.
    held: VecDeque<Name>,
    /// When one was last let in, and when it was last looked whether one could be.
    admitted_at: u64,
    looked_at: u64,
    next_generation: u32,
    pub(super) budget: Budget,
}

impl Connections {
    pub(super) fn new(memory_bytes: usize) -> Self {
        let seeds = [random::bits(), random::bits(), random::bits(), random::bits()];
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            flows: HashMap::with_hasher(RandomState::with_seeds(seeds[0], seeds[1], seeds[2], seeds[3])),
            dirty: Vec::new(),
            flushing: Vec::new(),
            timers: Timers::default(),
            embryos: VecDeque::new(),
            embryo_count: 0,
            most_embryos: memory_bytes / BYTES_PER_EMBRYO,
            time_waits: VecDeque::new(),
            held: VecDeque::new(),
            admitted_at: 0,
            looked_at: 0,
            next_generation: 0,
            budget: Budget::of(memory_bytes),
        }
    }

    /// The connection of a flow.
    pub(super) fn find(&self, flow: &Flow) -> Option<u32> {
        self.flows.get(flow).copied()
    }

    pub(super) fn get(&mut self, slot: u32) -> Option<&mut Connection> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    /// The connection and the budget, to read and write.
    pub(super) fn with_budget(&mut self, slot: u32) -> Option<(&mut Connection, &mut Budget)> {
        let connection = self.slots.get_mut(slot as usize)?.as_deref_mut()?;
        Some((connection, &mut self.budget))
    }

    /// Whether somebody still reads what was left to us to say.
    pub(super) fn has_reader(&self, now: u64) -> bool {
        self.slots.iter().flatten().any(|connection| connection.has_reader(now))
    }

    /// Makes room for a connection of this flow: a stranger's at the cost of one that nobody holds, our own at that of the
    /// most dispensable one.
    pub(super) fn insert(&mut self, flow: Flow, owner: Owner, now: u64) -> Option<u32> {
        self.next_generation = self.next_generation.wrapping_add(1);
        if !self.budget.has(RECORD_BYTES) {
            let sacrifice =
                if matches!(owner, Owner::Embryo { .. }) { Sacrifice::Unheld } else { Sacrifice::Silent };
            self.dispense_with_one(now, sacrifice);
        }
        let connection = Connection::new(flow, owner, self.next_generation, &mut self.budget)?;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            let count = self.slots.len();
            // What ends a connection for its memory must not ask for some.
            self.dirty.reserve(count - self.dirty.len());
            self.flushing.reserve(count - self.flushing.len());
            self.free.reserve(count - self.free.len());
            (count - 1) as u32
        });
        self.embryo_count += usize::from(connection.is_embryo());
        self.slots[slot as usize] = Some(Box::new(connection));
        self.flows.insert(flow, slot);
        Some(slot)
    }

    /// A connection for a SYN that just came, not yet shown to it. While memory is scarce there is none: whoever asks
    /// comes again in a second (RFC 6298, 2.1), and those who are served are served to the end.
    pub(super) fn conceive(
        &mut self,
        flow: Flow,
        listener: u32,
        local: smoltcp::wire::IpEndpoint,
        now: u64,
    ) -> Option<u32> {
        self.forget_finished_embryos();
        if self.embryo_count >= self.most_embryos
            && let Some(oldest) = self.embryos.pop_front()
        {
            self.remove(oldest.slot);
        }
        if !self.budget.lets_begin(allocator::free_bytes()) {
            return None;
        }
        let slot = self.insert(flow, Owner::Embryo { listener }, now)?;
        let connection = self.get(slot)?;
        if !connection.listen(local) {
            self.remove(slot);
            return None;
        }
        let name = Name { slot, generation: connection.generation };
        self.embryos.push_back(name);
        Some(slot)
    }

    fn forget_finished_embryos(&mut self) {
        while let Some(name) = self.embryos.front().copied() {
            if self.named(name).is_some_and(|connection| connection.is_embryo()) {
                return;
            }
            self.embryos.pop_front();
        }
    }

    fn named(&mut self, name: Name) -> Option<&mut Connection> {
        self.get(name.slot).filter(|connection| connection.generation == name.generation)
    }

    /// Shows a segment to its connection.
    pub(super) fn deliver(&mut self, link: &mut Link, slot: u32, frame: &Received, segment: Segment) {
        let takes_room = self.get(slot).is_some_and(|connection| connection.needs_room_for(segment));
        if takes_room && !self.furnish(slot, link.micros()) {
            return;
        }
        let Some(connection) = self.get(slot) else { return };
        connection.note(link.micros(), segment.flags & flags::RST != 0);
        let mut port = Port::receiving(&mut link.nic, frame);
        link.iface.poll_ingress_single(link.now, &mut port, &mut connection.set);
        self.mark(slot);
    }

    /// Gives a connection its first buffers, if need be at the cost of the most dispensable ones.
    pub(super) fn furnish(&mut self, slot: u32, now: u64) -> bool {
        for _ in 0..MOST_DISPENSED {
            let Some((connection, budget)) = self.with_budget(slot) else { return false };
            if connection.furnish(budget) {
                return true;
            }
            self.dispense_with_one(now, Sacrifice::Silent);
        }
        false
    }

    fn dispense_with_one(&mut self, now: u64, sacrifice: Sacrifice) {
        let candidates = self.slots.iter().enumerate().filter_map(|(slot, connection)| {
            let connection = connection.as_ref()?;
            if sacrifice == Sacrifice::Unheld && !matches!(connection.owner, Owner::Orphan { .. }) {
                return None;
            }
            let dispensability = connection.dispensability(now, sacrifice == Sacrifice::Any)?;
            Some((dispensability, slot as u32, connection.owner))
        });
        let Some((_, slot, owner)) = candidates.max_by_key(|candidate| candidate.0) else { return };
        match owner {
            Owner::Orphan { .. } => self.remove(slot),
            _ => self.abandon(slot),
        }
    }

    /// Ends a connection that a descriptor or a listener still names: its memory goes at once, its record later.
    fn abandon(&mut self, slot: u32) {
        if let Some((connection, budget)) = self.with_budget(slot) {
            connection.abandon(budget);
            self.mark(slot);
        }
    }

    /// Reads from a connection. A stranger's words wait their turn while memory is short.
    pub(super) fn read(&mut self, slot: u32, bytes: &mut [u8], now: u64) -> io::Result<usize> {
        let Self { slots, held, budget, .. } = self;
        let connection =
            slots.get_mut(slot as usize).and_then(Option::as_deref_mut).ok_or(io::Error::ENOTCONN)?;
        if connection.asks_for_memory(now) && (!held.is_empty() || !allocator::has_free(budget.room())) {
            if !core::mem::replace(&mut connection.is_held, true) {
                held.push_back(Name { slot, generation: connection.generation });
            }
            return Err(io::Error::EAGAIN);
        }
        connection.read(bytes, budget)
    }

    /// Lets in who waits, as many as there is memory for. When there is none for a while, one all the same, and the most
    /// dispensable one goes. Who has not taken the answer before waits on.
    pub(super) fn admit(&mut self, now: u64) {
        if self.held.is_empty() {
            self.admitted_at = now;
            return;
        }
        let free_bytes = allocator::free_bytes();
        let mut places = self.budget.admits(free_bytes);
        if places == 0 && now >= self.looked_at + PATIENCE_US {
            self.looked_at = now;
            let is_stuck = now >= self.admitted_at + LONG_PATIENCE_US;
            self.dispense_with_one(now, if is_stuck { Sacrifice::Any } else { Sacrifice::Silent });
            places = usize::from(self.budget.admits_one(free_bytes));
        }
        for _ in 0..self.held.len() {
            if places == 0 {
                return;
            }
            let Some(name) = self.held.pop_front() else { return };
            let Some(connection) = self.named(name).filter(|connection| connection.still_waits()) else {
                continue;
            };
            if !connection.took_all() {
                self.held.push_back(name);
                continue;
            }
            connection.admit(now + TURN_US);
            self.mark(name.slot);
            self.admitted_at = now;
            places -= 1;
        }
    }

    /// Ends dispensable connections for an allocation that could not be met. False if there was none.
    pub(super) fn relieve(&mut self, now: u64) -> bool {
        let before = self.budget.taken();
        self.dispense_with_one(now, Sacrifice::Any);
        self.budget.taken() < before
    }

    /// Whether a SYN may take over the flow of this connection: it only guards it.
    pub(super) fn is_spent(&mut self, slot: u32) -> bool {
        self.get(slot).is_none_or(|connection| matches!(connection.state(), State::TimeWait | State::Closed))
    }

    /// Frees the flow for a new connection.
    pub(super) fn yield_flow(&mut self, slot: u32) {
        let Some(connection) = self.get(slot) else { return };
        let flow = connection.flow;
        if matches!(connection.owner, Owner::Orphan { .. }) {
            self.remove(slot);
        } else if self.flows.get(&flow) == Some(&slot) {
            self.flows.remove(&flow);
        }
    }

    /// Notes that a connection changed.
    pub(super) fn mark(&mut self, slot: u32) {
        if let Some(connection) = self.get(slot)
            && !core::mem::replace(&mut connection.is_dirty, true)
        {
            self.dirty.push(slot);
        }
    }

    /// Notes that everything may be able to send again: a neighbour's address became known.
    pub(super) fn mark_all(&mut self) {
        (0..self.slots.len() as u32).for_each(|slot| self.mark(slot));
    }

    /// Marks the connections whose time has come.
    pub(super) fn expire(&mut self, now: u64) {
        while let Some(name) = self.timers.due(now) {
            let Some(connection) = self.named(name) else { continue };
            connection.armed = u64::MAX;
            if connection.owner == Owner::Socket {
                let (connection, budget) = self.with_budget(name.slot).expect("just seen");
                connection.shrink(now, budget);
            }
            self.mark(name.slot);
        }
    }

    /// The earliest deadline, microseconds since start.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.timers.next()
    }

    /// When those who wait for memory are looked at again.
    pub(super) fn admission(&self) -> Option<u64> {
        (!self.held.is_empty()).then_some(self.looked_at + PATIENCE_US)
    }

    /// Whether something waits to be flushed.
    pub(super) fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Sends what changed connections have to send and brings them up to date.
    pub(super) fn flush(&mut self, link: &mut Link, listeners: &mut Listeners) {
        core::mem::swap(&mut self.dirty, &mut self.flushing);
        while let Some(slot) = self.flushing.pop() {
            let Some(connection) = self.get(slot) else { continue };
            connection.is_dirty = false;
            let is_stuck = !egress(connection, link);
            self.settle(slot, link, listeners);
            if is_stuck {
                self.mark(slot);
            }
        }
    }

    fn settle(&mut self, slot: u32, link: &mut Link, listeners: &mut Listeners) {
        let Some((connection, budget)) = self.with_budget(slot) else { return };
        let verdict = connection.refresh(link.micros(), budget);
        if core::mem::take(&mut connection.wants_flush) {
            egress(connection, link);
        }
        let (state, owner, name) =
            (connection.state(), connection.owner, Name { slot, generation: connection.generation });
        match verdict {
            Verdict::Remove => return self.remove(slot),
            Verdict::Promote { listener } => self.promote(slot, listener, listeners),
            Verdict::Keep => {}
        }
        if state == State::Closed {
            self.yield_flow(slot);
        }
        if state == State::TimeWait && matches!(owner, Owner::Orphan { .. }) {
            self.guard(name);
        }
        self.arm(slot, link);
    }

    fn promote(&mut self, slot: u32, listener: u32, listeners: &mut Listeners) {
        if !listeners.enqueue(listener, slot) {
            return self.abort(slot);
        }
        self.embryo_count -= 1;
        if let Some((connection, budget)) = self.with_budget(slot) {
            connection.owner = Owner::Queued { listener };
            let _ = connection.refresh(0, budget);
        }
    }

    fn guard(&mut self, name: Name) {
        if self.time_waits.back() != Some(&name) {
            self.time_waits.push_back(name);
        }
        while self.time_waits.len() > MOST_TIME_WAITS {
            let oldest = self.time_waits.pop_front().expect("not empty");
            if self.named(oldest).is_some_and(|connection| connection.state() == State::TimeWait) {
                self.remove(oldest.slot);
            }
        }
    }

    fn arm(&mut self, slot: u32, link: &mut Link) {
        let Some(connection) = self.get(slot) else { return };
        let wanted = link.iface.poll_at(link.now, &connection.set).map(|at| at.total_micros() as u64);
        let until = match connection.owner {
            Owner::Orphan { until } => Some(until),
            _ => connection.rests_at(),
        };
        let Some(deadline) = wanted.into_iter().chain(until).min() else { return };
        // What is wanted at once and could not be done is tried again in a millisecond, not for ever.
        let deadline = deadline.max(link.micros() + 1_000);
        if deadline < connection.armed {
            connection.armed = deadline;
            let name = Name { slot, generation: connection.generation };
            self.add_timer(deadline, name);
        }
    }

    /// Entries that came too early for their connections go before the table grows: one for each connection remains.
    fn add_timer(&mut self, deadline: u64, name: Name) {
        if self.timers.is_full() {
            let slots = &self.slots;
            self.timers.retain(|deadline, name| {
                let connection = slots.get(name.slot as usize).and_then(Option::as_deref);
                connection.is_some_and(|found| found.generation == name.generation && found.armed == deadline)
            });
        }
        self.timers.add(deadline, name);
    }

    /// Gives a connection up to end by itself within so many seconds, or at once with a reset.
    pub(super) fn give_up(&mut self, slot: u32, end_within_s: Option<u64>, now: u64) {
        let Some(within_s) = end_within_s else { return self.abort(slot) };
        if let Some(connection) = self.get(slot) {
            connection.orphan(now + within_s * 1_000_000);
            self.mark(slot);
        }
    }

    /// Ends a connection with a reset.
    pub(super) fn abort(&mut self, slot: u32) {
        if let Some(connection) = self.get(slot) {
            let was_embryo = connection.is_embryo();
            connection.owner = Owner::Orphan { until: 0 };
            connection.socket().abort();
            self.embryo_count -= usize::from(was_embryo);
            self.mark(slot);
        }
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let Some(connection) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        self.embryo_count -= usize::from(connection.is_embryo());
        self.budget.give(connection.cost());
        if self.flows.get(&connection.flow) == Some(&slot) {
            self.flows.remove(&connection.flow);
        }
        self.free.push(slot);
    }
}

/// Sends until there is nothing more to send. False if the card had no room.
fn egress(connection: &mut Connection, link: &mut Link) -> bool {
    while link.nic.has_room() {
        let mut port = Port::sending(&mut link.nic);
        let result = link.iface.poll_egress(link.now, &mut port, &mut connection.set);
        link.awaits_neighbor |= port.asked_neighbor;
        if result == PollResult::None {
            return true;
        }
    }
    false
}
