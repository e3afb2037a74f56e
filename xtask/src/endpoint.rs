//! `endpoint.json`: where the running stack answers, for whoever wants to judge it.
//!
//! Invariant: the file under `target/bootstack` is there only while a stack runs that passed the smoke suite.
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ::image::Layout;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Where a site answers and what to trust there.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Endpoint {
    /// Address and port of HTTPS.
    pub(crate) https: String,
    /// Address and port of plain HTTP.
    pub(crate) http: String,
    /// The name that visitors type.
    pub(crate) host: String,
    /// The root certificate's file.
    pub(crate) ca: PathBuf,
    /// Visitors see what is written there.
    #[serde(default)]
    pub(crate) read_only: bool,
}

impl Endpoint {
    /// An endpoint on this host's loopback.
    pub(crate) fn on_loopback(host: &str, https: u16, http: u16, ca: &Path) -> Self {
        Self {
            https: format!("127.0.0.1:{https}"),
            http: format!("127.0.0.1:{http}"),
            host: host.to_owned(),
            ca: ca.to_owned(),
            read_only: false,
        }
    }

    /// An endpoint at an address of its own, with the usual ports and the site's own rows.
    pub(crate) fn at(host: &str, address: IpAddr, ca: &Path) -> Self {
        let port = |port: u16| SocketAddr::from((address, port)).to_string();
        Self { https: port(443), http: port(80), host: host.to_owned(), ca: ca.to_owned(), read_only: true }
    }

    /// Writes it to `path`, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        ::image::layout::replace_with(path, text.as_bytes())
    }

    /// Where the running stack answers, if one runs.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    }

    /// What a visitor types into a browser once the name leads here.
    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}/", self.host, self.port())
    }

    /// A line to try in a shell, without a change to name service or trust store.
    pub(crate) fn curl(&self) -> String {
        let (host, port) = (&self.host, self.port());
        let ca = quoted(&self.ca.to_string_lossy());
        format!("curl --resolve {host}:{port}:127.0.0.1 --cacert {ca} {}", self.url())
    }

    /// The port of HTTPS.
    pub(crate) fn https_port(&self) -> Result<u16> {
        Ok(self.port().parse()?)
    }

    fn port(&self) -> &str {
        self.https.rsplit_once(':').map_or("443", |(_, port)| port)
    }
}

/// The file for the stack that `up` started.
pub(crate) fn path(layout: &Layout) -> PathBuf {
    layout.target().join("endpoint.json")
}

/// Says that no stack answers any more.
pub(crate) fn remove(layout: &Layout) -> Result<()> {
    let path = path(layout);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./".contains(character);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_try_survives_a_path_with_spaces() {
        let endpoint = Endpoint::on_loopback("www.foobar.com", 8443, 8080, Path::new("/my data/ca.pem"));
        assert_eq!(
            endpoint.curl(),
            "curl --resolve www.foobar.com:8443:127.0.0.1 --cacert '/my data/ca.pem' https://www.foobar.com:8443/"
        );
    }

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path());
        let endpoint = Endpoint::on_loopback("www.foobar.com", 8443, 8080, Path::new("/ca.pem"));
        endpoint.write(&path(&layout)).unwrap();
        assert_eq!(Endpoint::read(&path(&layout)).unwrap().http, "127.0.0.1:8080");
        remove(&layout).unwrap();
        remove(&layout).unwrap();
        assert!(Endpoint::read(&path(&layout)).is_none());
    }
}
