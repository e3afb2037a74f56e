//! A TCP socket as a descriptor has it: new, listening, or a connection.
//!
//! It does not decide what arrives where. Nothing here waits with the network locked, and closing never waits.
//!
//! Invariant: a connection belongs to one `TcpSocket`, and is given up when that is dropped.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hermit_sync::InterruptTicketMutex;
use smoltcp::wire::{IpEndpoint, IpListenEndpoint};

use super::connection::{Connection, Owner};
use super::frame::Flow;
use super::ready::Ready;
use super::settings::Settings;
use super::stack::{self, Stack, flow_address};
use super::{random, retry, wait};
use crate::fd::PollEvent;
use crate::io::{Error, Result};

/// Written data goes out at the next poll, or at once when there is this much.
const FLUSH_BYTES: usize = 16 << 10;
/// Ports for connections that we begin (RFC 6335, 6).
const FIRST_DYNAMIC_PORT: u16 = 49152;
/// Random ports are tried this often before "address in use".
const PORT_TRIES: usize = 256;

#[derive(Clone, Copy, Debug)]
enum Role {
    New { local: Option<IpListenEndpoint> },
    Listener(u32),
    Connection(u32),
}

/// Which way `shutdown` closes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shut {
    Read,
    Write,
    Both,
}

/// The socket.
#[derive(Debug)]
pub(crate) struct TcpSocket {
    role: InterruptTicketMutex<Role>,
    ready: InterruptTicketMutex<Arc<Ready>>,
    is_nonblocking: AtomicBool,
    settings: InterruptTicketMutex<Settings>,
    /// Microseconds that a blocking read and write may take; zero is no limit.
    timeouts_us: [AtomicU64; 2],
}

impl TcpSocket {
    pub(crate) fn new() -> Self {
        Self::with(Role::New { local: None }, Ready::new(PollEvent::POLLHUP))
    }

    fn with(role: Role, ready: Arc<Ready>) -> Self {
        Self {
            role: InterruptTicketMutex::new(role),
            ready: InterruptTicketMutex::new(ready),
            is_nonblocking: AtomicBool::new(false),
            settings: InterruptTicketMutex::new(Settings::default()),
            timeouts_us: [const { AtomicU64::new(0) }; 2],
        }
    }

    /// What `poll` looks at.
    pub(crate) fn ready(&self) -> Arc<Ready> {
        self.ready.lock().clone()
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.is_nonblocking.load(Ordering::Relaxed)
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) {
        self.is_nonblocking.store(nonblocking, Ordering::Relaxed);
    }

    fn role(&self) -> Role {
        *self.role.lock()
    }

    fn connection(&self) -> Result<u32> {
        match self.role() {
            Role::Connection(slot) => Ok(slot),
            _ => Err(Error::ENOTCONN),
        }
    }

    fn work<R>(&self, work: impl FnOnce(&mut Connection) -> Result<R>) -> Result<R> {
        let slot = self.connection()?;
        stack::with(|stack| work(stack.connections.get(slot).ok_or(Error::ENOTCONN)?))
    }

    /// Takes a local address. Port zero becomes a free one.
    pub(crate) fn bind(&self, mut local: IpListenEndpoint) -> Result<()> {
        let Role::New { local: None } = self.role() else { return Err(Error::EINVAL) };
        stack::with(|stack| {
            if local.port == 0 {
                local.port = free_port(|port| {
                    !stack.listeners.is_taken(&IpListenEndpoint { addr: local.addr, port })
                })?;
            }
            if stack.listeners.is_taken(&local) {
                return Err(Error::EADDRINUSE);
            }
            *self.role.lock() = Role::New { local: Some(local) };
            Ok(())
        })
    }

    /// Lets peers connect.
    pub(crate) fn listen(&self, backlog: i32) -> Result<()> {
        let local = match self.role() {
            Role::New { local: Some(local) } => local,
            Role::Listener(_) => return Ok(()),
            _ => return Err(Error::EINVAL),
        };
        let backlog = usize::try_from(backlog).unwrap_or(0);
        let ready = self.ready();
        let listener =
            stack::with(|stack| stack.listeners.add(local, backlog, ready).ok_or(Error::EADDRINUSE))?;
        *self.role.lock() = Role::Listener(listener);
        Ok(())
    }

    /// The next peer whose handshake is complete.
    pub(crate) fn accept(&self) -> Result<(Self, IpEndpoint)> {
        let Role::Listener(listener) = self.role() else { return Err(Error::EINVAL) };
        let (slot, ready, peer) =
            retry(self.is_nonblocking(), None, || stack::with(|stack| accept_from(stack, listener)))?;
        let socket = Self::with(Role::Connection(slot), ready);
        socket.set_nonblocking(self.is_nonblocking());
        socket.follow(self.settings());
        Ok((socket, peer))
    }

