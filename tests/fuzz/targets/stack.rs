//! Frames and time, as the kernel's interface meets them: addresses by DHCP and from routers, names, and a site that answers.
//!
//! The input is a row of steps: how long nothing happens, the frame's length, the frame. Checksums are taken for right, as the
//! kernel has judged them before. Half of the strangers have seen what the machine sent last, or no answer would ever fit.
#![no_main]

use std::collections::VecDeque;

use libfuzzer_sys::fuzz_target;
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{self, ChecksumCapabilities, Device, DeviceCapabilities, Medium};
use smoltcp::socket::{dhcpv4, dns, tcp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{DnsQueryType, EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv6Address};

#[path = "../../../image/kernel/files/src/net/lease.rs"]
mod lease;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const LINK_LOCAL: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfe12, 0x3456);
const PORT: u16 = 80;
const BUFFER_BYTES: usize = 1024;
/// Frames that one step may cause: more would be a storm.
const MOST_ANSWERS: usize = 64;
/// In the first byte of a step: the stranger has seen what the machine sent last.
const SEES: u8 = 0x80;
/// The rest of it is a power of two, in milliseconds; the greatest is a day and a half.
const GREATEST_SHIFT: u8 = 28;

/// What the machine sent last, as far as an answer has to repeat it.
#[derive(Default)]
struct Seen {
    lease_question: [u8; 4],
    name_question: [u8; 2],
    name_port: [u8; 2],
    sequence: u32,
    acknowledgement: u32,
}

/// The wire's end.
#[derive(Default)]
struct Card {
    arriving: VecDeque<Vec<u8>>,
    sent: usize,
    seen: Seen,
}

struct Machine {
    iface: Interface,
    sockets: SocketSet<'static>,
    card: Card,
    site: SocketHandle,
    dhcp: SocketHandle,
    names: SocketHandle,
    question: Option<dns::QueryHandle>,
    now: Instant,
}

fuzz_target!(|bytes: &[u8]| {
    let mut machine = Machine::new();
    let mut rest = bytes;
    while let [step, high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (frame, after) = tail.split_at(length);
        machine.step(*step, frame.to_vec());
        rest = after;
    }
});

impl Machine {
    fn new() -> Self {
        let mut card = Card::default();
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(MAC)));
        config.slaac = true;
        let now = Instant::from_millis(1);
        let mut iface = Interface::new(config, &mut card, now);
        iface.update_ip_addrs(|addresses| {
            let _ = addresses.push(IpCidr::new(LINK_LOCAL.into(), 64));
        });
        let mut sockets = SocketSet::new(Vec::new());
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER_BYTES]);
        let site = sockets.add(tcp::Socket::new(buffer(), buffer()));
        let dhcp = sockets.add(dhcpv4::Socket::new());
        let names = sockets.add(dns::Socket::new(&[], Vec::new()));
        let mut machine = Self { iface, sockets, card, site, dhcp, names, question: None, now };
        machine.work();
        machine
    }

    fn step(&mut self, step: u8, mut frame: Vec<u8>) {
        self.now += Duration::from_millis((1 << (step & !SEES).min(GREATEST_SHIFT)) - 1);
        self.work();
        if step & SEES != 0 {
            self.card.seen.complete(&mut frame);
        }
        self.card.arriving.push_back(frame);
        self.work();
    }

    /// As the kernel's `shared` does, and a site that repeats what it hears.
    fn work(&mut self) {
        self.card.sent = 0;
        while !self.card.arriving.is_empty() {
            self.iface.poll_ingress_single(self.now, &mut self.card, &mut self.sockets);
            self.follow_lease();
        }
        self.iface.poll_maintenance(self.now);
        self.serve();
        self.look_up();
        while self.iface.poll_egress(self.now, &mut self.card, &mut self.sockets) != PollResult::None {
            assert!(self.card.sent < MOST_ANSWERS, "one frame makes a storm");
        }
        let _ = self.iface.poll_at(self.now, &self.sockets);
    }

    fn follow_lease(&mut self) {
        let (address, router, servers) = match self.sockets.get_mut::<dhcpv4::Socket<'_>>(self.dhcp).poll() {
            None => return,
            Some(dhcpv4::Event::Deconfigured) => return lease::take(&mut self.iface, None, None),
            Some(dhcpv4::Event::Configured(lease)) => (lease.address, lease.router, lease.dns_servers),
        };
        lease::take(&mut self.iface, Some(address), router);
        let servers: Vec<IpAddress> = servers.iter().map(|server| IpAddress::Ipv4(*server)).collect();
        self.sockets.get_mut::<dns::Socket<'_>>(self.names).update_servers(&servers);
    }

    fn serve(&mut self) {
        let site = self.sockets.get_mut::<tcp::Socket<'_>>(self.site);
        if !site.is_open() {
            site.listen(PORT).expect("a closed socket listens");
        }
        let mut heard = [0; BUFFER_BYTES];
        let room = site.send_capacity() - site.send_queue();
        if site.may_send()
            && let Ok(length) = site.recv_slice(&mut heard[..room])
        {
            // As the kernel's buffers grow and shrink.
            let capacity = if site.recv_capacity() == BUFFER_BYTES { 2 * BUFFER_BYTES } else { BUFFER_BYTES };
            site.resize_receive(tcp::SocketBuffer::new(vec![0; capacity]));
            assert_eq!(site.send_slice(&heard[..length]), Ok(length));
        }
        if site.state() == tcp::State::CloseWait {
            site.close();
        }
    }

    fn look_up(&mut self) {
        let names = self.sockets.get_mut::<dns::Socket<'_>>(self.names);
        match self.question.take() {
            Some(question) if names.get_query_result(question) == Err(dns::GetQueryResultError::Pending) => {
                self.question = Some(question);
            }
            _ => {
                let asked = names.start_query(self.iface.context(), "db.foobar.com", DnsQueryType::A);
                self.question = Some(asked.expect("a short name"));
            }
        }
    }
}

