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

/// The guest's accounts, as SQL with a placeholder for the password.
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
    /// database `site` with `password`, runs `statements` as the user who may do everything, prints `ready for connections` on its standard error when it accepts logins,
    /// and shuts down cleanly on SIGTERM.
    ///
    /// # Errors
    /// When the password has other characters than the db machine accepts, or `folder` cannot be written.
    pub fn serve(
        &self,
        folder: &Path,
        port: u16,
        password: &str,
        certificates: &Certificates,
        statements: &str,
    ) -> Result<Command> {
        let accounts = folder.join("accounts.sql");
        write_private(&accounts, &(accounts_sql(password)? + statements))?;
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

/// The statements that make the accounts what they should be, whatever they were.
fn accounts_sql(password: &str) -> Result<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+/=".contains(&byte);
    ensure!(
        (16..=128).contains(&password.len()) && password.bytes().all(plain),
        "the database password must have 16 to 128 characters out of A-Z a-z 0-9 - _ . ~ + / ="
    );
    Ok(ACCOUNTS.replace("@PASSWORD@", password))
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
        for wrong in
            ["short", "0123456789abcdef'", "0123456789abcdef\\", "0123456789abcdef\n", &"a".repeat(129)]
        {
            assert!(accounts_sql(wrong).is_err(), "{wrong:?}");
        }
        let sql = accounts_sql("0123456789abcdef+/=").unwrap();
        assert!(sql.contains("BY '0123456789abcdef+/=' REQUIRE X509") && !sql.contains("@PASSWORD@"));
    }
}
