//! `cargo xtask bench`: figures of this host, as tables for a person and JSON for a program.
//!
//! It judges nothing: a figure is compared only with others of the same run. Invariant: the ways that are compared are
//! measured in turns, so that a busy moment of the host hits all of them.
use std::path::PathBuf;

use ::image::Layout;
use anyhow::Result;
use clap::{Args, Subcommand};

use crate::lock;

mod boot;
mod figures;
mod h2load;
mod net;
mod processor;
mod site;
mod stage;
mod tls;
mod wrk;

/// Measure
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Boot(boot::Boots),
    Net(net::Net),
    Tls(tls::Handshakes),
    Site(site::Sites),
}

/// Debian's PHP-FPM, which `bench site` compares the site with.
pub(crate) fn php() -> Result<PathBuf> {
    site::php()
}

impl Bench {
    pub(crate) fn run(&self) -> Result<()> {
        // What goes on within a namespace is the same benchmark: its outer part has the lock.
        let is_inner = match &self.what {
            What::Net(net) => net.is_inside(),
            What::Tls(handshakes) => handshakes.is_inside(),
            What::Boot(_) | What::Site(_) => false,
        };
        let _lock = (!is_inner).then(|| lock::bench(&Layout::here()?)).transpose()?;
        match &self.what {
            What::Boot(boots) => boots.run(),
            What::Net(net) => net.run(),
            What::Tls(handshakes) => handshakes.run(),
            What::Site(sites) => sites.run(),
        }
    }
}
