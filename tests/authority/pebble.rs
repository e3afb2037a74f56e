//! Pebble, strict and without its delays, and its name server, by which every name is this host.
//!
//! Both are programs of the locked packages. Invariant: they end with their handle.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use http::StatusCode;
use image::debian::Policy;
use image::wait::{Status, wait_until};
use image::{Layout, db};
use serde_json::json;
use tests::{Client, Endpoint};
use tls::authority::Authority;

use super::bridge::HOST;

const PORT: u16 = 14000;
const MANAGEMENT: u16 = 15000;
const NAMES: u16 = 5353;
const NAMES_MANAGEMENT: u16 = 5354;
const LIFETIME_S: u32 = 90 * 86_400;
const START_DEADLINE: Duration = Duration::from_secs(30);

/// A running authority.
pub(super) struct Pebble {
    _processes: [Process; 2],
    log: PathBuf,
    client: Client,
    /// The root of its own HTTPS.
    roots: String,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Pebble {
    /// Starts one whose files are in `folder`.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let folder = folder.join("pebble");
        fs::create_dir_all(&folder)?;
        let path = |name: &str| folder.join(name);
        let ca = Authority::open(&path("ca"))?;
        let issued = ca.issue(&[&HOST.to_string()], 1)?;
        fs::write(path("chain.pem"), issued.certificate_chain)?;
        fs::write(path("key.pem"), issued.private_key)?;
        let config = json!({ "pebble": {
            "listenAddress": format!("{HOST}:{PORT}"),
            "managementListenAddress": format!("{HOST}:{MANAGEMENT}"),
            "certificate": path("chain.pem"), "privateKey": path("key.pem"),
            "httpPort": 80, "tlsPort": 443,
            "externalAccountBindingRequired": false,
            "profiles": { "default": { "description": "", "validityPeriod": LIFETIME_S } },
        }});
        fs::write(path("pebble.json"), config.to_string())?;
        let mut names = program("pebble-challtestsrv")?;
        names.arg(format!("-dnsserver={HOST}:{NAMES}")).arg(format!("-management={HOST}:{NAMES_MANAGEMENT}"));
        names.arg(format!("-defaultIPv4={HOST}"));
        names.args(["-defaultIPv6=", "-doh=", "-http01=", "-https01=", "-tlsalpn01="]);
        let mut pebble = program("pebble")?;
        pebble.arg(format!("-config={}", path("pebble.json").display()));
        pebble.arg(format!("-dnsserver={HOST}:{NAMES}")).arg("-strict").env("PEBBLE_VA_NOSLEEP", "1");
        let processes = [
            start(names, &path("names.log"), NAMES_MANAGEMENT)?,
            start(pebble, &path("pebble.log"), MANAGEMENT)?,
        ];
        let endpoint = Endpoint {
            https: format!("{HOST}:{MANAGEMENT}"),
            http: String::new(),
            host: HOST.to_string(),
            ca: ca.certificate_path(),
            read_only: false,
        };
        let roots = ca.certificate_pem().to_owned();
        Ok(Self { _processes: processes, log: path("pebble.log"), client: Client::new(&endpoint)?, roots })
    }

    /// The tables within a machine's section `[tls]` that name it, and nothing else of it.
    pub(super) fn tables(&self) -> String {
        format!(
            "[[tls.acme.authorities]]\ndirectory = 'https://{HOST}:{PORT}/dir'\nroots = '''\n{}'''\n",
            self.roots
        )
    }

    /// The root of the certificates that it writes.
    pub(super) fn root(&self) -> Result<String> {
        Ok(self.client.get("/roots/0")?.expect(StatusCode::OK)?.text()?.to_owned())
    }

    /// How many orders were made.
    pub(super) fn orders(&self) -> Result<usize> {
        let log = fs::read_to_string(&self.log).with_context(|| self.log.display().to_string())?;
        Ok(log.matches("Added order ").count())
    }
}

fn program(name: &str) -> Result<Command> {
    Ok(Command::new(db::test_programs(&Layout::here()?, Policy::Resolve)?.join(name)))
}

/// Starts a program and waits until it listens.
fn start(mut program: Command, log: &Path, port: u16) -> Result<Process> {
    let name = program.get_program().to_string_lossy().into_owned();
    let output = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    program.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let process = Process(program.spawn().with_context(|| format!("cannot start {name}"))?);
    wait_until(START_DEADLINE, &name, || {
        Ok(match TcpStream::connect((HOST, port)) {
            Ok(_) => Status::Reached(()),
            Err(error) => Status::Pending(format!("{error}; see {}", log.display())),
        })
    })?;
    Ok(process)
}
