//! `cargo xtask cert database`: another certificate for the MySQL of a running db machine, without a restart.
//!
//! Connections stay as they are; new ones see the new certificate. To change the root: first every web machine gets both
//! roots (`database.ca`), then MySQL (`--ca` with both), then certificates of the new root on both sides, and at last the old
//! root goes the same way. Invariant: what this host's own site would not trust is not offered to the machine.
use std::fs;
use std::path::{Path, PathBuf};

use ::image::db::{Login, Offer, Operator};
use ::image::{Layout, Stack, progress};
use anyhow::{Context, Result};
use clap::Args;
use tls::Identity;
use tls::authority::Issued;
use tls::rustls::pki_types::UnixTime;

use crate::site::{DATABASE_NAMES, Site};

/// Give a running db machine another certificate for MySQL, without a restart
#[derive(Debug, Args)]
pub(super) struct Command {
    /// The name or address where MySQL is, which its certificate is for
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// MySQL's port there
    #[arg(long, default_value_t = 13306, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// A chain to present (PEM) in the place of a fresh one by the development CA
    #[arg(long, value_name = "FILE", requires = "key")]
    chain: Option<PathBuf>,
    /// The chain's key (PEM)
    #[arg(long, value_name = "FILE", requires = "chain")]
    key: Option<PathBuf>,
    /// Roots for MySQL to trust (PEM) in the place of the development CA: both, while one replaces the other
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Command {
    pub(super) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        let site = Site::open(&layout, &Stack::load(&layout)?)?;
        let roots = self.ca.as_deref().map(read).transpose()?.unwrap_or_else(|| site.root().to_owned());
        let offered = self.offered(&site)?;
        Identity::from_pem(&offered.certificate_chain, &offered.private_key, &[&self.host], UnixTime::now())?;
        // Before the exchange MySQL leads to the old root, afterwards to the new one.
        let trusted = format!("{}\n{roots}", site.root());
        let own = site.issue(&["operator"])?;
        let login = Login {
            host: &self.host,
            port: self.port,
            user: "operator",
            password: site.passwords().operator,
            ca: &trusted,
            certificate: &own.certificate_chain,
            key: &own.private_key,
        };
        let operator = Operator::new(&layout, &login)?;
        let before = operator.shown()?;
        let step = progress::start("MySQL's certificate");
        let (certificate, key) = (&offered.certificate_chain, &offered.private_key);
        operator.give(&Offer { ca: &roots, certificate, key })?;
        step.done("is exchanged");
        let after = operator.shown()?;
        println!("before: {} to {}", before.not_before, before.not_after);
        println!(
            "now:    {} to {}, on every new connection; open ones stayed",
            after.not_before, after.not_after
        );
        Ok(())
    }

    fn offered(&self, site: &Site) -> Result<Issued> {
        if let (Some(chain), Some(key)) = (&self.chain, &self.key) {
            return Ok(Issued { certificate_chain: read(chain)?, private_key: read(key)? });
        }
        if DATABASE_NAMES.contains(&&*self.host) {
            site.database_identity()
        } else {
            site.issue(&[&self.host])
        }
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
