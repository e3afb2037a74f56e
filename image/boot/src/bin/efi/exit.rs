//! Leaving the firmware: into the application, or with a refusal.
//!
//! Invariant: the firmware's screen is written to only while boot services run.

use core::arch::asm;
use core::fmt::{Arguments, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use boot::handoff::Machine;
use boot::place::Place;
use boot::refusal;
use boot::serial::Serial;
use uefi::Status;
use uefi::runtime::ResetType;

use crate::memory;

/// The loader's stack, for the firmware's lies in memory that the application is loaded to.
#[repr(C, align(4096))]
struct Stack([u8; 64 * 1024]);

static STACK: Place<Stack> = Place::new(Stack([0; 64 * 1024]));
static MACHINE: Place<Option<Machine>> = Place::new(None);
static ALONE: AtomicBool = AtomicBool::new(false);

/// Ends boot services and starts the application.
pub(crate) fn leave_firmware(machine: Machine) -> ! {
    let kept = MACHINE.take();
    // Safety: no protocol is open any more; whatever boot services own is not used from here on.
    let map = unsafe { uefi::boot::exit_boot_services(None) };
    ALONE.store(true, Ordering::Relaxed);
    let kept = kept.insert(Machine { free: memory::free(&map), ..machine });
    core::mem::forget(map);
    // Safety: interrupts go to the firmware's handlers, whose memory is free now: there must be none. The new
    // stack's end is aligned as a call wants it, and `start` never returns to the old one.
    unsafe {
        asm!(
            "cli",
            "mov rsp, {stack}",
            "xor ebp, ebp",
            "call {start}",
            "ud2",
            stack = in(reg) STACK.take().0.as_mut_ptr_range().end,
            start = sym start,
            in("rdi") kept,
            options(noreturn),
        )
    }
}

extern "sysv64" fn start(machine: &'static mut Machine) -> ! {
    let Machine { free, application, arguments, config, root, parts, pool } = machine;
    let machine = Machine { free: free.clone(), application, arguments, config, root, parts, pool };
    // Safety: interrupts are off, the firmware maps all memory at its own address, and nothing that is needed lies
    // in memory that boot services had.
    let refusal = unsafe { machine.start() };
    refuse(format_args!("{refusal}"))
}

/// Says why on the serial console, and on the screen while there is one, and powers off with a failure status.
pub(crate) fn refuse(reason: Arguments<'_>) -> ! {
    // A console that cannot be written to must not keep the machine from powering off.
    let _ = writeln!(Serial::new(), "\nbootstack: refused: {reason}");
    if !ALONE.load(Ordering::Relaxed) {
        let _ = uefi::system::with_stdout(|screen| write!(screen, "\r\nbootstack: refused: {reason}\r\n"));
    }
    refusal::leave();
    uefi::runtime::reset(ResetType::SHUTDOWN, Status::ABORTED, None)
}
