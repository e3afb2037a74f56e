//! What makes a site's machines trust each other: the development CA, the certificates, the database password.
//!
//! The CA and the password are made once per user and kept; certificates are issued anew for each start. It starts
//! nothing. Invariant: secrets lie in files of mode 0600 and reach a machine by its configuration file or as credentials.
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ::image::db::Passwords;
use ::image::machine::Credential;
use ::image::{Layout, Stack};
use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use tls::authority::{Authority, Issued, MAX_DAYS};

/// QEMU's name for the host's loopback, as seen from a guest (user network).
const HOST_FROM_GUEST: &str = "10.0.2.2";
/// Every name that the db machine is reached under on this host.
pub(crate) const DATABASE_NAMES: [&str; 3] = ["localhost", "127.0.0.1", HOST_FROM_GUEST];
/// The schema and its user, as the db machine makes them.
const DATABASE: &str = "site";
/// 192 bits: beyond guessing, and short enough for every field it passes through.
const PASSWORD_BYTES: usize = 24;

/// The site's identity on this host.
pub(crate) struct Site {
    host: String,
    authority: Authority,
    password: String,
    operator_password: String,
    storage_key: String,
    metrics_token: String,
}

/// Where a web machine (or the service on the host) listens and finds its database.
pub(crate) struct Places<'a> {
    /// Address and port of plain HTTP.
    pub(crate) http: &'a str,
    /// Address and port of HTTPS.
    pub(crate) https: &'a str,
    /// The HTTPS port that visitors use.
    pub(crate) public_port: u16,
    /// The database's name or address.
    pub(crate) database_host: &'a str,
    /// The database's port.
    pub(crate) database_port: u16,
}

impl<'a> Places<'a> {
    /// As a machine in QEMU sees them.
    pub(crate) fn in_guest(public_port: u16, database_port: u16) -> Self {
        Self {
            http: "0.0.0.0:80",
            https: "0.0.0.0:443",
            public_port,
            database_host: HOST_FROM_GUEST,
            database_port,
        }
    }
}

impl Site {
    /// Opens the site's identity below the user's data folder, or makes one.
    pub(crate) fn open(layout: &Layout, stack: &Stack) -> Result<Self> {
        let folder = layout.data();
        private_folder(folder)?;
        Ok(Self {
            host: stack.host.clone(),
            authority: Authority::open(&folder.join("ca"))?,
            password: kept(&folder.join("db-password"), random_hex)?,
            operator_password: kept(&folder.join("db-operator-password"), random_hex)?,
            storage_key: kept(&folder.join("storage-key"), random_key)?,
            metrics_token: kept(&folder.join("metrics-token"), random_hex)?,
        })
    }

    /// The root certificate as PEM.
    pub(crate) fn root(&self) -> &str {
        self.authority.certificate_pem()
    }

    /// The root certificate's file.
    pub(crate) fn root_path(&self) -> PathBuf {
        self.authority.certificate_path()
    }

    /// What reads `/metrics`.
    pub(crate) fn metrics_token(&self) -> &str {
        &self.metrics_token
    }

    /// Passwords of the database's users.
    pub(crate) fn passwords(&self) -> Passwords<'_> {
        Passwords { site: &self.password, operator: &self.operator_password }
    }

    /// A fresh certificate for the database, by every name that it is reached under here.
    pub(crate) fn database_identity(&self) -> Result<Issued> {
        self.issue(&DATABASE_NAMES)
    }

    /// A fresh certificate for these names or addresses.
    pub(crate) fn issue(&self, names: &[&str]) -> Result<Issued> {
        Ok(self.authority.issue(names, MAX_DAYS)?)
    }

    /// A fresh certificate that the database accepts a client by.
    pub(crate) fn client_identity(&self) -> Result<Issued> {
        Ok(self.authority.issue(&[&self.host], MAX_DAYS)?)
    }

    /// The configuration file of the service (its reference is `service/config/src/lib.rs`).
    pub(crate) fn config(&self, places: &Places<'_>) -> Result<Vec<u8>> {
        let issued = self.authority.issue(&[&self.host], MAX_DAYS)?;
        let config = Config {
            host: &self.host,
            listen: Listen { http: places.http, https: places.https, public_port: places.public_port },
            tls: Tls {
                certificate_chain: &issued.certificate_chain,
                private_key: &issued.private_key,
                storage_keys: [&self.storage_key],
            },
            database: self.database(places.database_host, places.database_port)?,
            operations: Operations { metrics_token: &self.metrics_token },
        };
        Ok(toml::to_string(&config)?.into_bytes())
    }

    /// The section `[database]` alone, for tests that need no site.
    pub(crate) fn database_config(&self, host: &str, port: u16) -> Result<Vec<u8>> {
        Ok(toml::to_string(&self.database(host, port)?)?.into_bytes())
    }

    /// Both ends show a certificate of the same CA.
    fn database<'a>(&'a self, host: &'a str, port: u16) -> Result<Database<'a>> {
        let shown = self.client_identity()?;
        Ok(Database {
            host,
            port,
            name: DATABASE,
            user: DATABASE,
            password: &self.password,
            ca: self.root(),
            certificate: shown.certificate_chain,
            key: shown.private_key,
        })
    }

    /// What the db machine is given at boot.
    pub(crate) fn credentials(&self) -> Result<Vec<Credential>> {
        self.credentials_of(&self.database_identity()?)
    }

    /// What a db machine is given at boot that is reached under this name or address.
    pub(crate) fn credentials_at(&self, name: &str) -> Result<Vec<Credential>> {
        self.credentials_of(&self.issue(&[name])?)
    }

    fn credentials_of(&self, issued: &Issued) -> Result<Vec<Credential>> {
        let credential = |name: &str, value: &str| Credential {
            name: format!("bootstack.db.{name}"),
            value: value.as_bytes().to_vec(),
        };
        Ok(vec![
            credential("password", &self.password),
            credential("operator", &self.operator_password),
            credential("ca", self.root()),
            credential("certificate", &issued.certificate_chain),
            credential("key", &issued.private_key),
        ])
    }
}

