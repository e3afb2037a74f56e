//! `setsockopt` and `getsockopt`.
//!
//! What would have no effect is refused (`ENOPROTOOPT`); `net::settings` knows what has one.
//!
//! Invariant: no more is read or written than the application says there is.

use core::ffi::c_void;

use super::{IPPROTO_TCP, code, done, socklen_t};
use crate::errno::EINVAL;
use crate::fd::{self, Open};
use crate::io::{Error, Result};
use crate::net::settings::{Level, Refusal};
use crate::net::tcp::TcpSocket;

/// Levels and options, as `hermit-abi` numbers them.
const IPPROTO_IPV6: i32 = 41;
const SOL_SOCKET: i32 = 4095;
const SO_REUSEADDR: i32 = 0x0004;
const SO_BROADCAST: i32 = 0x0020;
const SO_LINGER: i32 = 0x0080;
const SO_SNDTIMEO: i32 = 0x1005;
const SO_RCVTIMEO: i32 = 0x1006;
const SO_ERROR: i32 = 0x1007;
const IPV6_V6ONLY: i32 = 27;

/// A duration as C has it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct timeval {
    tv_sec: i64,
    tv_usec: i32,
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_setsockopt(
    fd: i32,
    level: i32,
    optname: i32,
    optval: *const c_void,
    optlen: socklen_t,
) -> i32 {
    if optval.is_null() {
        return -EINVAL;
    }
    // Safety: not null; no more is read than the application says there is.
    let bytes = unsafe { core::slice::from_raw_parts(optval.cast::<u8>(), optlen as usize) };
    done(set_option(fd, level, optname, bytes))
}

fn set_option(fd: i32, level: i32, option: i32, bytes: &[u8]) -> Result<()> {
    let open = fd::find(fd)?;
    match (level, option, open) {
        (SOL_SOCKET, SO_RCVTIMEO, Open::Tcp(socket)) => {
            read_timeout(bytes).map(|limit| socket.set_timeout(0, limit))
        }
        (SOL_SOCKET, SO_SNDTIMEO, Open::Tcp(socket)) => {
            read_timeout(bytes).map(|limit| socket.set_timeout(1, limit))
        }
        // It is so anyway: nothing here keeps an address in use, and everybody may broadcast.
        (SOL_SOCKET, SO_REUSEADDR | SO_BROADCAST, Open::Tcp(_) | Open::Udp(_)) => Ok(()),
        // Whoever listens at `::` hears IPv4 too.
        (IPPROTO_IPV6, IPV6_V6ONLY, Open::Tcp(_)) if bytes.iter().all(|byte| *byte == 0) => Ok(()),
        (SOL_SOCKET, _, Open::Tcp(socket)) => change(&socket, Level::Socket, option, bytes),
        (IPPROTO_TCP, _, Open::Tcp(socket)) => change(&socket, Level::Tcp, option, bytes),
        (_, _, Open::Tcp(_) | Open::Udp(_)) => Err(Error::ENOPROTOOPT),
        _ => Err(Error::ENOTSOCK),
    }
}

fn change(socket: &TcpSocket, level: Level, option: i32, bytes: &[u8]) -> Result<()> {
    let mut settings = socket.settings();
    settings.set(level, option, bytes).map_err(refused)?;
    socket.follow(settings);
    Ok(())
}

fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Unknown => Error::ENOPROTOOPT,
        Refusal::Invalid => Error::EINVAL,
    }
}

fn read_timeout(bytes: &[u8]) -> Result<u64> {
    let seconds = bytes.first_chunk::<8>().ok_or(Error::EINVAL)?;
    let micros = bytes.get(8..12).and_then(|micros| micros.first_chunk::<4>()).ok_or(Error::EINVAL)?;
    let seconds = u64::try_from(i64::from_ne_bytes(*seconds)).map_err(|_| Error::EINVAL)?;
    let micros = u64::try_from(i32::from_ne_bytes(*micros)).map_err(|_| Error::EINVAL)?;
    Ok(seconds.saturating_mul(1_000_000).saturating_add(micros))
}

#[hermit_macro::system]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sys_getsockopt(
    fd: i32,
    level: i32,
    optname: i32,
    optval: *mut c_void,
    optlen: *mut socklen_t,
) -> i32 {
    if optval.is_null() || optlen.is_null() {
        return -EINVAL;
    }
    done(option(fd, level, optname).map(|value| {
        // Safety: neither is null; no more is written than the application has room for.
        unsafe { write_option(&value, optval, optlen) };
    }))
}

/// Safety: `*optlen` bytes can be written at `optval`.
unsafe fn write_option(value: &OptionValue, optval: *mut c_void, optlen: *mut socklen_t) {
    let (bytes, whole) = match value {
        OptionValue::Number(number) => (core::ptr::from_ref(number).cast::<u8>(), size_of::<i32>()),
        OptionValue::Linger(pair) => (pair.as_ptr().cast::<u8>(), size_of::<[i32; 2]>()),
        OptionValue::Time(time) => (core::ptr::from_ref(time).cast::<u8>(), size_of::<timeval>()),
    };
    // Safety: the caller vouches for the destination; the source is a value of ours of that size.
    unsafe {
        let length = whole.min(*optlen as usize);
        optval.cast::<u8>().copy_from_nonoverlapping(bytes, length);
        *optlen = length as socklen_t;
    }
}

enum OptionValue {
    Number(i32),
    Linger([i32; 2]),
    Time(timeval),
}

fn option(fd: i32, level: i32, option: i32) -> Result<OptionValue> {
    let number = |value| Ok(OptionValue::Number(value));
    let time = |micros: u64| {
        Ok(OptionValue::Time(timeval {
            tv_sec: (micros / 1_000_000) as i64,
            tv_usec: (micros % 1_000_000) as i32,
        }))
    };
    match (level, option, fd::find(fd)?) {
        (SOL_SOCKET, SO_ERROR, Open::Tcp(socket)) => {
            number(socket.take_error().map_or(0, |error| -code(&error)))
        }
        (SOL_SOCKET, SO_ERROR, Open::Udp(_)) => number(0),
        (SOL_SOCKET, SO_RCVTIMEO, Open::Tcp(socket)) => time(socket.timeout(0)),
        (SOL_SOCKET, SO_SNDTIMEO, Open::Tcp(socket)) => time(socket.timeout(1)),
        (SOL_SOCKET, SO_REUSEADDR | SO_BROADCAST, Open::Tcp(_) | Open::Udp(_)) => number(1),
        (SOL_SOCKET, SO_LINGER, Open::Tcp(socket)) => {
            socket.settings().get(Level::Socket, SO_LINGER).map(OptionValue::Linger).map_err(refused)
        }
        (SOL_SOCKET, _, Open::Tcp(socket)) => {
            socket.settings().get(Level::Socket, option).map_err(refused).and_then(|value| number(value[0]))
        }
        (IPPROTO_TCP, _, Open::Tcp(socket)) => {
            socket.settings().get(Level::Tcp, option).map_err(refused).and_then(|value| number(value[0]))
        }
        (_, _, Open::Tcp(_) | Open::Udp(_)) => Err(Error::ENOPROTOOPT),
        _ => Err(Error::ENOTSOCK),
    }
}
