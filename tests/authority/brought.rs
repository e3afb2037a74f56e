//! `cargo xtask cert bring` at booted machines.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::stand::{Stand, pair};
use tls::authority::Issued;
use tls::rustls::pki_types::UnixTime;

use super::bridge::WEB;
use super::site::{STORAGE_KEY, Site, all_show};
use super::visitor::{Load, Visitor};

const DAY_S: u64 = 86_400;

/// No connection is dropped, no visitor is refused, and what is not fit changes nothing.
pub(super) fn a_certificate_that_is_brought_reaches_running_machines(stand: &mut Stand) -> Result<()> {
    let site = Site::open(stand)?;
    let (authority, host) = (stand.identity().authority(), stand.identity().host().to_owned());
    let from = |ago_days: u64| {
        let from_s = UnixTime::now().as_secs() - ago_days * DAY_S;
        authority.issue_from(&[&host], UnixTime::since_unix_epoch(Duration::from_secs(from_s)), 30)
    };
    let (old, new) = (from(9)?, from(3)?);
    let swapped = Issued { private_key: from(1)?.private_key, ..from(1)? };
    let visitor = Visitor::new(&host, authority.certificate_pem());
    let tls = format!("storage_keys = ['{STORAGE_KEY}']\n{}", pair("certificate_chain", "private_key", &old));
    let folder = stand.folder()?.to_owned();
    let config = folder.join("machine.toml");
    fs::write(&config, site.config(stand, &tls)?)?;
    let mut machines = site.start_both(stand, &tls)?;
    for machine in &mut machines {
        // The table of certificates comes with the migrations, which every machine says the end of.
        machine.machine.wait_for_line(Duration::from_secs(120), "migrations have run")?;
    }
    let before = all_show(&visitor, &WEB, &[])?;
    let mut open = WEB.iter().map(|machine| visitor.settle(*machine)).collect::<Result<Vec<_>>>()?;
    let load = Load::start(&visitor, &WEB);
    let refused = bring(&folder, &config, &swapped)?;
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(!refused.status.success() && words.contains("key"), "another's key is taken: {words}");
    let taken = bring(&folder, &config, &new)?;
    ensure!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let shown = all_show(&visitor, &WEB, &before);
    let answered = load.stop()?;
    eprintln!("{answered} visits were answered");
    ensure!(shown? == tls::der(&new.certificate_chain)?, "another certificate than was brought");
    open.iter_mut().try_for_each(|session| session.ask()).context("a connection from before")?;
    stand.hand_on(site.db);
    Ok(())
}

fn bring(folder: &Path, config: &Path, issued: &Issued) -> Result<Output> {
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    fs::write(&chain, &issued.certificate_chain)?;
    fs::write(&key, &issued.private_key)?;
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "xtask", "--", "cert", "bring", "--chain"]).arg(chain);
    command.arg("--key").arg(key).arg("--config").arg(config).stdin(Stdio::null());
    command.output().context("cannot run cargo")
}
