//! Further processors: how they are started, which one a thread goes to, and how they are stopped when the machine ends.
//!
//! A processor that is started begins in real mode, on a page below 1 MiB. It leaves that for the kernel's entry at once, as the
//! first one came to it, by the first one's page tables.
//!
//! Invariant: processors start one after the other, and count themselves; one that does not is put back to sleep, and
//! the machine runs on those that came before it.

use core::arch::global_asm;
use core::arch::x86_64::__cpuid;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use memory_addresses::{PhysAddr, VirtAddr};
use x86_64::registers::control::Cr3;

use super::apic::{self, CPU_LOCAL_APIC_IDS};
use super::{processor, start};
use crate::arch::core_local::core_id;
use crate::arch::get_processor_count;
use crate::arch::x86_64::mm::paging::{self, BasePageSize, PageTableEntryFlags, PageTableEntryFlagsExt};

/// Where a processor begins: below the memory that the loader hands on (`LOWEST_BYTES` in `image/boot/src/plan.rs`).
const PAGE: u64 = 0x8000;
/// As many as have a bit of their own in `net::wait`.
const MOST: usize = 32;
/// Without a sign of life for so long, in microseconds, a processor counts as broken. One takes a few milliseconds under
/// emulation, and longer where its host has others to run; one that is given up on its way may hold a lock.
const PATIENCE_US: u64 = 10_000_000;

/// The register that sends interrupts to processors, and what it is told (Intel SDM volume 3, 12.6.1).
const COMMAND: u32 = 0x830;
const INIT: u64 = 0x500;
const STARTUP: u64 = 0x600;
const NMI: u64 = 0x400;
const ASSERT: u64 = 1 << 14;
const ALL_OTHERS: u64 = 0b11 << 18;
/// The pauses of Intel's start of processors (SDM volume 3, 10.4.4.1).
const AFTER_INIT_US: u64 = 10_000;
const AFTER_STARTUP_US: u64 = 200;

// From real mode by way of protected mode to 64 bits (Intel SDM volume 3, 11.9.1 and 11.8.5).
global_asm!(
    ".pushsection .rodata.trampoline, \"a\", @progbits",
    ".code16",
    "trampoline:",
    "cli",
    "cld",
    "movw %cs, %ax",
    "movw %ax, %ds",
    "lgdtl trampoline_table_pointer - trampoline",
    // CR0: protection; caches on.
    "movl %cr0, %eax",
    "andl $0x9fffffff, %eax",
    "orl $1, %eax",
    "movl %eax, %cr0",
    "ljmpl *(trampoline_far - trampoline)",
    ".code32",
    "trampoline_protected:",
    "movl $0x18, %eax",
    "movw %ax, %ds",
    "movw %ax, %es",
    "movw %ax, %ss",
    // CR4: pages of long mode.
    "movl $0x20, %eax",
    "movl %eax, %cr4",
    "movl {page} + trampoline_root - trampoline, %eax",
    "movl %eax, %cr3",
    // EFER: long mode, and pages that are not executable.
    "movl $0xc0000080, %ecx",
    "rdmsr",
    "orl $0x900, %eax",
    "wrmsr",
    // CR0: paging.
    "movl %cr0, %eax",
    "orl $0x80000000, %eax",
    "movl %eax, %cr0",
    "ljmpl $8, ${page} + trampoline_long - trampoline",
    ".code64",
    "trampoline_long:",
    "xorl %edi, %edi",
    "movl trampoline_number(%rip), %esi",
    "jmpq *trampoline_entry(%rip)",
    ".balign 8",
    // No segment, 64-bit code, 32-bit code, data.
    "trampoline_table:",
    ".quad 0, 0x00af9a000000ffff, 0x00cf9a000000ffff, 0x00cf92000000ffff",
    "trampoline_table_pointer:",
    ".word . - trampoline_table - 1",
    ".long {page} + trampoline_table - trampoline",
    "trampoline_far:",
    ".long {page} + trampoline_protected - trampoline",
    ".word 0x10",
    ".balign 8",
    "trampoline_entry:",
    ".quad 0",
    "trampoline_root:",
    ".long 0",
    "trampoline_number:",
    ".long 0",
    "trampoline_end:",
    ".popsection",
    page = const PAGE,
    options(att_syntax),
);

unsafe extern "C" {
    static trampoline: u8;
    static trampoline_entry: u8;
    static trampoline_root: u8;
    static trampoline_number: u8;
    static trampoline_end: u8;
}

