//! The processor's I/O ports.

use core::arch::asm;

/// Writes one byte.
///
/// # Safety
/// The device at `port` must not break memory safety on account of `value`.
pub unsafe fn write_u8(port: u16, value: u8) {
    // Safety: an `out` touches no memory of its own; the caller answers for the device.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags)) }
}

/// Writes two bytes.
///
/// # Safety
/// As [`write_u8`].
pub unsafe fn write_u16(port: u16, value: u16) {
    // Safety: as in `write_u8`.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack, preserves_flags)) }
}

/// Writes four bytes.
///
/// # Safety
/// As [`write_u8`].
pub unsafe fn write_u32(port: u16, value: u32) {
    // Safety: as in `write_u8`.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nomem, nostack, preserves_flags)) }
}

/// Reads one byte.
///
/// # Safety
/// The device at `port` must not break memory safety on account of being read.
pub unsafe fn read_u8(port: u16) -> u8 {
    let value;
    // Safety: an `in` touches no memory of its own; the caller answers for the device.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags)) }
    value
}
