//! The end of a machine that cannot go on: say where, then start over, later each time.
//!
//! A refusal is no crash: it ends by a power-off, because the next start would refuse too. A machine with a debug exit
//! port is watched by somebody who wants to see it end, so it ends.
//!
//! Invariant: nothing here takes a lock or allocates; whoever crashed may hold the lock or have broken the heap.

use core::arch::asm;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering};

use x86_64::instructions::port::Port;

use super::{fixed, reset, trace};
use crate::arch::interrupts::{self, ExceptionStackFrame};
use crate::arch::kernel::processors;
use crate::arch::{core_local::core_id, processor};
use crate::net::wait;

/// After this many seconds of life a crash is the first of a new row.
const ROW_ENDS_AFTER_S: u64 = 600;
/// The longest delay before a restart, in seconds.
const LONGEST_DELAY_S: u64 = 300;
/// QEMU's debug exit port reads as zero, a port that is not there as ones.
const DEBUG_EXIT: u16 = 0xf4;
const ABSENT: u16 = 0xf8;

/// The processor that is ending the machine, once one is: its own number, for a crash may come before it has another.
static ENDING: AtomicU32 = AtomicU32::new(NOBODY);
const NOBODY: u32 = u32::MAX;

/// The kernel panicked.
pub(crate) fn panicked(info: &PanicInfo<'_>) -> ! {
    begin();
    panic_println!("bootstack: crashed: {info}");
    end(None, stack_pointer())
}

/// The application, or the kernel without a word, gave up. What there was to say was said.
pub(crate) fn aborted() -> ! {
    begin();
    panic_println!("bootstack: crashed: the application aborted");
    end(None, stack_pointer())
}

/// The processor could not go on here.
pub(crate) fn at(frame: &ExceptionStackFrame, what: &str, code: u64) -> ! {
    begin();
    let address = x86_64::registers::control::Cr2::read_raw();
    panic_println!("bootstack: crashed: {what} (code {code:#x}, address register {address:#x})");
    end(Some(frame.instruction_pointer.as_u64()), frame.stack_pointer.as_u64())
}

/// Tells of the crashes before this start.
pub(super) fn announce_restart() {
    let crashes = reset::crashes();
    if crashes > 0 {
        println!("bootstack: started again after {crashes} crashes");
    }
}

fn begin() {
    interrupts::disable();
    let own = processors::own_number().into();
    match ENDING.compare_exchange(NOBODY, own, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => processors::stop_others(),
        // A crash on the way is not reported, or there would be no end.
        Err(other) if other == own => restart(),
        Err(_) => loop {
            x86_64::instructions::hlt();
        },
    }
}

fn end(instruction: Option<u64>, stack: u64) -> ! {
    panic_println!("bootstack: on processor {}, at (cargo xtask image --symbols names the places):", core_id());
    trace::print(instruction, stack);
    if has_debug_exit() {
        panic_println!("exit status -1");
        processor::shutdown(-1);
    }
    wait_longer_each_time();
    restart()
}

fn wait_longer_each_time() {
    let is_new_row = wait::now() > ROW_ENDS_AFTER_S * 1_000_000;
    let crashes = if is_new_row { 0 } else { reset::crashes() };
    let delay_s = 1_u64.checked_shl(crashes.into()).map_or(LONGEST_DELAY_S, |delay| delay.min(LONGEST_DELAY_S));
    reset::set_crashes(crashes.saturating_add(1).min(63));
    panic_println!("bootstack: starting again in {delay_s} s");
    for _ in 0..delay_s * 10 {
        processor::udelay(100_000);
        if fixed::take_press() {
            crate::arch::kernel::acpi::poweroff();
        }
    }
}

fn restart() -> ! {
    reset::reset();
    processor::shutdown(-1)
}

fn has_debug_exit() -> bool {
    // Safety: reading neither port has an effect: one is QEMU's, at the other there is nothing.
    unsafe { Port::<u8>::new(DEBUG_EXIT).read() == 0 && Port::<u8>::new(ABSENT).read() != 0 }
}

#[inline(always)]
fn stack_pointer() -> u64 {
    let pointer;
    // Safety: reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}
