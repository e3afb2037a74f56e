//! The other virtio device: random bytes from the host (virtio 1.2, 5.4).
//!
//! It judges nothing. It asks for no interrupt: an answer is looked for when it is needed, mostly long after it came.
//!
//! Invariant: bytes that were handed out are never handed out again.

use super::memory::DeviceMemory;
use super::ring::Ring;
use super::transport::{Transport, status};
use super::{VIRTIO, wait};
use crate::drivers::pci::PCI_DEVICES;

/// An entropy device: transitional, and modern (virtio 1.2, 4.1.2).
const DEVICES: [u16; 2] = [0x1005, 0x1044];
const VERSION_1: u64 = 1 << 32;
/// One answer.
const BYTES: usize = 256;
/// A host answers within a millisecond; one that takes longer is not waited for.
const LONGEST_WAIT_US: u64 = 1_000_000;

/// The device, with one question under way or answered.
pub(crate) struct Rng {
    ring: Ring,
    answer: DeviceMemory,
    /// Bytes of the answer, and how many of them were handed out; none while a question is under way.
    ready: Option<(usize, usize)>,
    _transport: Transport,
}

impl Rng {
    /// Takes the first such device into service and asks it.
    pub(crate) fn find() -> Option<Self> {
        let device = PCI_DEVICES.finalize().iter().find(|device| {
            let (vendor, id) = device.id();
            vendor == VIRTIO && DEVICES.contains(&id)
        })?;
        let transport = Transport::open(device)?;
        transport.reset();
        transport.add_status(status::ACKNOWLEDGE);
        transport.add_status(status::DRIVER);
        transport.negotiate(VERSION_1, VERSION_1)?;
        let size = transport.queue_size(0).min(2);
        let mut ring = (size > 0).then(|| Ring::new(size, 0, false))?;
        let answer = DeviceMemory::allocate(BYTES);
        transport.start_queue(&mut ring);
        ring.disarm();
        ring.describe(0, answer.physical(0), BYTES as u32, true);
        transport.add_status(status::DRIVER_OK);
        let mut rng = Self { ring, answer, ready: None, _transport: transport };
        rng.ask();
        Some(rng)
    }

    fn ask(&mut self) {
        self.ready = None;
        self.ring.offer(0);
        self.ring.publish();
    }

    /// Fills `bytes`. False if the device has not enough ready, or, where `waits`, does not answer.
    pub(crate) fn read(&mut self, bytes: &mut [u8], waits: bool) -> bool {
        let deadline = wait::now() + LONGEST_WAIT_US;
        let mut filled = 0;
        while filled < bytes.len() {
            match self.take(&mut bytes[filled..]) {
                0 if !waits || wait::now() > deadline => return false,
                taken => filled += taken,
            }
        }
        true
    }

    /// Throws away what is ready, and what was asked for before.
    pub(crate) fn discard(&mut self) {
        let deadline = wait::now() + LONGEST_WAIT_US;
        while self.ready.is_none() && wait::now() < deadline {
            self.look();
        }
        if self.ready.is_some() {
            self.ask();
        }
    }

    fn look(&mut self) {
        if let Some((_, written)) = self.ring.take_used() {
            self.ready = Some((written.min(BYTES), 0));
        }
    }

    fn take(&mut self, bytes: &mut [u8]) -> usize {
        self.look();
        let Some((length, start)) = self.ready else { return 0 };
        let count = (length - start).min(bytes.len());
        bytes[..count].copy_from_slice(self.answer.bytes(start, count));
        self.answer.bytes_mut(start, count).fill(0);
        self.ready = Some((length, start + count));
        if start + count == length {
            self.ask();
        }
        count
    }
}
