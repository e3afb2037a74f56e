//! The wires: a bridge with this host at one end and a tap interface for each machine, and addresses by DHCP.
//!
//! Invariant: the DHCP server ends with its handle.

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use image::Layout;
use image::db::host_tree;
use image::debian::Policy;
use image::machine::Network;
use tempfile::TempDir;
use tests::namespace::ip;
use tests::stand::DB_ON_BRIDGE;

/// This host.
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The web machines.
pub(super) const WEB: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 2, 11), Ipv4Addr::new(10, 0, 2, 12)];

/// The bridge and its DHCP server.
pub(super) struct Bridge {
    server: Child,
    _folder: TempDir,
}

impl Bridge {
    /// Makes the interfaces and serves addresses.
    pub(super) fn build() -> Result<Self> {
        ip("link add name bridge type bridge")?;
        ip(&format!("address add {HOST}/24 dev bridge"))?;
        ip("link set bridge up")?;
        for place in places()? {
            ip(&format!("tuntap add dev {} mode tap", interface(place)))?;
            ip(&format!("link set {} master bridge up", interface(place)))?;
        }
        let folder = tempfile::tempdir()?;
        Ok(Self { server: serve_addresses(&folder)?, _folder: folder })
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// What the card of the machine with this address is connected to.
pub(super) fn wire(address: Ipv4Addr) -> Network {
    Network::Tap { interface: interface(address), mac: mac(address), hold_us: 0 }
}

/// The db machine.
pub(super) fn database() -> Result<Ipv4Addr> {
    DB_ON_BRIDGE.parse().context("the db machine's address")
}

fn places() -> Result<[Ipv4Addr; 3]> {
    Ok([database()?, WEB[0], WEB[1]])
}

fn interface(address: Ipv4Addr) -> String {
    format!("tap{}", address.octets()[3])
}

/// Locally administered.
fn mac(address: Ipv4Addr) -> String {
    format!("52:54:00:02:00:{:02x}", address.octets()[3])
}

fn serve_addresses(folder: &TempDir) -> Result<Child> {
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("leases"), "")?;
    let mut text = format!(
        "interface bridge\nstart 10.0.2.100\nend 10.0.2.200\nlease_file {}\npidfile {}\noption subnet 255.255.255.0\n\
         option router {HOST}\noption lease 86400\n",
        path("leases").display(),
        path("udhcpd.pid").display(),
    );
    for place in places()? {
        text += &format!("static_lease {} {place}\n", mac(place));
    }
    std::fs::write(path("udhcpd.conf"), text)?;
    let tree = host_tree(&Layout::here()?, Policy::Resolve)?;
    let mut server = Command::new(tree.root().join("usr/bin/busybox"));
    server.args(["udhcpd", "-f"]).arg(path("udhcpd.conf"));
    server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    server.spawn().context("cannot start busybox's DHCP server")
}
