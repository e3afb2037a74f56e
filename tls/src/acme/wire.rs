//! What a CA sends, as far as it is read (RFC 8555, 7.1). Unknown members are ignored, as it asks (7.1).

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// Where a CA does what.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    pub(super) new_nonce: String,
    pub(super) new_account: String,
    pub(super) new_order: String,
    pub(super) revoke_cert: String,
    pub(super) key_change: String,
    /// RFC 9773.
    pub(super) renewal_info: Option<String>,
    #[serde(default)]
    pub(super) meta: Meta,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    pub(super) external_account_required: bool,
    /// Names of certificate profiles and what they are (draft-ietf-acme-profiles).
    pub(super) profiles: BTreeMap<String, String>,
}

/// How far something has come (RFC 8555, 7.1.6).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waits for us.
    Pending,
    /// An order whose names are all proven.
    Ready,
    /// The CA is working on it.
    Processing,
    /// Done.
    Valid,
    /// Failed.
    Invalid,
    /// Withdrawn by us, over, or withdrawn by the CA, or a word that this client does not know.
    #[serde(other)]
    Over,
}

/// An order for a certificate.
#[derive(Clone, Debug, Deserialize)]
pub struct Order {
    /// How far it is.
    pub status: Status,
    /// The proofs that it needs.
    #[serde(default)]
    pub authorizations: Vec<String>,
    /// Where the certificate request goes.
    pub finalize: String,
    /// Where the certificate is, when it is valid.
    pub certificate: Option<String>,
    /// Why it failed.
    pub error: Option<Problem>,
}

/// The proof of one name.
#[derive(Clone, Debug, Deserialize)]
pub struct Authorization {
    /// The name.
    pub identifier: Identifier,
    /// How far it is.
    pub status: Status,
    /// The ways to prove it, of which one is enough.
    #[serde(default)]
    pub challenges: Vec<Challenge>,
}

/// A name that a CA writes certificates for.
#[derive(Clone, Debug, Deserialize)]
pub struct Identifier {
    /// The DNS name, without `*.`.
    pub value: String,
}

/// One way to prove a name.
#[derive(Clone, Debug, Deserialize)]
pub struct Challenge {
    /// `http-01`, `tls-alpn-01`, `dns-01`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is told that the proof is there.
    pub url: String,
    /// What the proof is made of.
    #[serde(default)]
    pub token: String,
    /// How far it is.
    pub status: Option<Status>,
    /// Why it failed.
    pub error: Option<Problem>,
}

/// A CA's reason for a refusal (RFC 7807 and RFC 8555, 6.7).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// `urn:ietf:params:acme:error:` and a word.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people.
    pub detail: String,
    /// One for each name, sometimes.
    pub subproblems: Vec<Problem>,
}

impl Problem {
    /// Whether its type ends with this word.
    pub fn is(&self, kind: &str) -> bool {
        self.kind.rsplit(':').next() == Some(kind)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.rsplit(':').next().unwrap_or_default();
        // A stranger's text in our log: bounded, and without line breaks or control characters.
        let detail = self.detail.chars().filter(|character| !character.is_control()).take(300);
        write!(formatter, "{} ({})", detail.collect::<String>(), plain(kind))?;
        let first = self.subproblems.first();
        first.map_or(Ok(()), |problem| write!(formatter, ": {}", plain(&problem.detail)))
    }
}

fn plain(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(120).collect()
}
