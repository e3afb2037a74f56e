//! One split virtqueue (virtio 1.2, 2.7): descriptors, what is offered to the device, what it has used.
//!
//! It does not know what a buffer holds. Every buffer is one descriptor, and descriptor and slot have one number.
//!
//! Invariant: an index that the device wrote is checked before it is used; a wrong one is dropped.

use core::sync::atomic::{Ordering, fence};

use super::memory::DeviceMemory;

const DESCRIPTOR_BYTES: usize = 16;
const WRITABLE: u16 = 2;
const NO_INTERRUPT: u16 = 1;
const NO_NOTIFY: u16 = 1;

/// The queue's memory and our place in it.
pub(super) struct Ring {
    memory: DeviceMemory,
    size: u16,
    available_at: usize,
    used_at: usize,
    /// Where the next buffer is offered.
    next_available: u16,
    /// What was offered when the device was last told.
    told: u16,
    /// What the device has used and we have taken.
    next_used: u16,
    event_index: bool,
    doorbell: *mut u16,
    index: u16,
}

// Safety: the doorbell is a device register, reached only through the owner of the ring.
unsafe impl Send for Ring {}

impl Ring {
    /// A ring of `size` slots (a power of two).
    pub(super) fn new(size: u16, index: u16, event_index: bool) -> Self {
        let slots = usize::from(size);
        let available_at = DESCRIPTOR_BYTES * slots;
        let used_at = (available_at + 6 + 2 * slots).next_multiple_of(4);
        let memory = DeviceMemory::allocate(used_at + 6 + 8 * slots);
        let doorbell = core::ptr::null_mut();
        Self {
            memory,
            size,
            available_at,
            used_at,
            next_available: 0,
            told: 0,
            next_used: 0,
            event_index,
            doorbell,
            index,
        }
    }

    /// Starts over, as new, for a device that was reset.
    pub(super) fn restart(&mut self, event_index: bool) {
        let bytes = self.used_at + 6 + 8 * usize::from(self.size);
        self.memory.bytes_mut(0, bytes).fill(0);
        (self.next_available, self.told, self.next_used) = (0, 0, 0);
        self.event_index = event_index;
    }

    /// Where the device writes to be told of new buffers.
    pub(super) fn set_doorbell(&mut self, doorbell: *mut u16) {
        self.doorbell = doorbell;
    }

    pub(super) fn size(&self) -> u16 {
        self.size
    }

    pub(super) fn index(&self) -> u16 {
        self.index
    }

    /// The physical addresses of the three parts: descriptors, available, used.
    pub(super) fn parts(&self) -> [u64; 3] {
        [self.memory.physical(0), self.memory.physical(self.available_at), self.memory.physical(self.used_at)]
    }

    /// Says which memory slot `slot` stands for.
    pub(super) fn describe(&mut self, slot: u16, physical: u64, bytes: u32, device_writes: bool) {
        let at = usize::from(slot) * DESCRIPTOR_BYTES;
        let flags = if device_writes { WRITABLE } else { 0 };
        let descriptor = self.memory.bytes_mut(at, DESCRIPTOR_BYTES);
        descriptor[..8].copy_from_slice(&physical.to_le_bytes());
        descriptor[8..12].copy_from_slice(&bytes.to_le_bytes());
        descriptor[12..14].copy_from_slice(&flags.to_le_bytes());
    }

    /// Offers a slot to the device. It is seen after `publish`.
    pub(super) fn offer(&mut self, slot: u16) {
        let at = self.available_at + 4 + 2 * usize::from(self.next_available % self.size);
        self.write(at, slot);
        self.next_available = self.next_available.wrapping_add(1);
    }

    /// Shows the device everything offered, and rings its bell if it wants that.
    pub(super) fn publish(&mut self) {
        if self.next_available == self.told {
            return;
        }
        fence(Ordering::Release);
        self.write(self.available_at + 2, self.next_available);
        fence(Ordering::SeqCst);
        let wanted = self.device_wants_bell();
        self.told = self.next_available;
        if wanted {
            // Safety: the doorbell is the device's register for this queue.
            unsafe { self.doorbell.write_volatile(self.index) };
        }
    }

    fn device_wants_bell(&self) -> bool {
        if !self.event_index {
            return self.read(self.used_at) & NO_NOTIFY == 0;
        }
        let event = self.read(self.used_at + 4 + 8 * usize::from(self.size));
        // virtio 1.2, 2.7.10: the bell is wanted when the event lies among what was just offered.
        let since_event = self.next_available.wrapping_sub(event).wrapping_sub(1);
        since_event < self.next_available.wrapping_sub(self.told)
    }

    /// Whether the device has used a slot that was not taken yet.
    pub(super) fn has_used(&self) -> bool {
        self.read(self.used_at + 2) != self.next_used
    }

    /// Takes the next slot that the device has used, with the bytes it wrote.
    pub(super) fn take_used(&mut self) -> Option<(u16, usize)> {
        while self.has_used() {
            fence(Ordering::Acquire);
            let at = self.used_at + 4 + 8 * usize::from(self.next_used % self.size);
            let (slot, written) = (self.read_wide(at), self.read_wide(at + 4));
            self.next_used = self.next_used.wrapping_add(1);
            if slot < u32::from(self.size) {
                return Some((slot as u16, written as usize));
            }
        }
        None
    }

    /// Asks for an interrupt at the next used slot. False if there is one already.
    pub(super) fn arm(&mut self) -> bool {
        if self.event_index {
            self.write(self.available_at + 4 + 2 * usize::from(self.size), self.next_used);
        } else {
            self.write(self.available_at, 0);
        }
        fence(Ordering::SeqCst);
        !self.has_used()
    }

    /// Asks for no interrupts. With event indices there is nothing to do: each asks for one interrupt only.
    pub(super) fn disarm(&mut self) {
        if !self.event_index {
            self.write(self.available_at, NO_INTERRUPT);
        } else {
            self.write(self.available_at + 4 + 2 * usize::from(self.size), self.next_used.wrapping_sub(1));
        }
    }

    fn read(&self, at: usize) -> u16 {
        // Safety: within the queue's memory and aligned; the device may write it at any time.
        u16::from_le(unsafe { self.memory.pointer(at).cast::<u16>().read_volatile() })
    }

    fn read_wide(&self, at: usize) -> u32 {
        // Safety: as in `read`.
        u32::from_le(unsafe { self.memory.pointer(at).cast::<u32>().read_volatile() })
    }

    fn write(&mut self, at: usize, value: u16) {
        // Safety: as in `read`; these words belong to the driver.
        unsafe { self.memory.pointer(at).cast::<u16>().write_volatile(value.to_le()) };
    }
}
