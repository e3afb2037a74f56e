//! An operator's way into a running db machine: to give MySQL another certificate without a restart.
//!
//! The machine has no shell and no port but MySQL's, so that is the way: MySQL's own client, out of the locked packages,
//! over TLS with the name verified, as an account that may lay files into one folder and read them there. What is laid out
//! is judged in the machine (`usr/lib/bootstack/certificate`). Invariant: secrets lie in files that only this user can
//! read and that end with this handle; none is on a command line, in a table or in a log of MySQL's.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::tree::{Tree, host_tree};
use crate::Layout;
use crate::debian::Policy;
use crate::wait::{Status, wait_until};

/// Where the machine expects a certificate, and answers.
const FOLDER: &str = "/var/lib/mysql/exchange";
/// Under emulation the machine judges in some five seconds.
const DEADLINE: Duration = Duration::from_secs(120);

/// How an operator logs in.
#[derive(Clone, Debug)]
pub struct Login<'a> {
    /// The name or address that MySQL's certificate must be for.
    pub host: &'a str,
    /// MySQL's port there.
    pub port: u16,
    /// Of the account `operator`.
    pub password: &'a str,
    /// Roots that MySQL's certificate is checked against, PEM.
    pub ca: &'a str,
    /// What the operator presents, PEM.
    pub certificate: &'a str,
    /// Its key, PEM.
    pub key: &'a str,
}

/// What MySQL shall present and trust.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Roots that clients' certificates and its own are checked against, PEM.
    pub ca: &'a str,
    /// Its chain, PEM.
    pub certificate: &'a str,
    /// Its key, PEM.
    pub key: &'a str,
}

/// The dates of what a new connection is shown, in MySQL's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The first day.
    pub not_before: String,
    /// The last day.
    pub not_after: String,
}

/// Who may give MySQL another certificate.
#[derive(Debug)]
pub struct Operator {
    tree: Tree,
    folder: TempDir,
    host: String,
    port: u16,
}

impl Operator {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// When the client is not there and cannot be fetched, or the login cannot be written.
    pub fn new(layout: &Layout, login: &Login<'_>) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let password = login.password;
        ensure!(
            !password.contains(['"', '\\', '\n']),
            "the operator's password has characters that none has"
        );
        let options = format!("[client]\npassword=\"{password}\"\n");
        let files = [
            ("options", &*options),
            ("ca", login.ca),
            ("certificate", login.certificate),
            ("key", login.key),
        ];
        for (name, content) in files {
            let path = folder.path().join(name);
            let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
            file.and_then(|mut file| file.write_all(content.as_bytes()))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let tree = host_tree(layout, Policy::Resolve)?;
        Ok(Self { tree, folder, host: login.host.to_owned(), port: login.port })
    }

    /// Gives MySQL another certificate, and returns when it presents it: connections stay, new ones see it.
    ///
    /// # Errors
    /// When the machine cannot be reached, another exchange is under way, or the machine refuses, with its reason: then
    /// all is as it was.
    pub fn give(&self, offer: &Offer<'_>) -> Result<()> {
        let id = identifier()?;
        let Offer { ca, certificate, key } = offer;
        let bundle = format!("{id}\n[ca]\n{ca}\n[certificate]\n{certificate}\n[key]\n{key}\n");
        // The second file is the word that the first is whole. MySQL overwrites none: two operators do not meet.
        let lay = format!(
            "SELECT X'{}' INTO DUMPFILE '{FOLDER}/bundle'; SELECT '' INTO DUMPFILE '{FOLDER}/go';",
            hexadecimal(without_blank_lines(&bundle).as_bytes())
        );
        if let Err(error) = self.ask(&lay) {
            ensure!(
                format!("{error:#}").contains("already exists"),
                error.context("nothing can be laid out")
            );
            self.clear()?;
            self.ask(&lay).context("the certificate cannot be laid out")?;
        }
        let answer = wait_until(DEADLINE, "the machine's answer", || {
            Ok(match self.ask(&format!("SELECT LOAD_FILE('{FOLDER}/answer')"))?.strip_prefix(&id) {
                Some(answer) => Status::Reached(answer.trim().to_owned()),
                None => Status::Pending("none yet".to_owned()),
            })
        })?;
        match answer.strip_suffix("\\n").unwrap_or(&answer) {
            "presented" => Ok(()),
            refused => bail!("the db machine keeps its certificate: {refused}"),
        }
    }

    /// Has the machine judge what an operator has laid out who was cut off before the word, or is about to give it.
    fn clear(&self) -> Result<()> {
        let _ = self.ask(&format!("SELECT '' INTO DUMPFILE '{FOLDER}/go'"));
        wait_until(DEADLINE, "the end of another's exchange", || {
            Ok(match self.ask(&format!("SELECT LOAD_FILE('{FOLDER}/go') IS NULL"))?.trim() {
                "1" => Status::Reached(()),
                _ => Status::Pending("it goes on".to_owned()),
            })
        })
    }

    /// What a new connection is shown.
    ///
    /// # Errors
    /// When it is not to be trusted, or the machine cannot be reached.
    pub fn shown(&self) -> Result<Shown> {
        let status = self.ask("SHOW SESSION STATUS LIKE 'Ssl_server_not_%'")?;
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned()).with_context(|| format!("MySQL tells no {name}"))
        };
        Ok(Shown { not_before: value("Ssl_server_not_before")?, not_after: value("Ssl_server_not_after")? })
    }

    /// Runs statements on a connection of their own.
    fn ask(&self, statements: &str) -> Result<String> {
        let mut input = tempfile::tempfile().context("no temporary file")?;
        input.write_all(statements.as_bytes())?;
        input.rewind()?;
        let mut client = self.client();
        let child = client.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let output =
            child.and_then(std::process::Child::wait_with_output).context("cannot run MySQL's client")?;
        ensure!(
            output.status.success(),
            "MySQL at {}:{}: {}",
            self.host,
            self.port,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn client(&self) -> Command {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let charsets = self.tree.root().join("usr/share/mysql/charsets");
        let mut client = self.tree.program("usr/bin/mysql");
        client
            .arg(format!("--defaults-file={}", path("options")))
            .args(["--user=operator", "--protocol=TCP", "--ssl-mode=VERIFY_IDENTITY", "--connect-timeout=20"])
            .args(["--batch", "--skip-column-names", "--no-auto-rehash"])
            .arg(format!("--character-sets-dir={}", charsets.display()))
            .arg(format!("--host={}", self.host))
            .arg(format!("--port={}", self.port))
            .arg(format!("--ssl-ca={}", path("ca")))
            .arg(format!("--ssl-cert={}", path("certificate")))
            .arg(format!("--ssl-key={}", path("key")));
        client
    }
}

fn identifier() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("/dev/urandom")?;
    Ok(hexadecimal(&bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The machine takes no line that is not PEM's.
fn without_blank_lines(text: &str) -> String {
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("{}\n", line.trim_end())).collect()
}
