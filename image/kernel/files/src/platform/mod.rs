//! What surrounds the processor: the power button, the machine's reset, its end after a crash, and facts about it.
//!
//! It drives no network card and keeps no time. The tables of the firmware (ACPI 6.5, chapter 5) are read by the
//! kernel's own code, which hands over here what is needed.
//!
//! Invariant: a machine without fixed ACPI hardware starts too; it only lacks the button.

pub(crate) mod button;
pub(crate) mod crash;
pub(crate) mod emulator;
mod facts;
mod file;
mod fixed;
mod reset;
mod trace;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::drivers::{InterruptHandlerQueue, InterruptLine};
use crate::fd::AccessPermission;
use crate::fs;

pub(crate) use fixed::{Fixed, Override, learn, learn_override, line_mode};

/// Adds the power button's handler to the interrupt table.
pub(crate) fn add_interrupt_handlers(
    handlers: &mut HashMap<InterruptLine, InterruptHandlerQueue, RandomState>,
) {
    if let Some(line) = fixed::line() {
        handlers.entry(line).or_default().push_back(button::on_interrupt);
        crate::arch::interrupts::add_irq_name(line, "ACPI");
    }
}

/// Publishes the machine's files and arms the power button. The interrupt table is complete by now.
pub(crate) fn publish() {
    crash::announce_restart();
    let published = fs::create_dir("/dev", AccessPermission::S_IRUSR | AccessPermission::S_IXUSR)
        .and_then(|()| button::publish())
        .and_then(|()| facts::publish());
    if let Err(error) = published {
        error!("the machine's files cannot be published: {error:?}");
    }
}
