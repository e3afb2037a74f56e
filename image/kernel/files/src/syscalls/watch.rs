//! The system calls on watches, which `image/ports/mio` makes.
//!
//! Invariant: no pointer of the application is written before its length was checked.

use core::time::Duration;

use crate::errno::EINVAL;
use crate::fd::watch::{self, Happening};
use crate::fd::{FileDescriptor, PollEvent};
use crate::io::{Error, Result};

fn code(error: &Error) -> i32 {
    -num::ToPrimitive::to_i32(error).unwrap_or(EINVAL)
}

fn done(result: Result<()>) -> i32 {
    result.map_or_else(|error| code(&error), |()| 0)
}

/// A new watch.
#[hermit_macro::system]
#[unsafe(no_mangle)]
pub extern "C" fn sys_watch_open() -> i32 {
    watch::open().unwrap_or_else(|error| code(&error))
}

/// Watches a descriptor under a name of the application's, for bits of `poll`.
#[hermit_macro::system]
#[unsafe(no_mangle)]
pub extern "C" fn sys_watch_add(watch: FileDescriptor, fd: FileDescriptor, events: i16, token: u64) -> i32 {
    done(watch::watch(watch, fd, PollEvent::from_bits_retain(events), token))
}

/// Watches a descriptor no longer.
#[hermit_macro::system]
#[unsafe(no_mangle)]
pub extern "C" fn sys_watch_remove(fd: FileDescriptor) -> i32 {
    done(watch::unwatch(fd))
}

/// Waits for what happens, at most `timeout_us` microseconds, for ever where that is negative. Returns how many of the
/// `capacity` entries at `happenings` were filled.
///
/// # Safety
/// `happenings` holds `capacity` entries.
#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_watch_wait(
    watch: FileDescriptor,
    happenings: *mut Happening,
    capacity: usize,
    timeout_us: i64,
) -> i32 {
    if happenings.is_null() || capacity == 0 || capacity > i32::MAX as usize {
        return -EINVAL;
    }
    // Safety: the caller's promise; every bit pattern is a happening.
    let into = unsafe { core::slice::from_raw_parts_mut(happenings, capacity) };
    let timeout = u64::try_from(timeout_us).ok().map(Duration::from_micros);
    watch::wait_for(watch, into, timeout).map_or_else(|error| code(&error), |taken| taken as i32)
}