/// Starts every processor that the firmware names, in its order.
pub(super) fn start_others() {
    let count = order();
    if count == 1 {
        return;
    }
    let Ok(root) = u32::try_from(Cr3::read().0.start_address().as_u64()) else {
        warn!("page tables beyond 4 GiB: one processor is used");
        return;
    };
    lay_page(root);
    let started = (1..count as u32).take_while(|number| start_one(*number)).count();
    paging::unmap::<BasePageSize>(VirtAddr::new(PAGE), 1);
    CPU_LOCAL_APIC_IDS.lock().truncate(started + 1);
    info!("{} processors", started + 1);
}

/// Puts this processor at the list's head, for it is number 0, and says how many there are.
fn order() -> usize {
    let mut processors = CPU_LOCAL_APIC_IDS.lock();
    if let Some(place) = processors.iter().position(|number| *number == own_number()) {
        processors[..=place].rotate_right(1);
    }
    processors.truncate(MOST);
    processors.len().max(1)
}

/// Copies the first steps to where they are taken.
fn lay_page(root: u32) {
    let mut flags = PageTableEntryFlags::empty();
    flags.normal().writable();
    paging::map::<BasePageSize>(VirtAddr::new(PAGE), PhysAddr::new(PAGE), 1, flags);
    let (from, end) = (&raw const trampoline, &raw const trampoline_end);
    // Safety: the page is mapped and nobody's; what is copied lies between its labels, and is less than a page.
    unsafe { ptr::copy_nonoverlapping(from, PAGE as *mut u8, end.addr() - from.addr()) };
    lay(&raw const trampoline_root, root);
    lay(&raw const trampoline_entry, start::_start as *const () as u64);
}

/// Writes a value in the place of this label's.
fn lay<T>(label: *const u8, value: T) {
    let place = PAGE as usize + label.addr() - (&raw const trampoline).addr();
    // Safety: `lay_page` has mapped the page, and the label has a place of the value's size in it.
    unsafe { (place as *mut T).write_volatile(value) };
}

/// Starts one processor and waits until it has counted itself. False if it does not.
fn start_one(number: u32) -> bool {
    let destination = u64::from(CPU_LOCAL_APIC_IDS.lock()[number as usize]) << 32;
    lay(&raw const trampoline_number, number);
    apic::init_next_processor_variables();
    apic::local_apic_write(COMMAND, destination | ASSERT | INIT);
    processor::udelay(AFTER_INIT_US);
    for _ in 0..2 {
        apic::local_apic_write(COMMAND, destination | ASSERT | STARTUP | PAGE >> 12);
        processor::udelay(AFTER_STARTUP_US);
    }
    let end = processor::get_timer_ticks() + PATIENCE_US;
    while get_processor_count() == number {
        if processor::get_timer_ticks() > end {
            apic::local_apic_write(COMMAND, destination | ASSERT | INIT);
            warn!("processor {number} does not start: the machine runs without it");
            return false;
        }
        core::hint::spin_loop();
    }
    true
}

/// The processors that have nothing to do, one bit each. A processor sets its own; who gives it a thread clears it.
static RESTING: AtomicU32 = AtomicU32::new(0);

/// This processor has found nothing to do.
pub(crate) fn rests() {
    RESTING.fetch_or(1 << core_id(), Ordering::Relaxed);
}

/// It has found something.
pub(crate) fn works() {
    let own = 1 << core_id();
    if RESTING.load(Ordering::Relaxed) & own != 0 {
        RESTING.fetch_and(!own, Ordering::Relaxed);
    }
}

/// Where a new thread goes, and stays: to a processor that rests, else to where the fewest `threads` are. The event loop, which
/// starts the others, is on the first and works while it does.
pub(crate) fn for_a_thread(threads: impl Fn(u32) -> usize) -> u32 {
    let taken = RESTING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |resting| {
        (resting != 0).then(|| resting & (resting - 1))
    });
    match taken {
        Ok(resting) => resting.trailing_zeros(),
        Err(_) => (0..get_processor_count()).min_by_key(|core| threads(*core)).unwrap_or(0),
    }
}

/// This processor's number where interrupts are sent to (Intel SDM volume 2, CPUID leaf 1). It can be asked for at any time.
pub(crate) fn own_number() -> u8 {
    (__cpuid(1).ebx >> 24) as u8
}

/// Interrupts all others for good: where one has crashed, none may go on. `platform::crash` takes the interrupt.
pub(crate) fn stop_others() {
    if get_processor_count() > 1 {
        apic::local_apic_write(COMMAND, ALL_OTHERS | ASSERT | NMI);
    }
}
