//! The wires: a bridge with this host at one end and a tap interface for each machine, and addresses by DHCP.
//!
//! It runs in a network namespace of its own. Invariant: the DHCP server ends with its handle.
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ::image::command;
use ::image::machine::Network;
use anyhow::{Context, Result};

use super::subject::Place;

/// This host, under the address for which the database's certificate is issued.
pub(in crate::bench) const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

/// The bridge and its DHCP server.
pub(super) struct Bridge(Child);

impl Bridge {
    /// Makes the interfaces and serves addresses. `busybox` is the file of a busybox that has udhcpd.
    pub(super) fn build(busybox: &Path, folder: &Path) -> Result<Self> {
        ip("link set lo up")?;
        ip("link add name bridge type bridge")?;
        ip(&format!("address add {HOST}/24 dev bridge"))?;
        ip("link set bridge up")?;
        for place in Place::ALL {
            let name = place.interface();
            ip(&format!("tuntap add dev {name} mode tap"))?;
            ip(&format!("link set {name} master bridge up"))?;
        }
        Ok(Self(serve_addresses(busybox, folder)?))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the card of a machine in this place is connected to.
pub(super) fn wire(place: Place, hold_us: u32) -> Network {
    Network::Tap { interface: place.interface().to_owned(), mac: place.mac().to_owned(), hold_us }
}

fn ip(arguments: &str) -> Result<()> {
    command::run(Command::new("ip").args(arguments.split(' ')))
}

fn serve_addresses(busybox: &Path, folder: &Path) -> Result<Child> {
    let leases = folder.join("leases");
    std::fs::write(&leases, "")?;
    let mut text = format!(
        "interface bridge\nstart 10.0.2.100\nend 10.0.2.200\nlease_file {}\npidfile {}\noption subnet 255.255.255.0\n\
         option router {HOST}\noption lease 86400\n",
        leases.display(),
        folder.join("udhcpd.pid").display(),
    );
    for place in Place::ALL {
        text += &format!("static_lease {} {}\n", place.mac(), place.address());
    }
    let settings = folder.join("udhcpd.conf");
    std::fs::write(&settings, text)?;
    let mut server = Command::new(busybox);
    server.args(["udhcpd", "-f"]).arg(&settings);
    server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    server.spawn().context("cannot start busybox's DHCP server")
}
