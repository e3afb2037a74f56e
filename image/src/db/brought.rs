//! A certificate that an operator brings to web machines by way of MySQL: the one row that a tool of the host writes into the
//! site's schema (`service/db/migrations/0052_brought_certificates.sql`).
//!
//! It judges nothing and seals nothing. Invariant: the key that passes here is sealed.

use anyhow::{Context, Result, ensure};

use super::client::{Client, hexadecimal};

/// A certificate for a host.
#[derive(Clone, Copy, Debug)]
pub struct Brought<'a> {
    /// The site's schema.
    pub schema: &'a str,
    /// The site's name.
    pub host: &'a str,
    /// PEM, leaf first.
    pub chain: &'a str,
    /// The leaf's key.
    pub sealed_key: &'a [u8],
}

impl Client {
    /// The chain that was brought last for a host.
    ///
    /// # Errors
    /// When MySQL cannot be asked.
    pub fn brought(&self, schema: &str, host: &str) -> Result<Option<String>> {
        let rows = self.ask(&format!(
            "SELECT HEX(chain) FROM {}.brought_certificates WHERE host = X'{}' ORDER BY id DESC LIMIT 1",
            quoted(schema)?,
            hexadecimal(host.as_bytes())
        ))?;
        match rows.trim() {
            "" => Ok(None),
            row => text(row).map(Some).context("what MySQL said about the certificate before is no text"),
        }
    }

    /// Stores a certificate: the machines find it.
    ///
    /// # Errors
    /// When MySQL cannot be asked, or refuses.
    pub fn bring(&self, brought: &Brought<'_>) -> Result<()> {
        let bytes = |bytes: &[u8]| format!("X'{}'", hexadecimal(bytes));
        self.ask(&format!(
            "INSERT INTO {}.brought_certificates (host, chain, sealed_key) VALUES ({}, {}, {})",
            quoted(brought.schema)?,
            bytes(brought.host.as_bytes()),
            bytes(brought.chain.as_bytes()),
            bytes(brought.sealed_key)
        ))
        .map(drop)
    }
}

/// A name of MySQL's.
fn quoted(name: &str) -> Result<String> {
    ensure!(!name.contains(['`', '\0']), "{name:?} is no schema's name");
    Ok(format!("`{name}`"))
}

fn text(hexadecimal: &str) -> Option<String> {
    let byte = |at: usize| u8::from_str_radix(hexadecimal.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hexadecimal.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}
