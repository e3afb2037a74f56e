//! The sockets that are few: DHCP, name lookups and UDP; and the addresses that DHCP or the boot arguments give.
//!
//! No TCP. Invariant: the interface has the address that was last leased, and none after a lease is lost.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::str::FromStr;

use smoltcp::iface::{Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::{dhcpv4, dns, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{
    DhcpPacket, DnsQueryType, IpAddress, IpCidr, Ipv4Address, Ipv4Cidr, Ipv6Address,
};

use super::lease;
use super::link::Link;
use super::nic::Received;
use super::port::Port;
use super::ready::{READABLE, Ready, WRITABLE};
use crate::fd::PollEvent;
use crate::io;

/// Datagrams that wait in one UDP socket, and their bytes.
const UDP_DATAGRAMS: usize = 32;
const UDP_BYTES: usize = 64 << 10;

/// DHCP's options: mask, router, name servers, time servers (RFC 2132).
const DHCP_TIME_SERVERS: u8 = 42;
const DHCP_WANTED: [u8; 4] = [1, 3, 6, DHCP_TIME_SERVERS];
/// More than any answer that fits into a frame of DHCP's least size.
const DHCP_BYTES: usize = 1500;

/// The sockets and what they serve.
pub(super) struct Shared {
    set: SocketSet<'static>,
    dhcp: Option<SocketHandle>,
    dns: SocketHandle,
    /// Lookups under way.
    lookups: usize,
    udp: Vec<(SocketHandle, Arc<Ready>)>,
    deadline: Option<Instant>,
    is_dirty: bool,
}

impl Shared {
    /// Takes the boot arguments' address, or else asks for one by DHCP.
    pub(super) fn new(iface: &mut Interface) -> Self {
        let mut set = SocketSet::new(Vec::new());
        let dns = set.add(dns::Socket::new(&[], Vec::new()));
        let dhcp = (!set_static_address(iface)).then(|| set.add(dhcp_client()));
        set_static_address_v6(iface);
        let mut shared = Self { set, dhcp, dns, lookups: 0, udp: Vec::new(), deadline: None, is_dirty: true };
        let server = |given: &str| host(given).unwrap_or_else(|| refuse("HERMIT_DNS", given));
        shared.set_servers(&arguments("HERMIT_DNS").map(server).collect::<Vec<IpAddress>>());
        shared
    }

    fn set_servers(&mut self, servers: &[IpAddress]) {
        let most = servers.len().min(smoltcp::config::DNS_MAX_SERVER_COUNT);
        self.set.get_mut::<dns::Socket<'_>>(self.dns).update_servers(&servers[..most]);
    }

    /// Shows a frame to these sockets and to the interface itself (ARP, ICMP, resets for nobody's segments). A lease counts
    /// at once: the next frame of the same run may be the first visitor's.
    pub(super) fn deliver(&mut self, link: &mut Link, frame: &Received) {
        let mut port = Port::receiving(&mut link.nic, frame);
        link.iface.poll_ingress_single(link.now, &mut port, &mut self.set);
        self.follow_lease(&mut link.iface);
        self.is_dirty = true;
    }

    /// When to `run` next, microseconds since start.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.deadline.map(|at| at.total_micros() as u64)
    }

    /// Sends what there is to send and brings addresses and readiness up to date, if something changed or is due.
    pub(super) fn run(&mut self, link: &mut Link) {
        let is_due = self.deadline.is_some_and(|deadline| deadline <= link.now);
        if !core::mem::take(&mut self.is_dirty) && !is_due {
            return;
        }
        link.iface.poll_maintenance(link.now);
        self.egress(link);
        self.follow_lease(&mut link.iface);
        self.refresh();
        if self.lookups > 0 {
            // A name has no readiness: who waits for one looks for itself.
            super::wait::notify();
        }
        let next = link.iface.poll_at(link.now, &self.set);
        self.deadline = next.map(|at| at.max(link.now + smoltcp::time::Duration::from_millis(1)));
    }

    fn egress(&mut self, link: &mut Link) {
        while link.nic.has_room() {
            let mut port = Port::sending(&mut link.nic);
            if link.iface.poll_egress(link.now, &mut port, &mut self.set) == PollResult::None {
                return;
            }
        }
    }

    fn follow_lease(&mut self, iface: &mut Interface) {
        let Some(dhcp) = self.dhcp else { return };
        let event = match self.set.get_mut::<dhcpv4::Socket<'_>>(dhcp).poll() {
            None => return,
            Some(dhcpv4::Event::Deconfigured) => None,
            Some(dhcpv4::Event::Configured(lease)) => {
                let time_servers = lease.packet.as_ref().map_or_else(Vec::new, time_servers);
                Some((lease.address, lease.router, lease.dns_servers, time_servers))
            }
        };
        let Some((address, router, servers, time_servers)) = event else {
            if iface.ipv4_addr().is_some() {
                warn!("the DHCP lease is lost");
            }
            lease::take(iface, None, None);
            return;
        };
        info!("DHCP: {address}, gateway {router:?}");
        lease::take(iface, Some(address), router);
        crate::clock::learn(time_servers.into_iter());
        if arguments("HERMIT_DNS").next().is_none() {
            let servers = servers.iter().map(|server| IpAddress::Ipv4(*server)).collect::<Vec<_>>();
            self.set_servers(&servers);
        }
        super::wait::notify();
    }

    /// Asks for a new lease and for routers: the link was down, and the network behind it may be another.
    pub(super) fn renew(&mut self, link: &mut Link) {
        if let Some(dhcp) = self.dhcp {
            self.set.get_mut::<dhcpv4::Socket<'_>>(dhcp).reset();
        }
        link.iface.solicit_routers(link.now);
        self.is_dirty = true;
    }

    fn refresh(&mut self) {
        for (handle, ready) in &self.udp {
            let socket = self.set.get::<udp::Socket<'_>>(*handle);
            let mut events = PollEvent::empty();
            if socket.can_recv() {
                events |= READABLE;
            }
            if socket.can_send() || !socket.is_open() {
                events |= WRITABLE;
            }
            ready.set(events);
        }
    }

    /// A new UDP socket.
    pub(super) fn add_udp(&mut self, ready: Arc<Ready>) -> io::Result<SocketHandle> {
        let buffer = || -> Option<udp::PacketBuffer<'static>> {
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(UDP_BYTES).ok()?;
            bytes.resize(UDP_BYTES, 0);
            Some(udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; UDP_DATAGRAMS], bytes))
        };
        let (receive, transmit) = buffer().zip(buffer()).ok_or(io::Error::ENOBUFS)?;
        let handle = self.set.add(udp::Socket::new(receive, transmit));
        self.udp.push((handle, ready));
        Ok(handle)
    }

    pub(super) fn udp(&mut self, handle: SocketHandle) -> &mut udp::Socket<'static> {
        self.set.get_mut(handle)
    }

    /// Brings the UDP sockets' readiness up to date after one was used.
    pub(super) fn touch(&mut self) {
        self.is_dirty = true;
        self.refresh();
    }

    pub(super) fn remove_udp(&mut self, handle: SocketHandle) {
        self.udp.retain(|(known, _)| *known != handle);
        self.set.remove(handle);
    }

    /// Whether a UDP socket has this port.
    pub(super) fn has_udp_port(&self, port: u16) -> bool {
        self.udp.iter().any(|(handle, _)| self.set.get::<udp::Socket<'_>>(*handle).endpoint().port == port)
    }

    /// Begins a name lookup.
    pub(super) fn look_up(
        &mut self,
        link: &mut Link,
        name: &str,
        kind: DnsQueryType,
    ) -> io::Result<dns::QueryHandle> {
        self.is_dirty = true;
        let socket = self.set.get_mut::<dns::Socket<'_>>(self.dns);
        let query = socket.start_query(link.iface.context(), name, kind).map_err(|_| io::Error::EINVAL)?;
        self.lookups += 1;
        Ok(query)
    }

    /// What a lookup found. `None` while it is under way.
    pub(super) fn found(&mut self, query: dns::QueryHandle) -> Option<Vec<IpAddress>> {
        let found = match self.set.get_mut::<dns::Socket<'_>>(self.dns).get_query_result(query) {
            Ok(addresses) => addresses.iter().copied().collect(),
            Err(dns::GetQueryResultError::Pending) => return None,
            Err(dns::GetQueryResultError::Failed) => Vec::new(),
        };
        self.lookups -= 1;
        Some(found)
    }

    /// Gives up a lookup that is under way.
    pub(super) fn forget(&mut self, query: dns::QueryHandle) {
        self.set.get_mut::<dns::Socket<'_>>(self.dns).cancel_query(query);
        self.lookups -= 1;
    }
}

