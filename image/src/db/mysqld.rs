//! The db machine's MySQL on the host: for development, and for tests that need SQL but no machine.
//!
//! It reads the guest's own `my.cnf`; only paths, port and user differ. Invariant: it listens on loopback only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::tree::{Tree, host_tree};
use crate::debian::Policy;
use crate::{Layout, command, layout, progress};

/// The guest's accounts, as SQL with placeholders for the passwords.
const ACCOUNTS: &str = include_str!("../../linux/root/usr/share/bootstack/accounts.sql");

/// Nothing of a template is worth a flush: it has its name only when it is whole.
const INITIALISE: [&str; 8] = [
    "--initialize-insecure",
    "--skip-networking",
    "--skip-log-bin",
    "--require-secure-transport=OFF",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--skip-innodb-doublewrite",
    "--innodb-redo-log-capacity=8M",
];

/// PEM files that MySQL shows and trusts.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// Roots that client certificates are checked against.
    pub ca: PathBuf,
    /// The server's chain.
    pub certificate: PathBuf,
    /// The server's key.
    pub key: PathBuf,
}

/// Of the accounts that come over the network.
#[derive(Clone, Copy, Debug)]
pub struct Passwords<'a> {
    /// The site's.
    pub site: &'a str,
    /// The operator's, who may give MySQL another certificate in a machine.
    pub operator: &'a str,
}

/// MySQL, unpacked and ready to start.
#[derive(Clone, Debug)]
pub struct Mysqld {
    tree: Tree,
    configuration: PathBuf,
    template: PathBuf,
}

impl Mysqld {
    /// Unpacks MySQL and initialises a template of its data, both only once.
    ///
    /// # Errors
    /// When packages are missing and cannot be fetched, or MySQL cannot initialise.
    pub fn prepare(layout: &Layout, policy: Policy) -> Result<Self> {
        let tree = host_tree(layout, policy)?;
        let template = tree.root().with_extension("data.tar");
        let configuration = layout.root().join("image/linux/root/etc/mysql/my.cnf");
        let mysqld = Self { tree, configuration, template };
        mysqld.make_template()?;
        Ok(mysqld)
    }

    /// The unpacked packages that it runs from.
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Lays out an initialised data directory without users' data in `folder`, which must not hold one.
    ///
    /// # Errors
    /// When `folder/data` exists or cannot be written.
    pub fn fresh_data(&self, folder: &Path) -> Result<()> {
        ensure!(!folder.join("data").exists(), "{} exists already", folder.join("data").display());
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let mut tar = Command::new("tar");
        tar.arg("--extract").arg("--file").arg(&self.template).arg("--directory").arg(folder);
        command::run(&mut tar)
    }

    /// The server on `127.0.0.1:port` over the data that [`Self::fresh_data`] laid out in `folder`. It has user and
    /// database `site` with its password, runs `statements` as the user who may do everything, prints `ready for
    /// connections` on its standard error when it accepts logins,
    /// and shuts down cleanly on SIGTERM.
    ///
    /// # Errors
    /// When the password has other characters than the db machine accepts, or `folder` cannot be written.
    pub fn serve(
        &self,
        folder: &Path,
        port: u16,
        passwords: Passwords<'_>,
        certificates: &Certificates,
        statements: &str,
    ) -> Result<Command> {
        let accounts = folder.join("accounts.sql");
        write_private(&accounts, &(accounts_sql(passwords, &user()?)? + statements))?;
        let mut command = self.command(folder, &folder.join("data"));
        command
            .arg(option("init-file", &accounts))
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--port={port}"))
            .arg(option("ssl-ca", &certificates.ca))
            .arg(option("ssl-cert", &certificates.certificate))
            .arg(option("ssl-key", &certificates.key));
        Ok(command)
    }

