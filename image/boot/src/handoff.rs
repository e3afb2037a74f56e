//! From a checked application to the running kernel.
//!
//! Invariant: once the tables are switched, memory that firmware lent is overwritten, so nothing here refers to it.

use alloc::boxed::Box;
use core::arch::asm;
use core::mem::MaybeUninit;
use core::num::{NonZeroU16, NonZeroU64};
use core::slice;

use hermit_entry::boot_info::{BootInfo, HardwareInfo, LoadInfo, PlatformInfo, RawBootInfo};
use hermit_entry::elf::KernelObject;

use crate::acpi::Root;
use crate::elf::{Access, Program};
use crate::paging::{Table, Tables};
use crate::place::Place;
use crate::plan::{self, Plan};
use crate::{Range, Ranges, Refusal, relr, serial, tree};

/// `KERNEL_STACK_SIZE` of hermit-kernel 0.11: the kernel goes on running on the stack that it is started with.
const STACK_BYTES: usize = 0x8000;

/// A part of the loader itself and what may be done with it.
pub type Part = (Range, Access);

/// All that a form of the loader has found out.
#[derive(Debug)]
pub struct Machine {
    /// Free memory, without the loader; the application's file counts as free.
    pub free: Ranges,
    /// The application's file: an ELF file whose seal was checked.
    pub application: &'static [u8],
    /// Boot arguments.
    pub arguments: &'static str,
    /// The machine's configuration; empty if it has none.
    pub config: &'static [u8],
    /// A copy of the ACPI root pointer, in the loader.
    pub root: &'static Root,
    /// The loader's parts, which stay in use: stack, tables, device tree.
    pub parts: &'static [Part],
    /// Memory for page tables, below 4 GiB.
    pub pool: &'static mut [Table],
}

/// The stack that the kernel starts on, with a page below it that stays unmapped.
#[derive(Debug)]
#[repr(C, align(4096))]
struct Stack {
    guard: [u8; 4096],
    bytes: [u8; STACK_BYTES],
}

static STACK: Place<Stack> = Place::new(Stack { guard: [0; 4096], bytes: [0; STACK_BYTES] });

impl Machine {
    /// Loads the application and jumps to it. It returns only to refuse.
    ///
    /// # Safety
    /// The processor is in 64-bit mode with interrupts off; free memory below 4 GiB is writable at its own address;
    /// nothing that is still needed lies in free memory but the application's file; this is called once, on a
    /// stack within the loader's parts.
    pub unsafe fn start(self) -> Refusal {
        // Safety: the caller's promise.
        match unsafe { self.try_start() } {
            Ok(never) => never,
            Err(refusal) => refusal,
        }
    }

    unsafe fn try_start(self) -> Result<Refusal, Refusal> {
        if has_five_levels() {
            return Err(Refusal::MachineUnfit("the firmware uses 5-level paging: switch that off"));
        }
        let program = Program::parse(self.application)?;
        let object = KernelObject::parse(self.application).map_err(|_| {
            Refusal::ApplicationUnfit("is no Hermit program of a version that this loader knows")
        })?;
        let file = self.application.as_ptr() as u64..self.application.as_ptr_range().end as u64;
        let plan = plan::decide(&self.free, &file, program.image_bytes)?;
        let root = &raw const *self.root as u64;
        let tree = tree::build(&plan, root, self.arguments, self.config)
            .map_err(|_| Refusal::MachineUnfit("the device tree cannot be built: report the memory map"))?;

        let mut tables = Tables::new(self.pool);
        map_all(&mut tables, &plan, &file, self.parts)?;
        // Safety: the tables map the loader, its stack, the file, and where the image goes.
        unsafe { switch(tables.root()) }
        // Safety: the plan chose free memory that overlaps neither the file nor the loader.
        let memory = unsafe {
            slice::from_raw_parts_mut(plan.image.start as *mut MaybeUninit<u8>, program.image_bytes as usize)
        };
        let loaded = object.load_kernel(memory, plan.image.start);
        relr::apply(&program, memory, plan.image.start)?;
        protect(&mut tables, &program, plan.image.start)?;
        let info = boot_info(loaded.load_info, &plan, tree.leak());
        // Safety: the kernel is loaded, its tables are complete.
        unsafe { jump(tables.root(), loaded.entry_point, info) }
    }
}

