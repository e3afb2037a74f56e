//! The wall clock: begun with the clock chip, paced by the timestamp counter, kept right by time servers.
//!
//! The monotonic clock is not touched: it only has to run, not to be right. Where the clock chip cannot be believed, the
//! application is not started before a time server was heard, for it would judge certificates by a wrong date.
//!
//! Invariant: the wall clock never goes back.

mod chip;
mod discipline;
mod servers;
mod sntp;

use core::sync::atomic::{AtomicU32, Ordering};

use hermit_sync::InterruptTicketMutex;

use crate::net::{stack, wait};
use discipline::Wall;

pub(crate) use servers::learn;

/// No machine that runs this was started before: 2026-11-01, in seconds since 1970. To be moved with releases.
const EARLIEST_S: u64 = 1_793_491_200;
/// A chip that is ahead by more than a certificate's longest life is wrong too: twenty years.
const LATEST_S: u64 = EARLIEST_S + 20 * 365 * 86_400;
/// How often a machine that waits says so.
const REMINDER_US: u64 = 30_000_000;

static WALL: InterruptTicketMutex<Wall> = InterruptTicketMutex::new(Wall::starting(0, 0));
/// One, once the time can be believed.
static IS_GOOD: AtomicU32 = AtomicU32::new(0);

/// Begins with what the clock chip says.
pub(crate) fn init() {
    let seconds = chip::seconds().unwrap_or(0);
    *WALL.lock() = Wall::starting(wait::now(), seconds * 1_000_000);
    IS_GOOD.store(u32::from((EARLIEST_S..LATEST_S).contains(&seconds)), Ordering::SeqCst);
}

/// Microseconds since 1970.
pub(crate) fn now_micros() -> u64 {
    WALL.lock().at(wait::now())
}

/// Corrects the clock by what time servers agree on.
fn correct(offset_us: i64) {
    let mut wall = WALL.lock();
    if IS_GOOD.swap(1, Ordering::SeqCst) == 0 {
        // Nobody has seen this clock yet: the application waits for it.
        wall.set(wait::now(), offset_us);
    } else {
        wall.correct(wait::now(), offset_us);
    }
    drop(wall);
    wait::notify();
}

/// Starts asking time servers, as soon as one is known.
pub(crate) fn start() {
    servers::start();
    wait_until_good();
}

fn wait_until_good() {
    let mut reminder = 0;
    while IS_GOOD.load(Ordering::SeqCst) == 0 {
        let seen = wait::events();
        stack::run();
        if wait::now() >= reminder {
            reminder = wait::now() + REMINDER_US;
            println!(
                "bootstack: waiting for a time server: the clock chip's date cannot be right (time servers come from DHCP \
                 or the boot argument env=BOOTSTACK_NTP=ADDRESS,…)"
            );
        }
        if IS_GOOD.load(Ordering::SeqCst) == 0 {
            wait::pause(seen, Some(wait::now() + 1_000_000));
        }
    }
}
