//! Frames as a stranger makes them: any field any value, checksums right unless damaged on purpose.
//!
//! Nothing here keeps a state. Invariant: what is not said is plausible.

use std::net::Ipv6Addr;

use super::{GUEST, GUEST_MAC, HOST, HOST_MAC};
use crate::Dice;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const ETHERNET_BYTES: usize = 14;

/// TCP's flags (RFC 9293, 3.1).
pub mod flags {
    /// No more data follows.
    pub const FIN: u8 = 0x01;
    /// The beginning.
    pub const SYN: u8 = 0x02;
    /// The end, at once.
    pub const RST: u8 = 0x04;
    /// The acknowledgement counts.
    pub const ACK: u8 = 0x10;
}

/// A TCP segment to the machine.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Whose it claims to be.
    pub source: [u8; 4],
    /// From which port.
    pub source_port: u16,
    /// To which of the machine's ports.
    pub port: u16,
    /// Its first byte's number.
    pub sequence: u32,
    /// What it acknowledges.
    pub acknowledgement: u32,
    /// What it means.
    pub flags: u8,
    /// How much may be sent back.
    pub window: u16,
    /// Options as they are; padded to words.
    pub options: Vec<u8>,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Default for Segment {
    fn default() -> Self {
        Self {
            source: HOST,
            source_port: 10_000,
            port: super::HTTP,
            sequence: 0,
            acknowledgement: 0,
            flags: flags::ACK,
            window: 0xffff,
            options: Vec::new(),
            payload: Vec::new(),
        }
    }
}

impl Segment {
    /// The segment in a frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        self.frame_to(GUEST)
    }

    /// The same to a machine that has another address.
    #[must_use]
    pub fn frame_to(&self, target: [u8; 4]) -> Vec<u8> {
        let mut options = self.options.clone();
        options.resize(options.len().next_multiple_of(4).min(40), 0);
        let mut part = Vec::new();
        part.extend(self.source_port.to_be_bytes());
        part.extend(self.port.to_be_bytes());
        part.extend(self.sequence.to_be_bytes());
        part.extend(self.acknowledgement.to_be_bytes());
        part.extend([(5 + options.len() as u8 / 4) << 4, self.flags]);
        part.extend(self.window.to_be_bytes());
        part.extend([0; 4]);
        part.extend(options);
        part.extend(&self.payload);
        let sum = transport_sum(self.source, target, TCP, &part);
        part[16..18].copy_from_slice(&sum);
        ipv4_to(target, self.source, TCP, 0, &part)
    }
}

/// A TCP segment that the machine sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The machine's port.
    pub source_port: u16,
    /// Ours.
    pub port: u16,
    /// Of the payload's first byte.
    pub sequence: u32,
    /// What the machine expects next.
    pub acknowledgement: u32,
    /// See [`flags`].
    pub flags: u8,
    /// As it stands there: not scaled.
    pub window: u16,
    /// What it says.
    pub payload: Vec<u8>,
}

