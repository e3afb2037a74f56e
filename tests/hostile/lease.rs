//! Addresses by DHCP and from a router of IPv6: kept by asking again, given up when the other side says so.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tests::stand::Stand;
use tests::wire::craft::{self, Segment, flags};
use tests::wire::{Dhcp, Router};

use super::site::Site;

/// Short enough to see several renewals.
const LEASE_S: u32 = 8;
const FIRST: [u8; 4] = [10, 77, 0, 20];
const SECOND: [u8; 4] = [10, 77, 0, 30];
const GARBAGE_FRAMES: usize = 3000;

/// Networks of the range for documents (RFC 3849).
const HOME: Router = Router { prefix: [0x2001, 0xdb8, 0x77, 1], prefix_bits: 64, valid_s: 600 };
const ELSEWHERE: Router = Router { prefix: [0x2001, 0xdb8, 0x77, 2], prefix_bits: 64, valid_s: 600 };
/// A prefix that is longer than an address, one of a multicast address (RFC 4291, 2.7), and none.
const NO_NETWORKS: [Router; 3] = [
    Router { prefix_bits: 200, ..HOME },
    Router { prefix: [0xff0e, 0, 0, 1], ..HOME },
    Router { prefix: [0; 4], ..HOME },
];

/// Gateways that nobody can have: no address, everybody's, a group's (RFC 1122, 3.2.1.3).
const NO_GATEWAYS: [[u8; 4]; 3] = [[0; 4], [255; 4], [224, 0, 0, 1]];
/// A DHCP server in another network, which a relay speaks for (RFC 5737's range).
const FAR_SERVER: [u8; 4] = [198, 51, 100, 67];
/// A mask of one address, as some clouds give it: the gateway is in another network.
const ALONE: [u8; 4] = [255; 4];
/// Renewed every two seconds.
const SHORT_S: u32 = 4;

/// Between two visits that only show that it still answers.
const BETWEEN: Duration = Duration::from_millis(100);

/// As short as a visit that nobody answers.
const UNANSWERED: Duration = Duration::from_secs(2);

pub(super) fn long_a_lease_is_renewed_and_another_address_is_followed(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open_asking(stand, Dhcp::giving(FIRST, LEASE_S))?;
    let start = Instant::now();
    // Longer than a lease: without renewals the address would be gone.
    while start.elapsed() < Duration::from_secs(u64::from(LEASE_S) * 2) {
        site.visit()?;
    }
    site.peer.wire.dhcp = Some(Dhcp::giving(SECOND, LEASE_S));
    site.moves_to(SECOND)?;
    site.is_unharmed()
}

/// SLAAC (RFC 4862). The visitor is in another network, so that answers go by the router.
pub(super) fn a_router_names_the_network_and_names_another(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open_routed(stand, HOME)?;
    site.peer.wire.router = Some(ELSEWHERE);
    site.peer.wire.send(&ELSEWHERE.advertisement());
    site.moves_to(ELSEWHERE.address())?;
    site.peer.machine = HOME.address().into();
    site.visit()?;
    site.peer.wire.send(&Router { valid_s: 0, ..HOME }.advertisement());
    site.peer.wire.send(&ELSEWHERE.advertisement());
    ensure!(site.peer.visit(UNANSWERED).is_err(), "it answers in a network that is gone");
    site.moves_to(ELSEWHERE.address())?;
    // Plugged in again, it asks anew.
    site.web.machine.set_link(false)?;
    // Long enough to be noticed: a busy machine that looks once sees a cable that was never away.
    ensure!(site.peer.visit(UNANSWERED).is_err(), "it answers without a cable");
    site.peer.wire.router = Some(HOME);
    site.web.machine.set_link(true)?;
    site.moves_to(HOME.address())?;
    site.is_unharmed()
}

/// What a router says that is no network is not taken for one, and the machine goes on in the one that it has.
pub(super) fn a_router_that_names_no_network_is_not_believed(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open_routed(stand, HOME)?;
    for router in NO_NETWORKS {
        site.peer.wire.send(&router.advertisement());
        site.visit()?;
    }
    site.is_unharmed()
}

/// A lease whose gateway is none holds without one: neighbours are answered, and what comes from elsewhere stops nobody.
pub(super) fn a_lease_with_a_gateway_that_cannot_be_is_kept_without_it(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open_asking(stand, Dhcp::giving(FIRST, SHORT_S))?;
    for router in NO_GATEWAYS {
        site.peer.wire.dhcp = Some(Dhcp { router, ..Dhcp::giving(FIRST, SHORT_S) });
        for_a_lease(&mut site, |site| site.peer.wire.send(&from_elsewhere().frame_to(FIRST)))?;
    }
    site.is_unharmed()
}

/// As behind a relay, whose messages may even come from no address at all (RFC 2131, 4.1; RFC 1542, 4.1.2).
pub(super) fn a_lease_is_renewed_at_the_server_and_not_where_its_message_came_from(
    stand: &mut Stand,
) -> Result<()> {
    for source in [tests::wire::HOST, [0; 4]] {
        let relayed = Dhcp { source, server: FAR_SERVER, ..Dhcp::giving(FIRST, SHORT_S) };
        let mut site = Site::open_asking(stand, relayed)?;
        for_a_lease(&mut site, |_| ())?;
        site.is_unharmed()?;
    }
    let nobody = Dhcp { server: [0; 4], ..Dhcp::giving(SECOND, SHORT_S) };
    let mut site = Site::open_asking(stand, Dhcp::giving(FIRST, SHORT_S))?;
    // Asking anew, it is offered an address by a server that cannot be asked again, and does not take it.
    site.peer.wire.dhcp = Some(nobody);
    site.peer.machine = SECOND.into();
    ensure!(
        site.peer.visit(Duration::from_secs(3 * u64::from(SHORT_S))).is_err(),
        "it took an address of nobody"
    );
    site.peer.wire.dhcp = Some(Dhcp::giving(FIRST, SHORT_S));
    site.moves_to(FIRST)?;
    site.is_unharmed()
}

/// Longer than a lease: it was renewed meanwhile, or the address would be gone.
fn for_a_lease(site: &mut Site, mut meanwhile: impl FnMut(&mut Site)) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(u64::from(SHORT_S) + 1) {
        meanwhile(site);
        site.visit()?;
        site.peer.listen(BETWEEN)?;
    }
    Ok(())
}

/// The first word of somebody in another network.
fn from_elsewhere() -> Segment {
    Segment { source: [203, 0, 113, 1], flags: flags::SYN, options: vec![2, 4, 5, 180], ..Segment::default() }
}

/// The gateway's network is not the machine's: who else could say where it is?
pub(super) fn a_lease_of_one_address_alone_reaches_its_gateway(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open_asking(stand, Dhcp { mask: ALONE, ..Dhcp::giving(FIRST, LEASE_S) })?;
    site.peer.move_far();
    site.visit()?;
    site.is_unharmed()
}

/// While the machine asks and renews, others answer too, with anything.
pub(super) fn long_answers_that_no_server_gives_do_no_harm(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open_asking(stand, Dhcp::giving(FIRST, LEASE_S))?;
    for _ in 0..GARBAGE_FRAMES {
        let mut answer = craft::garbage_of(craft::Kind::Dhcp, stand.dice());
        answer[..6].fill(255);
        site.peer.wire.send(&answer);
        site.visit_now_and_then()?;
    }
    site.is_unharmed()
}