#[derive(Serialize)]
struct Config<'a> {
    host: &'a str,
    listen: Listen<'a>,
    tls: Tls<'a>,
    database: Database<'a>,
    operations: Operations<'a>,
}

#[derive(Serialize)]
struct Operations<'a> {
    /// Whoever has it may read `/metrics`.
    metrics_token: &'a str,
}

#[derive(Serialize)]
struct Listen<'a> {
    http: &'a str,
    https: &'a str,
    public_port: u16,
}

#[derive(Serialize)]
struct Tls<'a> {
    certificate_chain: &'a str,
    private_key: &'a str,
    /// Machines that share it resume each other's sessions.
    storage_keys: [&'a str; 1],
}

#[derive(Serialize)]
struct Database<'a> {
    host: &'a str,
    port: u16,
    name: &'a str,
    user: &'a str,
    password: &'a str,
    ca: &'a str,
    certificate: String,
    key: String,
}

fn private_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot restrict {}", folder.display()))
}

/// The kept secret, or a new one. It stays the same for a volume's life, though a new password would be taken up too.
fn kept(path: &Path, make: impl Fn() -> Result<String>) -> Result<String> {
    match fs::read_to_string(path) {
        Ok(kept) => return Ok(kept.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    let secret = make()?;
    write_secret(path, secret.as_bytes())?;
    Ok(secret)
}

fn random_hex() -> Result<String> {
    Ok(random::<PASSWORD_BYTES>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// As `openssl rand -base64 32` makes one: what seals secrets in the database.
fn random_key() -> Result<String> {
    Ok(STANDARD.encode(random::<32>()?))
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    let mut source = File::open("/dev/urandom").context("cannot open /dev/urandom")?;
    source.read_exact(&mut bytes).context("cannot read /dev/urandom")?;
    Ok(bytes)
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_secret(path: &Path, content: &[u8]) -> Result<()> {
    ::image::layout::replace(path, |temporary| {
        use std::io::Write;
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(temporary);
        let mut file = file.with_context(|| format!("cannot create {}", temporary.display()))?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(content).with_context(|| format!("cannot write {}", temporary.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(folder: &Path) -> Site {
        let stack = Stack::load(&Layout::here().unwrap()).unwrap();
        Site::open(&Layout::below(folder), &stack).unwrap()
    }

    #[test]
    fn the_identity_is_kept_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (site(folder.path()), site(folder.path()));
        let known =
            |site: &Site| [site.root(), site.passwords().site, site.passwords().operator].map(str::to_owned);
        assert_eq!(known(&first), known(&second));
        assert_eq!(known(&first).map(|secret| secret.len())[1..], [2 * PASSWORD_BYTES; 2]);
        let mode =
            |name: &str| fs::metadata(folder.path().join("data").join(name)).unwrap().permissions().mode();
        let modes = ["", "db-password", "db-operator-password", "storage-key", "metrics-token"];
        assert_eq!(modes.map(|name| mode(name) & 0o777), [0o700, 0o600, 0o600, 0o600, 0o600]);
        tls::seal::StorageKey::from_base64([first.storage_key.as_str()]).unwrap();
    }

    #[test]
    fn a_configuration_survives_being_written_as_toml() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        let config = String::from_utf8(site.config(&Places::in_guest(8443, 13306)).unwrap()).unwrap();
        let read: toml::Table = toml::from_str(&config).unwrap();
        assert_eq!(read["listen"]["public_port"].as_integer(), Some(8443));
        assert_eq!(read["database"]["ca"].as_str(), Some(site.root()));
        assert!(read["tls"]["private_key"].as_str().unwrap().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    }
}
