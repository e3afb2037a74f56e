//! MySQL's own client, out of the locked packages: for the few statements that tools of the host have for a running MySQL.
//!
//! Over TLS with the name verified, as whoever logs in. Invariant: secrets lie in files that only this user can read and
//! that end with this handle, statements come from such a file too; none is on a command line.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::tree::{Tree, host_tree};
use crate::Layout;
use crate::debian::Policy;

/// How somebody logs in.
#[derive(Clone, Debug)]
pub struct Login<'a> {
    /// The name or address that MySQL's certificate must be for.
    pub host: &'a str,
    /// MySQL's port there.
    pub port: u16,
    /// The account.
    pub user: &'a str,
    /// Of the account.
    pub password: &'a str,
    /// Roots that MySQL's certificate is checked against, PEM.
    pub ca: &'a str,
    /// What is presented to MySQL, PEM.
    pub certificate: &'a str,
    /// Its key, PEM.
    pub key: &'a str,
}

/// Who may ask a MySQL.
#[derive(Debug)]
pub struct Client {
    tree: Tree,
    folder: TempDir,
    host: String,
    port: u16,
    user: String,
}

impl Client {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// When the client is not there and cannot be fetched, or the login cannot be written.
    pub fn new(layout: &Layout, login: &Login<'_>) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let password = login.password;
        ensure!(!password.contains(['"', '\\', '\n']), "the password has characters that none has");
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
        let (host, user) = (login.host.to_owned(), login.user.to_owned());
        Ok(Self { tree, folder, host, port: login.port, user })
    }

    /// Runs statements on a connection of their own, and returns the rows: a line each, with tabs between the values.
    ///
    /// # Errors
    /// When MySQL cannot be reached, is not to be trusted, or refuses, in its words.
    pub fn ask(&self, statements: &str) -> Result<String> {
        let mut input = tempfile::tempfile().context("no temporary file")?;
        input.write_all(statements.as_bytes())?;
        input.rewind()?;
        let mut client = self.command();
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

    fn command(&self) -> Command {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let charsets = self.tree.root().join("usr/share/mysql/charsets");
        let mut client = self.tree.program("usr/bin/mysql");
        client
            .arg(format!("--defaults-file={}", path("options")))
            .arg(format!("--user={}", self.user))
            .args(["--protocol=TCP", "--ssl-mode=VERIFY_IDENTITY", "--connect-timeout=20"])
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

/// As MySQL takes bytes: `X'…'`.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
