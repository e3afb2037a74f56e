//! `cargo xtask cert`: what an endpoint presents: chain, names, dates, key, protocols, key exchange, resumption;
//! `cert order`, which has a certificate before any machine could prove a name; `cert bring`, which gives running web machines
//! another; and `cert database`, which gives MySQL another.
//!
//! The look asks as often as there are things to try, and changes nothing. Invariant: an endpoint that nobody should trust is
//! shown too, with the reason on top and exit status 1.
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use ::image::Layout;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::endpoint::{self, Endpoint};

mod bring;
#[cfg(all(test, feature = "nameserver-tests"))]
mod bring_tests;
mod carrier;
mod database;
#[cfg(all(test, feature = "nameserver-tests"))]
mod database_tests;
mod look;
mod order;
#[cfg(all(test, feature = "nameserver-tests"))]
mod order_tests;
mod table;

/// An endpoint that does not answer within this time is away.
const PATIENCE: Duration = Duration::from_secs(10);

/// Show what an endpoint presents: chain, names, dates, key, protocols, key exchange
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Cert {
    #[command(subcommand)]
    act: Option<Act>,
    /// The name that visitors type, with a port other than 443 if need be. Left out: the running stack
    host: Option<String>,
    /// Connect to this address and port instead of the name's
    #[arg(long, value_name = "ADDRESS:PORT")]
    connect: Option<String>,
    /// Trust the roots in this PEM file instead of those that browsers trust
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Act {
    Order(order::Command),
    Bring(bring::Command),
    Database(database::Command),
}

/// Where to look, and what to trust there.
struct Target {
    host: String,
    address: String,
    ca: Option<PathBuf>,
}

impl Cert {
    pub(crate) fn run(&self) -> Result<()> {
        match &self.act {
            Some(Act::Order(command)) => return command.run(),
            Some(Act::Bring(command)) => return command.run(),
            Some(Act::Database(command)) => return command.run(),
            None => {}
        }
        let target = self.target()?;
        let look = look::look(&target)?;
        print!("{}", table::of(&target, &look));
        match look.refused {
            None => Ok(()),
            Some(reason) => bail!("{}: not to be trusted: {reason}", target.host),
        }
    }

    fn target(&self) -> Result<Target> {
        let Some(host) = &self.host else {
            let path = endpoint::path(&Layout::here()?);
            let running = Endpoint::read(&path).context("no stack runs here: name a host")?;
            let ca = self.ca.clone().or(Some(running.ca));
            return Ok(Target { host: running.host, address: running.https, ca });
        };
        let (name, port) = host.rsplit_once(':').unwrap_or((host, "443"));
        let address = self.connect.clone().unwrap_or_else(|| format!("{name}:{port}"));
        Ok(Target { host: name.to_owned(), address, ca: self.ca.clone() })
    }
}

impl Target {
    fn connect(&self) -> Result<TcpStream> {
        let mut addresses =
            self.address.to_socket_addrs().with_context(|| format!("{}: no such address", self.address))?;
        let address = addresses.next().with_context(|| format!("{}: no such address", self.address))?;
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .with_context(|| format!("{address}: cannot connect"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}
