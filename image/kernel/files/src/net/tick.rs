//! The processor's one-shot timer, programmed as seldom as possible.
//!
//! Programming it costs a trip out of the machine, so a timer that fires too early is left alone: whoever it wakes
//! finds nothing to do and asks again. While the service computes, the network still runs once per `PERIOD_US`, which is
//! also a thread's turn while another is ready.
//!
//! Invariant: the timer fires at or before every deadline that was asked for and has not passed.

use core::sync::atomic::{AtomicU64, Ordering};

use hermit_sync::without_interrupts;

use super::wait;
use crate::arch::core_local::core_id;

/// The network runs at least so often, in microseconds.
pub(crate) const PERIOD_US: u64 = 10_000;
/// A sleeping machine looks around at least so often.
const LONGEST_SLEEP_US: u64 = 10_000_000;
const NEVER: u64 = u64::MAX;
const MOST_CORES: usize = 32;

/// What each processor's timer is set to.
static ARMED: [AtomicU64; MOST_CORES] = [const { AtomicU64::new(NEVER) }; MOST_CORES];

/// Asks for a wake-up at `deadline`, microseconds since start; without one, for a late look around.
pub(super) fn arm(deadline: Option<u64>) {
    let latest = wait::now() + LONGEST_SLEEP_US;
    set(Some(deadline.unwrap_or(latest).min(latest)), crate::arch::kernel::apic::program_timer);
}

/// Asks for a wake-up within a period.
pub(crate) fn keep() {
    set(Some(wait::now() + PERIOD_US), crate::arch::kernel::apic::program_timer);
}

/// What the scheduler's request for a timer comes down to: it is programmed only if it would fire too late.
pub(crate) fn set(deadline: Option<u64>, program: fn(Option<u64>)) {
    let Some(deadline) = deadline else { return };
    without_interrupts(|| {
        let armed = &ARMED[core_id() as usize % MOST_CORES];
        let is_due_to_fire = armed.load(Ordering::Relaxed) <= deadline;
        if !is_due_to_fire {
            armed.store(deadline, Ordering::Relaxed);
            program(Some(deadline));
        }
    });
}

/// The timer fired: it is set to nothing now.
pub(crate) fn fired() {
    ARMED[core_id() as usize % MOST_CORES].store(NEVER, Ordering::Relaxed);
}
