//! What one Ethernet frame is about: its flow, its transport and whether its checksum is right.
//!
//! It decides nothing and keeps nothing; it does not answer. It is pure and needs only `core`, so the host's
//! tests compile this same file.
//!
//! Invariant: no byte of a frame is trusted. Every offset that is handed out lies within the frame.

/// The protocol number of TCP.
pub(crate) const TCP: u8 = 6;
/// The protocol number of UDP.
pub(crate) const UDP: u8 = 17;

const ETHERNET_HEADER_BYTES: usize = 14;
const IPV6_HEADER_BYTES: usize = 40;
const TCP_HEADER_BYTES: usize = 20;
const UDP_HEADER_BYTES: usize = 8;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const HOP_BY_HOP: u8 = 0;

/// TCP's flags, as they lie in the thirteenth byte after the ports (RFC 9293, 3.1).
pub(crate) mod flags {
    pub(crate) const SYN: u8 = 0x02;
    pub(crate) const RST: u8 = 0x04;
    pub(crate) const ACK: u8 = 0x10;
}

/// The four numbers that name a TCP connection. IPv4 addresses are mapped (`::ffff:a.b.c.d`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Flow {
    pub(crate) remote: u128,
    pub(crate) local: u128,
    pub(crate) remote_port: u16,
    pub(crate) local_port: u16,
}

/// Where the TCP or UDP part of a frame lies, and what its checksum starts from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Transport {
    pub(crate) protocol: u8,
    /// The first byte of the TCP or UDP header.
    pub(crate) start: usize,
    /// One past the last byte that belongs to the packet; Ethernet's padding lies behind it.
    pub(crate) end: usize,
    pub(crate) source: u128,
    pub(crate) destination: u128,
    /// Whether a UDP checksum of zero means "none" (IPv4 only).
    checksum_optional: bool,
}

/// What a received frame is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Frame {
    /// A TCP segment with a whole header.
    Tcp { flow: Flow, segment: Segment, transport: Transport },
    /// A UDP datagram with a whole header.
    Udp(Transport),
    /// ARP or ICMPv6: after it a neighbour's address may be known.
    Neighbor,
    /// Anything else that the stack answers: ICMP, multicast membership.
    Other,
    /// What nobody here wants: fragments, unknown protocols, broken headers.
    ///
    /// Fragments are refused because no service of ours needs them and reassembly is memory for strangers.
    Refused,
}

/// Reads the headers of a received frame.
pub(crate) fn classify(frame: &[u8]) -> Frame {
    match ethertype(frame) {
        Some(ETHERTYPE_ARP) => Frame::Neighbor,
        Some(ETHERTYPE_IPV4) => ipv4(frame).map_or(Frame::Refused, |packet| named(frame, packet)),
        Some(ETHERTYPE_IPV6) => ipv6(frame).map_or(Frame::Refused, |packet| named(frame, packet)),
        _ => Frame::Refused,
    }
}

/// The transport of a frame that we are about to send, when it has one whose checksum can be left to the device.
pub(crate) fn transport(frame: &[u8]) -> Option<Transport> {
    let packet = match ethertype(frame)? {
        ETHERTYPE_IPV4 => ipv4(frame)?,
        ETHERTYPE_IPV6 => ipv6(frame)?,
        _ => return None,
    };
    matches!(packet.protocol, TCP | UDP).then_some(packet)
}

/// Whether a frame of ours is ARP or ICMPv6.
pub(crate) fn concerns_neighbor(frame: &[u8]) -> bool {
    match ethertype(frame) {
        Some(ETHERTYPE_ARP) => true,
        Some(ETHERTYPE_IPV6) => frame.get(ETHERNET_HEADER_BYTES + 6) == Some(&ICMPV6),
        _ => false,
    }
}

fn named(frame: &[u8], packet: Transport) -> Frame {
    let length = packet.end - packet.start;
    match packet.protocol {
        TCP if length >= TCP_HEADER_BYTES => segment(frame, packet),
        UDP if length >= UDP_HEADER_BYTES => Frame::Udp(packet),
        ICMPV6 => Frame::Neighbor,
        ICMP | HOP_BY_HOP => Frame::Other,
        _ => Frame::Refused,
    }
}

/// What a TCP segment says, besides its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Segment {
    pub(crate) flags: u8,
    /// Whether it carries any.
    pub(crate) has_payload: bool,
}

impl Segment {
    /// Whether it says this, and nothing else of `among`.
    pub(crate) fn says(self, flag: u8, among: u8) -> bool {
        self.flags & among == flag
    }
}

