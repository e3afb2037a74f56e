//! Certificates that an operator brings to running machines by way of the database.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use config::Config;
use service::certificates::Clock;
use tempfile::TempDir;
use tls::Facts;
use tls::authority::{Authority, Issued};
use tls::rustls::pki_types::{ServerName, UnixTime};
use tls::seal::{StorageKey, of_certificate};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::machine::{Machine, STORAGE_KEY, acme, forget_everything, healthy, visitor, wait_until};
use crate::fixture::{Fixture, HOST, run};

const DAY_S: u64 = 86_400;
const PATIENCE: Duration = Duration::from_secs(20);

/// Who writes the certificates, at whatever time.
struct Writer {
    authority: Authority,
    _folder: TempDir,
}

impl Writer {
    fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        Ok(Self { authority: Authority::open(&folder.path().join("ca"))?, _folder: folder })
    }

    /// One for these names that was written so many days ago.
    fn issue(&self, names: &[&str], ago_days: u64) -> anyhow::Result<Issued> {
        let from_s = UnixTime::now().as_secs() - ago_days * DAY_S;
        Ok(self.authority.issue_from(names, UnixTime::since_unix_epoch(Duration::from_secs(from_s)), 90)?)
    }
}

/// A machine's configuration that brings this.
fn bringing(fixture: &Fixture, issued: &Issued) -> Config {
    let mut tls = acme(&[], &[]);
    tls.remove("acme");
    tls.insert("certificate_chain".to_owned(), issued.certificate_chain.clone().into());
    tls.insert("private_key".to_owned(), issued.private_key.clone().into());
    fixture.config_with(tls, &[])
}

/// As `cargo xtask cert bring` stores it.
async fn store(fixture: &Fixture, chain: &str, key: &str) -> anyhow::Result<()> {
    let sealed = StorageKey::from_base64([STORAGE_KEY])?.seal(&of_certificate(HOST), key.as_bytes())?;
    sqlx::query("INSERT INTO brought_certificates (host, chain, sealed_key) VALUES (?, ?, ?)")
        .bind(HOST)
        .bind(chain)
        .bind(sealed)
        .execute(&mut fixture.connection().await?)
        .await?;
    Ok(())
}

fn serial(issued: &Issued) -> anyhow::Result<Vec<u8>> {
    Ok(Facts::of_chain(&issued.certificate_chain)?.swap_remove(0).serial)
}

/// A visitor's connection that stays open.
struct Session(TlsStream<TcpStream>);

impl Session {
    async fn open(machine: &Machine, root: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(machine.https).await?;
        let connector = TlsConnector::from(visitor(root)?);
        Ok(Self(connector.connect(ServerName::try_from(HOST)?, stream).await?))
    }

    async fn ask(&mut self) -> anyhow::Result<()> {
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {HOST}\r\nuser-agent: tests\r\n\r\n");
        self.0.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"alive\n") {
            ensure!(self.0.read_buf(&mut answer).await? > 0, "closed: {}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }
}

pub(crate) fn reaches_all_machines(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        forget_everything(fixture).await?;
        let writer = Writer::new()?;
        let root = writer.authority.certificate_pem();
        let (old, new) = (writer.issue(&[HOST], 20)?, writer.issue(&[HOST], 10)?);
        let config = bringing(fixture, &old);
        let mut machines =
            [Machine::new(&config, Clock::default()).await?, Machine::new(&config, Clock::default()).await?];
        let mut sessions = Vec::new();
        for machine in &mut machines {
            machine.run();
            ensure!(healthy(machine, root).await?.serial == serial(&old)?, "not the configuration's");
            sessions.push(Session::open(machine, root).await?);
        }
        store(fixture, &new.certificate_chain, &new.private_key).await?;
        let mut generation = 0;
        for (machine, session) in machines.iter().zip(&mut sessions) {
            generation = machine.presents(0).await?;
            ensure!(healthy(machine, root).await?.serial == serial(&new)?, "not what was brought");
            session.ask().await.context("a connection from before")?;
        }
        // What a machine would refuse at its start changes nothing but what it says.
        let (elsewhere, another) = (writer.issue(&["www.example.com"], 5)?, writer.issue(&[HOST], 5)?);
        for (chain, key, reason) in [
            (&elsewhere.certificate_chain, &elsewhere.private_key, "www.example.com"),
            (&another.certificate_chain, &new.private_key, "key"),
        ] {
            store(fixture, chain, key).await?;
            let says =
                async || Ok(machines[0].status().last_error.is_some_and(|error| error.contains(reason)));
            wait_until(PATIENCE, says).await.with_context(|| format!("{:?}", machines[0].status()))?;
        }
        ensure!(machines[0].status().generation == generation, "an unfit one is presented");
        healthy(&machines[0], root).await.map(drop)
    })
}

pub(crate) fn later_counts(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        forget_everything(fixture).await?;
        let writer = Writer::new()?;
        let root = writer.authority.certificate_pem();
        let (old, stored, newer) =
            (writer.issue(&[HOST], 20)?, writer.issue(&[HOST], 10)?, writer.issue(&[HOST], 5)?);
        store(fixture, &stored.certificate_chain, &stored.private_key).await?;
        // One machine starts with what is older than the row, one with what is newer.
        let mut stale = Machine::new(&bringing(fixture, &old), Clock::default()).await?;
        // By its clock, which the first look corrects, that look is seen.
        let mut fresh = Machine::new(&bringing(fixture, &newer), Clock::wrong_by(600)).await?;
        fresh.run();
        stale.run();
        let generation = stale.presents(0).await?;
        ensure!(healthy(&stale, root).await?.serial == serial(&stored)?, "not what was brought");
        let newest = writer.issue(&[HOST], 2)?;
        let looked = async || {
            Ok(fresh.status().clock_wrong_s != 0
                && healthy(&fresh, root).await.is_ok()
                && fresh.status().last_error.is_none())
        };
        wait_until(PATIENCE, looked).await.with_context(|| format!("{:?}", fresh.status()))?;
        ensure!(healthy(&fresh, root).await?.serial == serial(&newer)?, "a stale row is presented");
        store(fixture, &newest.certificate_chain, &newest.private_key).await?;
        for machine in [&stale, &fresh] {
            machine.presents(generation).await?;
            ensure!(healthy(machine, root).await?.serial == serial(&newest)?, "not the newest");
        }
        Ok(())
    })
}

/// It has other names, and whoever brought it would be surprised by the next renewal.
pub(crate) fn not_for_authorities(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        forget_everything(fixture).await?;
        let brought = Writer::new()?.issue(&[HOST], 1)?;
        store(fixture, &brought.certificate_chain, &brought.private_key).await?;
        let nobody = ("https://localhost:1/dir".to_owned(), String::new());
        let mut machine =
            Machine::new(&fixture.config_with(acme(&[nobody], &["http-01"]), &[]), Clock::default()).await?;
        machine.run();
        // It has looked, found nothing, and asked the authority in vain.
        let tried = async || Ok(machine.status().failures > 0 || machine.certificates.ready());
        wait_until(PATIENCE, tried).await?;
        ensure!(!machine.certificates.ready(), "a brought certificate is presented");
        Ok(())
    })
}
