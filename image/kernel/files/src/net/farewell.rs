//! The end of the program is not the end of what it said: the machine stays until readers have the rest.
//!
//! A program that closes a connection, or ends, leaves to the kernel what it queued. Only those are waited for who take
//! something or at least answer.
//!
//! Invariant: it ends within its time, whatever peers do.

use super::{stack, wait};

/// With the service's notice and drain, 20 s, a machine is off within the 30 s that whoever stops it gives.
const LONGEST_US: u64 = 8_000_000;
/// Between two looks at who is still there.
const LOOK_US: u64 = 500_000;

/// Returns when every stranger has what the program said to it, or is gone.
pub(crate) fn bid() {
    let end = wait::now() + LONGEST_US;
    loop {
        let seen = wait::events();
        stack::run();
        let now = wait::now();
        if now >= end || !stack::has_reader(now) {
            return;
        }
        wait::pause(seen, Some(end.min(now + LOOK_US)));
    }
}
