//! Sleeping until something happens, and telling that it did.
//!
//! It does not know what happened: a waiter looks again at what it waits for. One thread per processor sleeps in
//! place, by halting the processor; that is a service's event loop, and it costs no switch. Any other thread sleeps
//! in the scheduler.
//!
//! Invariant: a waiter reads `events()` before it looks. Whatever happens after that reading ends its `pause`.

use core::sync::atomic::{AtomicU32, Ordering};

use hermit_sync::without_interrupts;

use super::stack;
use crate::arch::core_local::{core_id, core_scheduler};
use crate::arch::{interrupts, processor};
use crate::scheduler::PerCoreSchedulerExt;
use crate::synch::futex::{Flags, futex_wait, futex_wake};

/// Counts what happened. Only its change means something.
static EVENTS: AtomicU32 = AtomicU32::new(0);
/// Threads that sleep in the scheduler.
static SLEEPERS: AtomicU32 = AtomicU32::new(0);
/// The processors whose place is taken, and those that are about to halt, one bit each.
static PLACES: AtomicU32 = AtomicU32::new(0);
static HALTING: AtomicU32 = AtomicU32::new(0);

/// How long a processor looks around before it halts, in microseconds: about what a halt and the interrupt that ends it
/// cost, so that either costs at most twice what the better choice would have (Karlin, Li, Manasse and Owicki, "Empirical
/// studies of competitive spinning for a shared-memory multiprocessor", 1991).
const LOOK_US: u64 = 100;
/// Looks between two hints to the processor, which under emulation are a trip out of the machine.
const LOOKS_PER_HINT: u32 = 64;

/// The moment before a look: see the invariant.
pub(crate) fn events() -> u32 {
    EVENTS.load(Ordering::SeqCst)
}

/// Says that something happened. Safe in an interrupt.
pub(crate) fn notify() {
    EVENTS.fetch_add(1, Ordering::SeqCst);
    if SLEEPERS.load(Ordering::SeqCst) != 0 {
        futex_wake(&EVENTS, i32::MAX);
    }
    let others = HALTING.load(Ordering::SeqCst) & !this_core();
    if others != 0 {
        (0..u32::BITS).filter(|core| others >> core & 1 != 0).for_each(crate::arch::wakeup_core);
    }
}

/// Whether a thread of this processor is halted in place and will look at the network itself.
pub(crate) fn is_halting() -> bool {
    HALTING.load(Ordering::SeqCst) & this_core() != 0
}

/// Sleeps until something happens after `seen`, or until `deadline` (microseconds since start). May wake early.
pub(crate) fn pause(seen: u32, deadline: Option<u64>) {
    let place = this_core();
    if PLACES.fetch_or(place, Ordering::SeqCst) & place == 0 {
        // Who is ready goes first: `halt` gives the processor away.
        let has_news = !others_are_ready() && (looks_around(seen, deadline) || crate::console::send_portion());
        if !has_news {
            halt(seen, deadline);
        }
        PLACES.fetch_and(!place, Ordering::SeqCst);
    } else {
        sleep(seen, deadline);
    }
}

/// Whether something happened, or became due, while the processor looked around for a moment. The next request of a
/// busy client is seen so without an interrupt, and the console's bytes do not delay it.
fn looks_around(seen: u32, deadline: Option<u64>) -> bool {
    let end = now() + LOOK_US;
    loop {
        // Off for all looks together: each lock would turn them off and on again.
        let has_news = without_interrupts(|| {
            (0..LOOKS_PER_HINT).any(|_| events() != seen || others_are_ready() || stack::has_frames())
        });
        if has_news {
            return true;
        }
        let now = now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return true;
        }
        if end <= now {
            return false;
        }
        core::hint::spin_loop();
    }
}

fn sleep(seen: u32, deadline: Option<u64>) {
    SLEEPERS.fetch_add(1, Ordering::SeqCst);
    let _ = futex_wait(&EVENTS, seen, deadline, Flags::empty());
    SLEEPERS.fetch_sub(1, Ordering::SeqCst);
}

fn halt(seen: u32, deadline: Option<u64>) {
    interrupts::disable();
    announce();
    take_messages();
    let others_are_ready = others_are_ready();
    let is_idle = events() == seen && stack::prepare_to_sleep(deadline);
    if others_are_ready || !is_idle {
        HALTING.fetch_and(!this_core(), Ordering::SeqCst);
        interrupts::enable();
        // Whoever computes meanwhile is interrupted by the next frame, and at the end of its turn.
        if is_idle {
            core_scheduler().reschedule();
        }
        return;
    }
    interrupts::enable_and_wait();
    HALTING.fetch_and(!this_core(), Ordering::SeqCst);
}

fn others_are_ready() -> bool {
    *core_scheduler().get_priority_bitmap() != 0
}

/// Other processors now send an interrupt with their news, even before this one halts.
fn announce() {
    HALTING.fetch_or(this_core(), Ordering::SeqCst);
}

/// Takes the tasks that other processors woke here.
fn take_messages() {
    core_scheduler().check_input();
}

/// Microseconds since start.
pub(crate) fn now() -> u64 {
    processor::get_timer_ticks()
}

fn this_core() -> u32 {
    1 << (core_id() % u32::BITS)
}
