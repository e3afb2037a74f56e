//! A router of IPv6 for one machine (RFC 4861): says what the network is called, and can change its mind.

use std::net::Ipv6Addr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Duration;
use smoltcp::wire::{
    EthernetAddress, Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Packet, Ipv6Repr, NdiscPrefixInfoFlags,
    NdiscPrefixInformation, NdiscRepr, NdiscRouterFlags,
};

use super::{GUEST_MAC, HOST_MAC};

/// The router's address on the wire.
pub(super) const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// The half of the machine's addresses that it makes of its card's (RFC 4291, appendix A).
const IDENTIFIER: [u16; 4] = {
    let [a, b, c, d, e, f] = GUEST_MAC;
    [
        u16::from_be_bytes([a ^ 2, b]),
        u16::from_be_bytes([c, 0xff]),
        u16::from_be_bytes([0xfe, d]),
        u16::from_be_bytes([e, f]),
    ]
};
/// The machine's address on the wire alone.
pub(super) const GUEST_LINK_LOCAL: Ipv6Addr = machine_in([0xfe80, 0, 0, 0]);

/// All nodes (RFC 4291, 2.7.1), and the card's address for them (RFC 2464, 7).
const EVERYBODY: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const EVERYBODY_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const ETHERTYPE: [u8; 2] = [0x86, 0xdd];
/// ICMPv6's message "router solicitation" (RFC 4861, 4.1).
const SOLICITATION: u8 = 133;

/// The router.
#[derive(Clone, Copy, Debug)]
pub struct Router {
    /// The network's first 64 bits.
    pub prefix: [u16; 4],
    /// How many bits it claims that these are.
    pub prefix_bits: u8,
    /// For how long network and router can be counted on, in seconds; 0 takes them back.
    pub valid_s: u64,
}

impl Router {
    /// The address that the machine makes of the prefix.
    #[must_use]
    pub fn address(&self) -> Ipv6Addr {
        machine_in(self.prefix)
    }

    /// The answer to a frame that the machine sent, if it asks for routers.
    #[must_use]
    pub fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let packet = frame.get(14..).filter(|_| frame[12..14] == ETHERTYPE)?;
        (packet.get(6) == Some(&58) && packet.get(40) == Some(&SOLICITATION)).then(|| self.advertisement())
    }

    /// What it says to everybody.
    #[must_use]
    pub fn advertisement(&self) -> Vec<u8> {
        let valid = Duration::from_secs(self.valid_s);
        let [a, b, c, d] = self.prefix;
        let message = Icmpv6Repr::Ndisc(NdiscRepr::RouterAdvert {
            hop_limit: 64,
            flags: NdiscRouterFlags::empty(),
            router_lifetime: valid,
            reachable_time: Duration::ZERO,
            retrans_time: Duration::ZERO,
            lladdr: Some(EthernetAddress(HOST_MAC).into()),
            mtu: None,
            prefix_info: Some(NdiscPrefixInformation {
                prefix_len: self.prefix_bits,
                flags: NdiscPrefixInfoFlags::ON_LINK | NdiscPrefixInfoFlags::ADDRCONF,
                valid_lifetime: valid,
                preferred_lifetime: valid,
                prefix: Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0),
            }),
        });
        let header = Ipv6Repr {
            src_addr: ROUTER,
            dst_addr: EVERYBODY,
            next_header: IpProtocol::Icmpv6,
            payload_len: message.buffer_len(),
            hop_limit: 255,
        };
        let mut packet = vec![0; header.buffer_len() + message.buffer_len()];
        header.emit(&mut Ipv6Packet::new_unchecked(&mut packet[..]));
        let mut part = Icmpv6Packet::new_unchecked(&mut packet[header.buffer_len()..]);
        message.emit(&ROUTER, &EVERYBODY, &mut part, &ChecksumCapabilities::default());
        [&EVERYBODY_MAC[..], &HOST_MAC, &ETHERTYPE, &packet].concat()
    }
}

const fn machine_in([a, b, c, d]: [u16; 4]) -> Ipv6Addr {
    let [e, f, g, h] = IDENTIFIER;
    Ipv6Addr::new(a, b, c, d, e, f, g, h)
}