    /// Begins a connection. `EINPROGRESS` on a non-blocking socket.
    pub(crate) fn connect(&self, remote: IpEndpoint) -> Result<()> {
        match self.role() {
            Role::Listener(_) => return Err(Error::EINVAL),
            Role::Connection(_) => return self.repeat_connect(),
            Role::New { local } => self.begin(remote, local)?,
        }
        if self.is_nonblocking() {
            return Err(Error::EINPROGRESS);
        }
        let slot = self.connection()?;
        retry(false, None, || stack::with(|stack| outcome(stack, slot)))
    }

    fn repeat_connect(&self) -> Result<()> {
        self.work(|connection| match connection.take_fault() {
            Some(fault) => Err(fault),
            None if connection.is_settled() => Err(Error::EISCONN),
            None => Err(Error::EALREADY),
        })
    }

    fn begin(&self, remote: IpEndpoint, local: Option<IpListenEndpoint>) -> Result<()> {
        let slot = stack::with(|stack| open(stack, remote, local))?;
        *self.role.lock() = Role::Connection(slot);
        let settings = self.settings();
        self.work(|connection| {
            connection.follow(settings);
            *self.ready.lock() = connection.ready.clone();
            Ok(())
        })
    }

    /// Reads what is there.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> Result<usize> {
        let slot = self.connection()?;
        retry(self.is_nonblocking(), self.deadline(0), || {
            stack::with(|stack| {
                let now = stack.link.micros();
                let result = stack.connections.read(slot, bytes, now);
                stack.after_use(slot, false);
                result
            })
        })
    }

    /// Reads without taking.
    pub(crate) fn peek(&self, bytes: &mut [u8]) -> Result<usize> {
        retry(self.is_nonblocking(), self.deadline(0), || {
            self.work(|connection| match connection.socket().recv_queue() {
                0 => connection.read(&mut [], &mut super::budget::Budget::of(0)),
                _ => connection.socket().peek_slice(bytes).map_err(|_| Error::ENOTCONN),
            })
        })
    }

    /// Queues what fits.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize> {
        let slot = self.connection()?;
        let flushes = !self.is_nonblocking() || bytes.len() >= FLUSH_BYTES;
        retry(self.is_nonblocking(), self.deadline(1), || {
            stack::with(|stack| {
                let result = match stack.connections.with_budget(slot) {
                    Some((connection, budget)) => connection.write(bytes, budget),
                    None => Err(Error::ENOTCONN),
                };
                if result.is_ok() {
                    stack.connections.mark(slot);
                }
                stack.after_use(slot, flushes && result.is_ok());
                result
            })
        })
    }

    fn deadline(&self, which: usize) -> Option<u64> {
        let limit = self.timeouts_us[which].load(Ordering::Relaxed);
        (limit != 0).then(|| wait::now() + limit)
    }

    /// Limits blocking reads (0) or writes (1), in microseconds; zero lifts the limit.
    pub(crate) fn set_timeout(&self, which: usize, limit_us: u64) {
        self.timeouts_us[which].store(limit_us, Ordering::Relaxed);
    }

    pub(crate) fn timeout(&self, which: usize) -> u64 {
        self.timeouts_us[which].load(Ordering::Relaxed)
    }

    /// Ends one direction or both. The peer sees the end after what was written.
    pub(crate) fn shutdown(&self, how: Shut) -> Result<()> {
        let slot = self.connection()?;
        stack::with(|stack| {
            let connection = stack.connections.get(slot).ok_or(Error::ENOTCONN)?;
            if how != Shut::Read {
                connection.shut_write();
            }
            if how != Shut::Write {
                connection.shut_read();
            }
            stack.connections.mark(slot);
            stack.flush();
            Ok(())
        })
    }

    /// The error that ended the connection, once.
    pub(crate) fn take_error(&self) -> Option<Error> {
        let Ok(slot) = self.connection() else { return None };
        stack::with(|stack| {
            let fault = stack.connections.get(slot).and_then(Connection::take_fault);
            stack.after_use(slot, false);
            Ok(fault)
        })
        .unwrap_or_else(Some)
    }

    /// Its options.
    pub(crate) fn settings(&self) -> Settings {
        *self.settings.lock()
    }

    /// Takes other options: for its connection, the one to come, or those that it accepts from now on.
    pub(crate) fn follow(&self, settings: Settings) {
        *self.settings.lock() = settings;
        // Without a connection there is none to tell yet.
        let _ = self.work(|connection| {
            connection.follow(settings);
            Ok(())
        });
    }

    pub(crate) fn local(&self) -> Option<IpEndpoint> {
        let unspecified = smoltcp::wire::IpAddress::v4(0, 0, 0, 0);
        let named = |local: IpListenEndpoint| IpEndpoint::new(local.addr.unwrap_or(unspecified), local.port);
        match self.role() {
            Role::New { local } => local.map(named),
            Role::Listener(listener) => {
                stack::with(|stack| Ok(stack.listeners.local(listener))).ok()?.map(named)
            }
            Role::Connection(_) => self
                .work(|connection| {
                    Ok(IpEndpoint::new(stack::address(connection.flow.local), connection.flow.local_port))
                })
                .ok(),
        }
    }

    /// The peer. `ENOTCONN` before the handshake is complete.
    pub(crate) fn peer(&self) -> Result<IpEndpoint> {
        self.work(|connection| {
            if !connection.is_settled() {
                return Err(Error::ENOTCONN);
            }
            Ok(IpEndpoint::new(stack::address(connection.flow.remote), connection.flow.remote_port))
        })
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        let role = self.role();
        let end_within_s = self.settings().end_within_s();
        self.ready().unwatch();
        let _ = stack::with(|stack| {
            match role {
                Role::New { .. } => {}
                Role::Connection(slot) => stack.connections.give_up(slot, end_within_s, wait::now()),
                Role::Listener(listener) => {
                    for slot in stack.listeners.remove(listener) {
                        stack.connections.abort(slot);
                    }
                }
            }
            Ok(())
        });
    }
}

