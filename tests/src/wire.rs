//! A network made of nothing but this process: one web machine at one end, whatever a story plays at the other.
//!
//! Frames pass through sockets in the machine's folder, so neither privileges nor the host's own network are touched,
//! and what weather there is comes from the story's dice.
//!
//! Invariant: nothing waits longer than its deadline, and waiting is waiting for a frame.

pub mod craft;
mod dhcp;
mod dns;
mod peer;
mod router;
mod weather;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use image::machine::{GUEST_WIRE, HOST_WIRE};

pub use dhcp::Dhcp;
pub use dns::{Dns, Says};
pub use peer::{HTTP, HTTPS, Peer, is_whole, take};
pub use router::Router;
pub use weather::{Line, Weather};

use crate::Dice;
use craft::{Segment, flags};

/// The network that both ends are in (RFC 1918), and their addresses.
pub const GUEST: [u8; 4] = [10, 77, 0, 2];
/// Our own address: the machine's gateway.
pub const HOST: [u8; 4] = [10, 77, 0, 1];
/// Our card's address, locally administered.
pub const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// The first address that QEMU gives a card.
pub const GUEST_MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

/// The kernel's arguments by which the machine knows where it is.
pub const KERNEL_ARGUMENTS: &str = "env=HERMIT_IP=10.77.0.2/24 env=HERMIT_GATEWAY=10.77.0.1";

/// How long a frame waits for a machine that does not take it.
const STANDSTILL: Duration = Duration::from_secs(1);
/// The greatest frame.
const FRAME_BYTES: usize = 65_600;

/// A host that refuses every connection.
#[derive(Clone, Debug)]
pub struct Refusing {
    /// Its address.
    pub place: [u8; 4],
    /// The connections that the machine began: its port, and where its sequence numbers begin.
    pub begun: Vec<(u16, u32)>,
}

impl Refusing {
    /// One that nobody tried to reach yet.
    #[must_use]
    pub fn at(place: [u8; 4]) -> Self {
        Self { place, begun: Vec::new() }
    }

    fn answer(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let told = craft::read(frame)?;
        if told.flags != flags::SYN || frame.get(30..34) != Some(&self.place) {
            return None;
        }
        self.begun.push((told.source_port, told.sequence));
        let refusal = Segment {
            source: self.place,
            source_port: told.port,
            port: told.source_port,
            acknowledgement: told.sequence.wrapping_add(1),
            flags: flags::RST | flags::ACK,
            ..Segment::default()
        };
        Some(refusal.frame())
    }
}

/// Our end of the machine's cable.
pub struct Wire {
    socket: UnixDatagram,
    guest: PathBuf,
    /// A socket's address holds 107 bytes (unix(7)), so the folder is named by this.
    _folder: File,
    to_guest: Line,
    to_us: Line,
    buffer: Vec<u8>,
    /// Ports of ours whose owner is gone: nobody hears what the machine says to them.
    deaf: HashSet<u16>,
    /// Who gives the machine its address, if it asks.
    pub dhcp: Option<Dhcp>,
    /// Who knows names, if the machine asks.
    pub dns: Option<Dns>,
    /// A host in another network that refuses connections.
    pub refusing: Option<Refusing>,
    /// Who says what the IPv6 network is called, if the machine asks.
    pub router: Option<Router>,
}

impl Wire {
    /// Lays the cable in `folder`, where the machine is about to start.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn lay(folder: &Path, dice: &Dice) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let opened = File::open(folder).with_context(|| format!("cannot open {}", folder.display()))?;
        let short = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
        let socket = UnixDatagram::bind(short.join(HOST_WIRE))
            .with_context(|| format!("cannot make {}", folder.join(HOST_WIRE).display()))?;
        socket.set_write_timeout(Some(STANDSTILL))?;
        Ok(Self {
            socket,
            guest: short.join(GUEST_WIRE),
            _folder: opened,
            to_guest: Line::new(dice.clone()),
            to_us: Line::new(dice.clone()),
            buffer: vec![0; FRAME_BYTES],
            deaf: HashSet::new(),
            dhcp: None,
            dns: None,
            refusing: None,
            router: None,
        })
    }

    /// From now on the weather is this in both directions.
    pub fn set_weather(&mut self, weather: Weather) {
        self.to_guest.set_weather(weather);
        self.to_us.set_weather(weather);
    }

    /// Sends a frame, weather permitting.
    pub fn send(&mut self, frame: &[u8]) {
        self.to_guest.put(frame);
        self.flush();
    }

    /// A socket holds few datagrams, so this waits for a machine that is slow; one that stands still loses frames.
    fn flush(&mut self) {
        while let Some(frame) = self.to_guest.take() {
            let _ = self.socket.send_to(&frame, &self.guest);
        }
    }

    /// From now on nobody hears what the machine says to this port, or somebody does again.
    pub fn set_deaf(&mut self, port: u16, is_deaf: bool) {
        if is_deaf {
            self.deaf.insert(port);
        } else {
            self.deaf.remove(&port);
        }
    }

    fn is_unheard(&self, frame: &[u8]) -> bool {
        !self.deaf.is_empty() && craft::read(frame).is_some_and(|told| self.deaf.contains(&told.port))
    }

    /// The next frame that has arrived.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let _ = self.socket.set_nonblocking(true);
        while let Ok(bytes) = self.socket.recv(&mut self.buffer) {
            self.to_us.put(&self.buffer[..bytes]);
        }
        let _ = self.socket.set_nonblocking(false);
        let mut frame = self.to_us.take()?;
        while self.is_unheard(&frame) {
            frame = self.to_us.take()?;
        }
        let lease = self.dhcp.as_ref().and_then(|dhcp| dhcp.answer(&frame));
        let network = self.router.as_ref().and_then(|router| router.answer(&frame));
        let names = self.dns.as_mut().and_then(|dns| dns.answer(&frame));
        let refusal = self.refusing.as_mut().and_then(|refusing| refusing.answer(&frame));
        for answer in lease.into_iter().chain(network).chain(names).chain(refusal) {
            self.send(&answer);
        }
        Some(frame)
    }

    /// Waits until there may be something to do, at most `limit`.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn wait(&mut self, limit: Duration) -> Result<()> {
        self.flush();
        let due = [self.to_guest.due(), self.to_us.due()].into_iter().flatten().min();
        let limit = due.map_or(limit, |due| limit.min(due.saturating_duration_since(Instant::now())));
        if limit.is_zero() {
            return Ok(());
        }
        self.socket.set_read_timeout(Some(limit.max(Duration::from_micros(100))))?;
        match self.socket.recv(&mut self.buffer) {
            Ok(bytes) => self.to_us.put(&self.buffer[..bytes]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error).context("the wire is broken"),
        }
        Ok(())
    }
}
