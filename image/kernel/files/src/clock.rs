//! The wall clock: begun with the clock chip, paced by KVM's clock or else the timestamp counter, kept right by time servers.
//!
//! The monotonic clock is not touched: it only has to run, not to be right. Where the clock chip cannot be believed, the
//! application is not started before a time server was heard, for it would judge certificates by a wrong date. Where time
//! servers are known, it is started a moment later in any case, so that a chip that is ahead is overruled: afterwards the clock
//! could only be slowed until it is right, which takes ten times as long as it is ahead.
//!
//! Invariant: the wall clock never goes back once the application may have seen it.

mod chip;
pub(crate) mod counter;
mod discipline;
pub(crate) mod kvm;
mod rate;
mod servers;
mod shared;
mod sntp;
pub(crate) mod timer;

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use hermit_sync::InterruptTicketMutex;

use crate::net::{retry, stack, wait};
use discipline::Wall;

pub(crate) use servers::learn;

/// No machine that runs this was started before: 2026-11-01, in seconds since 1970. To be moved with releases.
const EARLIEST_S: u64 = 1_793_491_200;
/// A chip that is ahead by more than a certificate's longest life is wrong too: twenty years.
const LATEST_S: u64 = EARLIEST_S + 20 * 365 * 86_400;
/// How often a machine that waits says so.
const REMINDER_US: u64 = 30_000_000;

/// How long the application waits for time servers that are known: two rounds that nobody answers, and a little.
const FIRST_ROUND_US: u64 = 5_000_000;

static WALL: InterruptTicketMutex<Wall> = InterruptTicketMutex::new(Wall::starting(0, 0));
/// One, once the time can be believed.
static IS_GOOD: AtomicU32 = AtomicU32::new(0);
/// Whether time servers were heard.
static IS_CORRECTED: AtomicBool = AtomicBool::new(false);
/// Whether the application may have seen the clock. Changes while `WALL` is locked.
static IS_SEEN: AtomicBool = AtomicBool::new(false);

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
    if IS_SEEN.load(Ordering::SeqCst) {
        wall.correct(wait::now(), offset_us);
    } else {
        wall.set(wait::now(), offset_us);
    }
    drop(wall);
    IS_GOOD.store(1, Ordering::SeqCst);
    IS_CORRECTED.store(true, Ordering::SeqCst);
    wait::notify();
}

/// Starts asking time servers, as soon as one is known. From its return on the clock only runs forward.
pub(crate) fn start() {
    counter::refine();
    servers::start();
    wait_for_first_round();
    wait_until_good();
    let wall = WALL.lock();
    IS_SEEN.store(true, Ordering::SeqCst);
    drop(wall);
}

fn wait_for_first_round() {
    if !servers::are_known() {
        return;
    }
    let is_corrected = || IS_CORRECTED.load(Ordering::SeqCst).then_some(()).ok_or(crate::io::Error::EAGAIN);
    // Who is not answered begins with what the chip says.
    let _ = retry(false, Some(wait::now() + FIRST_ROUND_US), is_corrected);
}

/// Whether the application is still waiting for the time.
fn is_awaited() -> bool {
    !IS_SEEN.load(Ordering::SeqCst)
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
