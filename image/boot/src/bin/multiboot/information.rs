//! What a multiboot loader passes on (Multiboot Specification 0.6.96, section 3.3).
//!
//! Invariant: a module or memory region counts only if it lies within the first 4 GiB that are mapped, or, for
//! memory, is merely named.

use core::slice;

use boot::{Range, Ranges, Refusal};

/// What a multiboot loader leaves in EAX.
const MAGIC: u32 = 0x2bad_b002;
/// Bits of `flags`: modules and memory map are there.
const MODULES: u32 = 1 << 3;
const MEMORY_MAP: u32 = 1 << 6;
/// More modules than we ask for are a mistake.
const MODULE_LIMIT: usize = 16;
/// Firmware names a few dozen regions.
const MAP_LIMIT_BYTES: usize = 16 * 1024;
/// Longer command lines do not pass [`boot::texts::arguments`] anyway.
const LINE_LIMIT_BYTES: usize = 8192;

/// The structure's fields up to the memory map.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Information {
    flags: u32,
    memory: [u32; 2],
    boot_device: u32,
    command_line: u32,
    modules_count: u32,
    modules_address: u32,
    symbols: [u32; 4],
    map_len: u32,
    map_address: u32,
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct RawModule {
    start: u32,
    end: u32,
    line: u32,
    reserved: u32,
}

/// A file that the boot loader has put into memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Module<'a> {
    /// Its bytes.
    pub(crate) content: &'a [u8],
    line: &'a [u8],
}

impl Information {
    /// The information at `address`.
    ///
    /// # Safety
    /// The first 4 GiB must be mapped; `magic` and `address` must be what the boot loader left.
    pub(crate) unsafe fn at(magic: u32, address: u32) -> Result<&'static Self, Refusal> {
        if magic != MAGIC || !address.is_multiple_of(4) {
            return Err(Refusal::MachineUnfit(
                "not started by a multiboot loader: use mboot.c32 or QEMU's -kernel",
            ));
        }
        // Safety: the boot loader says that the structure is here.
        Ok(unsafe { &*(address as *const Self) })
    }

    /// The modules in the boot loader's order.
    pub(crate) fn modules(&self) -> impl Iterator<Item = Module<'static>> {
        let count = if self.flags & MODULES != 0 { self.modules_count as usize } else { 0 };
        // Safety: the flag says that so many entries are at this address, within the mapped 4 GiB.
        let modules = unsafe {
            slice::from_raw_parts(pointer(self.modules_address).cast::<RawModule>(), count.min(MODULE_LIMIT))
        };
        modules.iter().map(|module| {
            let len = module.end.saturating_sub(module.start) as usize;
            // Safety: the boot loader has put the module here and its command line there.
            unsafe {
                let content = slice::from_raw_parts(pointer(module.start), len);
                Module { content, line: text(module.line) }
            }
        })
    }

    /// The memory that the firmware calls free. Without a memory map there is none.
    pub(crate) fn free(&self) -> Ranges {
        let len = if self.flags & MEMORY_MAP != 0 { self.map_len as usize } else { 0 };
        // Safety: the flag says that so many bytes are at this address, within the mapped 4 GiB.
        let mut rest = unsafe { slice::from_raw_parts(pointer(self.map_address), len.min(MAP_LIMIT_BYTES)) };
        let (mut free, mut taken) = (Ranges::new(), Ranges::new());
        while let Some((range, is_free, next)) = region(rest) {
            if is_free {
                free.insert(range)
            } else {
                taken.insert(whole_pages(range))
            }
            rest = next;
        }
        taken.iter().for_each(|range| free.remove(&range));
        free
    }
}

/// One entry: its own size, then base, length and type; type 1 is free memory.
fn region(map: &[u8]) -> Option<(Range, bool, &[u8])> {
    let (size, rest) = map.split_first_chunk::<4>()?;
    let size = u32::from_le_bytes(*size) as usize;
    let (entry, next) = rest.split_at_checked(size)?;
    let base = u64::from_le_bytes(*entry.first_chunk()?);
    let len = u64::from_le_bytes(*entry.get(8..)?.first_chunk()?);
    let kind = u32::from_le_bytes(*entry.get(16..)?.first_chunk()?);
    // A processor has at most 52 bits of physical address; what reaches beyond is nonsense.
    const END: u64 = 1 << 52;
    Some((base.min(END)..base.saturating_add(len).min(END), kind == 1, next))
}

fn whole_pages(range: Range) -> Range {
    range.start & !0xfff..range.end.next_multiple_of(4096)
}

fn pointer(address: u32) -> *const u8 {
    // An address of 0 with a count of 0 is legal in C and in multiboot, not in Rust.
    if address == 0 { core::ptr::dangling::<u64>().cast() } else { address as *const u8 }
}

/// # Safety
/// A text that ends with a null byte must be at `address`, unless that is 0.
unsafe fn text(address: u32) -> &'static [u8] {
    let start = pointer(address);
    // Safety: the caller's promise, and the limit.
    let is_end = |place: &usize| address == 0 || unsafe { *start.add(*place) } == 0;
    let len = (0..LINE_LIMIT_BYTES).find(is_end).unwrap_or(LINE_LIMIT_BYTES);
    // Safety: these bytes were just read.
    unsafe { slice::from_raw_parts(start, len) }
}

impl<'a> Module<'a> {
    /// What follows the file's name in the module's command line.
    pub(crate) fn arguments(&self) -> &'a [u8] {
        let space = self.line.iter().position(|byte| *byte == b' ').unwrap_or(self.line.len());
        &self.line[space..]
    }

    /// Whether the file's name, without its folders, is `name`.
    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        let path = self.line.split(|byte| *byte == b' ').next().unwrap_or_default();
        path.rsplit(|byte| *byte == b'/').next() == Some(name)
    }
}
