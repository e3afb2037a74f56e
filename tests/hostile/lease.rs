//! Addresses by DHCP: kept by asking again, given up when the server says so.

use std::time::{Duration, Instant};

use anyhow::Result;
use tests::stand::Stand;
use tests::wire::{Dhcp, craft};

use super::site::Site;

/// Short enough to see several renewals.
const LEASE_S: u32 = 8;
const FIRST: [u8; 4] = [10, 77, 0, 20];
const SECOND: [u8; 4] = [10, 77, 0, 30];
const GARBAGE_FRAMES: usize = 3000;

pub(super) fn long_a_lease_is_renewed_and_another_address_is_followed(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open_asking(stand, Dhcp { address: FIRST, lease_s: LEASE_S })?;
    let start = Instant::now();
    // Longer than a lease: without renewals the address would be gone.
    while start.elapsed() < Duration::from_secs(u64::from(LEASE_S) * 2) {
        site.visit()?;
    }
    site.peer.wire.dhcp = Some(Dhcp { address: SECOND, lease_s: LEASE_S });
    site.moves_to(SECOND)?;
    site.is_unharmed()
}

/// While the machine asks and renews, others answer too, with anything.
pub(super) fn long_answers_that_no_server_gives_do_no_harm(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open_asking(stand, Dhcp { address: FIRST, lease_s: LEASE_S })?;
    for _ in 0..GARBAGE_FRAMES {
        let mut answer = craft::garbage_of(craft::Kind::Dhcp, stand.dice());
        answer[..6].fill(255);
        site.peer.wire.send(&answer);
        site.visit_now_and_then()?;
    }
    site.is_unharmed()
}
