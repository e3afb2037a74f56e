//! The heap: blocks of fixed sizes that are at hand, in front of talc, which has the memory.
//!
//! A service asks for the same few sizes thousands of times a second. A freed block stays at hand, on a list of its
//! size, until the list is long enough; taking it again is two loads and two stores. Interrupts stay on: an interrupt
//! or another processor that comes in between finds the lists taken and goes to talc.
//!
//! Invariant: every block is one allocation of talc, of its class's size, so any block may go back there.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use hermit_sync::RawInterruptTicketMutex;
use talc::{ErrOnOom, Span, Talc, Talck};

/// What the ABI expects of a heap (System V AMD64, 3.1.2: the strictest scalar).
const ALIGNMENT: usize = 16;
/// One class ends every 16, 128, 1024 and 4096 bytes: at most a third of a block above 64 bytes is lost.
const RANGES: [Range; 4] = [
    Range { first: 0, above: 0, step_bits: 4, most: 512 },
    Range { first: 32, above: 512, step_bits: 7, most: 2048 },
    Range { first: 44, above: 2048, step_bits: 10, most: 8192 },
    Range { first: 50, above: 8192, step_bits: 12, most: LARGEST },
];
const LARGEST: usize = 32 << 10;
const CLASSES: usize = 56;
/// What one class keeps at hand.
const BYTES_AT_HAND: usize = 32 << 10;
/// And at least so many blocks, however large.
const BLOCKS_AT_HAND: usize = 4;
/// For what is larger, no connection is ended: whoever asks for so much can do without.
const DEAR_BYTES: usize = 1 << 20;

struct Range {
    first: usize,
    above: usize,
    step_bits: u32,
    most: usize,
}

/// A size that blocks have.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Class {
    index: usize,
    bytes: usize,
}

impl Class {
    /// The class for a request; `None` for what is talc's own business.
    #[inline]
    fn of(size: usize, align: usize) -> Option<Self> {
        if size > LARGEST || align > ALIGNMENT {
            return None;
        }
        let range = RANGES.iter().find(|range| size <= range.most)?;
        // A request for nothing is one for a byte.
        let before_last = (size.max(1) - 1 - range.above) >> range.step_bits;
        let bytes = range.above + ((before_last + 1) << range.step_bits);
        Some(Self { index: range.first + before_last, bytes })
    }

    /// The class at this place in the lists.
    fn at(index: usize) -> Option<Self> {
        let range = RANGES.iter().rev().find(|range| range.first <= index)?;
        Some(Self { index, bytes: range.above + ((index - range.first + 1) << range.step_bits) })
    }

    fn layout(self) -> Layout {
        // Safety: the alignment is a power of two and no class is near `isize::MAX`.
        unsafe { Layout::from_size_align_unchecked(self.bytes, ALIGNMENT) }
    }

    fn most_at_hand(self) -> usize {
        (BYTES_AT_HAND / self.bytes).max(BLOCKS_AT_HAND)
    }
}

/// A block at hand: where the next one is.
struct Block {
    next: *mut Self,
}

#[derive(Clone, Copy)]
struct List {
    head: *mut Block,
    length: usize,
}

/// The lists of all classes.
struct AtHand {
    is_taken: AtomicBool,
    lists: UnsafeCell<[List; CLASSES]>,
}

// Safety: the lists are reached only by whoever has set `is_taken`.
unsafe impl Sync for AtHand {}
// Safety: as above; blocks belong to no thread.
unsafe impl Send for AtHand {}

impl AtHand {
    const fn new() -> Self {
        let empty = List { head: ptr::null_mut(), length: 0 };
        Self { is_taken: AtomicBool::new(false), lists: UnsafeCell::new([empty; CLASSES]) }
    }

    /// Works with a list, unless somebody else is at it.
    #[inline]
    fn with<R>(&self, class: Class, work: impl FnOnce(&mut List) -> Option<R>) -> Option<R> {
        if self.is_taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // Safety: nobody else has the lists until `is_taken` is given back below; every class has a list.
        let result = work(unsafe { &mut (*self.lists.get())[class.index] });
        self.is_taken.store(false, Ordering::Release);
        result
    }

    #[inline]
    fn take(&self, class: Class) -> Option<*mut u8> {
        self.with(class, |list| {
            let block = list.head;
            if block.is_null() {
                return None;
            }
            // Safety: a block on a list is free memory of its class, and was given its link by `put`.
            list.head = unsafe { (*block).next };
            list.length -= 1;
            Some(block.cast())
        })
    }

    /// Bytes on all lists, but for one that somebody is at right now.
    fn bytes(&self) -> usize {
        let on_list = |class: Class| self.with(class, |list| Some(list.length * class.bytes));
        (0..CLASSES).filter_map(Class::at).filter_map(on_list).sum()
    }

