//! Pebble: a real certificate authority for tests and benchmarks, with a name server for which every name is one machine.
//!
//! Its Debian package is unpacked below `target`, not installed: the releases that hosts run have older ones, which know
//! neither renewal information nor profiles. Invariant: what was started ends with its handle.
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ::image::debian::Policy;
use ::image::machine::free_port;
use ::image::wait::{Status, wait_until};
use ::image::{Layout, command, db};
use anyhow::{Context, Result};
use tls::authority::Authority;

const START_DEADLINE: Duration = Duration::from_secs(30);

/// A running authority.
pub(crate) struct Pebble {
    process: Process,
    management: u16,
    /// What it was asked, and when, in seconds of UTC.
    pub(crate) log: std::path::PathBuf,
    folder: std::path::PathBuf,
    /// Of its directory.
    pub(crate) directory: String,
    /// The root of its own HTTPS.
    pub(crate) roots: String,
}

/// Where it is, and where and how it looks for a name's answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looks<'a> {
    /// Its own address, as sites see it.
    pub(crate) at: Ipv4Addr,
    pub(crate) name_server: &'a str,
    /// The port for tls-alpn-01.
    pub(crate) https: u16,
    /// How long certificates live, in seconds; `None`: for five years.
    pub(crate) lifetime_s: Option<u32>,
}

/// A name server for which every name is one machine.
pub(crate) struct Names {
    _process: Process,
    pub(crate) address: String,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Names {
    /// Starts one that leads to `site`.
    pub(crate) fn start(folder: &Path, site: Ipv4Addr) -> Result<Self> {
        let (dns, management) = (free_port()?, free_port()?);
        let mut server = program("pebble-challtestsrv")?;
        server.arg(format!("-dnsserver=127.0.0.1:{dns}")).arg(format!("-management=127.0.0.1:{management}"));
        server.arg(format!("-defaultIPv4={site}"));
        server.args(["-defaultIPv6=", "-doh=", "-http01=", "-https01=", "-tlsalpn01="]);
        let process = start(server, &folder.join("names.log"), (Ipv4Addr::LOCALHOST, management).into())?;
        Ok(Self { _process: process, address: format!("127.0.0.1:{dns}") })
    }
}

impl Pebble {
    /// Starts one whose files are in `folder`.
    pub(crate) fn start(folder: &Path, looks: Looks<'_>) -> Result<Self> {
        let root = Authority::open(&folder.join("ca"))?;
        let issued = root.issue(&["localhost", &looks.at.to_string()], 1)?;
        let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
        fs::write(&chain, issued.certificate_chain)?;
        fs::write(&key, issued.private_key)?;
        let (port, management) = (free_port()?, free_port()?);
        let mut config = serde_json::json!({
            "listenAddress": format!("{}:{port}", looks.at),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": chain, "privateKey": key, "httpPort": 1, "tlsPort": looks.https,
            "externalAccountBindingRequired": false,
        });
        if let Some(lifetime_s) = looks.lifetime_s {
            config["profiles"] =
                serde_json::json!({ "default": { "description": "", "validityPeriod": lifetime_s } });
        }
        let path = folder.join("pebble.json");
        fs::write(&path, serde_json::json!({ "pebble": config }).to_string())?;
        let mut pebble = program("pebble")?;
        pebble.arg(format!("-config={}", path.display())).arg(format!("-dnsserver={}", looks.name_server));
        pebble.arg("-strict").env("PEBBLE_VA_NOSLEEP", "1").env("TZ", "UTC");
        let log = folder.join("pebble.log");
        Ok(Self {
            process: start(pebble, &log, (looks.at, port).into())?,
            log,
            management,
            folder: folder.to_owned(),
            directory: format!("https://{}:{port}/dir", looks.at),
            roots: root.certificate_pem().to_owned(),
        })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// A site's configuration with this authority in the place of its own certificate.
    pub(crate) fn certifies(&self, config: &[u8]) -> Result<toml::Table> {
        let mut config: toml::Table = toml::from_str(std::str::from_utf8(config)?)?;
        let tls = config.get_mut("tls").and_then(toml::Value::as_table_mut).context("no [tls]")?;
        tls.retain(|key, _| key == "storage_keys");
        tls.insert("poll_s".to_owned(), 1.into());
        let mut authority = toml::Table::new();
        authority.insert("directory".to_owned(), self.directory.clone().into());
        authority.insert("roots".to_owned(), self.roots.clone().into());
        let mut acme = toml::Table::new();
        acme.insert("authorities".to_owned(), toml::Value::Array(vec![authority.into()]));
        acme.insert("challenges".to_owned(), toml::Value::Array(vec!["tls-alpn-01".into()]));
        tls.insert("acme".to_owned(), acme.into());
        Ok(config)
    }

    /// The root of the certificates that it writes.
    pub(crate) fn root(&self) -> Result<String> {
        let roots = self.folder.join("roots.pem");
        fs::write(&roots, &self.roots)?;
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--cacert"]).arg(roots);
        curl.arg(format!("https://localhost:{}/roots/0", self.management));
        Ok(String::from_utf8(command::output(&mut curl)?)?)
    }
}

fn program(name: &str) -> Result<Command> {
    let programs = db::test_programs(&Layout::here()?, Policy::Resolve)?;
    Ok(Command::new(programs.join(name)))
}

/// Starts a program and waits until it listens.
fn start(mut program: Command, log: &Path, address: SocketAddr) -> Result<Process> {
    let name = program.get_program().to_string_lossy().into_owned();
    let output = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    program.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let process = Process(program.spawn().with_context(|| format!("cannot start {name}"))?);
    wait_until(START_DEADLINE, &name, || {
        Ok(match TcpStream::connect(address) {
            Ok(_) => Status::Reached(()),
            Err(error) => Status::Pending(format!("{error}; see {}", log.display())),
        })
    })?;
    Ok(process)
}
