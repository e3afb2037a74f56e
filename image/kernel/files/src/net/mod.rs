//! The network path: our own card driver, sockets and waiting, on smoltcp.
//!
//! In the order of a packet: `transport` and `ring` (virtio), `nic` (frames), `frame` (what a frame is), `stack` (who
//! gets it), `connections` and `listeners` (TCP), `shared` (the rest), `tcp` and `udp` (descriptors), `wait` and
//! `ready` (poll). Upstream's drivers, executor and sockets are not compiled.
//!
//! It offers no packet filter, no routing and no raw sockets.
//!
//! Invariant: only `stack` holds the lock, and nothing that holds it waits.

mod budget;
mod connection;
mod connections;
pub(crate) mod farewell;
mod frame;
mod lease;
mod link;
mod listeners;
mod lookup;
mod memory;
mod nic;
mod port;
pub(crate) mod random;
pub(crate) mod ready;
mod ring;
pub(crate) mod rng;
pub(crate) mod settings;
mod shared;
pub(crate) mod stack;
pub(crate) mod tcp;
pub(crate) mod tick;
mod timers;
mod transport;
pub(crate) mod udp;
pub(crate) mod wait;

pub(crate) use lookup::{await_address, look_up};
pub(crate) use stack::relieve;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::drivers::pci::PCI_DEVICES;
use crate::drivers::{InterruptHandlerQueue, InterruptLine};
use hermit_sync::OnceCell;
use transport::Interrupts;

const VIRTIO: u16 = 0x1af4;
/// A network card: transitional, and modern (virtio 1.2, 4.1.2).
const NETWORK_CARDS: [u16; 2] = [0x1000, 0x1041];

static INTERRUPTS: OnceCell<Interrupts> = OnceCell::new();

/// Looks for a card and takes the first into service.
pub(crate) fn init() {
    let cards = PCI_DEVICES.finalize().iter().filter(|device| {
        let (vendor, id) = device.id();
        vendor == VIRTIO && NETWORK_CARDS.contains(&id)
    });
    for card in cards {
        let Some(nic) = transport::Transport::open(card).and_then(nic::Nic::start) else {
            error!("the network card {:#x} does not speak virtio 1", card.device_id());
            continue;
        };
        let _ = INTERRUPTS.set(nic.interrupts());
        stack::start(nic);
        return;
    }
    error!("no virtio network card: the machine has no network");
}

/// Adds the card's handlers to the interrupt table.
pub(crate) fn add_interrupt_handlers(
    handlers: &mut HashMap<InterruptLine, InterruptHandlerQueue, RandomState>,
) {
    let mut add = |irq, handler: fn()| {
        handlers.entry(irq).or_default().push_back(handler);
        crate::arch::interrupts::add_irq_name(irq, "virtio-net");
    };
    match INTERRUPTS.get() {
        None => {}
        Some(Interrupts::Line(irq)) => add(*irq, stack::on_interrupt),
        Some(Interrupts::Messages { queues, configuration }) => {
            add(*queues, stack::on_interrupt);
            add(*configuration, stack::on_configuration_interrupt);
        }
    }
}

/// Waits until `attempt` gives something other than `EAGAIN`; at once if `nonblocking`, else at most to `deadline`.
pub(crate) fn retry<R>(
    nonblocking: bool,
    deadline: Option<u64>,
    mut attempt: impl FnMut() -> crate::io::Result<R>,
) -> crate::io::Result<R> {
    loop {
        let seen = wait::events();
        match attempt() {
            Err(crate::io::Error::EAGAIN) if !nonblocking => {}
            result => return result,
        }
        stack::run();
        if deadline.is_some_and(|deadline| deadline <= wait::now()) {
            return Err(crate::io::Error::EAGAIN);
        }
        wait::pause(seen, deadline);
    }
}