impl Seen {
    /// Reads what the machine sends.
    fn note(&mut self, frame: &[u8]) {
        let Some((protocol, part)) = transport(frame) else { return };
        let part = &frame[part..];
        match (protocol, part) {
            (6, [_, _, _, _, s0, s1, s2, s3, a0, a1, a2, a3, offset, flags, ..]) => {
                let payload = part.len().saturating_sub(usize::from(offset >> 4) * 4) as u32;
                let phantom = u32::from(flags & 3 != 0);
                self.sequence = u32::from_be_bytes([*s0, *s1, *s2, *s3]).wrapping_add(payload + phantom);
                self.acknowledgement = u32::from_be_bytes([*a0, *a1, *a2, *a3]);
            }
            (17, [_, _, 0, 67, _, _, _, _, _, _, _, _, a, b, c, d, ..]) => {
                self.lease_question = [*a, *b, *c, *d]
            }
            (17, [p, q, 0, 53, _, _, _, _, a, b, ..]) => {
                (self.name_port, self.name_question) = ([*p, *q], [*a, *b])
            }
            _ => {}
        }
    }

    /// Puts into a frame what only somebody knows who saw the machine's last: numbers in a segment count from there.
    fn complete(&self, frame: &mut [u8]) {
        let Some((protocol, start)) = transport(frame) else { return };
        let part = &mut frame[start..];
        match (protocol, part) {
            (6, [_, _, _, _, s0, s1, s2, s3, a0, a1, a2, a3, ..]) => {
                let distance = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
                let sequence = self.acknowledgement.wrapping_add(distance).to_be_bytes();
                [*s0, *s1, *s2, *s3] = sequence;
                [*a0, *a1, *a2, *a3] = self.sequence.to_be_bytes();
            }
            (17, [_, _, 0, 68, _, _, _, _, _, _, _, _, a, b, c, d, ..]) => {
                [*a, *b, *c, *d] = self.lease_question
            }
            (17, [0, 53, p, q, _, _, _, _, a, b, ..]) => {
                [*p, *q] = self.name_port;
                [*a, *b] = self.name_question;
            }
            _ => {}
        }
    }
}

/// The protocol of an IP packet and where what it carries begins.
fn transport(frame: &[u8]) -> Option<(u8, usize)> {
    let (kind, packet) = (frame.get(12..14)?, frame.get(14..)?);
    match kind {
        [0x08, 0] => Some((*packet.get(9)?, 14 + usize::from(packet[0] & 15) * 4)),
        [0x86, 0xdd] => Some((*packet.get(6)?, 54)),
        _ => None,
    }
    .filter(|(_, start)| *start <= frame.len())
}

struct Arrived(Vec<u8>);
struct Leaving<'a>(&'a mut Card);

impl phy::RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl phy::TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        self.0.seen.note(&frame);
        self.0.sent += 1;
        result
    }
}

impl Device for Card {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived, Leaving<'_>)> {
        let frame = self.arriving.pop_front()?;
        Some((Arrived(frame), Leaving(self)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        Some(Leaving(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities
    }
}
