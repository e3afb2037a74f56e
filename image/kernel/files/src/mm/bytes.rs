//! `memcpy`, `memmove` and `memset`, for the kernel and for the application.
//!
//! Most copies are of a few words, and `rep` takes tens of cycles to begin: up to 256 bytes go without it. Only general
//! registers are used, as these run in interrupts too, whose handlers do not save the others.
//!
//! Invariant: nothing here becomes a call of itself: loops are written in assembly, which the compiler leaves alone.

use core::arch::asm;

/// From here on the processor's own loop is quicker.
const LONG_BYTES: usize = 256;

/// Moves the first and the last `T`, which may overlap.
///
/// # Safety
/// There are `bytes`, at least one `T`, at both places.
#[inline(always)]
unsafe fn both_ends<T: Copy>(to: *mut u8, from: *const u8, bytes: usize) {
    let last = bytes - size_of::<T>();
    // Safety: the caller has at least one `T` at both places; all is read before anything is written.
    unsafe {
        let head = from.cast::<T>().read_unaligned();
        let tail = from.add(last).cast::<T>().read_unaligned();
        to.cast::<T>().write_unaligned(head);
        to.add(last).cast::<T>().write_unaligned(tail);
    }
}

/// Up to 32 bytes, which may overlap.
///
/// # Safety
/// There are `bytes` at both places.
#[inline(always)]
unsafe fn copy_short(to: *mut u8, from: *const u8, bytes: usize) {
    // Safety: each branch knows that there are as many bytes as it moves.
    unsafe {
        match bytes {
            17.. => both_ends::<[u64; 2]>(to, from, bytes),
            8.. => both_ends::<u64>(to, from, bytes),
            4.. => both_ends::<u32>(to, from, bytes),
            2.. => both_ends::<u16>(to, from, bytes),
            1 => to.write(from.read()),
            0 => {}
        }
    }
}

/// Copies bytes between places that do not overlap.
///
/// # Safety
/// As C's `memcpy`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
    // Safety: the caller's promise; the last part overlaps what was copied before it.
    unsafe {
        match bytes {
            ..=32 => copy_short(to, from, bytes),
            ..LONG_BYTES => {
                let last = bytes - 32;
                copy_blocks(to, from, last.div_ceil(32));
                both_ends::<[u64; 2]>(to.add(last), from.add(last), 32);
            }
            _ => {
                let last = bytes - 8;
                let word = from.add(last).cast::<u64>().read_unaligned();
                asm!(
                    "rep movsq",
                    inout("rcx") bytes / 8 => _,
                    inout("rdi") to => _,
                    inout("rsi") from => _,
                    options(nostack, preserves_flags)
                );
                to.add(last).cast::<u64>().write_unaligned(word);
            }
        }
    }
    to
}

/// Copies blocks of 32 bytes, at least one, in ascending order.
///
/// # Safety
/// There are so many blocks at both places.
#[inline(always)]
unsafe fn copy_blocks(to: *mut u8, from: *const u8, blocks: usize) {
    // Safety: the caller has so many blocks at both places.
    unsafe {
        asm!(
            "2:",
            "mov {a}, [{from}]",
            "mov {b}, [{from} + 8]",
            "mov {c}, [{from} + 16]",
            "mov {d}, [{from} + 24]",
            "mov [{to}], {a}",
            "mov [{to} + 8], {b}",
            "mov [{to} + 16], {c}",
            "mov [{to} + 24], {d}",
            "add {from}, 32",
            "add {to}, 32",
            "dec {blocks}",
            "jnz 2b",
            a = out(reg) _,
            b = out(reg) _,
            c = out(reg) _,
            d = out(reg) _,
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            blocks = inout(reg) blocks => _,
            options(nostack)
        );
    }
}

/// Copies bytes between places that may overlap.
///
/// # Safety
/// As C's `memmove`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
    // Safety: the caller's promise. Apart from each other, or short, it is a copy; so it is, word by word from the end,
    // where the place to write lies behind the place to read.
    unsafe {
        if bytes <= 32 {
            copy_short(to, from, bytes);
        } else if to.addr().abs_diff(from.addr()) >= bytes {
            memcpy(to, from, bytes);
        } else if to.addr() < from.addr() {
            copy_words_up(to, from, bytes);
        } else {
            copy_words_down(to, from, bytes);
        }
    }
    to
}

/// Ascending, word by word; `to` lies before `from`. The last word is read before it could be overwritten.
///
/// # Safety
/// There are `bytes`, at least eight, at both places.
unsafe fn copy_words_up(to: *mut u8, from: *const u8, bytes: usize) {
    let last = bytes - 8;
    // Safety: there are at least eight bytes at both places.
    unsafe {
        let word = from.add(last).cast::<u64>().read_unaligned();
        asm!(
            "2:",
            "mov {word}, [{from}]",
            "mov [{to}], {word}",
            "add {from}, 8",
            "add {to}, 8",
            "dec {words}",
            "jnz 2b",
            word = out(reg) _,
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            words = inout(reg) bytes / 8 => _,
            options(nostack)
        );
        to.add(last).cast::<u64>().write_unaligned(word);
    }
}

/// Descending, word by word; `to` lies behind `from`. The first word is read before it could be overwritten.
///
/// # Safety
/// There are `bytes`, at least eight, at both places.
unsafe fn copy_words_down(to: *mut u8, from: *const u8, bytes: usize) {
    // Safety: as above.
    unsafe {
        let word = from.cast::<u64>().read_unaligned();
        asm!(
            "2:",
            "mov {word}, [{from} - 8]",
            "mov [{to} - 8], {word}",
            "sub {from}, 8",
            "sub {to}, 8",
            "dec {words}",
            "jnz 2b",
            word = out(reg) _,
            from = inout(reg) from.add(bytes) => _,
            to = inout(reg) to.add(bytes) => _,
            words = inout(reg) bytes / 8 => _,
            options(nostack)
        );
        to.cast::<u64>().write_unaligned(word);
    }
}

/// Fills bytes.
///
/// # Safety
/// As C's `memset`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, bytes: usize) -> *mut u8 {
    let word = u64::from(byte as u8) * 0x0101_0101_0101_0101;
    // Safety: the caller's promise; each branch knows that there are as many bytes as it fills.
    unsafe {
        match bytes {
            8..=32 => {
                let half = (bytes - 8).min(8);
                for at in [0, half, bytes - 8 - half, bytes - 8] {
                    to.add(at).cast::<u64>().write_unaligned(word);
                }
            }
            8.. => {
                asm!(
                    "rep stosq",
                    inout("rcx") bytes / 8 => _,
                    inout("rdi") to => _,
                    in("rax") word,
                    options(nostack, preserves_flags)
                );
                to.add(bytes - 8).cast::<u64>().write_unaligned(word);
            }
            4.. => {
                to.cast::<u32>().write_unaligned(word as u32);
                to.add(bytes - 4).cast::<u32>().write_unaligned(word as u32);
            }
            2.. => {
                to.cast::<u16>().write_unaligned(word as u16);
                to.add(bytes - 2).cast::<u16>().write_unaligned(word as u16);
            }
            1 => to.write(word as u8),
            0 => {}
        }
    }
    to
}
