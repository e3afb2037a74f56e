//! `cargo xtask cert bring`: another certificate for running web machines, without a restart.
//!
//! A machine's configuration never changes while it runs, so the certificate goes by way of MySQL, as those of authorities do:
//! its key sealed with the storage key that the machines were given at boot. Invariant: what a machine would refuse at its
//! start, or would not take in the place of what it presents, is not stored.
use std::fs;
use std::path::{Path, PathBuf};

use ::image::db::{Brought, Client, Login};
use ::image::{Layout, Stack};
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Deserialize;
use tls::rustls::pki_types::UnixTime;
use tls::seal::{StorageKey, of_certificate};
use tls::{Facts, Identity};

use crate::site::{Places, Site};

/// Give running web machines another certificate of your own, without a restart
#[derive(Debug, Args)]
pub(super) struct Command {
    /// The certificate (PEM): leaf first, then its issuers
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// The leaf's key (PEM), not encrypted
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The machines' configuration file, which says where MySQL is and has the storage key. Left out: the stack of `up`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// MySQL's name or address as seen from here, if another than the machines'; its certificate is for this one
    #[arg(long)]
    host: Option<String>,
    /// MySQL's port there
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
}

/// What a machine's configuration says that is needed here (its reference is `service/config/src/lib.rs`).
#[derive(Deserialize)]
pub(super) struct Machine {
    pub(super) host: String,
    pub(super) tls: Tls,
    database: Database,
}

#[derive(Deserialize)]
pub(super) struct Tls {
    /// Empty where it is not known; none where it comes from authorities.
    pub(super) certificate_chain: Option<String>,
    #[serde(default)]
    pub(super) storage_keys: Vec<String>,
}

#[derive(Deserialize)]
struct Database {
    host: String,
    port: u16,
    name: String,
    user: String,
    password: String,
    ca: String,
    certificate: String,
    key: String,
}

impl Command {
    pub(super) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        let machine = self.machine(&layout)?;
        bring(&layout, &machine, &read(&self.chain)?, &read(&self.key)?)
            .with_context(|| format!("{} and {}", self.chain.display(), self.key.display()))?;
        println!(
            "within a minute every machine presents it (`cargo xtask cert {}` looks); give both to the machines' \
             configuration too: a machine that starts wants one that has not ended",
            machine.host
        );
        Ok(())
    }

    fn machine(&self, layout: &Layout) -> Result<Machine> {
        let mut machine = match &self.config {
            Some(path) => Machine::parse(&read(path)?).with_context(|| path.display().to_string())?,
            None => Machine::of_stack(layout)?,
        };
        if let Some(host) = &self.host {
            machine.database.host.clone_from(host);
        }
        machine.database.port = self.port.unwrap_or(machine.database.port);
        Ok(machine)
    }
}

impl Machine {
    /// Where `up` forwards MySQL's port.
    const PORT: u16 = 13306;

    fn of_stack(layout: &Layout) -> Result<Self> {
        let mut places = Places::in_guest(443, Self::PORT);
        places.database_host = "127.0.0.1";
        let config = Site::open(layout, &Stack::load(layout)?)?.config(&places)?;
        let mut machine = Self::parse(std::str::from_utf8(&config)?)?;
        // It was written just now: what the running machines have is another, and older.
        machine.tls.certificate_chain = Some(String::new());
        Ok(machine)
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        // The parser's own error would quote the line, which may hold a secret.
        toml::from_str(text).map_err(|error: toml::de::Error| {
            anyhow::anyhow!("no configuration of a machine: {}", error.message())
        })
    }

    pub(super) fn client(&self, layout: &Layout) -> Result<Client> {
        let Database { host, port, user, password, ca, certificate, key, .. } = &self.database;
        Client::new(layout, &Login { host, port: *port, user, password, ca, certificate, key })
    }
}

/// Judges a certificate as a machine would at its start, and stores it.
pub(super) fn bring(layout: &Layout, machine: &Machine, chain: &str, key: &str) -> Result<()> {
    let Machine { host, tls, database } = machine;
    let configured = tls.certificate_chain.clone().context(
        "the machines' configuration brings no certificate: a site of authorities' takes none that is brought",
    )?;
    Identity::from_pem(chain, key, &[host], UnixTime::now())?;
    let client = machine.client(layout)?;
    let stored = client.brought(&database.name, host)?;
    for known in stored.iter().chain([&configured]).filter(|known| !known.is_empty()) {
        supersedes(chain, known)?;
    }
    let storage = StorageKey::from_base64(tls.storage_keys.iter().map(String::as_str))
        .context("`tls.storage_keys` of the machines' configuration")?;
    let sealed_key = &storage.seal(&of_certificate(host), key.as_bytes())?;
    client.bring(&Brought { schema: &database.name, host, chain: &blocks(chain), sealed_key })
}

/// By the rule that machines choose by.
fn supersedes(offered: &str, known: &str) -> Result<()> {
    let (offered_s, known_s) = (written_s(offered)?, written_s(known)?);
    ensure!(
        offered_s >= known_s,
        "it was written before the one that the machines have ({} and {}), which they would keep",
        Facts::date(offered_s),
        Facts::date(known_s)
    );
    Ok(())
}

fn written_s(chain: &str) -> Result<i64> {
    Ok(Facts::of_chain(chain)?.swap_remove(0).not_before_s)
}

/// What was written around the certificates, such as their names for people, is left out: the table's text is ASCII.
fn blocks(chain: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in chain.lines().map(str::trim) {
        inside |= line.starts_with("-----BEGIN ");
        if inside {
            kept += line;
            kept.push('\n');
        }
        inside &= !line.starts_with("-----END ");
    }
    kept
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
