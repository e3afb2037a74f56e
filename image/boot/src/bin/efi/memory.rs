//! The firmware's memory map.
//!
//! Invariant: memory counts as free only if nothing but boot services use it; they end before it is written to.

use core::slice;

use boot::paging::{TABLES, Table};
use boot::plan::REACH_BYTES;
use boot::ranges::PAGE_BYTES;
use boot::{Range, Ranges, Refusal};
use uefi::boot::{AllocateType, MemoryType, allocate_pages};
use uefi::mem::memory_map::MemoryMap;

/// What is free once boot services have ended.
const FREE: [MemoryType; 3] =
    [MemoryType::CONVENTIONAL, MemoryType::BOOT_SERVICES_CODE, MemoryType::BOOT_SERVICES_DATA];
/// Below 1 MiB lie the BIOS's leftovers and the kernel's trampoline for further processors.
const LOW_BYTES: u64 = 1 << 20;

/// The free memory in `map`.
pub(crate) fn free(map: &impl MemoryMap) -> Ranges {
    let mut free = Ranges::new();
    for entry in map.entries().filter(|entry| FREE.contains(&entry.ty)) {
        let range: Range = entry.phys_start..entry.phys_start.saturating_add(entry.page_count * PAGE_BYTES);
        free.insert(range.start.max(LOW_BYTES)..range.end);
    }
    free
}

/// The free memory while boot services run.
pub(crate) fn now() -> Result<Ranges, Refusal> {
    let map = uefi::boot::memory_map(MemoryType::LOADER_DATA);
    map.map(|map| free(&map))
        .map_err(|_| Refusal::MachineUnfit("the firmware gives no memory map: update it"))
}

/// Page tables, where the kernel's 32-bit trampoline reaches them.
pub(crate) fn pool() -> Result<&'static mut [Table], Refusal> {
    let start = allocate_pages(AllocateType::MaxAddress(REACH_BYTES - 1), MemoryType::LOADER_DATA, TABLES);
    let start =
        start.map_err(|_| Refusal::MachineUnfit("no memory below 4 GiB is free: report the memory map"))?;
    // Safety: the firmware has just given these pages to the loader; zeroes make them valid tables.
    Ok(unsafe {
        start.as_ptr().write_bytes(0, TABLES * size_of::<Table>());
        slice::from_raw_parts_mut(start.as_ptr().cast(), TABLES)
    })
}
