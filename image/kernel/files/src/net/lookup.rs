//! Names to addresses, by DNS.
//!
//! It caches nothing. Repeats and other servers are smoltcp's: each is asked twice in 2 s, then all again with twice the
//! patience, and once more.
//!
//! Invariant: a lookup ends, by `DEADLINE_US` at the latest, and leaves nothing behind.

use alloc::vec::Vec;

use smoltcp::wire::{DnsQueryType, IpAddress, IpCidr};

use super::{retry, stack, wait};
use crate::io::{Error, Result};

const DEADLINE_US: u64 = 45_000_000;
/// How long a lookup waits for the first address of a machine that has just started.
const ADDRESS_US: u64 = 10_000_000;
/// How long a program's start waits for it. DHCP took 15 ms in QEMU's user network; without an answer the program starts
/// all the same.
const START_US: u64 = 1_000_000;

/// Waits for the machine's first address, so that a program's first connection need not fail for want of one.
pub(crate) fn await_address() {
    let _ = retry(false, Some(wait::now() + START_US), || stack::with(|stack| has_address(stack)));
}

/// The addresses of a name: IPv4 first, and IPv6 where the machine could reach them.
pub(crate) fn look_up(name: &str) -> Result<Vec<IpAddress>> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    let _ = retry(false, Some(wait::now() + ADDRESS_US), || stack::with(|stack| has_address(stack)));
    let mut found = ask(name, DnsQueryType::A)?;
    if stack::with(|stack| Ok(has_global_v6(stack)))? {
        // Who has answered for the one family and not for the other is reached by the one.
        found.extend(ask(name, DnsQueryType::Aaaa).unwrap_or_default());
    }
    Ok(found)
}

fn ask(name: &str, kind: DnsQueryType) -> Result<Vec<IpAddress>> {
    let query = stack::with(|stack| stack.shared.look_up(&mut stack.link, name, kind))?;
    let found = retry(false, Some(wait::now() + DEADLINE_US), || {
        stack::with(|stack| stack.shared.found(query).ok_or(Error::EAGAIN))
    });
    if found.is_err() {
        stack::with(|stack| {
            stack.shared.forget(query);
            Ok(())
        })?;
    }
    found
}

fn has_address(stack: &mut stack::Stack) -> Result<()> {
    let is_ready = stack.link.iface.ipv4_addr().is_some() || has_global_v6(stack);
    is_ready.then_some(()).ok_or(Error::EAGAIN)
}

fn has_global_v6(stack: &stack::Stack) -> bool {
    stack.link.iface.ip_addrs().iter().any(|cidr| match cidr {
        IpCidr::Ipv6(cidr) => !cidr.address().is_unicast_link_local(),
        IpCidr::Ipv4(_) => false,
    })
}
