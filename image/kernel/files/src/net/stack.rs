//! The network: one card, one interface, all sockets, behind one lock.
//!
//! It runs when a thread polls or waits, when the processor would halt, and from interrupts when no thread looks;
//! never for a single system call. It does not know descriptors.
//!
//! Invariant: one `run` does a bounded amount of work, so a flood cannot keep the service from its own.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hermit_sync::{InterruptTicketMutex, without_interrupts};
use smoltcp::iface::{Config, Interface};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, HardwareAddress, IpAddress, IpCidr, IpEndpoint, Ipv4Address, Ipv6Address,
};

use super::connections::Connections;
use super::frame::{self, Flow, Frame, Segment, flags};
use super::link::Link;
use super::listeners::{Listeners, Match};
use super::nic::{Nic, Received};
use super::port;
use super::shared::Shared;
use super::{random, tick, wait};
use crate::io;

/// Frames that one run takes.
const FRAMES_PER_RUN: usize = 256;
/// Resets and other answers to strangers in one run.
const STRANGERS_PER_RUN: usize = 32;

static STACK: InterruptTicketMutex<Option<Box<Stack>>> = InterruptTicketMutex::new(None);
/// Set by the card's interrupt.
static HAS_NEWS: AtomicBool = AtomicBool::new(false);
static CONFIGURATION_CHANGED: AtomicBool = AtomicBool::new(false);
/// When the network last ran.
static LAST_RUN: AtomicU64 = AtomicU64::new(0);

/// Everything the network consists of.
pub(super) struct Stack {
    pub(super) link: Link,
    pub(super) shared: Shared,
    pub(super) connections: Connections,
    pub(super) listeners: Listeners,
    link_was_up: bool,
}

/// Takes the card into service. Called once.
pub(super) fn start(mut nic: Nic) {
    let now = Instant::from_micros(wait::now() as i64);
    let mac = EthernetAddress(nic.mac());
    let mut config = Config::new(HardwareAddress::Ethernet(mac));
    config.random_seed = random::bits();
    config.slaac = true;
    let mut iface = Interface::new(config, &mut port::Port::sending(&mut nic), now);
    iface.update_ip_addrs(|addresses| {
        let _ = addresses.push(IpCidr::new(IpAddress::Ipv6(link_local(mac)), 64));
    });
    info!("network card {mac}, MTU {}, checksums by the card: {}", nic.mtu(), nic.completes_checksums());
    let shared = Shared::new(&mut iface);
    // Hardly anything is taken from the heap yet.
    let memory_bytes = crate::mm::allocator::free_bytes();
    let link_was_up = nic.is_link_up();
    *STACK.lock() = Some(Box::new(Stack {
        link: Link { nic, iface, now, awaits_neighbor: false },
        shared,
        connections: Connections::new(memory_bytes),
        listeners: Listeners::default(),
        link_was_up,
    }));
}

