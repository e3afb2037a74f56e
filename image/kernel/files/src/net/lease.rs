//! What an interface takes of a lease, or of the boot arguments in its place: one address of IPv4 and one gateway.
//!
//! It asks nobody. It needs only smoltcp, so a fuzz target compiles this same file.
//!
//! Invariant: a route leads by an address that a host can have; another one would end the first packet in a panic.

use smoltcp::iface::Interface;
use smoltcp::wire::{IpAddress, IpCidr, Ipv4Address, Ipv4Cidr};

/// Takes the address and the gateway, if a host can have that, in the place of those before.
pub(crate) fn take(iface: &mut Interface, address: Option<Ipv4Cidr>, router: Option<Ipv4Address>) {
    iface.update_ip_addrs(|addresses| {
        addresses.retain(|known| !matches!(known, IpCidr::Ipv4(_)));
        if let Some(address) = address {
            let _ = addresses.push(IpCidr::Ipv4(address));
        }
    });
    iface.routes_mut().remove_default_ipv4_route();
    if let Some(router) = router.filter(|router| IpAddress::Ipv4(*router).is_unicast()) {
        let _ = iface.routes_mut().add_default_ipv4_route(router);
    }
}
