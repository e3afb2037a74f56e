//! The secrets of one stand: a CA of its own and what it signs. Nothing of the user's development CA is used.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image::machine::Credential;
use tls::authority::{Authority, Issued};

/// The host's loopback as a guest sees it (QEMU's user network).
const HOST_FROM_GUEST: &str = "10.0.2.2";
/// What the db machine is reached under, by a guest and by the host.
pub const DB_NAMES: [&str; 3] = [HOST_FROM_GUEST, "127.0.0.1", DB_ON_BRIDGE];
/// The db machine's own address, where machines are on a bridge.
pub const DB_ON_BRIDGE: &str = "10.0.2.3";
/// Certificates of a stand outlive its stories, not the week.
const DAYS: u16 = 7;
/// 192 random bits.
const WORD_BYTES: usize = 24;

/// Who the stand's site is.
pub struct Identity {
    host: String,
    authority: Authority,
    /// Another root, which the web machines trust for MySQL too, as they do before one replaces the other.
    successor: Authority,
    /// Of the account that may give MySQL another certificate.
    operator: String,
}

impl Identity {
    pub(super) fn new(folder: &Path, host: &str) -> Result<Self> {
        let authority = Authority::open(&folder.join("ca"))?;
        let successor = Authority::open(&folder.join("successor"))?;
        Ok(Self { host: host.to_owned(), authority, successor, operator: random_word()? })
    }

    /// The name that visitors type.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The development authority's certificate.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.root_path()
    }

    pub(super) fn root_path(&self) -> PathBuf {
        self.authority.certificate_path()
    }

    /// The configuration file of a web machine whose HTTPS port is seen as `public_port` from outside, and whose database has
    /// this name; without one it is this host. `tls` is its section of that name; without one it brings a certificate.
    ///
    /// # Errors
    /// When no certificate can be issued.
    pub fn config(
        &self,
        public_port: u16,
        tls: Option<&str>,
        database: Option<&str>,
        database_port: u16,
        password: &str,
    ) -> Result<Vec<u8>> {
        let database = database.unwrap_or(HOST_FROM_GUEST);
        let issued = self.authority.issue(&[&self.host], DAYS)?;
        let (host, ca, shown) = (&self.host, self.both_roots(), pair("certificate", "key", &issued));
        let brought = pair("certificate_chain", "private_key", &issued);
        let tls = tls.unwrap_or(&brought);
        let text = format!(
            "host = '{host}'\n\
             [listen]\nhttp = '0.0.0.0:80'\nhttps = '0.0.0.0:443'\npublic_port = {public_port}\n\
             [database]\nhost = '{database}'\nport = {database_port}\nname = 'site'\nuser = 'site'\n\
             password = '{password}'\nca = '''\n{ca}'''\n{shown}\
             [tls]\n{tls}",
        );
        Ok(text.into_bytes())
    }

    /// The authority that signs all there is.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The authority that may replace it.
    #[must_use]
    pub fn successor(&self) -> &Authority {
        &self.successor
    }

    /// The roots of both, PEM.
    #[must_use]
    pub fn both_roots(&self) -> String {
        format!("{}{}", self.authority.certificate_pem(), self.successor.certificate_pem())
    }

    pub(super) fn operator(&self) -> &str {
        &self.operator
    }

    pub(super) fn db_credentials(&self, password: &str) -> Result<Vec<Credential>> {
        let issued = self.authority.issue(&DB_NAMES, DAYS)?;
        let credential = |name: &str, value: &str| Credential {
            name: format!("bootstack.db.{name}"),
            value: value.as_bytes().to_vec(),
        };
        Ok(vec![
            credential("password", password),
            credential("operator", &self.operator),
            credential("ca", self.authority.certificate_pem()),
            credential("certificate", &issued.certificate_chain),
            credential("key", &issued.private_key),
        ])
    }
}

/// A certificate and its key under these keys of a configuration.
#[must_use]
pub fn pair(certificate: &str, key: &str, issued: &Issued) -> String {
    format!("{certificate} = '''\n{}'''\n{key} = '''\n{}'''\n", issued.certificate_chain, issued.private_key)
}

/// A password that nobody guesses, of letters and digits.
///
/// # Errors
/// When the host has no randomness.
pub fn random_word() -> Result<String> {
    let mut bytes = [0; WORD_BYTES];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("/dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
