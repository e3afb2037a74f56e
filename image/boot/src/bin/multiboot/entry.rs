//! The multiboot header and the way from 32-bit protected mode to 64-bit Rust code.
//!
//! The file is flat: the header itself says where the bytes go (its address fields, flag bit 16), so it needs no
//! 32-bit ELF. Invariant: when `loader_main` runs, the first 4 GiB are mapped at their own address, interrupts are
//! off, and the loader's zeroed data is zero.

use core::arch::global_asm;

use boot::Range;
use boot::elf::Access;
use boot::handoff::Part;

global_asm!(
    r#"
    .section .multiboot, "ax"
    .code32
header:
    .set FLAGS, 0x00010003          // address fields; modules page-aligned; memory map wanted
    .long 0x1badb002
    .long FLAGS
    .long -(0x1badb002 + FLAGS)
    .long header                    // where the header goes
    .long loader_start              // where the file's first byte goes
    .long loader_data_end           // end of the file
    .long loader_end                // end of the zeroed data
    .long entry_32

    .global entry_32
entry_32:
    cli
    cld
    mov esp, offset first_stack_end
    mov esi, eax
    mov ebp, ebx

    // Zeroed data.
    mov edi, offset loader_data_end
    mov ecx, offset loader_end
    sub ecx, edi
    xor eax, eax
    rep stosb

    // 2,048 large pages: present, writable, large.
    mov edi, offset first_large
    mov eax, 0x83
    mov ecx, 2048
2:  mov [edi], eax
    add edi, 8
    add eax, 0x200000
    loop 2b
    mov edi, offset first_huge
    mov eax, offset first_large + 3
    mov ecx, 4
3:  mov [edi], eax
    add edi, 8
    add eax, 0x1000
    loop 3b
    mov eax, offset first_huge + 3
    mov [first_root], eax

    // Physical address extension (and SSE, which compilers assume), root table, long mode, paging.
    mov eax, cr4
    or eax, 0x620
    mov cr4, eax
    mov eax, offset first_root
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x100
    wrmsr
    mov eax, cr0
    and eax, 0x9ffffffb
    or eax, 0x80000002
    mov cr0, eax
    lgdt [descriptors_pointer]
    push 8
    mov eax, offset entry_64
    push eax
    retf

    .code64
entry_64:
    mov eax, 16
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
    mov edi, esi
    mov esi, ebp
    xor ebp, ebp
    call loader_main
    ud2

    .align 8
descriptors:
    .quad 0
    .quad 0x00af9b000000ffff        // 64-bit code, marked as accessed so that the processor need not
    .quad 0x00cf93000000ffff        // data, likewise
descriptors_pointer:
    .word 23
    .long descriptors

    .section .bss.first, "aw", @nobits
    .align 4096
    .global first_root
first_root:
    .skip 4096
first_huge:
    .skip 4096
first_large:
    .skip 4 * 4096
    .skip 0x10000
first_stack_end:
    "#
);

unsafe extern "C" {
    static first_root: u8;
    static loader_start: u8;
    static loader_code_end: u8;
    static loader_constants_end: u8;
    static loader_sum: u8;
    static loader_end: u8;
}

/// Whether the loader is as it was built, by the sum at its file's end. It must be asked before data is written to.
pub(crate) fn is_whole() -> bool {
    let start = &raw const loader_start;
    let sum = &raw const loader_sum;
    // Safety: the linker script puts the file's bytes from `loader_start` on, the sum at their end.
    unsafe {
        let content = core::slice::from_raw_parts(start, sum as usize - start as usize);
        seal::sum(content) == sum.cast::<u128>().read_unaligned()
    }
}

/// Goes back to the tables that map the first 4 GiB, for a refusal that comes late.
pub(crate) fn restore_tables() {
    // Safety: these tables lie in the loader's own data and map everything that the loader uses.
    unsafe { core::arch::asm!("mov cr3, {}", in(reg) &raw const first_root) }
}

/// The loader in memory.
pub(crate) fn all() -> Range {
    &raw const loader_start as u64..&raw const loader_end as u64
}

/// The loader's parts; the linker script puts each on pages of its own.
pub(crate) fn parts() -> [Part; 3] {
    let code_end = &raw const loader_code_end as u64;
    let constants_end = &raw const loader_constants_end as u64;
    [
        (&raw const loader_start as u64..code_end, Access { write: false, execute: true }),
        (code_end..constants_end, Access::default()),
        (constants_end..all().end, Access { write: true, execute: false }),
    ]
}
