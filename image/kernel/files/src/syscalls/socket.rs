//! The system calls on sockets: from C's arguments to the network's and back.
//!
//! It does not work with the network itself.
//!
//! Invariant: no pointer of the application is read or written before its length was checked.

#![allow(nonstandard_style)]

use alloc::sync::Arc;
use core::ffi::c_void;
use core::mem::MaybeUninit;

use smoltcp::wire::{IpAddress, IpEndpoint, IpListenEndpoint, Ipv4Address, Ipv6Address};

use crate::errno::EINVAL;
use crate::fd::{self, Open};
use crate::io::{Error, Result};
use crate::net::tcp::{Shut, TcpSocket};
use crate::net::udp::UdpSocket;

/// Address families and kinds of sockets, as `hermit-abi` numbers them.
const AF_UNSPEC: i32 = 0;
const AF_INET6: i32 = 1;
const AF_INET: i32 = 3;
const SOCK_STREAM: i32 = 1;
const SOCK_DGRAM: i32 = 2;
const SOCK_NONBLOCK: i32 = 0o4000;
const SOCK_KINDS: i32 = 0xf;
const IPPROTO_TCP: i32 = 6;
const IPPROTO_UDP: i32 = 17;
const MSG_PEEK: i32 = 1;

mod names;
mod options;

type socklen_t = u32;

/// Any address: only its family is read.
#[repr(C)]
pub struct sockaddr {
    sa_len: u8,
    sa_family: u8,
    sa_data: [u8; 14],
}

/// An IPv4 address. Port and address are in network order.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct SocketAddressV4 {
    length: u8,
    family: u8,
    port: [u8; 2],
    address: [u8; 4],
    zero: [u8; 8],
}

/// An IPv6 address. Port and address are in network order.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct SocketAddressV6 {
    length: u8,
    family: u8,
    port: [u8; 2],
    flow: u32,
    address: [u8; 16],
    scope: u32,
}

fn code(error: &Error) -> i32 {
    -num::ToPrimitive::to_i32(error).unwrap_or(EINVAL)
}

fn done(result: Result<()>) -> i32 {
    result.map_or_else(|error| code(&error), |()| 0)
}

fn number(result: Result<i32>) -> i32 {
    result.unwrap_or_else(|error| code(&error))
}

fn length(result: Result<usize>) -> isize {
    result.map_or_else(|error| code(&error) as isize, |length| length as isize)
}

fn tcp(fd: i32) -> Result<Arc<TcpSocket>> {
    match fd::find(fd)? {
        Open::Tcp(socket) => Ok(socket),
        Open::Udp(_) => Err(Error::EINVAL),
        _ => Err(Error::ENOTSOCK),
    }
}

/// Reads an address of the application.
///
/// Safety: where `name` is not null, `name_bytes` bytes can be read there.
unsafe fn read_address(name: *const sockaddr, name_bytes: socklen_t) -> Result<IpEndpoint> {
    if name.is_null() || (name_bytes as usize) < size_of::<SocketAddressV4>() {
        return Err(Error::EINVAL);
    }
    // Safety: not null, and long enough for a family and the shorter address.
    match i32::from(unsafe { (*name).sa_family }) {
        AF_UNSPEC | AF_INET => {
            // Safety: as above.
            let name = unsafe { name.cast::<SocketAddressV4>().read_unaligned() };
            let address = Ipv4Address::from(name.address);
            Ok(IpEndpoint::new(IpAddress::Ipv4(address), u16::from_be_bytes(name.port)))
        }
        AF_INET6 if name_bytes as usize >= size_of::<SocketAddressV6>() => {
            // Safety: as above, and long enough for the longer address.
            let name = unsafe { name.cast::<SocketAddressV6>().read_unaligned() };
            let address = Ipv6Address::from(name.address);
            let mapped = address.to_ipv4_mapped().map(IpAddress::Ipv4);
            Ok(IpEndpoint::new(mapped.unwrap_or(IpAddress::Ipv6(address)), u16::from_be_bytes(name.port)))
        }
        _ => Err(Error::EAFNOSUPPORT),
    }
}

fn listening(endpoint: IpEndpoint) -> IpListenEndpoint {
    let addr = (!endpoint.addr.is_unspecified()).then_some(endpoint.addr);
    IpListenEndpoint { addr, port: endpoint.port }
}

