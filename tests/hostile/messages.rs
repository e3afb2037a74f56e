//! ICMP and ICMPv6 from anybody (RFC 5927): messages that claim something about connections, routes and packets, none of which
//! ends or bends a connection.

use anyhow::{Result, ensure};
use tests::stand::Stand;
use tests::wire::craft;
use tests::wire::{GUEST, HTTP, Router};

use super::by_hand::{ByHand, REQUEST, answer};
use super::site::{PATIENCE, Site};

const HOME: Router = Router { prefix: [0x2001, 0xdb8, 0x77, 1], prefix_bits: 64, valid_s: 600 };
/// An address of the network that nobody has: a gateway that would swallow everything.
const NOBODY: [u8; 4] = [10, 77, 0, 66];
/// Where a visitor from elsewhere is, for whom the gateway shall be another.
const ELSEWHERE: [u8; 4] = [198, 51, 100, 1];
/// Sizes of a packet that no path has, or that would cut an answer into crumbs (RFC 1191, 3; RFC 8200, 5).
const SIZES: [u32; 7] = [0, 1, 28, 68, 1279, 65_535, u32::MAX];
/// More than a frame holds.
const OVERSIZED: usize = 9_000;

/// The connection that the messages claim to know, by hand; a request is half sent on it.
const PORT: u16 = 2801;

pub(super) fn what_icmp_says_ends_no_connection(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open(stand)?;
    let connection = ByHand::open(&mut site, PORT)?;
    connection.send(&mut site, 0, &REQUEST[..20]);
    // As the machine's own segment on this connection begins: its header, and eight bytes of TCP's.
    let own = [GUEST, connection.template.source].concat();
    let ports = [HTTP.to_be_bytes(), PORT.to_be_bytes()].concat();
    let own = craft::quoted(&own, &ports, connection.template.acknowledgement);
    for source in [connection.template.source, tests::wire::HOST, NOBODY] {
        for code in 0..16 {
            // Unreachable, quench, time exceeded, parameter problem (RFC 792).
            for kind in [3, 4, 11, 12] {
                site.peer.wire.send(&craft::icmp(source, [kind, code], [0; 4], &own));
            }
        }
        for size in SIZES {
            site.peer.wire.send(&craft::icmp(source, [3, 4], size.to_be_bytes(), &own));
        }
        for code in 0..4 {
            site.peer.wire.send(&craft::icmp(source, [5, code], NOBODY, &own));
            let far = craft::quoted(&[GUEST, ELSEWHERE].concat(), &ports, 0);
            site.peer.wire.send(&craft::icmp(source, [5, code], NOBODY, &far));
        }
        for kind in [8, 13, 15, 17] {
            site.peer.wire.send(&craft::icmp(source, [kind, 0], [1, 2, 3, 4], &vec![7; OVERSIZED]));
        }
        // The last piece of a packet that would be longer than 65,535 bytes.
        site.peer.wire.send(&craft::ipv4(source, 1, 0x1fff, &vec![7; 1400]));
        site.visit()?;
    }
    connection.send(&mut site, 20, &REQUEST[20..]);
    let payload = answer(&mut site, PORT, |told| !told.payload.is_empty())?.payload;
    let text = String::from_utf8_lossy(&payload).into_owned();
    ensure!(text.starts_with("HTTP/1.1 308 ") && text.contains("\r\n\r\n"), "cut into crumbs: {text}");
    site.peer.move_far();
    site.visit()?;
    site.is_unharmed()
}

pub(super) fn what_icmpv6_says_ends_no_connection(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open_routed(stand, HOME)?;
    let handle = site.peer.connect(HTTP, 16 << 10)?;
    site.peer.established(handle, PATIENCE)?;
    site.peer.ask(handle, "keep-alive", PATIENCE)?;
    let own = site.peer.as_quoted(handle)?;
    for code in 0..8 {
        // Unreachable, time exceeded, parameter problem (RFC 4443).
        for kind in [1, 3, 4] {
            site.peer.wire.send(&craft::icmpv6(HOME.address(), [kind, code], [0; 4], &own));
        }
    }
    for size in SIZES {
        site.peer.wire.send(&craft::icmpv6(HOME.address(), [2, 0], size.to_be_bytes(), &own));
    }
    // A redirect of everything that goes to us, to nobody (RFC 4861, 4.5).
    let nobody = [&[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 66][..], &own[24..40]].concat();
    site.peer.wire.send(&craft::icmpv6(HOME.address(), [137, 0], [0; 4], &nobody));
    for kind in [128, 129, 139] {
        site.peer.wire.send(&craft::icmpv6(HOME.address(), [kind, 0], [1, 2, 3, 4], &vec![7; OVERSIZED]));
    }
    site.peer.ask(handle, "keep-alive", PATIENCE)?;
    site.is_unharmed()
}