fn accept_from(stack: &mut Stack, listener: u32) -> Result<(u32, Arc<Ready>, IpEndpoint)> {
    loop {
        let slot = stack.listeners.accept(listener).ok_or(Error::EAGAIN)?;
        let Some(connection) = stack.connections.get(slot) else { continue };
        if connection.is_gone() {
            stack.connections.remove(slot);
            continue;
        }
        connection.owner = Owner::Socket;
        let peer = IpEndpoint::new(stack::address(connection.flow.remote), connection.flow.remote_port);
        return Ok((slot, connection.ready.clone(), peer));
    }
}

fn open(stack: &mut Stack, remote: IpEndpoint, local: Option<IpListenEndpoint>) -> Result<u32> {
    // A name may lead here, by an answer that nobody should believe.
    if remote.addr.is_unspecified() || remote.port == 0 {
        return Err(Error::EADDRNOTAVAIL);
    }
    let address = match local.and_then(|local| local.addr) {
        Some(address) => address,
        None => stack.link.iface.get_source_address(&remote.addr).ok_or(Error::EHOSTUNREACH)?,
    };
    let mut flow = Flow {
        remote: flow_address(remote.addr),
        local: flow_address(address),
        remote_port: remote.port,
        local_port: local.map_or(0, |local| local.port),
    };
    if flow.local_port == 0 {
        flow.local_port =
            free_port(|port| stack.connections.find(&Flow { local_port: port, ..flow }).is_none())?;
    } else if stack.connections.find(&flow).is_some() {
        return Err(Error::EADDRINUSE);
    }
    let slot = stack.connections.insert(flow, Owner::Socket, wait::now()).ok_or(Error::ENOBUFS)?;
    if !stack.connections.furnish(slot, wait::now()) {
        stack.connections.remove(slot);
        return Err(Error::ENOBUFS);
    }
    let connection = stack.connections.get(slot).ok_or(Error::ENOBUFS)?;
    if let Err(error) =
        connection.connect(&mut stack.link.iface, remote, IpEndpoint::new(address, flow.local_port))
    {
        stack.connections.remove(slot);
        return Err(error);
    }
    stack.connections.mark(slot);
    stack.flush();
    Ok(slot)
}

fn outcome(stack: &mut Stack, slot: u32) -> Result<()> {
    let connection = stack.connections.get(slot).ok_or(Error::ENOTCONN)?;
    match connection.take_fault() {
        Some(fault) => Err(fault),
        None if connection.is_settled() => Ok(()),
        None => Err(Error::EAGAIN),
    }
}

/// A random dynamic port that `is_free`.
pub(super) fn free_port(is_free: impl Fn(u16) -> bool) -> Result<u16> {
    (0..PORT_TRIES)
        .map(|_| FIRST_DYNAMIC_PORT | random::bits() as u16)
        .find(|port| is_free(*port))
        .ok_or(Error::EADDRINUSE)
}
