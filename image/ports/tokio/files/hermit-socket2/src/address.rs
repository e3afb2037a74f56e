//! Socket addresses as the kernel's calls want them. IPv4 and IPv6 only.

use std::mem::size_of;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr::from_ref;

/// An address and port.
#[derive(Clone, Copy)]
pub enum SockAddr {
    /// IPv4.
    V4(libc::sockaddr_in),
    /// IPv6.
    V6(libc::sockaddr_in6),
}

impl SockAddr {
    pub(crate) fn as_ptr(&self) -> *const libc::sockaddr {
        match self {
            Self::V4(address) => from_ref(address).cast(),
            Self::V6(address) => from_ref(address).cast(),
        }
    }

    pub(crate) fn len(&self) -> libc::socklen_t {
        match self {
            Self::V4(_) => length::<libc::sockaddr_in>().into(),
            Self::V6(_) => length::<libc::sockaddr_in6>().into(),
        }
    }

    /// The same address in std's words.
    pub fn as_socket(&self) -> Option<SocketAddr> {
        Some(match self {
            Self::V4(v4) => {
                let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
                SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into()
            }
            Self::V6(v6) => {
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id).into()
            }
        })
    }
}

impl From<SocketAddr> for SockAddr {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => Self::V4(libc::sockaddr_in {
                sin_len: length::<libc::sockaddr_in>(),
                sin_family: libc::AF_INET as _,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            }),
            SocketAddr::V6(v6) => Self::V6(libc::sockaddr_in6 {
                sin6_len: length::<libc::sockaddr_in6>(),
                sin6_family: libc::AF_INET6 as _,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            }),
        }
    }
}

/// Both structures are smaller than 256 bytes.
const fn length<T>() -> u8 {
    size_of::<T>() as u8
}