/// An interface's address made of its card's (RFC 4291, appendix A).
fn link_local(mac: EthernetAddress) -> Ipv6Address {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Address::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

/// Works with the network. `ENETDOWN` on a machine without one.
pub(super) fn with<R>(work: impl FnOnce(&mut Stack) -> io::Result<R>) -> io::Result<R> {
    let mut guard = STACK.lock();
    work(guard.as_mut().ok_or(io::Error::ENETDOWN)?)
}

/// Takes what arrived, sends what is queued, does what is due.
pub(crate) fn run() {
    if let Some(stack) = STACK.lock().as_mut() {
        stack.run();
    }
}

/// The same, from places that run often: only if an interrupt brought news, or nobody has looked for a while.
pub(crate) fn run_if_needed() {
    if wait::is_halting() {
        return;
    }
    let is_stale = LAST_RUN.load(Ordering::Relaxed) + tick::PERIOD_US <= wait::now();
    if !HAS_NEWS.load(Ordering::Relaxed) && !is_stale {
        return;
    }
    if let Some(mut guard) = STACK.try_lock()
        && let Some(stack) = guard.as_mut()
    {
        stack.run();
        tick::keep();
    }
}

/// Ends connections for an allocation that could not be met. False if that gave no memory, as where the network itself asks.
pub(crate) fn relieve() -> bool {
    let Some(mut guard) = STACK.try_lock() else { return false };
    guard.as_mut().is_some_and(|stack| stack.connections.relieve(wait::now()))
}

/// Whether somebody still reads what a program that has ended said.
pub(super) fn has_reader(now: u64) -> bool {
    STACK.lock().as_ref().is_some_and(|stack| stack.connections.has_reader(now))
}

/// Whether a frame waits that nobody has taken.
pub(super) fn has_frames() -> bool {
    STACK.lock().as_ref().is_some_and(|stack| stack.link.nic.has_frames())
}

/// Runs and prepares the interrupts for a processor that has nothing to do.
pub(crate) fn run_idle() {
    without_interrupts(|| {
        run();
        let _ = prepare_to_sleep(None);
    });
}

/// Arranges for an interrupt at the next frame and at the next deadline. False if there is something to do now.
pub(super) fn prepare_to_sleep(deadline: Option<u64>) -> bool {
    let mut guard = STACK.lock();
    let Some(stack) = guard.as_mut() else {
        tick::arm(deadline);
        return true;
    };
    let has_work = stack.connections.has_dirty() && stack.link.nic.has_room();
    if has_work || !stack.link.nic.arm() || HAS_NEWS.load(Ordering::Relaxed) {
        return false;
    }
    tick::arm(deadline.into_iter().chain(stack.deadline()).min());
    true
}

/// The card's interrupt.
pub(super) fn on_interrupt() {
    HAS_NEWS.store(true, Ordering::Relaxed);
    if STACK.lock().as_ref().is_some_and(|stack| stack.link.nic.acknowledge()) {
        CONFIGURATION_CHANGED.store(true, Ordering::Relaxed);
    }
    wait::notify();
}

/// The card's other interrupt: its link or its state changed.
pub(super) fn on_configuration_interrupt() {
    CONFIGURATION_CHANGED.store(true, Ordering::Relaxed);
    on_interrupt();
}

impl Stack {
    fn run(&mut self) {
        let now = wait::now();
        LAST_RUN.store(now, Ordering::Relaxed);
        self.link.now = Instant::from_micros(now as i64);
        if HAS_NEWS.swap(false, Ordering::Relaxed) {
            self.link.nic.disarm();
            self.follow_configuration();
        }
        self.receive();
        self.connections.expire(now);
        self.connections.admit(now);
        self.shared.run(&mut self.link);
        self.connections.flush(&mut self.link, &mut self.listeners);
        self.link.nic.publish();
        crate::console::keep_pace(now);
        crate::platform::emulator::refresh(now);
    }

    /// Sends what system calls queued, without looking for more.
    pub(super) fn flush(&mut self) {
        self.link.now = Instant::from_micros(wait::now() as i64);
        self.connections.flush(&mut self.link, &mut self.listeners);
        self.link.nic.publish();
    }

    /// After a system call used a connection: its readiness, and if `flushes`, what it queued.
    pub(super) fn after_use(&mut self, slot: u32, flushes: bool) {
        if flushes {
            return self.flush();
        }
        let now = self.link.micros();
        if let Some((connection, budget)) = self.connections.with_budget(slot) {
            let _ = connection.refresh(now, budget);
            if core::mem::take(&mut connection.wants_flush) {
                self.connections.mark(slot);
            }
        }
    }

    fn follow_configuration(&mut self) {
        if !CONFIGURATION_CHANGED.swap(false, Ordering::Relaxed) {
            return;
        }
        // A machine without a network serves nobody: the next start may find the card again.
        assert!(self.link.nic.recover(), "the network card did not come back");
        let is_up = self.link.nic.is_link_up();
        if is_up && !self.link_was_up {
            self.shared.renew(&mut self.link);
        }
        if is_up != self.link_was_up {
            info!("the link is {}", if is_up { "up" } else { "down" });
        }
        self.link_was_up = is_up;
    }

    fn receive(&mut self) {
        let mut strangers = 0;
        for _ in 0..FRAMES_PER_RUN {
            // An answer may be due at once, so a frame is taken only if there is room for one.
            if !self.link.nic.has_room() {
                return;
            }
            let Some(frame) = self.link.nic.take() else { return };
            self.sort(&frame, &mut strangers);
            self.link.nic.release(frame);
        }
        HAS_NEWS.store(self.link.nic.has_frames(), Ordering::Relaxed);
    }

    fn sort(&mut self, frame: &Received, strangers: &mut usize) {
        let bytes = self.link.nic.bytes(frame);
        let kind = frame::classify(bytes);
        let is_intact = match &kind {
            Frame::Tcp { transport, .. } | Frame::Udp(transport) => {
                frame.is_intact || transport.is_intact(bytes)
            }
            _ => true,
        };
        match kind {
            _ if !is_intact => {}
            Frame::Tcp { flow, segment, .. } => self.deliver_segment(frame, flow, segment, strangers),
            Frame::Udp(_) | Frame::Other => self.shared.deliver(&mut self.link, frame),
            Frame::Neighbor => {
                self.shared.deliver(&mut self.link, frame);
                if core::mem::take(&mut self.link.awaits_neighbor) {
                    self.connections.mark_all();
                }
            }
            Frame::Refused => {}
        }
    }

    fn deliver_segment(&mut self, frame: &Received, flow: Flow, segment: Segment, strangers: &mut usize) {
        let is_syn = segment.says(flags::SYN, flags::SYN | flags::ACK | flags::RST);
        let mut slot = self.connections.find(&flow);
        if is_syn && let Some(spent) = slot.filter(|slot| self.connections.is_spent(*slot)) {
            self.connections.yield_flow(spent);
            slot = None;
        }
        if let Some(slot) = slot {
            return self.connections.deliver(&mut self.link, slot, frame, segment);
        }
        let local = IpEndpoint::new(address(flow.local), flow.local_port);
        match self.listeners.for_syn(local.addr, local.port) {
            Match::Listener(listener) if is_syn && self.link.iface.has_ip_addr(local.addr) => {
                let now = self.link.micros();
                if let Some(slot) = self.connections.conceive(flow, listener, local, now) {
                    self.connections.deliver(&mut self.link, slot, frame, segment);
                }
            }
            Match::Full if is_syn => {}
            _ if *strangers < STRANGERS_PER_RUN => {
                *strangers += 1;
                self.shared.deliver(&mut self.link, frame);
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<u64> {
        let own = [self.connections.deadline(), self.connections.admission(), self.shared.deadline()];
        own.into_iter().flatten().min()
    }
}

/// An address of a flow as smoltcp has it.
pub(super) fn address(address: u128) -> IpAddress {
    if address >> 32 == 0xffff {
        IpAddress::Ipv4(Ipv4Address::from(address as u32))
    } else {
        IpAddress::Ipv6(Ipv6Address::from(address))
    }
}

/// The reverse of `address`.
pub(super) fn flow_address(address: IpAddress) -> u128 {
    match address {
        IpAddress::Ipv4(address) => 0xffff_0000_0000 | u128::from(address.to_bits()),
        IpAddress::Ipv6(address) => address.to_bits(),
    }
}