    /// False if the block is for talc: enough are at hand.
    #[inline]
    fn put(&self, class: Class, block: *mut u8) -> bool {
        let put = self.with(class, |list| {
            if list.length >= class.most_at_hand() {
                return None;
            }
            let block = block.cast::<Block>();
            // Safety: the block was given back: nobody else has it, and every class is large and aligned enough.
            unsafe { block.write(Block { next: list.head }) };
            list.head = block;
            list.length += 1;
            Some(())
        });
        put.is_some()
    }
}

/// Bytes of the heap that nobody has.
#[cfg(target_os = "none")]
pub(crate) fn free_bytes() -> usize {
    super::ALLOCATOR.free_bytes()
}

/// Whether more than `least` bytes are free; quicker than counting what is at hand, where it need not be counted.
#[cfg(target_os = "none")]
#[inline]
pub(crate) fn has_free(least: usize) -> bool {
    super::ALLOCATOR.talc.lock().get_counters().available_bytes >= least || free_bytes() >= least
}

/// The heap.
pub struct LockedAllocator {
    at_hand: AtHand,
    talc: Talck<RawInterruptTicketMutex, ErrOnOom>,
}

impl LockedAllocator {
    pub const fn new() -> Self {
        Self { at_hand: AtHand::new(), talc: Talc::new(ErrOnOom).lock() }
    }

    /// Gives the heap its memory.
    ///
    /// # Safety
    /// The memory is mapped, and nobody else's.
    pub unsafe fn init(&self, heap_bottom: *mut u8, heap_size: usize) {
        let arena = Span::from_base_size(heap_bottom, heap_size);
        // Safety: the caller's promise.
        unsafe {
            self.talc.lock().claim(arena).unwrap();
        }
    }

    #[cfg(target_os = "none")]
    fn free_bytes(&self) -> usize {
        self.talc.lock().get_counters().available_bytes + self.at_hand.bytes()
    }

    #[cold]
    #[inline(never)]
    fn fetch(&self, layout: Layout) -> *mut u8 {
        // Safety: no layout that comes here has a size of zero.
        let block = unsafe { self.talc.alloc(layout) };
        if block.is_null() { self.fetch_at_last(layout) } else { block }
    }

    /// An application that is given no memory ends, so what can be had is had: first what is at hand, then what dispensable
    /// connections hold.
    #[cold]
    #[inline(never)]
    fn fetch_at_last(&self, layout: Layout) -> *mut u8 {
        loop {
            self.give_back();
            // Safety: as above.
            let block = unsafe { self.talc.alloc(layout) };
            if !block.is_null() || layout.size() >= DEAR_BYTES || !relieve() {
                return block;
            }
        }
    }

    /// Gives talc what is at hand.
    fn give_back(&self) {
        for class in (0..CLASSES).filter_map(Class::at) {
            while let Some(block) = self.at_hand.take(class) {
                // Safety: a block on a list came from talc with its class's layout, and nobody has it.
                unsafe { self.talc.dealloc(block, class.layout()) }
            }
        }
    }
}

/// Ends connections for their memory. False if that gave none.
fn relieve() -> bool {
    #[cfg(target_os = "none")]
    return crate::net::relieve();
    #[cfg(not(target_os = "none"))]
    false
}

fn class_of(layout: Layout) -> Option<Class> {
    Class::of(layout.size(), layout.align())
}

/// What talc is asked for where there is no class.
fn plain(layout: Layout) -> Layout {
    layout.align_to(ALIGNMENT).unwrap_or(layout)
}

// Safety: a block comes from talc, is with one owner or on one list at a time, and goes back to talc with the layout that
// it was asked for.
unsafe impl GlobalAlloc for LockedAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class_of(layout) {
            Some(class) => self.at_hand.take(class).unwrap_or_else(|| self.fetch(class.layout())),
            None => self.fetch(plain(layout)),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let class = class_of(layout);
        if class.is_some_and(|class| self.at_hand.put(class, block)) {
            return;
        }
        // Safety: the block came from talc with this layout.
        unsafe { self.talc.dealloc(block, class.map_or_else(|| plain(layout), Class::layout)) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (before, after) = (class_of(layout), Class::of(size, layout.align()));
        if before.is_some() && before == after {
            return block;
        }
        if before.is_none() && after.is_none() {
            // Safety: the block came from talc with this layout.
            return unsafe { self.talc.realloc(block, plain(layout), size) };
        }
        // Safety: the caller's promise is that of `GlobalAlloc::realloc`; the new block is another one.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, size.min(layout.size()));
                self.dealloc(block, layout);
            }
            new
        }
    }
}
