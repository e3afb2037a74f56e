//! The db machine's MySQL as a process of this host: for `dev`, and for tests that need SQL but no machine.
//!
//! Invariant: it is told to shut down when its handle is dropped, and waited for.
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use ::image::db::{Certificates, Mysqld};
use ::image::debian::Policy;
use ::image::wait::{Status, wait_until};
use ::image::{Layout, progress};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::lock;
use crate::site::{Site, write_secret};

/// MySQL's own words when it accepts logins.
const READY: &str = "ready for connections";
/// A start takes under a second; a recovery after a kill some more.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How much of the log's end an error shows.
const TAIL_LINES: usize = 15;

/// A running MySQL.
pub(crate) struct Mysql(Child);

impl Mysql {
    /// Starts it on `127.0.0.1:port` over the data in `folder`, which are made when they are not there.
    pub(crate) fn start(
        layout: &Layout,
        policy: Policy,
        site: &Site,
        folder: &Path,
        port: u16,
    ) -> Result<Self> {
        Self::start_at(layout, policy, site, folder, (Ipv4Addr::LOCALHOST, port))
    }

    /// The same with statements that MySQL runs first, as the user who may do everything.
    pub(crate) fn start_with(
        layout: &Layout,
        policy: Policy,
        site: &Site,
        folder: &Path,
        port: u16,
        statements: &str,
    ) -> Result<Self> {
        Self::launch(layout, policy, site, folder, (Ipv4Addr::LOCALHOST, port), statements)
    }

    /// The same at another address of this host: only within a network namespace that nobody else reaches.
    pub(crate) fn start_at(
        layout: &Layout,
        policy: Policy,
        site: &Site,
        folder: &Path,
        place: (Ipv4Addr, u16),
    ) -> Result<Self> {
        Self::launch(layout, policy, site, folder, place, "")
    }

    fn launch(
        layout: &Layout,
        policy: Policy,
        site: &Site,
        folder: &Path,
        (address, port): (Ipv4Addr, u16),
        statements: &str,
    ) -> Result<Self> {
        let mysqld = prepare(layout, policy)?;
        let step = progress::start("MySQL on this host");
        if !folder.join("data").exists() {
            mysqld.fresh_data(folder)?;
        }
        let certificates = write_identity(site, folder)?;
        let log = folder.join("mysqld.log");
        let mut command = mysqld.serve(folder, port, site.passwords(), &certificates, statements)?;
        let output = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        // The last one counts.
        command.arg(format!("--bind-address={address}"));
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut mysql = Self(command.spawn().context("cannot start mysqld")?);
        mysql.await_ready(&log)?;
        step.done(format!("{address}:{port}"));
        Ok(mysql)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    fn await_ready(&mut self, log: &Path) -> Result<()> {
        wait_until(START_DEADLINE, "MySQL's start", || {
            let words = fs::read_to_string(log).unwrap_or_default();
            if words.lines().any(|line| line.contains(READY)) {
                return Ok(Status::Reached(()));
            }
            match self.0.try_wait()? {
                Some(status) => {
                    bail!("mysqld ended ({status}); the end of {}:\n{}", log.display(), tail(&words))
                }
                None => Ok(Status::Pending(words.lines().last().unwrap_or_default().to_owned())),
            }
        })
    }
}

/// Unpacking is building; running is not.
pub(crate) fn prepare(layout: &Layout, policy: Policy) -> Result<Mysqld> {
    let _lock = lock::build(layout)?;
    Mysqld::prepare(layout, policy)
}

impl Drop for Mysql {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself; a child that was not awaited yet keeps its id.
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

fn write_identity(site: &Site, folder: &Path) -> Result<Certificates> {
    let issued = site.database_identity()?;
    let write = |name: &str, text: &str| -> Result<PathBuf> {
        let path = folder.join(name);
        write_secret(&path, text.as_bytes())?;
        Ok(path)
    };
    Ok(Certificates {
        ca: write("ca.pem", site.root())?,
        certificate: write("certificate.pem", &issued.certificate_chain)?,
        key: write("key.pem", &issued.private_key)?,
    })
}

fn tail(words: &str) -> String {
    let lines: Vec<&str> = words.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
