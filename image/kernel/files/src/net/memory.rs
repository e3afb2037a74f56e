//! Memory that a device reads and writes: physically contiguous, mapped once, never freed.
//!
//! It does not know what lies in it.
//!
//! Invariant: the address that the device gets stays valid for the life of the machine.

use crate::arch::mm::physicalmem::PHYSICAL_FREE_LIST;
use crate::mm::{self, PhysAddr, VirtAddr, reserve};

/// What a card may take now and leave enough for stacks.
pub(super) fn left_for_card() -> usize {
    PHYSICAL_FREE_LIST.lock().free_space().saturating_sub(reserve::STACK_BYTES)
}

/// One contiguous stretch, zeroed.
pub(super) struct DeviceMemory {
    start: *mut u8,
    physical: u64,
    bytes: usize,
}

// Safety: the stretch is reached only through its owner, and no thread is bound to it.
unsafe impl Send for DeviceMemory {}

impl DeviceMemory {
    /// Takes `bytes` of physical memory. Only at start, where running out of it is the end anyway.
    pub(super) fn allocate(bytes: usize) -> Self {
        let start: VirtAddr = mm::allocate(bytes, true);
        let physical: PhysAddr = mm::virtual_to_physical(start).expect("just mapped");
        // Safety: the stretch was mapped writable just now and nobody else knows it.
        unsafe { start.as_mut_ptr::<u8>().write_bytes(0, bytes) };
        Self { start: start.as_mut_ptr(), physical: physical.as_u64(), bytes }
    }

    /// A pointer to the byte at `offset`.
    pub(super) fn pointer(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.bytes);
        // Safety: the offset lies within the stretch.
        unsafe { self.start.add(offset) }
    }

    /// What the device calls the byte at `offset`.
    pub(super) fn physical(&self, offset: usize) -> u64 {
        self.physical + offset as u64
    }

    /// The bytes from `offset`, as the device last wrote them.
    pub(super) fn bytes(&self, offset: usize, length: usize) -> &[u8] {
        assert!(offset + length <= self.bytes);
        // Safety: within the stretch; the device writes only what it was given, and what is read here it gave back.
        unsafe { core::slice::from_raw_parts(self.start.add(offset), length) }
    }

    /// The bytes from `offset`, to be filled for the device.
    pub(super) fn bytes_mut(&mut self, offset: usize, length: usize) -> &mut [u8] {
        assert!(offset + length <= self.bytes);
        // Safety: as in `bytes`, and the owner is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.start.add(offset), length) }
    }
}
