//! What a certificate says of itself, for tables, metrics and the CA's renewal information. It judges nothing.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use crate::Error;
use crate::identity::certificates;

/// The statements of one certificate. Times are seconds since 1970.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Whom it is for, as a distinguished name.
    pub subject: String,
    /// Who signed it, as a distinguished name.
    pub issuer: String,
    /// DNS names and IP addresses that it is valid for.
    pub names: Vec<String>,
    /// When its validity begins.
    pub not_before_s: i64,
    /// When its validity ends.
    pub not_after_s: i64,
    /// The kind of its key: `ECDSA P-256`, `RSA 2048`.
    pub key: String,
    /// The serial number's bytes, as encoded.
    pub serial: Vec<u8>,
    /// Identifies the issuer's key (RFC 5280, 4.2.1.1); empty where it is not said.
    pub authority_key_id: Vec<u8>,
    /// Whether it says where its issuer's certificate can be fetched (RFC 5280, 4.2.2.1).
    pub issuer_elsewhere: bool,
}

impl Facts {
    /// Of each certificate in a PEM text, leaf first.
    ///
    /// # Errors
    /// When the text holds no certificate, or one that cannot be read.
    pub fn of_chain(chain: &str) -> Result<Vec<Self>, Error> {
        let read = |(index, der): (usize, &CertificateDer<'_>)| {
            Self::of(der).ok_or(Error::CertificateUnreadable { position: index + 1 })
        };
        certificates(chain)?.iter().enumerate().map(read).collect()
    }

    /// A moment in seconds since 1970, for people: `2026-01-01 00:00 UTC`.
    pub fn date(seconds: i64) -> String {
        let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
        let moment = time::OffsetDateTime::from_unix_timestamp(seconds).ok();
        moment.and_then(|moment| moment.format(&format).ok()).unwrap_or_else(|| format!("{seconds} s"))
    }

    /// Of one certificate in DER; `None` when it cannot be read.
    pub fn of(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names(&certificate),
            not_before_s: certificate.validity().not_before.timestamp(),
            not_after_s: certificate.validity().not_after.timestamp(),
            key: key(&certificate),
            serial: certificate.tbs_certificate.raw_serial().to_vec(),
            authority_key_id: authority_key_id(&certificate),
            issuer_elsewhere: issuer_elsewhere(&certificate),
        })
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let shown = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(shown).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| std::net::IpAddr::from(bytes).to_string());
    let sixteen = <[u8; 16]>::try_from(bytes).map(|bytes| std::net::IpAddr::from(bytes).to_string());
    four.or(sixteen).ok()
}

fn key(certificate: &X509Certificate<'_>) -> String {
    use x509_parser::public_key::PublicKey;
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(point)) => format!("ECDSA P-{}", point.key_size()),
        _ => match certificate.public_key().algorithm.algorithm.to_id_string().as_str() {
            // RFC 8410, 3.
            "1.3.101.112" => "Ed25519".to_owned(),
            other => other.to_owned(),
        },
    }
}

fn authority_key_id(certificate: &X509Certificate<'_>) -> Vec<u8> {
    let found = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(identifier) => identifier.key_identifier.as_ref(),
        _ => None,
    });
    found.map(|identifier| identifier.0.to_vec()).unwrap_or_default()
}

fn issuer_elsewhere(certificate: &X509Certificate<'_>) -> bool {
    /// id-ad-caIssuers (RFC 5280, 4.2.2.1).
    const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";
    certificate.extensions().iter().any(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => access
            .accessdescs
            .iter()
            .any(|description| description.access_method.to_id_string() == CA_ISSUERS),
        _ => false,
    })
}
