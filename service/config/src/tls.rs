//! The section `[tls]`: what to present to browsers, and where it comes from.

use serde::Deserialize;

use super::Secret;

/// One of three sources: a brought certificate, certificate authorities, or (by name only) a self-signed one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// A brought certificate, PEM: leaf first, then its issuers.
    pub certificate_chain: Option<String>,
    /// The leaf's key, not encrypted.
    pub private_key: Option<Secret>,
    /// Keys of 32 bytes in base64 that seal private keys and ticket keys in the database: the first seals, all open.
    /// Without one, session tickets are this machine's own, and `cargo xtask cert bring` does not reach it.
    #[serde(default)]
    pub storage_keys: Vec<Secret>,
    /// How often the database (or the file) is asked for a newer certificate and newer keys, in seconds.
    #[serde(default = "poll_s")]
    pub poll_s: u32,
    /// A certificate that nobody trusts, made at start. For development only.
    #[serde(default)]
    pub development_self_signed: bool,
    /// Certificate authorities that write and renew the certificate.
    pub acme: Option<Acme>,
}

/// A new certificate is on all machines within a minute, whatever else they do.
fn poll_s() -> u32 {
    15
}

/// How certificates are had from authorities (RFC 8555).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acme {
    /// Further names that the certificate shall be valid for, beside `host`.
    #[serde(default)]
    pub names: Vec<String>,
    /// Where the authority can reach you: `mailto:` addresses.
    #[serde(default)]
    pub contact: Vec<String>,
    /// How names are proven, in turns when one way fails.
    #[serde(default = "both")]
    pub challenges: Vec<Way>,
    /// The authorities, the preferred first. Three failures in a row at one lead to the next.
    pub authorities: Vec<Authority>,
}

fn both() -> Vec<Way> {
    vec![Way::TlsAlpn01, Way::Http01]
}

/// A way to prove a name.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Way {
    /// A file over plain HTTP, port 80.
    #[serde(rename = "http-01")]
    Http01,
    /// A certificate over port 443 (RFC 8737). Needs no port 80.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

impl Way {
    /// As the protocol calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }
}

/// A certificate authority.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// Its directory: `https://acme-v02.api.letsencrypt.org/directory`.
    pub directory: String,
    /// One of its kinds of certificate, such as `shortlived`.
    pub profile: Option<String>,
    /// The roots that its directory is verified with, PEM. By default those that browsers trust.
    pub roots: Option<String>,
    /// The key of an account with another of its systems, as it gives it: identifier and base64url.
    pub external_account_id: Option<String>,
    /// The key itself.
    pub external_account_key: Option<Secret>,
}
