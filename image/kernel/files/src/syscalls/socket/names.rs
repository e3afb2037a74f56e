//! `getaddrinfo` and its older form: names to addresses, in C's lists.
//!
//! It resolves nothing itself. Invariant: `sys_freeaddrinfo` frees what `sys_getaddrinfo` made, and only that.

use alloc::boxed::Box;
use core::ffi::{CStr, c_char};

use smoltcp::wire::{IpAddress, IpEndpoint};

use super::{AF_INET, AF_INET6, SOCK_STREAM, SocketAddressV6, done, sockaddr, socklen_t, write_address};
use crate::errno::EINVAL;
use crate::io::Error;
use crate::net;

/// The name has no address (`hermit-abi`).
const EAI_NONAME: i32 = 8;

/// What `getaddrinfo` hands out.
#[repr(C)]
pub struct addrinfo {
    ai_flags: i32,
    ai_family: i32,
    ai_socktype: i32,
    ai_protocol: i32,
    ai_addrlen: socklen_t,
    ai_canonname: *mut c_char,
    ai_addr: *mut sockaddr,
    ai_next: *mut addrinfo,
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_getaddrbyname(name: *const c_char, inaddr: *mut u8, len: usize) -> i32 {
    if name.is_null() || inaddr.is_null() {
        return -EINVAL;
    }
    // Safety: not null; the application answers for the terminating zero.
    let Ok(name) = unsafe { CStr::from_ptr(name) }.to_str() else { return -EINVAL };
    let found = net::look_up(name).and_then(|found| {
        let fits = |address: &&IpAddress| match address {
            IpAddress::Ipv4(_) => len == 4,
            IpAddress::Ipv6(_) => len == 16,
        };
        found.iter().find(fits).copied().ok_or(Error::ENOENT)
    });
    done(found.map(|address| {
        // Safety: the address has exactly the length that the application has room for.
        unsafe {
            match address {
                IpAddress::Ipv4(address) => inaddr.copy_from_nonoverlapping(address.octets().as_ptr(), 4),
                IpAddress::Ipv6(address) => inaddr.copy_from_nonoverlapping(address.octets().as_ptr(), 16),
            }
        }
    }))
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_getaddrinfo(
    nodename: *const c_char,
    _servname: *const c_char,
    hints: *const addrinfo,
    res: *mut *mut addrinfo,
) -> i32 {
    if nodename.is_null() || res.is_null() {
        return EAI_NONAME;
    }
    // Safety: not null; the application answers for the terminating zero.
    let Ok(name) = unsafe { CStr::from_ptr(nodename) }.to_str() else { return EAI_NONAME };
    let Ok(found) = net::look_up(name) else { return EAI_NONAME };
    if found.is_empty() {
        return EAI_NONAME;
    }
    // Safety: hints may be null, else the application answers for them.
    let kind = unsafe { hints.as_ref() }.map_or(SOCK_STREAM, |hints| hints.ai_socktype);
    let list = found.into_iter().rev().fold(core::ptr::null_mut(), |next, address| {
        let mut name = Box::new(SocketAddressV6::default());
        let mut bytes = size_of::<SocketAddressV6>() as socklen_t;
        let name_at = core::ptr::from_mut(&mut *name).cast();
        // Safety: the box has room for either address.
        unsafe { write_address(IpEndpoint::new(address, 0), name_at, &mut bytes) };
        let _ = Box::into_raw(name);
        let family = if matches!(address, IpAddress::Ipv4(_)) { AF_INET } else { AF_INET6 };
        Box::into_raw(Box::new(addrinfo {
            ai_flags: 0,
            ai_family: family,
            ai_socktype: kind,
            ai_protocol: 0,
            ai_addrlen: bytes,
            ai_canonname: core::ptr::null_mut(),
            ai_addr: name_at,
            ai_next: next,
        }))
    });
    // Safety: not null.
    unsafe { *res = list };
    0
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_freeaddrinfo(ai: *mut addrinfo) {
    let mut next = ai;
    while !next.is_null() {
        // Safety: the list came from `sys_getaddrinfo`, which made both boxes.
        let node = unsafe { Box::from_raw(next) };
        // Safety: as above.
        drop(unsafe { Box::from_raw(node.ai_addr.cast::<SocketAddressV6>()) });
        next = node.ai_next;
    }
}