/// Writes an address for the application; as much as fits, as POSIX has it.
///
/// Safety: where neither is null, `*name_bytes` bytes can be written at `name`.
unsafe fn write_address(endpoint: IpEndpoint, name: *mut sockaddr, name_bytes: *mut socklen_t) {
    if name.is_null() || name_bytes.is_null() {
        return;
    }
    let mut image = [0; size_of::<SocketAddressV6>()];
    let length = match endpoint.addr {
        IpAddress::Ipv4(address) => {
            image[0] = size_of::<SocketAddressV4>() as u8;
            image[1] = AF_INET as u8;
            image[4..8].copy_from_slice(&address.octets());
            size_of::<SocketAddressV4>()
        }
        IpAddress::Ipv6(address) => {
            image[0] = size_of::<SocketAddressV6>() as u8;
            image[1] = AF_INET6 as u8;
            image[8..24].copy_from_slice(&address.octets());
            size_of::<SocketAddressV6>()
        }
    };
    image[2..4].copy_from_slice(&endpoint.port.to_be_bytes());
    // Safety: neither is null, and no more is written than the application has room for.
    unsafe {
        let room = *name_bytes as usize;
        name.cast::<u8>().copy_from_nonoverlapping(image.as_ptr(), length.min(room));
        *name_bytes = length as socklen_t;
    }
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub extern "C" fn sys_socket(domain: i32, type_: i32, protocol: i32) -> i32 {
    number(open(domain, type_, protocol))
}

fn open(domain: i32, kind: i32, protocol: i32) -> Result<i32> {
    if !matches!(domain, AF_UNSPEC | AF_INET | AF_INET6) {
        return Err(Error::EAFNOSUPPORT);
    }
    let nonblocking = kind & SOCK_NONBLOCK != 0;
    match (kind & SOCK_KINDS, protocol) {
        (SOCK_STREAM, 0 | IPPROTO_TCP) => {
            let socket = TcpSocket::new();
            socket.set_nonblocking(nonblocking);
            fd::insert(Open::Tcp(Arc::new(socket)))
        }
        (SOCK_DGRAM, 0 | IPPROTO_UDP) => {
            let socket = UdpSocket::new()?;
            socket.set_nonblocking(nonblocking);
            fd::insert(Open::Udp(Arc::new(socket)))
        }
        _ => Err(Error::EINVAL),
    }
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_bind(fd: i32, name: *const sockaddr, namelen: socklen_t) -> i32 {
    // Safety: the application answers for its pointer.
    let local = unsafe { read_address(name, namelen) };
    done(local.and_then(|local| match fd::find(fd)? {
        Open::Tcp(socket) => socket.bind(listening(local)),
        Open::Udp(socket) => socket.bind(listening(local)),
        _ => Err(Error::ENOTSOCK),
    }))
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub extern "C" fn sys_listen(fd: i32, backlog: i32) -> i32 {
    done(tcp(fd).and_then(|socket| socket.listen(backlog)))
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_accept(fd: i32, addr: *mut sockaddr, addrlen: *mut socklen_t) -> i32 {
    let accepted = tcp(fd).and_then(|listener| listener.accept()).and_then(|(socket, peer)| {
        let fd = fd::insert(Open::Tcp(Arc::new(socket)))?;
        Ok((fd, peer))
    });
    match accepted {
        Ok((fd, peer)) => {
            // Safety: the application answers for its pointers.
            unsafe { write_address(peer, addr, addrlen) };
            fd
        }
        Err(error) => code(&error),
    }
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_connect(fd: i32, name: *const sockaddr, namelen: socklen_t) -> i32 {
    // Safety: the application answers for its pointer.
    let remote = unsafe { read_address(name, namelen) };
    done(remote.and_then(|remote| match fd::find(fd)? {
        Open::Tcp(socket) => {
            let result = socket.connect(remote);
            fd::update(fd);
            result
        }
        Open::Udp(socket) => socket.connect(remote),
        _ => Err(Error::ENOTSOCK),
    }))
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_getsockname(fd: i32, addr: *mut sockaddr, addrlen: *mut socklen_t) -> i32 {
    let unnamed = IpEndpoint::new(IpAddress::v4(0, 0, 0, 0), 0);
    let local = fd::find(fd).and_then(|open| match open {
        Open::Tcp(socket) => Ok(socket.local().unwrap_or(unnamed)),
        Open::Udp(socket) => Ok(socket.local().unwrap_or(unnamed)),
        _ => Err(Error::ENOTSOCK),
    });
    // Safety: the application answers for its pointers.
    unsafe { name_answer(local, addr, addrlen) }
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_getpeername(fd: i32, addr: *mut sockaddr, addrlen: *mut socklen_t) -> i32 {
    let peer = fd::find(fd).and_then(|open| match open {
        Open::Tcp(socket) => socket.peer(),
        Open::Udp(socket) => socket.peer(),
        _ => Err(Error::ENOTSOCK),
    });
    // Safety: the application answers for its pointers.
    unsafe { name_answer(peer, addr, addrlen) }
}

/// Safety: as `write_address`.
unsafe fn name_answer(endpoint: Result<IpEndpoint>, addr: *mut sockaddr, addrlen: *mut socklen_t) -> i32 {
    if addr.is_null() || addrlen.is_null() {
        return -EINVAL;
    }
    done(endpoint.map(|endpoint| {
        // Safety: passed on.
        unsafe { write_address(endpoint, addr, addrlen) };
    }))
}

fn shut(fd: i32, how: i32) -> i32 {
    let how = match how {
        0 => Shut::Read,
        1 => Shut::Write,
        2 => Shut::Both,
        _ => return -EINVAL,
    };
    done(tcp(fd).and_then(|socket| socket.shutdown(how)))
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub extern "C" fn sys_shutdown(sockfd: i32, how: i32) -> i32 {
    shut(sockfd, how)
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub extern "C" fn sys_shutdown_socket(fd: i32, how: i32) -> i32 {
    shut(fd, how)
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_send(s: i32, mem: *const c_void, len: usize, _flags: i32) -> isize {
    // Safety: the application answers for its bytes.
    length(fd::write(s, unsafe { core::slice::from_raw_parts(mem.cast(), len) }))
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_recv(fd: i32, buf: *mut u8, len: usize, flags: i32) -> isize {
    // Safety: the application answers for its bytes.
    let bytes = unsafe { core::slice::from_raw_parts_mut(buf.cast::<MaybeUninit<u8>>(), len) };
    match flags {
        0 => length(fd::read(fd, bytes)),
        MSG_PEEK => length(tcp(fd).and_then(|socket| socket.peek(fd::initialized(bytes)))),
        _ => -EINVAL as isize,
    }
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_sendto(
    fd: i32,
    buf: *const u8,
    len: usize,
    _flags: i32,
    addr: *const sockaddr,
    addr_len: socklen_t,
) -> isize {
    // Safety: the application answers for its bytes.
    let bytes = unsafe { core::slice::from_raw_parts(buf, len) };
    if addr.is_null() {
        return length(fd::write(fd, bytes));
    }
    // Safety: as above.
    let remote = unsafe { read_address(addr, addr_len) };
    length(remote.and_then(|remote| match fd::find(fd)? {
        Open::Udp(socket) => socket.send_to(bytes, Some(remote)),
        Open::Tcp(socket) => socket.write(bytes),
        _ => Err(Error::ENOTSOCK),
    }))
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_recvfrom(
    fd: i32,
    buf: *mut u8,
    len: usize,
    _flags: i32,
    addr: *mut sockaddr,
    addrlen: *mut socklen_t,
) -> isize {
    // Safety: the application answers for its bytes.
    let bytes = unsafe { core::slice::from_raw_parts_mut(buf.cast::<MaybeUninit<u8>>(), len) };
    let received = fd::find(fd).and_then(|open| match open {
        Open::Udp(socket) => socket.receive_from(fd::initialized(bytes)),
        Open::Tcp(socket) => Ok((socket.read(fd::initialized(bytes))?, socket.peer()?)),
        _ => Err(Error::ENOTSOCK),
    });
    length(received.map(|(length, from)| {
        // Safety: the application answers for its pointers.
        unsafe { write_address(from, addr, addrlen) };
        length
    }))
}
