//! Pebble and its name server, as processes of this test. They are ended with it.
//!
//! `BOOTSTACK_TEST_PROGRAMS` names their folder: what the host has installed may know less than real authorities do.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tempfile::TempDir;
use tls::authority::Authority;

use super::machine::{free_port, request, send};
use crate::certificates::machine::wait_until;

const PROGRAMS: &str = "BOOTSTACK_TEST_PROGRAMS";

/// A process that ends with its handle.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a Pebble differs from the strict and fast one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ways {
    /// Certificates live this long, in seconds; 0: for ninety days.
    pub(crate) lifetime_s: u64,
    /// Sleeps before it looks at an answer, as a busy authority.
    pub(crate) slow: bool,
    /// Has a second profile, [`SHORT_LIVED`].
    pub(crate) profiles: bool,
    /// Wants an external account.
    pub(crate) bound: bool,
}

/// A certificate authority that knows every name as this host.
pub(crate) struct Pebble {
    pub(crate) port: u16,
    management: u16,
    /// The root of its own HTTPS.
    pub(crate) roots: String,
    log: PathBuf,
    arguments: Vec<String>,
    slow: bool,
    running: Option<Process>,
    _names: Process,
    _folder: TempDir,
}

impl Pebble {
    /// One that looks for answers at these ports.
    pub(crate) async fn start(http: u16, https: u16, ways: Ways) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let ca = Authority::open(&path("ca"))?;
        let issued = ca.issue(&["localhost", "127.0.0.1"], 1)?;
        std::fs::write(path("cert.pem"), issued.certificate_chain)?;
        std::fs::write(path("key.pem"), issued.private_key)?;
        let (port, management, dns, names) = (free_port()?, free_port()?, free_port()?, free_port()?);
        let lifetime_s = if ways.lifetime_s > 0 { ways.lifetime_s } else { 90 * 86_400 };
        let mut config = json!({
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": path("cert.pem"), "privateKey": path("key.pem"),
            "httpPort": http, "tlsPort": https,
            "externalAccountBindingRequired": ways.bound,
            "externalAccountMACKeys": { "kid-1": EXTERNAL_KEY },
            "profiles": { "default": { "description": "", "validityPeriod": lifetime_s } },
        });
        // Of several, it takes any for an order that names none.
        if ways.profiles {
            config["profiles"][SHORT_LIVED.0] = json!({ "description": "", "validityPeriod": SHORT_LIVED.1 });
        }
        std::fs::write(path("pebble.json"), json!({ "pebble": config }).to_string())?;
        let names = start(
            "pebble-challtestsrv",
            &[
                format!("-dnsserver=127.0.0.1:{dns}"),
                format!("-management=127.0.0.1:{names}"),
                "-defaultIPv4=127.0.0.1".to_owned(),
                "-defaultIPv6=".to_owned(),
                "-doh=".to_owned(),
                "-http01=".to_owned(),
                "-https01=".to_owned(),
                "-tlsalpn01=".to_owned(),
            ],
            &path("names.log"),
            false,
        )?;
        let arguments = vec![
            format!("-config={}", path("pebble.json").display()),
            format!("-dnsserver=127.0.0.1:{dns}"),
            "-strict".to_owned(),
        ];
        let mut pebble = Self {
            port,
            management,
            roots: ca.certificate_pem().to_owned(),
            log: path("pebble.log"),
            arguments,
            slow: ways.slow,
            running: None,
            _names: names,
            _folder: folder,
        };
        pebble.resume().await?;
        Ok(pebble)
    }

    /// Its directory.
    pub(crate) fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// Ends it. What it knew is gone: accounts, orders, its root.
    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    /// Starts it, again or at first.
    pub(crate) async fn resume(&mut self) -> anyhow::Result<()> {
        self.running = Some(start("pebble", &self.arguments, &self.log, self.slow)?);
        wait_until(Duration::from_secs(10), async || Ok(self.root().await.is_ok()))
            .await
            .context("pebble's start")
    }

    /// The root of the certificates that it writes. Every start has another.
    pub(crate) async fn root(&self) -> anyhow::Result<String> {
        self.managed("/roots/0").await
    }

    /// What its management interface says.
    pub(crate) async fn managed(&self, path: &str) -> anyhow::Result<String> {
        let client = tls::client::config(&self.roots, &[])?;
        Ok(request(self.management, &client, "localhost", path).await?.text)
    }

    /// Makes it say this about the renewal of a certificate, whatever it is; it is known by its serial number.
    pub(crate) async fn says_of(&self, serial: &[u8], what: &str) -> anyhow::Result<()> {
        let serial: String = serial.iter().map(|byte| format!("{byte:02x}")).collect();
        let known = self.managed(&format!("/cert-status-by-serial/{serial}")).await?;
        let known: serde_json::Value = serde_json::from_str(&known)?;
        let body = json!({ "certificate": known["Certificate"], "ariResponse": what }).to_string();
        let client = tls::client::config(&self.roots, &[])?;
        let answer = send(self.management, &client, "localhost", "/set-renewal-info/", Some(&body)).await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    }

    /// How many orders were made since the last start.
    pub(crate) fn orders(&self) -> usize {
        self.logged("Added order ")
    }

    /// How many of them named the certificate that they replace.
    pub(crate) fn replacements(&self) -> usize {
        self.logged(" is a replacement of ")
    }

    /// How often it was asked when to renew.
    pub(crate) fn asked(&self) -> usize {
        self.logged("renewalInfo/")
    }

    fn logged(&self, words: &str) -> usize {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.matches(words).count()
    }
}

/// A profile, and how long its certificates live, in seconds: as Let's Encrypt has it.
pub(crate) const SHORT_LIVED: (&str, i64) = ("shortlived", 160 * 3600);

pub(crate) const EXTERNAL_KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

fn start(program: &str, arguments: &[String], log: &std::path::Path, slow: bool) -> anyhow::Result<Process> {
    let output = File::create(log)?;
    let folder = std::env::var_os(PROGRAMS)
        .with_context(|| format!("{PROGRAMS} is not set: run `cargo xtask test`"))?;
    let mut command = Command::new(std::path::Path::new(&folder).join(program));
    command.args(arguments).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    if slow {
        command.env("PEBBLE_VA_SLEEPTIME", "4");
    } else {
        command.env("PEBBLE_VA_NOSLEEP", "1");
    }
    let child = command.spawn();
    Ok(Process(child.with_context(|| format!("{program} cannot be run"))?))
}
