//! The calls that hand out random numbers.
//!
//! Invariant: a call answers with bytes of [`entropy`] or with an error, never with anything weaker. The C library's
//! `rand` promises nothing, but is served from the same source: there is no weak generator to take by mistake.

use core::slice;

use crate::entropy::{self, Flags};
use crate::errno::EINVAL;

/// C's RAND_MAX on Hermit.
const RAND_MAX: u32 = 0x7fff_ffff;

/// Fills `len` bytes at `buf` with random data and returns their number, or
/// * `-EINVAL` if `flags` has an unknown flag or `buf` is null,
/// * `-EIO` if the machine has no entropy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_read_entropy(buf: *mut u8, len: usize, flags: u32) -> isize {
	let Some(flags) = Flags::from_bits(flags) else {
		return -EINVAL as isize;
	};
	if buf.is_null() {
		return -EINVAL as isize;
	}
	let len = len.min(isize::MAX as usize);
	// Safety: the caller owns `len` bytes at `buf`; they are initialised before a reference to them exists.
	let buffer = unsafe {
		buf.write_bytes(0, len);
		slice::from_raw_parts_mut(buf, len)
	};
	entropy::read(buffer, flags)
}

/// Writes a random number to `value` and returns 0, or returns -1 if the machine has no entropy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_secure_rand32(value: *mut u32) -> i32 {
	let mut bytes = [0; size_of::<u32>()];
	if entropy::read(&mut bytes, Flags::empty()) < 0 {
		return -1;
	}
	// Safety: the caller owns a number at `value`, at any alignment.
	unsafe { value.write_unaligned(u32::from_ne_bytes(bytes)) };
	0
}

/// Writes a random number to `value` and returns 0, or returns -1 if the machine has no entropy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_secure_rand64(value: *mut u64) -> i32 {
	let mut bytes = [0; size_of::<u64>()];
	if entropy::read(&mut bytes, Flags::empty()) < 0 {
		return -1;
	}
	// Safety: the caller owns a number at `value`, at any alignment.
	unsafe { value.write_unaligned(u64::from_ne_bytes(bytes)) };
	0
}

/// A number from 0 to RAND_MAX.
#[unsafe(no_mangle)]
pub extern "C" fn sys_rand() -> u32 {
	let mut bytes = [0; size_of::<u32>()];
	let read = entropy::read(&mut bytes, Flags::empty());
	assert!(read >= 0, "the pool was seeded when the kernel started");
	u32::from_ne_bytes(bytes) & RAND_MAX
}

/// Accepted and without effect: no sequence is repeatable.
#[unsafe(no_mangle)]
pub extern "C" fn sys_srand(_seed: u32) {}

/// The pool was seeded with the drivers: the network needs it first.
pub(crate) fn init_entropy() {}