/// Free memory, what is free beside the image, the file and the image writable; then the loader's parts as they say.
fn map_all(tables: &mut Tables, plan: &Plan, file: &Range, parts: &[Part]) -> Result<(), Refusal> {
    let data = Access { write: true, execute: false };
    plan.free.iter().try_for_each(|range| tables.map_free(&range))?;
    plan.beside.iter().try_for_each(|range| tables.map_within(&range))?;
    tables.map(file, data)?;
    tables.map(&plan.image, data)?;
    parts.iter().try_for_each(|(range, access)| tables.map(range, *access))
}

/// Gives every page of the image the access of the segments that touch it.
fn protect(tables: &mut Tables, program: &Program<'_>, start: u64) -> Result<(), Refusal> {
    for (range, access) in program.segments(start) {
        // Linkers put segments of different access on different pages; if one did not, its pages get both.
        let shared = |other: &Part| other.0.start >> 12 == range.start >> 12 && other.0 != range;
        let first = program.segments(start).filter(shared).fold(access, |sum, (_, other)| Access {
            write: sum.write || other.write,
            execute: sum.execute || other.execute,
        });
        tables.map(&range, access)?;
        tables.map(&(range.start..range.start + 1), first)?;
    }
    Ok(())
}

fn boot_info(load_info: LoadInfo, plan: &Plan, tree: &'static [u8]) -> &'static RawBootInfo {
    let end = plan.free.iter().next_back().map_or(plan.image.end, |range| range.end);
    let hardware_info = HardwareInfo {
        // The kernel takes the start for the beginning of what its image and its heap are cut from; it gets no
        // memory below its image's end, so from there on it counts.
        phys_addr_range: plan.image.end.next_multiple_of(plan::LARGE_PAGE_BYTES)..end,
        serial_port_base: NonZeroU16::new(serial::COM1),
        device_tree: NonZeroU64::new(tree.as_ptr() as u64),
    };
    let info = BootInfo { hardware_info, load_info, platform_info: PlatformInfo::Fdt };
    Box::leak(Box::new(info.into()))
}

/// Whether CR4 bit 12 is set, which can only be cleared by leaving 64-bit mode; the kernel walks four levels.
fn has_five_levels() -> bool {
    let cr4: u64;
    // Safety: reading CR4 changes nothing.
    unsafe { asm!("mov {}, cr4", out(reg) cr4, options(nomem, nostack, preserves_flags)) }
    cr4 & 1 << 12 != 0
}

/// Goes over to the page tables at `root`, with no-execute and write protection in force.
///
/// # Safety
/// The tables must map all that the loader goes on using.
unsafe fn switch(root: u64) {
    // EFER (MSR 0xc0000080) bit 11 enables no-execute pages; CR0 bit 16 holds the loader to read-only ones.
    // Safety: neither changes what is mapped; every x86-64 processor that Hermit runs on has them.
    unsafe {
        asm!(
            "mov ecx, 0xc0000080",
            "rdmsr",
            "bts eax, 11",
            "wrmsr",
            "mov rax, cr0",
            "bts rax, 16",
            "mov cr0, rax",
            "mov cr3, {root}",
            root = in(reg) root,
            out("rax") _, out("rcx") _, out("rdx") _,
        );
    }
}

/// Leaves for the kernel, whose entry takes the boot information and the number of the processor.
///
/// # Safety
/// `entry` must be the kernel's entry point, mapped as its segments say.
unsafe fn jump(root: u64, entry: u64, info: &'static RawBootInfo) -> ! {
    // The kernel adds its stack's size to the stack pointer itself: it wants the lowest address.
    let stack = STACK.take().bytes.as_mut_ptr();
    // Safety: nothing of the loader runs after this; the stack and `info` stay mapped for the kernel.
    unsafe {
        asm!(
            "mov cr3, {root}",
            "mov rsp, {stack}",
            "xor ebp, ebp",
            "jmp {entry}",
            root = in(reg) root,
            stack = in(reg) stack,
            entry = in(reg) entry,
            in("rdi") info,
            in("rsi") 0,
            options(noreturn),
        )
    }
}
