//! The timestamp counter: how fast it runs, by what the processor or the hypervisor says, or else by the interval timer; and
//! the time since the machine began, which is the counter's unless KVM shares a better clock (`kvm`).
//!
//! The timer's second channel is read while it counts down, without interrupts: a machine that its host does not let run for a
//! while misses nothing, and readings between which it did not run are left out. Upstream counted three interrupts in whole
//! megahertz; on a busy host such a clock lost a quarter of the time.
//!
//! Invariant: `detect` comes before the first look at a time; until then no time has passed.

use core::sync::atomic::{AtomicU64, Ordering};

use raw_cpuid::CpuId;
use x86_64::instructions::port::Port;

use super::kvm;
use super::rate::{self, Rate, Reading, best};
use crate::arch::processor::get_timestamp;

/// The interval timer's clock (Intel 8254): 3579545 / 3 Hz.
const TIMER_HZ: u64 = 1_193_182;
/// How long it is watched. It holds 54 ms.
const WATCHED: u64 = TIMER_HZ / 25;
/// Readings at either end.
const READINGS: usize = 16;
/// Counter values between two looks at a timer that does not count.
const PATIENCE: u32 = 10_000_000;
/// If nothing can be learnt: as good a guess as any.
const GUESS_KHZ: u64 = 2_000_000;

/// Kilohertz, and microseconds in a tick as `rate` keeps them. Zero before `detect`.
static KHZ: AtomicU64 = AtomicU64::new(0);
static MICROS_EACH: AtomicU64 = AtomicU64::new(0);

/// Finds out how fast the counter runs. Called once, before other processors and interrupts.
pub(crate) fn detect() {
    let rate = kvm::start().or_else(told).or_else(measured);
    if rate.is_none() {
        error!("the rate of the timestamp counter is unknown: {GUESS_KHZ} kHz is a guess");
    }
    let rate = rate.or(Rate::of_khz(GUESS_KHZ)).expect("a rate that processors have");
    KHZ.store(rate.khz(), Ordering::Relaxed);
    MICROS_EACH.store(rate.micros_each(), Ordering::Relaxed);
    info!("the timestamp counter runs at {} kHz", rate.khz());
}

/// Microseconds since the machine began.
pub(crate) fn micros() -> u64 {
    kvm::micros().unwrap_or_else(|| rate::micros(get_timestamp(), MICROS_EACH.load(Ordering::Relaxed)))
}

/// The counter at that time.
pub(crate) fn at(micros: u64) -> u64 {
    kvm::at(micros).unwrap_or_else(|| rate::ticks(micros, MICROS_EACH.load(Ordering::Relaxed).max(1)))
}

/// In whole megahertz, for short waits.
pub(crate) fn mhz() -> u16 {
    (KHZ.load(Ordering::Relaxed) / 1_000) as u16
}

/// What the processor says (leaf 0x15, with the crystal's frequency), or the hypervisor (0x40000010).
fn told() -> Option<Rate> {
    let cpuid = CpuId::new();
    let processor = cpuid.get_tsc_info().and_then(|info| info.tsc_frequency()).map(|hz| hz / 1_000);
    let hypervisor = || cpuid.get_hypervisor_info()?.tsc_frequency().map(u64::from);
    processor.or_else(hypervisor).and_then(Rate::of_khz)
}

fn measured() -> Option<Rate> {
    start_timer();
    let first = best((0..READINGS).map(|_| reading()))?;
    for _ in 0..PATIENCE {
        let passed = first.count.saturating_sub(reading().count);
        if passed >= WATCHED {
            let last = best((0..READINGS).map(|_| reading()))?;
            // A host that stood still for longer than the timer holds: it began again from above.
            let counts = first.count.checked_sub(last.count).filter(|counts| *counts >= WATCHED)?;
            return Rate::measured(last.middle() - first.middle(), counts, TIMER_HZ);
        }
    }
    None
}

const TIMER_DATA: u16 = 0x42;
const TIMER_COMMAND: u16 = 0x43;
/// Bit 0 lets the second channel count, bit 1 leads it to the loudspeaker.
const GATE: u16 = 0x61;
/// Second channel, both bytes, once (mode 0), binary; and: hold its value to be read.
const COUNT_DOWN: u8 = 0b1011_0000;
const HOLD: u8 = 0b1000_0000;

/// Lets the second channel count down from 65,535.
fn start_timer() {
    // Safety: ports of the interval timer, whose second channel nobody else uses.
    unsafe {
        let gate = Port::<u8>::new(GATE).read();
        Port::<u8>::new(GATE).write(gate & !2 | 1);
        Port::<u8>::new(TIMER_COMMAND).write(COUNT_DOWN);
        Port::<u8>::new(TIMER_DATA).write(0xff);
        Port::<u8>::new(TIMER_DATA).write(0xff);
    }
}

fn reading() -> Reading {
    let before = get_timestamp();
    // Safety: as above; holding the value does not stop the counter.
    unsafe { Port::<u8>::new(TIMER_COMMAND).write(HOLD) };
    let after = get_timestamp();
    // Safety: as above.
    let [low, high] = [(); 2].map(|()| unsafe { Port::<u8>::new(TIMER_DATA).read() });
    Reading { before, count: u64::from(u16::from_le_bytes([low, high])), after }
}
