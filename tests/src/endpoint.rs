//! Where tests point: the address, the host name and the trusted root, as `endpoint.json` has them.
//!
//! It does not resolve the public name. Invariant: an `Endpoint` carries everything that a claim may know.

use std::env;
use std::fs;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Names the file that says where the smoke suite points.
pub const VARIABLE: &str = "BOOTSTACK_ENDPOINT";

/// A connection to the other side of the world takes a third of a second.
const REACH: Duration = Duration::from_secs(5);

/// One site to be judged.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Address and port that speak TLS, such as `127.0.0.1:8443`.
    pub https: String,
    /// Address and port that speak plain HTTP.
    pub http: String,
    /// The name that visitors type, which the certificate must bear.
    pub host: String,
    /// PEM file with the only root to be trusted.
    pub ca: PathBuf,
    /// Visitors see what is written there: it is judged by what leaves nothing behind.
    #[serde(default)]
    pub read_only: bool,
}

impl Endpoint {
    /// Reads the endpoint that `BOOTSTACK_ENDPOINT` names.
    ///
    /// # Errors
    /// When the variable is not set, or as [`Endpoint::load`].
    pub fn from_environment() -> Result<Self> {
        let path = env::var_os(VARIABLE).filter(|value| !value.is_empty()).with_context(|| {
            format!(
                "{VARIABLE} is not set: give it the path of an endpoint.json (`cargo xtask up` writes one)"
            )
        })?;
        Self::load(Path::new(&path))
    }

    /// Reads an `endpoint.json`. A relative path of the root certificate starts in the file's own folder.
    ///
    /// # Errors
    /// When the file cannot be read or is not an endpoint.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut endpoint: Self =
            serde_json::from_str(&text).with_context(|| format!("{} is no endpoint", path.display()))?;
        if let Some(folder) = path.parent() {
            endpoint.ca = folder.join(&endpoint.ca);
        }
        Ok(endpoint)
    }

    /// Checks that something listens, so that nothing is said 25 times over.
    ///
    /// # Errors
    /// When no connection comes about within five seconds.
    pub fn reach(&self) -> Result<()> {
        let unresolved = || format!("{:?} is no address with a port", self.https);
        let address =
            self.https.to_socket_addrs().with_context(unresolved)?.next().with_context(unresolved)?;
        TcpStream::connect_timeout(&address, REACH).map(drop).with_context(|| {
            format!("nothing listens at {address}: is the stack up? (`cargo xtask up` starts one)")
        })
    }

    /// The trusted root's PEM text.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn roots(&self) -> Result<String> {
        fs::read_to_string(&self.ca)
            .with_context(|| format!("cannot read the trusted root {}", self.ca.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Result<Endpoint> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("endpoint.json");
        fs::write(&path, text)?;
        Endpoint::load(&path)
    }

    #[test]
    fn a_relative_root_lies_beside_the_endpoint() {
        let text = r#"{"https":"127.0.0.1:1","http":"127.0.0.1:2","host":"www.foobar.com","ca":"ca.pem"}"#;
        let endpoint = loaded(text).unwrap();
        assert!(endpoint.ca.is_absolute() && endpoint.ca.ends_with("ca.pem"));
    }

    #[test]
    fn a_place_where_nothing_listens_is_named_with_the_remedy() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = format!(r#"{{"https":"{port}","http":"","host":"www.foobar.com","ca":"ca.pem"}}"#);
        let error = format!("{:#}", loaded(&text).unwrap().reach().unwrap_err());
        assert!(error.starts_with(&format!("nothing listens at {port}: is the stack up?")), "{error}");
    }

    #[test]
    fn an_incomplete_endpoint_names_the_missing_key() {
        let error = format!("{:#}", loaded(r#"{"https":"127.0.0.1:1"}"#).unwrap_err());
        assert!(error.contains("endpoint.json is no endpoint: missing field `http`"), "{error}");
    }
}
