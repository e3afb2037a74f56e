//! The fixed hardware of ACPI (ACPI 6.5, 4.8.3): its ports, and the interrupt by which it reports.
//!
//! It interprets no bytecode. Invariant: a port is used only if the firmware's table names it.

use hermit_sync::OnceCell;
use x86_64::instructions::port::Port;

use crate::drivers::InterruptLine;

/// Bits of the PM1 status and enable registers (ACPI 6.5, tables 4.14 and 4.15).
const POWER_BUTTON: u16 = 1 << 8;
/// Bit of the PM1 control register: events raise the interrupt (ACPI 6.5, table 4.16).
const SCI_ENABLED: u16 = 1;
/// Flag of the table: the button is not fixed hardware (ACPI 6.5, table 5.10).
const BUTTON_ELSEWHERE: u32 = 1 << 4;
/// How often the control register is read until the firmware has handed over: 3 s at a microsecond each.
const HAND_OVER_TRIES: u32 = 3_000_000;

/// Bits of an entry of the I/O APIC.
const LEVEL_TRIGGERED: u32 = 1 << 15;
const ACTIVE_LOW: u32 = 1 << 13;

/// What the firmware's table says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed {
    /// The interrupt, as the interrupt controllers of the first PC number it.
    pub(crate) interrupt: u16,
    /// Port and value by which the firmware is asked to hand over, zero where there is nothing to ask.
    pub(crate) command_port: u16,
    pub(crate) command: u8,
    /// The event block and its length in bytes: status registers, then as many enable registers.
    pub(crate) events: u16,
    pub(crate) event_bytes: u8,
    pub(crate) control: u16,
    pub(crate) flags: u32,
    /// Port and value that reset the machine, where the table names them.
    pub(crate) reset: Option<(u16, u8)>,
}

/// Where an interrupt of the first PC lies today (ACPI 6.5, table 5.26).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Override {
    pub(crate) source: u8,
    pub(crate) line: u32,
    pub(crate) flags: u16,
}

static FIXED: OnceCell<Fixed> = OnceCell::new();
static OVERRIDE: OnceCell<Override> = OnceCell::new();

/// Keeps what the table says.
pub(crate) fn learn(fixed: Fixed) {
    let _ = FIXED.set(fixed);
}

/// Keeps where the interrupt lies, if it is ours. Called after `learn`.
pub(crate) fn learn_override(found: Override) {
    if FIXED.get().is_some_and(|fixed| fixed.interrupt == u16::from(found.source)) {
        let _ = OVERRIDE.set(found);
    }
}

/// The interrupt's line at the I/O APIC, if this machine has a fixed power button.
pub(super) fn line() -> Option<InterruptLine> {
    let fixed = with_button()?;
    let line = OVERRIDE.get().map_or(u32::from(fixed.interrupt), |found| found.line);
    InterruptLine::try_from(line).ok()
}

fn with_button() -> Option<&'static Fixed> {
    FIXED.get().filter(|fixed| fixed.events != 0 && fixed.flags & BUTTON_ELSEWHERE == 0)
}

/// Bits to add to an entry of the I/O APIC: ACPI's interrupt is level-triggered and active low (ACPI 6.5, 5.2.9), unless
/// the override says otherwise; every other line is left alone.
pub(crate) fn line_mode(line: u8) -> u32 {
    if self::line() != Some(line) {
        return 0;
    }
    let flags = OVERRIDE.get().map_or(0, |found| found.flags);
    let trigger = if flags >> 2 & 3 == 1 { 0 } else { LEVEL_TRIGGERED };
    let polarity = if flags & 3 == 1 { 0 } else { ACTIVE_LOW };
    trigger | polarity
}

/// Port and value that reset the machine.
pub(super) fn reset() -> Option<(u16, u8)> {
    FIXED.get()?.reset
}

/// Asks for an interrupt when the button is pressed. False if there is no such button.
pub(super) fn watch_button() -> bool {
    let Some(fixed) = with_button() else { return false };
    take_over(fixed);
    take_press();
    let mut enabled = Port::<u16>::new(fixed.events + u16::from(fixed.event_bytes / 2));
    // Safety: the table names this register, and only the button may report.
    unsafe { enabled.write(POWER_BUTTON) };
    true
}

/// Has the firmware hand the events over to us (ACPI 6.5, 4.8.2.5).
fn take_over(fixed: &Fixed) {
    let mut control = Port::<u16>::new(fixed.control);
    // Safety: the table names these registers.
    let mut is_ours = || unsafe { control.read() } & SCI_ENABLED != 0;
    if is_ours() || fixed.command_port == 0 || fixed.command == 0 {
        return;
    }
    // Safety: as above.
    unsafe { Port::<u8>::new(fixed.command_port).write(fixed.command) };
    let handed_over = (0..HAND_OVER_TRIES).any(|_| {
        crate::arch::processor::udelay(1);
        is_ours()
    });
    if !handed_over {
        warn!("the firmware does not hand over the power button");
    }
}

/// Whether the button was pressed since the last question.
pub(super) fn take_press() -> bool {
    let Some(fixed) = with_button() else { return false };
    let mut status = Port::<u16>::new(fixed.events);
    // Safety: the table names this register; a bit is cleared by writing it.
    unsafe {
        let is_pressed = status.read() & POWER_BUTTON != 0;
        if is_pressed {
            status.write(POWER_BUTTON);
        }
        is_pressed
    }
}