    fn make_template(&self) -> Result<()> {
        if self.template.exists() {
            return Ok(());
        }
        let step = progress::start("MySQL: initialise a template");
        let parent = self.template.parent().context("the template has no folder")?;
        let folder = tempfile::Builder::new().prefix(".partial-").tempdir_in(parent)?;
        let mut initialise = self.command(folder.path(), &folder.path().join("data"));
        initialise.args(INITIALISE);
        command::run(&mut initialise)?;
        layout::replace(&self.template, |tar| {
            let mut pack = Command::new("tar");
            // Every server has its own UUID (auto.cnf): GTIDs of two tests must not be taken for one server's.
            pack.arg("--create")
                .arg("--sparse")
                .arg("--exclude=auto.cnf")
                .arg("--exclude=*.pem")
                .arg("--file")
                .arg(tar);
            command::run(pack.arg("--directory").arg(folder.path()).arg("data"))
        })?;
        step.done("");
        Ok(())
    }

    /// mysqld with the guest's configuration and the host's paths. Its socket lies in the data directory and is named
    /// relative to it: a socket's path has at most 107 bytes (unix(7)), a checkout's may have more.
    fn command(&self, folder: &Path, data: &Path) -> Command {
        let usr = self.tree.root().join("usr");
        let mut command = self.tree.program("usr/sbin/mysqld");
        command
            .arg(option("defaults-file", &self.configuration))
            .arg(option("basedir", &usr))
            .arg(option("plugin-dir", &usr.join("lib/mysql/plugin")))
            .arg(option("lc-messages-dir", &usr.join("share/mysql")))
            .arg(option("character-sets-dir", &usr.join("share/mysql/charsets")))
            .arg(option("datadir", data))
            .arg(option("tmpdir", folder))
            .arg(option("pid-file", &folder.join("mysqld.pid")))
            .arg("--secure-file-priv=NULL")
            .arg("--socket=mysqld.sock");
        if rustix::process::geteuid().is_root() {
            command.arg("--user=root"); // Anyone else stays who they are.
        }
        command
    }
}

fn option(name: &str, path: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(format!("--{name}="));
    option.push(path);
    option
}

/// The name of who runs this, as MySQL's socket knows it.
fn user() -> Result<String> {
    let name = command::output(Command::new("id").arg("-un"))?;
    let name = String::from_utf8_lossy(&name).trim().to_owned();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    ensure!(!name.is_empty() && name.bytes().all(plain), "the user {name:?} has no plain name");
    Ok(name)
}

/// The statements that make the accounts what they should be, whatever they were. MySQL runs as `user`.
fn accounts_sql(passwords: Passwords<'_>, user: &str) -> Result<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+/=".contains(&byte);
    for password in [passwords.site, passwords.operator] {
        ensure!(
            (16..=128).contains(&password.len()) && password.bytes().all(plain),
            "a database password must have 16 to 128 characters out of A-Z a-z 0-9 - _ . ~ + / ="
        );
    }
    let accounts = ACCOUNTS.replace("@PASSWORD@", passwords.site).replace("@OPERATOR@", passwords.operator);
    Ok(accounts.replace("AS 'mysql'", &format!("AS '{user}'")))
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let _ = fs::remove_file(path);
    let file = fs::File::options().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_cannot_leave_its_quotes() {
        fn sql(site: &str, operator: &str) -> Result<String> {
            accounts_sql(Passwords { site, operator }, "me")
        }
        let right = "0123456789abcdef+/=";
        let long = "a".repeat(129);
        for wrong in ["short", "0123456789abcdef'", "0123456789abcdef\\", "0123456789abcdef\n", &long] {
            assert!(sql(wrong, right).is_err() && sql(right, wrong).is_err(), "{wrong:?}");
        }
        let sql = sql(right, "another0123456789").unwrap();
        assert!(sql.contains("BY '0123456789abcdef+/=' REQUIRE X509") && !sql.contains("@PASSWORD@"));
        assert!(sql.contains("BY 'another0123456789' REQUIRE X509") && !sql.contains("@OPERATOR@"));
        assert!(sql.contains("auth_socket AS 'me'") && !sql.contains("AS 'mysql'"));
    }
}
