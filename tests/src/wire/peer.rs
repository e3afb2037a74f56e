//! Somebody well-behaved at our end of the wire: a TCP of its own (smoltcp), and visits to the site.
//!
//! Invariant: a visit judges its answer; a peer that was answered anything else fails the story.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant as Moment;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, IpEndpoint, IpListenEndpoint};

use super::router::{GUEST_LINK_LOCAL, ROUTER};
use super::{GUEST, HOST, HOST_MAC, Wire};

/// The machine's ports.
pub const HTTP: u16 = 80;
/// The machine's port for TLS.
pub const HTTPS: u16 = 443;

/// Our address in another network of IPv4 (RFC 5737), for [`Peer::move_far`].
const FAR_V4: [u8; 4] = [198, 51, 100, 1];
/// Our IPv6 address, in another network than any that the machine is in: answers pass the router.
const FAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x99, 0, 0, 0, 0, 1);

/// What one socket can hold in each direction.
const SOCKET_BYTES: usize = 16 << 10;
/// The longest sleep between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// Our own dynamic ports, used in turn.
const FIRST_PORT: u16 = 20_000;

/// The peer and its end of the wire.
pub struct Peer {
    /// The wire, for what a well-behaved peer would not send.
    pub wire: Wire,
    iface: Interface,
    sockets: SocketSet<'static>,
    started: Instant,
    next_port: u16,
    is_far: bool,
    /// The machine's address.
    pub machine: IpAddr,
}

impl Peer {
    /// A peer at the end of `wire`.
    #[must_use]
    pub fn at(wire: Wire) -> Self {
        let config = Config::new(HardwareAddress::Ethernet(EthernetAddress(HOST_MAC)));
        let mut wire = wire;
        let mut iface = Interface::new(config, &mut Card(&mut wire), Moment::ZERO);
        iface.update_ip_addrs(|addresses| {
            let own = [(IpAddr::from(HOST), 24), (ROUTER.into(), 64), (FAR.into(), 64), (FAR_V4.into(), 32)];
            addresses.extend(own.map(|(address, length)| IpCidr::new(address.into(), length)));
        });
        let _ = iface.routes_mut().add_default_ipv6_route(GUEST_LINK_LOCAL);
        let sockets = SocketSet::new(Vec::new());
        let (started, next_port) = (Instant::now(), FIRST_PORT);
        Self { wire, iface, sockets, started, next_port, is_far: false, machine: GUEST.into() }
    }

    /// From now on our connections come from another network of IPv4: the machine answers by its gateway, which is us.
    pub fn move_far(&mut self) {
        self.is_far = true;
    }

    fn now(&self) -> Moment {
        Moment::from_micros(self.started.elapsed().as_micros() as i64)
    }

    /// Takes what arrived and sends what is due.
    pub fn turn(&mut self) {
        let now = self.now();
        self.iface.poll(now, &mut Card(&mut self.wire), &mut self.sockets);
    }

