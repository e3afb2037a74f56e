//! A network with one tap interface, in a namespace of its own.

use anyhow::Result;
use tests::namespace::ip;

/// The interface's name; nobody else is in the namespace.
pub(super) const TAP: &str = "tap0";
/// Our end of the cable.
const ADDRESS: &str = "10.77.0.1/24";

/// Makes the interface.
pub(super) fn prepare() -> Result<()> {
    ip(&format!("tuntap add {TAP} mode tap vnet_hdr"))?;
    ip(&format!("address add {ADDRESS} dev {TAP}"))?;
    ip(&format!("link set {TAP} up"))
}

/// The greatest packet that we send.
pub(super) fn set_mtu(bytes: u32) -> Result<()> {
    ip(&format!("link set {TAP} mtu {bytes}"))
}

/// Forgets that a machine before this one did not answer.
pub(super) fn forget_neighbors() -> Result<()> {
    ip(&format!("neighbor flush dev {TAP}"))
}
