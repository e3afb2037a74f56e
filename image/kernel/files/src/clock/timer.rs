//! How fast the processor's own timer counts, where it takes no deadlines: by the timestamp counter.
//!
//! Upstream waited for 30 ms and looked once, so a host that stood still in that moment made every wait of the machine's
//! longer. Invariant: a look that was interrupted is not counted.

use super::counter;
use super::rate::{Reading, best};
use crate::arch::processor::get_timestamp;

/// How long it is watched, in microseconds: a look is off by less than a thousandth of that.
const WATCHED_US: u64 = 2_000;
/// Looks at either end.
const LOOKS: usize = 16;

/// What it counts in a microsecond, at least 1. `count` tells what it has counted so far.
pub(crate) fn counts_each_us(count: impl Fn() -> u32) -> u64 {
    let look = || {
        let before = get_timestamp();
        let count = u64::from(count());
        Reading { before, count, after: get_timestamp() }
    };
    let looks = || best((0..LOOKS).map(|_| look())).expect("there is more than one look");
    let first = looks();
    let watched = counter::ticks_of(WATCHED_US);
    while get_timestamp() < first.after + watched {
        core::hint::spin_loop();
    }
    let last = looks();
    let micros = counter::micros_of(last.middle() - first.middle());
    ((last.count.saturating_sub(first.count) + micros / 2) / micros.max(1)).max(1)
}