    /// Goes on until `look` finds something.
    ///
    /// # Errors
    /// When it does not before the deadline, or fails.
    pub fn until<T>(
        &mut self,
        deadline: Duration,
        what: &str,
        mut look: impl FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            self.turn();
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            ensure!(start.elapsed() < deadline, "{what}: not within {} s", deadline.as_secs());
            let now = self.now();
            let pause = self.iface.poll_delay(now, &self.sockets).map_or(LOOK, Duration::from);
            self.wire.wait(pause.min(LOOK))?;
        }
    }

    /// Goes on for a while.
    ///
    /// # Errors
    /// When the wire breaks.
    pub fn listen(&mut self, duration: Duration) -> Result<()> {
        let start = Instant::now();
        self.until(duration + LOOK, "the end of a while", |_| Ok((start.elapsed() >= duration).then_some(())))
    }

    /// Begins a connection to the machine, with room for `receive_bytes` of answers.
    ///
    /// # Errors
    /// When there is no port left.
    pub fn connect(&mut self, port: u16, receive_bytes: usize) -> Result<SocketHandle> {
        let buffer = |bytes| SocketBuffer::new(vec![0; bytes]);
        let mut socket = Socket::new(buffer(receive_bytes), buffer(SOCKET_BYTES));
        let machine = IpEndpoint::new(self.machine.into(), port);
        self.next_port = if self.next_port == u16::MAX { FIRST_PORT } else { self.next_port + 1 };
        self.wire.set_deaf(self.next_port, false);
        socket.set_ack_delay(None);
        let addr = self.is_far.then(|| IpAddr::from(FAR_V4).into());
        let local = IpListenEndpoint { addr, port: self.next_port };
        let context = self.iface.context();
        socket.connect(context, machine, local).context("cannot connect")?;
        Ok(self.sockets.add(socket))
    }

    /// The socket of a connection.
    pub fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// The machine's segment on a connection of IPv6, as an ICMPv6 message repeats it: its header, and eight bytes of TCP's.
    ///
    /// # Errors
    /// When it is not one.
    pub fn as_quoted(&mut self, handle: SocketHandle) -> Result<Vec<u8>> {
        let ends = self.socket(handle).remote_endpoint().zip(self.socket(handle).local_endpoint());
        let (machine, ours) = ends.context("no connection")?;
        let (IpAddr::V6(from), IpAddr::V6(to)) = (machine.addr.into(), ours.addr.into()) else {
            bail!("a connection of IPv4")
        };
        let header = [0x60, 0, 0, 0, 0, 20, 6, 64];
        let ports = [machine.port.to_be_bytes(), ours.port.to_be_bytes()].concat();
        Ok([&header[..], &from.octets(), &to.octets(), &ports, &[0; 4]].concat())
    }

    /// Forgets a connection without a word to the other end, now or later, as a client does that lost its power.
    pub fn vanish(&mut self, handle: SocketHandle) {
        if let Some(local) = self.socket(handle).local_endpoint() {
            self.wire.set_deaf(local.port, true);
        }
        self.sockets.remove(handle);
    }

    /// Waits until the handshake is over.
    ///
    /// # Errors
    /// When the machine refuses or does not answer.
    pub fn established(&mut self, handle: SocketHandle, deadline: Duration) -> Result<()> {
        self.until(deadline, "the handshake", |peer| match peer.socket(handle).state() {
            State::Established => Ok(Some(())),
            State::Closed => bail!("refused"),
            _ => Ok(None),
        })
    }

    /// Asks for a page over plain HTTP on a connection of its own; the answer must be the redirect to HTTPS. Returns how
    /// long it took.
    ///
    /// # Errors
    /// When there is another answer, or none within the deadline.
    pub fn visit(&mut self, deadline: Duration) -> Result<Duration> {
        let start = Instant::now();
        let handle = self.connect(HTTP, SOCKET_BYTES)?;
        let answer = self.ask(handle, "close", deadline);
        self.vanish_politely(handle);
        answer.map(|()| start.elapsed())
    }

    /// The same, and then both ends say goodbye.
    ///
    /// # Errors
    /// As [`Peer::visit`], or when the machine does not end its side.
    pub fn visit_in_order(&mut self, deadline: Duration) -> Result<()> {
        let handle = self.connect(HTTP, SOCKET_BYTES)?;
        self.ask(handle, "close", deadline)?;
        self.socket(handle).close();
        self.until(deadline, "the machine's goodbye", |peer| {
            Ok(matches!(peer.socket(handle).state(), State::Closed | State::TimeWait).then_some(()))
        })?;
        self.sockets.remove(handle);
        Ok(())
    }

    /// One request on a connection, and its answer.
    ///
    /// # Errors
    /// As [`Peer::visit`].
    pub fn ask(&mut self, handle: SocketHandle, connection: &str, deadline: Duration) -> Result<()> {
        let request = format!("GET / HTTP/1.1\r\nHost: www.foobar.com\r\nConnection: {connection}\r\n\r\n");
        let mut unsent = request.into_bytes();
        let mut answer = Vec::new();
        self.until(deadline, "a visitor's answer", |peer| {
            let socket = peer.socket(handle);
            if socket.can_send() && !unsent.is_empty() {
                let sent = socket.send_slice(&unsent)?;
                unsent.drain(..sent);
            }
            take(socket, &mut answer)?;
            if socket.state() == State::Closed {
                bail!("the connection broke after {:?}", String::from_utf8_lossy(&answer));
            }
            Ok(is_whole(&answer).then_some(()))
        })?;
        let head = String::from_utf8_lossy(&answer);
        ensure!(head.starts_with("HTTP/1.1 308 "), "another answer: {head}");
        Ok(())
    }

    fn vanish_politely(&mut self, handle: SocketHandle) {
        self.socket(handle).abort();
        self.turn();
        self.sockets.remove(handle);
    }
}

/// What a socket has received.
///
/// # Errors
/// Never, while the socket is the peer's.
pub fn take(socket: &mut Socket<'static>, into: &mut Vec<u8>) -> Result<()> {
    while socket.can_recv() {
        socket.recv(|bytes| {
            into.extend_from_slice(bytes);
            (bytes.len(), ())
        })?;
    }
    Ok(())
}

/// Whether an answer with a `Content-Length` is complete.
#[must_use]
pub fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// The wire as smoltcp wants it.
struct Card<'a>(&'a mut Wire);

struct Arrived(Vec<u8>);
struct Leaving<'a>(&'a mut Wire);

impl phy::RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl phy::TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.send(&frame);
        result
    }
}

impl Device for Card<'_> {
    type RxToken<'a>
        = Arrived
    where
        Self: 'a;
    type TxToken<'a>
        = Leaving<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: Moment) -> Option<(Arrived, Leaving<'_>)> {
        let frame = self.0.receive()?;
        Some((Arrived(frame), Leaving(self.0)))
    }

    fn transmit(&mut self, _: Moment) -> Option<Leaving<'_>> {
        Some(Leaving(self.0))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}
