//! Name servers that fail, are silent or lie: the machine finds its database by another one, or does without it, and serves.
//!
//! The database is not there: that the machine tries to reach its address shows that it found it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tests::stand::Stand;
use tests::wire::{Dns, Refusing, Router, Says};

use super::site::Site;

/// In another network, so that they are reached by the gateway, which is us (RFC 5737's range).
const FIRST: [u8; 4] = [198, 51, 100, 53];
const SECOND: [u8; 4] = [198, 51, 100, 54];
/// Where the database is said to be, a place for each time.
const PLACES: [[u8; 4]; 4] = [[203, 0, 113, 1], [203, 0, 113, 2], [203, 0, 113, 3], [203, 0, 113, 4]];
/// A silent server costs two seconds; the service tries again after one or two of its own.
const SOON: Duration = Duration::from_secs(8);
/// Long enough for several lookups.
const WHILE: Duration = Duration::from_secs(6);
const HOME: Router = Router { prefix: [0x2001, 0xdb8, 0x77, 1], prefix_bits: 64, valid_s: 600 };

pub(super) fn a_name_server_that_fails_or_is_silent_is_not_the_last_that_is_asked(
    stand: &mut Stand,
) -> Result<()> {
    let mut site = Site::open_asking_names(stand, [FIRST, SECOND])?;
    let [a, b, c, d] = PLACES;
    for (first, second, place) in [
        (Says::Nothing, Says::Address(a), a),
        (Says::Failure(2), Says::Address(b), b),
        (Says::Failure(5), Says::Alias(c), c),
        (Says::Garbage, Says::Address(d), d),
    ] {
        site.peer.wire.dns = Some(Dns::new(vec![(FIRST, first), (SECOND, second)], stand.dice().clone()));
        let took = reached(&mut site, place)?;
        ensure!(took < SOON, "{first:?}: found after {} ms", took.as_millis());
    }
    site.is_unharmed()
}

/// An address of nobody is no way to end a machine that believes it, and neither is anything else that is said for an answer.
pub(super) fn a_name_server_that_lies_stops_nobody(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open_asking_names(stand, [FIRST, SECOND])?;
    site.peer.wire.router = Some(HOME);
    site.peer.wire.send(&HOME.advertisement());
    for says in [Says::Nobody, Says::Garbage] {
        site.peer.wire.dns = Some(Dns::new(vec![(FIRST, says), (SECOND, says)], stand.dice().clone()));
        let start = Instant::now();
        while start.elapsed() < WHILE {
            site.visit_now_and_then()?;
            site.peer.listen(Duration::from_millis(50))?;
        }
    }
    site.is_unharmed()
}

/// How long it takes until the machine begins a connection to this address, which refuses it.
fn reached(site: &mut Site, place: [u8; 4]) -> Result<Duration> {
    let start = Instant::now();
    site.peer.wire.refusing = Some(Refusing::at(place));
    site.peer.until(4 * SOON, "a connection to the database", |peer| {
        Ok(peer.wire.refusing.as_ref().is_some_and(|refusing| !refusing.begun.is_empty()).then_some(()))
    })?;
    Ok(start.elapsed())
}