/// A TCP segment that the machine sent over IPv4; `None` of any other frame.
#[must_use]
pub fn read(frame: &[u8]) -> Option<Told> {
    let packet = frame.get(ETHERNET_BYTES..)?;
    if frame[12..14] != [8, 0] || packet.get(9) != Some(&TCP) {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let part = packet.get(usize::from(packet[0] & 15) * 4..total).filter(|part| part.len() >= 20)?;
    let word = |at: usize| u32::from_be_bytes([part[at], part[at + 1], part[at + 2], part[at + 3]]);
    let half = |at: usize| u16::from_be_bytes([part[at], part[at + 1]]);
    Some(Told {
        source_port: half(0),
        port: half(2),
        sequence: word(4),
        acknowledgement: word(8),
        flags: part[13],
        window: half(14),
        payload: part.get(usize::from(part[12] >> 4) * 4..)?.to_vec(),
    })
}

/// A datagram to the machine.
#[must_use]
pub fn datagram(source: [u8; 4], source_port: u16, port: u16, payload: &[u8]) -> Vec<u8> {
    datagram_to(GUEST, source, source_port, port, payload)
}

pub(super) fn datagram_to(
    target: [u8; 4],
    source: [u8; 4],
    source_port: u16,
    port: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut part = Vec::new();
    part.extend(source_port.to_be_bytes());
    part.extend(port.to_be_bytes());
    part.extend((8 + payload.len() as u16).to_be_bytes());
    part.extend([0; 2]);
    part.extend(payload);
    let sum = transport_sum(source, target, UDP, &part);
    part[6..8].copy_from_slice(&sum);
    ipv4_to(target, source, UDP, 0, &part)
}

/// An IPv4 packet to the machine; `fragment` are the flags and the offset.
#[must_use]
pub fn ipv4(source: [u8; 4], protocol: u8, fragment: u16, part: &[u8]) -> Vec<u8> {
    ipv4_to(GUEST, source, protocol, fragment, part)
}

fn ipv4_to(target: [u8; 4], source: [u8; 4], protocol: u8, fragment: u16, part: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((20 + part.len() as u16).to_be_bytes());
    header.extend([0, 1]);
    header.extend(fragment.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(source);
    header.extend(target);
    let sum = folded(sum(&header));
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    ethernet(0x0800, &[&header[..], part].concat())
}

/// An ICMP message to the machine: kind and code, the word after the checksum, and what follows.
#[must_use]
pub fn icmp(source: [u8; 4], kind: [u8; 2], word: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let mut message = [&kind[..], &[0; 2], &word, rest].concat();
    let sum = folded(sum(&message)).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    ipv4(source, 1, 0, &message)
}

/// The beginning of a TCP segment as an ICMP message repeats it (RFC 792): both addresses, both ports, and the number.
#[must_use]
pub fn quoted(addresses: &[u8], ports: &[u8], sequence: u32) -> Vec<u8> {
    let header = [0x45, 0, 0, 40, 0, 0, 0, 0, 64, TCP, 0, 0];
    [&header[..], addresses, ports, &sequence.to_be_bytes()].concat()
}

/// An ICMPv6 message of the router to the machine at `target`, as `icmp`.
#[must_use]
pub fn icmpv6(target: Ipv6Addr, kind: [u8; 2], word: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let mut message = [&kind[..], &[0; 2], &word, rest].concat();
    let length = (message.len() as u32).to_be_bytes();
    let addresses = [super::router::ROUTER.octets(), target.octets()].concat();
    let pseudo = [&addresses[..], &length, &[0, 0, 0, ICMPV6]].concat();
    let sum = folded(sum(&pseudo) + sum(&message)).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    // A hop limit of 255, or nobody would read a redirect.
    let header = [&[0x60, 0, 0, 0][..], &length[2..], &[ICMPV6, 255], &addresses].concat();
    ethernet(0x86dd, &[header, message].concat())
}

/// A frame to the machine.
#[must_use]
pub fn ethernet(kind: u16, content: &[u8]) -> Vec<u8> {
    [&GUEST_MAC[..], &HOST_MAC, &kind.to_be_bytes(), content].concat()
}

/// "Who has the machine's address?", asked by `source`.
#[must_use]
pub fn arp(source: [u8; 4], source_mac: [u8; 6], is_answer: bool) -> Vec<u8> {
    let operation = 1 + u8::from(is_answer);
    let head = [0, 1, 8, 0, 6, 4, 0, operation];
    ethernet(0x0806, &[&head[..], &source_mac, &source, &GUEST_MAC, &GUEST].concat())
}

/// What garbage claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An answer of a DHCP server.
    Dhcp,
    /// Any protocol that the machine reads.
    Any,
}

/// Something that no well-behaved peer sends: one of the protocols that the machine reads, broken somewhere.
pub fn garbage(dice: &mut Dice) -> Vec<u8> {
    garbage_of(Kind::Any, dice)
}

/// The same, of one kind.
pub fn garbage_of(kind: Kind, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = |most: u64| -> Vec<u8> {
        let length = dice.below(most);
        (0..length).map(|_| dice.below(256) as u8).collect()
    };
    let (some, options) = (bytes(1400), bytes(41));
    let number = |dice: &mut Dice| dice.below(1 << 32) as u32;
    let port = [super::HTTP, super::HTTPS, 9][dice.below(3) as usize];
    let source = [10, 77, 0, dice.below(256) as u8];
    let choice = if kind == Kind::Dhcp { 1 } else { dice.below(9) };
    let mut frame = match choice {
        0 => arp(source, [dice.below(256) as u8; 6], dice.below(2) == 0),
        1 => datagram(HOST, 67, 68, &dhcp_like(some, dice)),
        2 => datagram(HOST, 53, 49_152 + dice.below(16_384) as u16, &some),
        3 => ipv4(source, 1, 0, &some),
        4 => ipv4(source, TCP, dice.below(1 << 16) as u16, &some),
        5 => ipv4(source, dice.below(256) as u8, 0, &some),
        6 => ethernet(0x86dd, &some),
        7 => ethernet(dice.below(1 << 16) as u16, &some),
        _ => Segment {
            source,
            source_port: dice.below(1 << 16) as u16,
            port,
            sequence: number(dice),
            acknowledgement: number(dice),
            flags: dice.below(256) as u8,
            window: dice.below(1 << 16) as u16,
            options,
            payload: some,
        }
        .frame(),
    };
    damage(&mut frame, dice);
    spare_the_visitor(&mut frame);
    frame
}

/// Whoever is on a wire can take a neighbour's address by ARP, from any IPv4 host; nothing takes the visitor's.
fn spare_the_visitor(frame: &mut [u8]) {
    const SENDER: std::ops::Range<usize> = ETHERNET_BYTES + 14..ETHERNET_BYTES + 18;
    let is_arp = frame[12..14] == [8, 6];
    if let Some(sender) = frame.get_mut(SENDER).filter(|sender| is_arp && **sender == HOST) {
        sender[3] ^= 8;
    }
}

/// The first bytes of a DHCP answer, or nobody would read the options (RFC 2131, 2).
fn dhcp_like(mut message: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    message.resize(message.len().max(300), 0);
    message[..4].copy_from_slice(&[2, 1, 6, 0]);
    message[28..34].copy_from_slice(&GUEST_MAC);
    message[236..243].copy_from_slice(&[99, 130, 83, 99, 53, 1, dice.below(9) as u8]);
    message
}

/// Half of the frames lose their end or have a byte changed; addresses and kind stay, or nobody would read the rest.
fn damage(frame: &mut Vec<u8>, dice: &mut Dice) {
    match dice.below(4) {
        0 => frame.truncate(ETHERNET_BYTES + dice.below((frame.len() - ETHERNET_BYTES) as u64 + 1) as usize),
        1 if frame.len() > ETHERNET_BYTES => {
            let at = ETHERNET_BYTES + dice.below((frame.len() - ETHERNET_BYTES) as u64) as usize;
            frame[at] = dice.below(256) as u8;
        }
        _ => {}
    }
}

fn transport_sum(source: [u8; 4], target: [u8; 4], protocol: u8, part: &[u8]) -> [u8; 2] {
    let length = part.len() as u16;
    let pseudo = [&source[..], &target, &[0, protocol], &length.to_be_bytes()].concat();
    folded(sum(&pseudo) + sum(part)).to_be_bytes()
}

/// The sum of 16-bit words (RFC 1071).
fn sum(bytes: &[u8]) -> u32 {
    let word = |pair: &[u8]| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    bytes.chunks(2).map(word).sum()
}

fn folded(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}
