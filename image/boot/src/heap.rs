//! Memory for the device tree: a fixed block that is only ever taken from. What is built there stays for the
//! kernel. Invariant: no two allocations overlap, and none leaves the block.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Enough for a tree with the largest configuration, which grows by doubling, and for the ELF's bookkeeping.
const SIZE_BYTES: usize = 320 * 1024;

/// An allocator that never frees, except that the newest allocation grows in place.
#[derive(Debug)]
pub struct Heap {
    block: Block,
    used: AtomicUsize,
}

#[derive(Debug)]
#[repr(align(4096))]
struct Block(UnsafeCell<[u8; SIZE_BYTES]>);

// Safety: the loader runs on one processor with interrupts off; `used` hands each byte out once.
unsafe impl Sync for Heap {}

impl Heap {
    /// The whole block, unused.
    #[must_use]
    pub const fn new() -> Self {
        Self { block: Block(UnsafeCell::new([0; SIZE_BYTES])), used: AtomicUsize::new(0) }
    }

    fn base(&self) -> *mut u8 {
        self.block.0.get().cast()
    }

    /// Moves the end of what is used to `end`, if the block reaches so far.
    fn reach(&self, end: usize) -> bool {
        let fits = end <= SIZE_BYTES;
        if fits {
            self.used.store(end, Ordering::Relaxed);
        }
        fits
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

// Safety: blocks are aligned as asked, lie within `block`, and are never handed out twice.
unsafe impl GlobalAlloc for Heap {
    // Safety: any layout will do; what does not fit gives null.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.base() as usize;
        let start = (base + self.used.load(Ordering::Relaxed)).next_multiple_of(layout.align()) - base;
        if layout.size() <= SIZE_BYTES && self.reach(start + layout.size()) {
            self.base().wrapping_add(start)
        } else {
            null_mut()
        }
    }

    // Safety: nothing is freed, so nothing can be freed wrongly.
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    // Safety: `old` came from `alloc` with this layout, as the trait asks of the caller.
    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = old as usize - self.base() as usize;
        let newest = start + layout.size() == self.used.load(Ordering::Relaxed);
        if newest && size <= SIZE_BYTES && self.reach(start + size) {
            return old;
        }
        // Safety: the size comes from the caller, who promises that it does not overflow with this alignment.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // Safety: both blocks are at least this long, and they do not overlap.
            unsafe { old.copy_to_nonoverlapping(new, layout.size().min(size)) }
        }
        new
    }
}
