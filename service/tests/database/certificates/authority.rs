//! Pebble and its name server, as processes of this test. They are ended with it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tempfile::TempDir;
use tls::authority::Authority;

use super::machine::{free_port, request};
use crate::certificates::machine::wait_until;

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
    /// Certificates live this long, in seconds; 0: for five years.
    pub(crate) lifetime_s: u64,
    /// Sleeps before it looks at an answer, as a busy authority.
    pub(crate) slow: bool,
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
        let mut config = json!({
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": path("cert.pem"), "privateKey": path("key.pem"),
            "httpPort": http, "tlsPort": https,
            "externalAccountBindingRequired": ways.bound,
            "externalAccountMACKeys": { "kid-1": EXTERNAL_KEY },
        });
        if ways.lifetime_s > 0 {
            config["certificateValidityPeriod"] = ways.lifetime_s.into();
        }
        std::fs::write(path("pebble.json"), json!({ "pebble": config }).to_string())?;
        let names = start(
            "pebble-challtestsrv",
            &[
                format!("-dns01=127.0.0.1:{dns}"),
                format!("-management=127.0.0.1:{names}"),
                "-defaultIPv4=127.0.0.1".to_owned(),
                "-defaultIPv6=".to_owned(),
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

    /// How many orders were made since the last start.
    pub(crate) fn orders(&self) -> usize {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.matches("Added order ").count()
    }
}

pub(crate) const EXTERNAL_KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

fn start(program: &str, arguments: &[String], log: &std::path::Path, slow: bool) -> anyhow::Result<Process> {
    let output = File::create(log)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    if slow {
        command.env("PEBBLE_VA_SLEEPTIME", "4");
    } else {
        command.env("PEBBLE_VA_NOSLEEP", "1");
    }
    let child = command.spawn();
    Ok(Process(child.with_context(|| format!("{program} cannot be run: apt-get install pebble"))?))
}