/// Asks for time servers too, and keeps the answer so that they can be read: smoltcp passes over them.
fn dhcp_client() -> dhcpv4::Socket<'static> {
    let mut client = dhcpv4::Socket::new();
    client.set_parameter_request_list(&DHCP_WANTED);
    client.set_receive_packet_buffer(vec![0; DHCP_BYTES].leak());
    client
}

fn time_servers(packet: &DhcpPacket<&[u8]>) -> Vec<Ipv4Address> {
    let option = packet.options().find(|option| option.kind == DHCP_TIME_SERVERS);
    let addresses = option.map_or(&[][..], |option| option.data).chunks_exact(4);
    addresses.filter_map(|address| Some(Ipv4Address::from(*address.first_chunk::<4>()?))).collect()
}

/// The words of a boot argument `env=NAME=a,b`.
fn arguments(name: &'static str) -> impl Iterator<Item = &'static str> {
    crate::env::var(name).map(|words| words.split(',')).into_iter().flatten()
}

/// `HERMIT_IP` is `a.b.c.d/n`, or an address beside `HERMIT_MASK`; `HERMIT_GATEWAY` is an address. False without it.
fn set_static_address(iface: &mut Interface) -> bool {
    let Some(given) = arguments("HERMIT_IP").next() else { return false };
    let cidr = Ipv4Cidr::from_str(given).ok().or_else(|| {
        let mask: Ipv4Address = parsed("HERMIT_MASK").unwrap_or(Ipv4Address::new(255, 255, 255, 0));
        let mask = mask.to_bits();
        let length = mask.leading_ones();
        let is_mask = mask.checked_shl(length).unwrap_or(0) == 0;
        is_mask.then_some(Ipv4Cidr::new(Ipv4Address::from_str(given).ok()?, length as u8))
    });
    let cidr = cidr.filter(|cidr| IpAddress::Ipv4(cidr.address()).is_unicast());
    let cidr = cidr.unwrap_or_else(|| refuse("HERMIT_IP", given));
    let router = parsed_host("HERMIT_GATEWAY");
    info!("static address {cidr}, gateway {router:?}");
    lease::take(iface, Some(cidr), router);
    true
}

/// `HERMIT_IP6` is `address/n`, `HERMIT_GATEWAY6` an address.
fn set_static_address_v6(iface: &mut Interface) {
    let Some(given) = arguments("HERMIT_IP6").next() else { return };
    let cidr = given.parse().ok().map(IpCidr::Ipv6).filter(|cidr| cidr.address().is_unicast());
    let cidr = cidr.unwrap_or_else(|| refuse("HERMIT_IP6", given));
    iface.update_ip_addrs(|addresses| {
        let _ = addresses.push(cidr);
    });
    if let Some(router) = parsed_host::<Ipv6Address>("HERMIT_GATEWAY6") {
        let _ = iface.routes_mut().add_default_ipv6_route(router);
    }
}

/// A boot argument that is to be one address; the machine stops if it is none.
fn parsed<T: FromStr>(name: &'static str) -> Option<T> {
    let given = arguments(name).next()?;
    Some(given.parse().unwrap_or_else(|_| refuse(name, given)))
}

/// The same of one that a host can have: no group's, not everybody's, not none.
fn parsed_host<T: FromStr + Copy + Into<IpAddress>>(name: &'static str) -> Option<T> {
    let given = arguments(name).next()?;
    Some(host(given).unwrap_or_else(|| refuse(name, given)))
}

fn host<T: FromStr + Copy + Into<IpAddress>>(given: &str) -> Option<T> {
    given.parse().ok().filter(|address: &T| (*address).into().is_unicast())
}

/// Whoever gave a machine an address does not want it to take another.
fn refuse(name: &str, given: &str) -> ! {
    panic_println!(
        "bootstack: refused: the boot argument env={name}={given} is no address of a host: correct it, or leave it out for DHCP"
    );
    crate::scheduler::shutdown(1)
}
