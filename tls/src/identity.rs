//! A server's certificate chain and private key, read from PEM and checked before anything is served with them.
//!
//! It does not judge whether the outermost issuer is trusted: that is the client's decision, and a private root is a
//! legitimate choice. Invariant: key and leaf are one pair, each certificate signed the one before it, all are within
//! their dates at the time of the check, and the leaf is valid for every name asked for.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, TrustAnchor, UnixTime};
use rustls::sign::CertifiedKey;
use webpki::{EndEntityCert, KeyUsage};

use crate::Error;

/// The host names (DNS or IP) that a certificate must be valid for.
pub type Names<'a> = &'a [&'a str];

/// A checked certificate chain with its private key. Its `Debug` shows neither.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    not_after: UnixTime,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Identity").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads and checks a chain (leaf first) and its key, for these names at this time.
    ///
    /// # Errors
    /// Every way in which a chain, a key, a name or a date can be wrong: see [`Error`].
    pub fn from_pem(chain: &str, key: &str, names: Names<'_>, now: UnixTime) -> Result<Self, Error> {
        let chain = certificates(chain)?;
        check_chain(&chain, now)?;
        check_whole(&chain)?;
        check_names(&chain[0], names)?;
        let not_after = expiry(&chain[0])?;
        let certified = pair(chain, private_key(key)?)?;
        Ok(Self { certified: Arc::new(certified), not_after })
    }

    /// When the leaf's validity ends.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Whether the leaf is valid for this name.
    pub fn is_for(&self, name: &str) -> bool {
        check_names(&self.certified.cert[0], &[name]).is_ok()
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

/// All certificates of a PEM text, in its order.
pub(crate) fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
        .enumerate()
        .map(|(index, item)| item.map_err(|source| Error::CertificatePem { position: index + 1, source }))
        .collect::<Result<_, _>>()?;
    if chain.is_empty() { Err(Error::NoCertificate) } else { Ok(chain) }
}

fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, Error> {
    // PKCS#8's own label, and the header that OpenSSL's older format puts inside the block.
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(Error::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        pem::Error::NoItemsFound => Error::NoKey,
        other => Error::KeyPem(other),
    })
}

fn pair(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<CertifiedKey, Error> {
    let key = crate::provider().key_provider.load_private_key(key).map_err(Error::KeyKind)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(Error::KeyMismatch),
        Err(other) => Err(Error::Configuration(other)),
    }
}

/// Walks the chain outwards: the leaf must be provable from each later certificate by those between them.
fn check_chain(chain: &[CertificateDer<'static>], now: UnixTime) -> Result<(), Error> {
    check_dates(chain, now)?;
    for (index, issuer) in chain.iter().enumerate().skip(1) {
        let position = index + 1;
        let anchor = webpki::anchor_from_trusted_cert(issuer)
            .map_err(|source| Error::Certificate { position, source })?;
        prove(&chain[0], &[anchor], &chain[1..index], now).map_err(|error| match error {
            webpki::Error::UnknownIssuer => Error::ChainOrder { position },
            other => judged(position, other),
        })?;
    }
    Ok(())
}

/// A leaf that says where its issuer's certificate can be fetched (RFC 5280, 4.2.2.1) is a public CA's, and those sign
/// by intermediates: alone it is refused by every client that does not fetch, which is most.
fn check_whole(chain: &[CertificateDer<'static>]) -> Result<(), Error> {
    let leaf = crate::Facts::of(&chain[0]).ok_or(Error::CertificateUnreadable { position: 1 })?;
    if chain.len() == 1 && leaf.issuer_elsewhere {
        return Err(Error::MissingIntermediate { issuer: leaf.issuer });
    }
    Ok(())
}

/// With nothing trusted, a chain without any other fault fails with `UnknownIssuer`; a date out of range comes first.
fn check_dates(chain: &[CertificateDer<'static>], now: UnixTime) -> Result<(), Error> {
    match prove(&chain[0], &[], &chain[1..], now) {
        Ok(()) | Err(webpki::Error::UnknownIssuer) => Ok(()),
        Err(other) => Err(judged(1, other)),
    }
}

fn prove(
    leaf: &CertificateDer<'_>,
    anchors: &[TrustAnchor<'_>],
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), webpki::Error> {
    let algorithms = crate::provider().signature_verification_algorithms.all;
    EndEntityCert::try_from(leaf)?
        .verify_for_usage(algorithms, anchors, intermediates, now, KeyUsage::server_auth(), None, None)
        .map(drop)
}

fn judged(position: usize, error: webpki::Error) -> Error {
    let hours = |from: UnixTime, to: UnixTime| to.as_secs().saturating_sub(from.as_secs()) / 3600;
    match error {
        webpki::Error::CertExpired { time, not_after } => {
            Error::Expired { ago_hours: hours(not_after, time) }
        }
        webpki::Error::CertNotValidYet { time, not_before } => {
            Error::NotYetValid { in_hours: hours(time, not_before) }
        }
        webpki::Error::CaUsedAsEndEntity => Error::CaAsLeaf,
        source => Error::Certificate { position, source },
    }
}

/// The end of a certificate's validity, which the verifier names when asked about a time far beyond it.
///
/// # Errors
/// When it is no certificate.
pub fn expiry(certificate: &CertificateDer<'_>) -> Result<UnixTime, Error> {
    // Year 9999 in seconds: the last that X.509 can write (RFC 5280, 4.1.2.5).
    let far = UnixTime::since_unix_epoch(Duration::from_secs(253_402_300_799));
    match prove(certificate, &[], &[], far) {
        Err(webpki::Error::CertExpired { not_after, .. }) => Ok(not_after),
        Err(webpki::Error::UnknownIssuer) | Ok(()) => Ok(far),
        Err(other) => Err(judged(1, other)),
    }
}

fn check_names(leaf: &CertificateDer<'_>, names: Names<'_>) -> Result<(), Error> {
    let leaf = EndEntityCert::try_from(leaf).map_err(|source| Error::Certificate { position: 1, source })?;
    for &name in names {
        let wanted = ServerName::try_from(name).map_err(|_| Error::BadName { name: name.to_owned() })?;
        leaf.verify_is_valid_for_subject_name(&wanted).map_err(|error| wrong_name(name, error))?;
    }
    Ok(())
}

fn wrong_name(name: &str, error: webpki::Error) -> Error {
    let presented = match error {
        webpki::Error::CertNotValidForName(context) if !context.presented.is_empty() => {
            context.presented.iter().map(|shown| plain(shown)).collect::<Vec<_>>().join(", ")
        }
        _ => "nothing".to_owned(),
    };
    Error::Name { name: name.to_owned(), presented }
}

/// The verifier shows a name as `DnsName("www.foobar.com")`.
fn plain(shown: &str) -> &str {
    let inner = shown.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(shown);
    inner.trim_matches('"')
}