fn segment(frame: &[u8], transport: Transport) -> Frame {
    let header = &frame[transport.start..transport.end];
    let flow = Flow {
        remote: transport.source,
        local: transport.destination,
        remote_port: big_endian(header, 0),
        local_port: big_endian(header, 2),
    };
    // The header's length is in words of four bytes (RFC 9293, 3.1).
    let has_payload = usize::from(header[12] >> 4) * 4 < header.len();
    Frame::Tcp { flow, segment: Segment { flags: header[13], has_payload }, transport }
}

fn ethertype(frame: &[u8]) -> Option<u16> {
    (frame.len() > ETHERNET_HEADER_BYTES).then(|| big_endian(frame, 12))
}

fn ipv4(frame: &[u8]) -> Option<Transport> {
    let packet = &frame[ETHERNET_HEADER_BYTES..];
    if packet.len() < 20 || packet[0] >> 4 != 4 {
        return None;
    }
    let header_bytes = usize::from(packet[0] & 0x0f) * 4;
    let total_bytes = usize::from(big_endian(packet, 2));
    let is_fragment = big_endian(packet, 6) & 0x3fff != 0;
    if header_bytes < 20 || total_bytes < header_bytes || total_bytes > packet.len() || is_fragment {
        return None;
    }
    Some(Transport {
        protocol: packet[9],
        start: ETHERNET_HEADER_BYTES + header_bytes,
        end: ETHERNET_HEADER_BYTES + total_bytes,
        source: mapped(&packet[12..16]),
        destination: mapped(&packet[16..20]),
        checksum_optional: true,
    })
}

fn ipv6(frame: &[u8]) -> Option<Transport> {
    let packet = &frame[ETHERNET_HEADER_BYTES..];
    if packet.len() < IPV6_HEADER_BYTES || packet[0] >> 4 != 6 {
        return None;
    }
    let total_bytes = IPV6_HEADER_BYTES + usize::from(big_endian(packet, 4));
    if total_bytes > packet.len() {
        return None;
    }
    Some(Transport {
        protocol: packet[6],
        start: ETHERNET_HEADER_BYTES + IPV6_HEADER_BYTES,
        end: ETHERNET_HEADER_BYTES + total_bytes,
        source: wide(&packet[8..24]),
        destination: wide(&packet[24..40]),
        checksum_optional: false,
    })
}

fn big_endian(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn mapped(bytes: &[u8]) -> u128 {
    let address = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    0xffff_0000_0000 | u128::from(address)
}

fn wide(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |address, byte| address << 8 | u128::from(*byte))
}

impl Transport {
    /// Whether the checksum of the TCP or UDP part is right (RFC 1071).
    pub(crate) fn is_intact(&self, frame: &[u8]) -> bool {
        let part = &frame[self.start..self.end];
        if self.protocol == UDP && part[6] == 0 && part[7] == 0 {
            return self.checksum_optional;
        }
        folded(sum(part, self.pseudo_header())) == 0xffff
    }

    /// Where in the TCP or UDP header its checksum lies.
    pub(crate) fn checksum_offset(&self) -> usize {
        if self.protocol == TCP { 16 } else { 6 }
    }

    /// Writes what virtio asks for where the device completes a checksum: the sum of the pseudo-header, not
    /// inverted (virtio 1.2, 5.1.6.2.1).
    pub(crate) fn prepare_checksum(&self, frame: &mut [u8]) {
        let at = self.start + self.checksum_offset();
        frame[at..at + 2].copy_from_slice(&folded(self.pseudo_header()).to_ne_bytes());
    }

    fn pseudo_header(&self) -> u64 {
        let length = (self.end - self.start) as u16;
        let mut words = [0; 36];
        // An IPv4 address sums like its mapped form less the `ffff` before it, which is zero in this arithmetic.
        words[..16].copy_from_slice(&self.source.to_be_bytes());
        words[16..32].copy_from_slice(&self.destination.to_be_bytes());
        words[32..34].copy_from_slice(&length.to_be_bytes());
        words[35] = self.protocol;
        sum(&words, 0)
    }
}

/// Adds 16-bit words in the machine's own byte order, eight bytes at a time. One's complement sums do not mind
/// the order (RFC 1071, 2), so the result is in memory order too.
fn sum(bytes: &[u8], start: u64) -> u64 {
    let mut chunks = bytes.chunks_exact(8);
    let mut total = start;
    for chunk in &mut chunks {
        let word = u64::from_ne_bytes([
            chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7],
        ]);
        let (added, carried) = total.overflowing_add(word);
        total = added + u64::from(carried);
    }
    let mut rest = [0; 8];
    rest[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    let (added, carried) = total.overflowing_add(u64::from_ne_bytes(rest));
    added + u64::from(carried)
}

fn folded(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}
