//! The box's reserved address, which is led to one machine at a time.
//!
//! Connections that are there stay where they are; new ones follow (netfilter translates the address of a connection once).
//! Invariant: what is noted was done; a box that is made anew leads nowhere.
use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Stdio;

use ::image::{Layout, layout};
use anyhow::{Context, Result, ensure};

use crate::provider::{Machine, Reserved};
use crate::tools::Tools;

/// The address.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 80, 0, 10);
/// The note, below the box's folder: the machine's name.
pub(super) const LED: &str = "led";

/// Where it leads; nowhere before the first release.
pub(super) fn reserved(folder: &Path) -> Result<Reserved> {
    let path = folder.join(LED);
    let machine = match fs::read_to_string(&path) {
        Ok(name) => Some(name),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    Ok(Reserved { address: ADDRESS.into(), machine })
}

/// Leads it to the machine, in one step.
pub(super) fn lead(layout: &Layout, folder: &Path, machine: &Machine) -> Result<()> {
    let IpAddr::V4(to) = machine.address else { anyhow::bail!("{} has no IPv4 address", machine.name) };
    let mut nft = Tools::open(layout)?.command("nft")?;
    let mut child = nft.args(["-f", "-"]).stdin(Stdio::piped()).spawn().context("cannot start nft")?;
    let script = format!("flush map ip cloud led\nadd element ip cloud led {{ {ADDRESS} : {to} }}\n");
    child.stdin.take().context("no standard input")?.write_all(script.as_bytes())?;
    let status = child.wait()?;
    ensure!(status.success(), "nft cannot lead {ADDRESS} to {to}: {status}");
    layout::replace_with(&folder.join(LED), machine.name.as_bytes())
}
