//! A UDP socket as a descriptor has it.
//!
//! It does not reassemble: a datagram that was sent in fragments never arrives.
//!
//! Invariant: a connected socket hands out datagrams of its peer only.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use hermit_sync::InterruptTicketMutex;
use smoltcp::iface::SocketHandle;
use smoltcp::wire::{IpEndpoint, IpListenEndpoint};

use super::ready::{Ready, WRITABLE};
use super::retry;
use super::stack::{self, Stack};
use super::tcp::free_port;
use crate::io::{Error, Result};

/// The socket.
#[derive(Debug)]
pub(crate) struct UdpSocket {
    handle: SocketHandle,
    ready: Arc<Ready>,
    peer: InterruptTicketMutex<Option<IpEndpoint>>,
    is_nonblocking: AtomicBool,
}

impl UdpSocket {
    pub(crate) fn new() -> Result<Self> {
        let ready = Ready::new(WRITABLE);
        let handle = stack::with(|stack| stack.shared.add_udp(ready.clone()))?;
        let peer = InterruptTicketMutex::new(None);
        Ok(Self { handle, ready, peer, is_nonblocking: AtomicBool::new(false) })
    }

    pub(crate) fn ready(&self) -> Arc<Ready> {
        self.ready.clone()
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.is_nonblocking.load(Ordering::Relaxed)
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) {
        self.is_nonblocking.store(nonblocking, Ordering::Relaxed);
    }

    /// Takes a local address. Port zero becomes a free one.
    pub(crate) fn bind(&self, local: IpListenEndpoint) -> Result<()> {
        stack::with(|stack| bind(stack, self.handle, local))
    }

    /// Names the peer for `write` and `read`.
    pub(crate) fn connect(&self, remote: IpEndpoint) -> Result<()> {
        stack::with(|stack| ensure_bound(stack, self.handle))?;
        *self.peer.lock() = Some(remote);
        Ok(())
    }

    pub(crate) fn peer(&self) -> Result<IpEndpoint> {
        self.peer.lock().ok_or(Error::ENOTCONN)
    }

    pub(crate) fn local(&self) -> Option<IpEndpoint> {
        let unspecified = smoltcp::wire::IpAddress::v4(0, 0, 0, 0);
        stack::with(|stack| {
            let local = stack.shared.udp(self.handle).endpoint();
            Ok(IpEndpoint::new(local.addr.unwrap_or(unspecified), local.port))
        })
        .ok()
    }

    /// Sends one datagram, to the peer if none is named.
    pub(crate) fn send_to(&self, bytes: &[u8], remote: Option<IpEndpoint>) -> Result<usize> {
        let remote = remote.or(*self.peer.lock()).ok_or(Error::EDESTADDRREQ)?;
        if remote.addr.is_unspecified() || remote.port == 0 {
            return Err(Error::EADDRNOTAVAIL);
        }
        retry(self.is_nonblocking(), None, || {
            stack::with(|stack| {
                ensure_bound(stack, self.handle)?;
                if stack.link.iface.get_source_address(&remote.addr).is_none() {
                    return Err(Error::EHOSTUNREACH);
                }
                let socket = stack.shared.udp(self.handle);
                if bytes.len() > socket.payload_send_capacity() {
                    return Err(Error::EMSGSIZE);
                }
                let result = socket.send_slice(bytes, remote).map_err(|_| Error::EAGAIN);
                stack.shared.touch();
                result.map(|()| bytes.len())
            })
        })
    }

    /// Takes one datagram; what does not fit is lost, as elsewhere.
    pub(crate) fn receive_from(&self, bytes: &mut [u8]) -> Result<(usize, IpEndpoint)> {
        retry(self.is_nonblocking(), None, || {
            stack::with(|stack| {
                let result = self.take(stack, bytes);
                stack.shared.touch();
                result
            })
        })
    }

    fn take(&self, stack: &mut Stack, bytes: &mut [u8]) -> Result<(usize, IpEndpoint)> {
        let peer = *self.peer.lock();
        loop {
            let (datagram, from) = stack.shared.udp(self.handle).recv().map_err(|_| Error::EAGAIN)?;
            if peer.is_none_or(|peer| peer == from.endpoint) {
                let length = datagram.len().min(bytes.len());
                bytes[..length].copy_from_slice(&datagram[..length]);
                return Ok((length, from.endpoint));
            }
        }
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.ready.unwatch();
        let _ = stack::with(|stack| {
            stack.shared.remove_udp(self.handle);
            Ok(())
        });
    }
}

fn ensure_bound(stack: &mut Stack, handle: SocketHandle) -> Result<()> {
    if stack.shared.udp(handle).is_open() {
        return Ok(());
    }
    bind(stack, handle, IpListenEndpoint { addr: None, port: 0 })
}

fn bind(stack: &mut Stack, handle: SocketHandle, mut local: IpListenEndpoint) -> Result<()> {
    if local.port == 0 {
        local.port = free_port(|port| !stack.shared.has_udp_port(port))?;
    } else if stack.shared.has_udp_port(local.port) {
        return Err(Error::EADDRINUSE);
    }
    stack.shared.udp(handle).bind(local).map_err(|_| Error::EINVAL)
}
