//! The part of socket2's interface that tokio's `TcpSocket` and `TcpStream` use, on Hermit's sockets.
//!
//! It is not a general socket crate. What Hermit cannot do (linger, keep-alive, buffer sizes) is answered with
//! `Unsupported`, never with a silent yes.

#![cfg(target_os = "hermit")]

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::time::Duration;

mod address;

pub use address::SockAddr;

/// The address family of a socket.
#[derive(Clone, Copy, Debug)]
pub struct Domain(i32);

impl Domain {
    /// IPv4.
    pub const IPV4: Self = Self(libc::AF_INET);
    /// IPv6. The kernel refuses it.
    pub const IPV6: Self = Self(libc::AF_INET6);
}

/// The kind of a socket.
#[derive(Clone, Copy, Debug)]
pub struct Type(i32);

impl Type {
    /// A stream of bytes.
    pub const STREAM: Self = Self(libc::SOCK_STREAM);
}

/// The protocol of a socket.
#[derive(Clone, Copy, Debug)]
pub struct Protocol(i32);

impl Protocol {
    /// TCP.
    pub const TCP: Self = Self(libc::IPPROTO_TCP);
}

/// A TCP socket that is not yet a stream nor a listener.
#[derive(Debug)]
pub struct Socket {
    /// Hermit's descriptors carry the options of streams and listeners alike, so std's stream reaches all of them.
    stream: TcpStream,
}

impl Socket {
    /// A new socket.
    pub fn new(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Self> {
        let protocol = protocol.map_or(0, |protocol| protocol.0);
        // Safety: the call takes three numbers and no pointer.
        let fd = check(unsafe { libc::socket(domain.0, kind.0, protocol) })?;
        // Safety: the kernel has just handed out the descriptor, and nobody else knows it.
        Ok(Self { stream: unsafe { TcpStream::from_raw_fd(fd) } })
    }

    /// Whether calls return at once instead of waiting.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(nonblocking)
    }

    /// The address to listen on or to connect from.
    pub fn bind(&self, address: &SockAddr) -> io::Result<()> {
        // Safety: the address outlives the call, and its length is the true one.
        check(unsafe { libc::bind(self.as_raw_fd(), address.as_ptr(), address.len()) }).map(drop)
    }

    /// Starts to accept connections.
    pub fn listen(&self, backlog: i32) -> io::Result<()> {
        // Safety: the call takes two numbers and no pointer.
        check(unsafe { libc::listen(self.as_raw_fd(), backlog) }).map(drop)
    }

    /// Starts to connect.
    pub fn connect(&self, address: &SockAddr) -> io::Result<()> {
        // Safety: the address outlives the call, and its length is the true one.
        check(unsafe { libc::connect(self.as_raw_fd(), address.as_ptr(), address.len()) }).map(drop)
    }

    /// The address that the socket has.
    pub fn local_addr(&self) -> io::Result<SockAddr> {
        self.stream.local_addr().map(SockAddr::from)
    }

    /// The error that a connection attempt ended with, if any.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.stream.take_error()
    }

    /// Whether small segments are sent at once.
    pub fn tcp_nodelay(&self) -> io::Result<bool> {
        self.stream.nodelay()
    }

    /// Sends small segments at once.
    pub fn set_tcp_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.stream.set_nodelay(nodelay)
    }

    /// Always true in effect: Hermit has no port in a waiting state that would refuse a new listener.
    pub fn reuse_address(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// Nothing to do: see [`Socket::reuse_address`].
    pub fn set_reuse_address(&self, _reuse: bool) -> io::Result<()> {
        Ok(())
    }

    /// Not on Hermit.
    pub fn keepalive(&self) -> io::Result<bool> {
        unsupported()
    }

    /// Not on Hermit.
    pub fn set_keepalive(&self, _keepalive: bool) -> io::Result<()> {
        unsupported()
    }

    /// Not on Hermit.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        unsupported()
    }

    /// Not on Hermit.
    pub fn set_linger(&self, _duration: Option<Duration>) -> io::Result<()> {
        unsupported()
    }

    /// Not on Hermit.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        unsupported()
    }

    /// Not on Hermit.
    pub fn set_send_buffer_size(&self, _size: usize) -> io::Result<()> {
        unsupported()
    }

    /// Not on Hermit.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        unsupported()
    }

    /// Not on Hermit.
    pub fn set_recv_buffer_size(&self, _size: usize) -> io::Result<()> {
        unsupported()
    }

    /// Not on Hermit.
    pub fn tos_v4(&self) -> io::Result<u32> {
        unsupported()
    }

    /// Not on Hermit.
    pub fn set_tos_v4(&self, _tos: u32) -> io::Result<()> {
        unsupported()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

impl IntoRawFd for Socket {
    fn into_raw_fd(self) -> RawFd {
        self.stream.into_raw_fd()
    }
}

impl FromRawFd for Socket {
    unsafe fn from_raw_fd(fd: RawFd) -> Self {
        // Safety: the caller promises that the descriptor is open and that nobody else closes it.
        Self { stream: unsafe { TcpStream::from_raw_fd(fd) } }
    }
}

impl From<Socket> for TcpStream {
    fn from(socket: Socket) -> Self {
        socket.stream
    }
}

impl From<Socket> for TcpListener {
    fn from(socket: Socket) -> Self {
        OwnedFd::from(socket.stream).into()
    }
}

/// A socket that is borrowed to read or set an option.
#[derive(Debug)]
pub struct SockRef<'s> {
    _socket: BorrowedFd<'s>,
}

impl<'s, S: AsFd> From<&'s S> for SockRef<'s> {
    fn from(socket: &'s S) -> Self {
        Self { _socket: socket.as_fd() }
    }
}

impl SockRef<'_> {
    /// Not on Hermit.
    pub fn peek_sender(&self) -> io::Result<SockAddr> {
        unsupported()
    }

    /// Not on Hermit.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        unsupported()
    }

    /// Not on Hermit.
    pub fn set_linger(&self, _duration: Option<Duration>) -> io::Result<()> {
        unsupported()
    }

    /// Not on Hermit.
    pub fn tos_v4(&self) -> io::Result<u32> {
        unsupported()
    }

    /// Not on Hermit.
    pub fn set_tos_v4(&self, _tos: u32) -> io::Result<()> {
        unsupported()
    }
}

/// Hermit's calls answer with the negated error number.
fn check(answer: i32) -> io::Result<i32> {
    if answer < 0 { Err(io::Error::from_raw_os_error(-answer)) } else { Ok(answer) }
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}
