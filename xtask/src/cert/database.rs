//! `cargo xtask cert database`: another certificate for the MySQL of a running db machine, without a restart.
//!
//! Connections stay as they are; new ones see the new certificate. To change the root: first every web machine gets both
//! roots (`database.ca`), then MySQL (`--ca` with both), then certificates of the new root on both sides, and at last the old
//! root goes the same way. Who has another CA than this host's development CA says by `--login` how the operator logs in.
//! Invariant: a certificate that is not fit for the host is not offered to the machine.
use std::fs;
use std::path::{Path, PathBuf};

use ::image::db::{Login, Offer, Operator};
use ::image::{Layout, Stack, progress};
use anyhow::{Context, Result, anyhow};
use clap::Args;
use serde::Deserialize;
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
    /// Roots for MySQL to trust (PEM) in the place of the development CA, or of the login's: both, while one replaces the other
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// How the operator logs in where MySQL does not know the development CA: a file with `password`, and PEM texts `ca`,
    /// `certificate` and `key`, written as a machine's section `database`
    #[arg(long, value_name = "FILE", requires = "chain")]
    login: Option<PathBuf>,
}

/// How the operator logs in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Own {
    password: String,
    /// What MySQL's certificate leads to now.
    ca: String,
    certificate: String,
    key: String,
}

impl Own {
    /// What an operator's file says.
    pub(super) fn parse(text: &str) -> Result<Self> {
        // The parser's own error would quote the line, which may hold a secret.
        toml::from_str(text).map_err(|error: toml::de::Error| anyhow!("no login: {}", error.message()))
    }

    /// By the development CA.
    fn of(site: &Site) -> Result<Self> {
        let Issued { certificate_chain: certificate, private_key: key } = site.issue(&["operator"])?;
        Ok(Self {
            password: site.passwords().operator.to_owned(),
            ca: site.root().to_owned(),
            certificate,
            key,
        })
    }

    /// At a MySQL that is found there, while these roots take the place of its own.
    pub(super) fn operator(
        &self,
        layout: &Layout,
        (host, port): (&str, u16),
        roots: &str,
    ) -> Result<Operator> {
        // Before the exchange MySQL leads to the old root, afterwards to the new one.
        let ca = &format!("{}\n{roots}", self.ca);
        let Self { password, certificate, key, .. } = self;
        Operator::new(layout, &Login { host, port, user: "operator", password, ca, certificate, key })
    }
}

impl Command {
    pub(super) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        let own = match &self.login {
            Some(path) => Own::parse(&read(path)?).with_context(|| path.display().to_string())?,
            None => Own::of(&site(&layout)?)?,
        };
        let roots = self.ca.as_deref().map(read).transpose()?.unwrap_or_else(|| own.ca.clone());
        let offered = self.offered(&layout)?;
        Identity::from_pem(&offered.certificate_chain, &offered.private_key, &[&self.host], UnixTime::now())?;
        let operator = own.operator(&layout, (&self.host, self.port), &roots)?;
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

    fn offered(&self, layout: &Layout) -> Result<Issued> {
        if let (Some(chain), Some(key)) = (&self.chain, &self.key) {
            return Ok(Issued { certificate_chain: read(chain)?, private_key: read(key)? });
        }
        let site = site(layout)?;
        if DATABASE_NAMES.contains(&&*self.host) {
            site.database_identity()
        } else {
            site.issue(&[&self.host])
        }
    }
}

/// This host's own, which has a development CA.
fn site(layout: &Layout) -> Result<Site> {
    Site::open(layout, &Stack::load(layout)?)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
