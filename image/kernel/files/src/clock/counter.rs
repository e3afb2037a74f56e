//! The timestamp counter: how fast it runs, by what the processor or the hypervisor says, or else by the interval timer; and
//! the time since the machine began, which is the counter's unless KVM shares a better clock (`kvm`).
//!
//! The timer's second channel is read while it counts down, without interrupts: a machine that its host does not let run for a
//! while misses nothing, and readings between which it did not run are left out. Upstream counted three interrupts in whole
//! megahertz; on a busy host such a clock lost a quarter of the time.
//!
//! It is watched twice: for a few milliseconds when the machine needs a clock to start by, and once more, while it went on counting,
//! just before the application is started.
//!
//! Invariant: `detect` comes before the first look at a time; until then no time has passed. Time never goes back, also where
//! its rate becomes another.

use core::sync::atomic::{AtomicU64, Ordering};

use hermit_sync::without_interrupts;
use raw_cpuid::CpuId;
use x86_64::instructions::port::Port;

use super::kvm;
use super::rate::{self, Rate, Reading, best};
use crate::arch::processor::get_timestamp;

/// The interval timer's clock (Intel 8254): 3579545 / 3 Hz.
const TIMER_HZ: u64 = 1_193_182;
/// It begins again after so many.
const TIMER_PERIOD: u64 = 1 << 16;
/// How long it is watched at first, and in all at the least.
const WATCHED: u64 = TIMER_HZ / 200;
const WATCHED_IN_ALL: u64 = TIMER_HZ / 25;
/// Readings at either end.
const READINGS: usize = 16;
/// The first watch is off by less than such a part: a count at either end is a part in six thousand.
const MOST_OFF: u64 = 1_000;
/// Counter values between two looks at a timer that does not count.
const PATIENCE: u32 = 10_000_000;
/// If nothing can be learnt: as good a guess as any.
const GUESS_KHZ: u64 = 2_000_000;

/// Kilohertz, and microseconds in a tick as `rate` keeps them. Zero before `detect`.
static KHZ: AtomicU64 = AtomicU64::new(0);
static MICROS_EACH: AtomicU64 = AtomicU64::new(0);
/// What time was told before the rate was this one, and would not have been by it, in microseconds, modulo 2^64.
static MICROS_BEFORE: AtomicU64 = AtomicU64::new(0);
/// The first reading of the interval timer, if it was needed: its tick and its count.
static FIRST: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Finds out how fast the counter runs. Called once, before other processors and interrupts.
pub(crate) fn detect() {
    let rate = kvm::start().or_else(told).or_else(measured);
    if rate.is_none() {
        error!("the rate of the timestamp counter is unknown: {GUESS_KHZ} kHz is a guess");
    }
    set(rate.or(Rate::of_khz(GUESS_KHZ)).expect("a rate that processors have"));
}

/// Finds it out better, where the interval timer said it. Called once, when the machine has started.
pub(crate) fn refine() {
    let [tick, count] = [&FIRST[0], &FIRST[1]].map(|word| word.load(Ordering::Relaxed));
    if tick == 0 {
        return;
    }
    let counted = |last: &Reading| {
        let expected = u128::from(last.middle() - tick) * u128::from(TIMER_HZ) / 1_000 / u128::from(khz());
        rate::counted(count, last.count, TIMER_PERIOD, expected as u64)
    };
    for _ in 0..PATIENCE {
        if counted(&reading()) >= WATCHED_IN_ALL {
            break;
        }
    }
    let last = best((0..READINGS).map(|_| reading()));
    let rate = last.and_then(|last| Rate::measured(last.middle() - tick, counted(&last), TIMER_HZ));
    // A host that stopped the machine meanwhile may have stopped one of the two alone.
    if let Some(rate) = rate.filter(|rate| rate.khz().abs_diff(khz()) <= khz() / MOST_OFF) {
        set(rate);
    }
}

/// Goes on at this rate from the time that it is.
fn set(rate: Rate) {
    without_interrupts(|| {
        let now = get_timestamp();
        let (told, by_this) = (by_counter(now), rate::micros(now, rate.micros_each()));
        let is_first = KHZ.swap(rate.khz(), Ordering::Relaxed) == 0;
        MICROS_EACH.store(rate.micros_each(), Ordering::Relaxed);
        if !is_first {
            MICROS_BEFORE.store(told.wrapping_sub(by_this), Ordering::Relaxed);
        }
    });
    info!("the timestamp counter runs at {} kHz", rate.khz());
}

/// Microseconds since the machine began.
pub(crate) fn micros() -> u64 {
    kvm::micros().unwrap_or_else(|| by_counter(get_timestamp()))
}

fn by_counter(tick: u64) -> u64 {
    micros_of(tick).wrapping_add(MICROS_BEFORE.load(Ordering::Relaxed))
}

/// The counter at that time.
pub(crate) fn at(micros: u64) -> u64 {
    kvm::at(micros).unwrap_or_else(|| ticks_of(micros.wrapping_sub(MICROS_BEFORE.load(Ordering::Relaxed))))
}

/// Microseconds in which it counts so much.
pub(super) fn micros_of(ticks: u64) -> u64 {
    rate::micros(ticks, MICROS_EACH.load(Ordering::Relaxed))
}

/// What it counts in so many microseconds.
pub(super) fn ticks_of(micros: u64) -> u64 {
    rate::ticks(micros, MICROS_EACH.load(Ordering::Relaxed).max(1))
}

fn khz() -> u64 {
    KHZ.load(Ordering::Relaxed)
}

/// In whole megahertz, for short waits.
pub(crate) fn mhz() -> u16 {
    (khz() / 1_000) as u16
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
            FIRST[0].store(first.middle(), Ordering::Relaxed);
            FIRST[1].store(first.count, Ordering::Relaxed);
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
