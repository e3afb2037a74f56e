//! Restarting the machine, and a count of restarts that outlives them.
//!
//! The count lies in the clock chip's memory, which every PC has and a reset leaves alone. Invariant: bytes that are
//! not ours count as zero and are not trusted.

use x86_64::instructions::port::Port;

use super::fixed;
use crate::arch::processor::udelay;

/// Four bytes of the clock chip's memory behind what firmware uses (SeaBIOS and OVMF end at 0x5f).
const RECORD: u8 = 0x70;
const MAGIC: [u8; 2] = *b"bs";
/// The address port's bit that keeps NMIs out during the access.
const NO_NMI: u8 = 0x80;

/// The keyboard controller's line to the processor's reset.
const KEYBOARD: u16 = 0x64;
const KEYBOARD_RESET: u8 = 0xfe;
/// The chipset's reset register: full reset (Intel ICH9 datasheet, 13.7.5).
const CHIPSET: u16 = 0xcf9;
const CHIPSET_RESET: u8 = 0x06;
/// A reset takes effect within this time or not at all.
const EFFECT_US: u64 = 100_000;

fn cell(index: u8) -> Port<u8> {
    let mut address = Port::<u8>::new(0x70);
    // Safety: the clock chip's address register, in every PC.
    unsafe { address.write(NO_NMI | (RECORD + index)) };
    Port::new(0x71)
}

fn read(index: u8) -> u8 {
    // Safety: the clock chip's data register; reading has no effect.
    unsafe { cell(index).read() }
}

fn write(index: u8, value: u8) {
    // Safety: a byte that firmware does not use.
    unsafe { cell(index).write(value) };
}

/// Crashes in a row.
pub(super) fn crashes() -> u8 {
    let count = read(2);
    let is_ours = [read(0), read(1)] == MAGIC && read(3) == !count;
    if is_ours { count } else { 0 }
}

pub(super) fn set_crashes(count: u8) {
    let record = [MAGIC[0], MAGIC[1], count, !count];
    (0..).zip(record).for_each(|(index, value)| write(index, value));
}

/// Resets the machine by the first way that works; returns if none does.
pub(super) fn reset() {
    let named = fixed::reset().into_iter();
    for (port, value) in named.chain([(CHIPSET, CHIPSET_RESET), (KEYBOARD, KEYBOARD_RESET)]) {
        // Safety: the machine's memory is worth nothing any more.
        unsafe { Port::<u8>::new(port).write(value) };
        udelay(EFFECT_US);
    }
}
