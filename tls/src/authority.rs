//! The development CA: made once in a folder of the user's, then used to issue short-lived certificates for machines.
//!
//! It is no production CA: its key lies unencrypted (mode 0600) on the developer's disk. Invariant: a folder either
//! holds a whole CA or is filled with a new one; an existing CA is never replaced, because people have trusted it.

mod files;

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyUsagePurpose, SerialNumber,
};
use rustls::pki_types::UnixTime;
use time::{Duration, OffsetDateTime};

use crate::{Error, Key};

/// The longest validity that [`Authority::issue`] gives: what public CAs gave when this was written.
pub const MAX_DAYS: u16 = 90;

/// Ten years: a development root that expires breaks every clone on one day, for no gain.
const ROOT_DAYS: i64 = 3650;

/// Certificates begin an hour early, for machines whose clock is a little behind.
const BACKDATE: Duration = Duration::hours(1);

/// An open development CA.
pub struct Authority {
    folder: PathBuf,
    certificate_pem: String,
    key: Key,
}

/// A certificate and its key, as PEM texts ready for a configuration.
pub struct Issued {
    /// The leaf certificate. (Its issuer is the root, so the chain is one certificate long.)
    pub certificate_chain: String,
    /// The private key, PKCS#8, not encrypted: write it with mode 0600 or to a machine's own disk only.
    pub private_key: String,
}

impl Authority {
    /// Opens the CA in this folder, or makes one there. Two processes at once end with the same CA.
    ///
    /// # Errors
    /// When the folder cannot be written, or holds a CA that is damaged or has expired.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let _lock = files::lock(folder)?;
        let (certificate_pem, key) = match files::read(folder)? {
            Some(found) => found,
            None => create(folder)?,
        };
        check_dates(folder, &certificate_pem)?;
        Ok(Self { folder: folder.to_owned(), certificate_pem, key })
    }

    /// The root certificate as PEM, for clients to trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The file that holds the root certificate, for `curl --cacert`.
    pub fn certificate_path(&self) -> PathBuf {
        self.folder.join(files::CERTIFICATE)
    }

    /// Issues a P-256 certificate for these DNS names and IP addresses, for at most [`MAX_DAYS`] from now.
    ///
    /// # Errors
    /// When there is no name, a name is neither a DNS name nor an address, or no randomness can be had.
    pub fn issue(&self, names: &[&str], days: u16) -> Result<Issued, Error> {
        self.issue_between(names, OffsetDateTime::now_utc() - BACKDATE, days)
    }

    /// As [`issue`](Self::issue), but valid from another time than now: for tests of expired and future certificates.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn issue_from(&self, names: &[&str], from: UnixTime, days: u16) -> Result<Issued, Error> {
        let seconds = i64::try_from(from.as_secs()).map_err(|error| Error::Issue(error.to_string()))?;
        let from =
            OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| Error::Issue(error.to_string()))?;
        self.issue_between(names, from, days)
    }

    fn issue_between(&self, names: &[&str], from: OffsetDateTime, days: u16) -> Result<Issued, Error> {
        let key = Key::generate()?;
        let params = leaf_params(names, from, days.min(MAX_DAYS), &key)?;
        let issuer = Issuer::new(root_params(&self.key)?, &self.key);
        let certificate = params.signed_by(&key, &issuer).map_err(issue_error)?;
        Ok(Issued { certificate_chain: certificate.pem(), private_key: key.to_pem()? })
    }

    /// How a person makes this machine's programs trust the CA, and why that is rarely needed.
    pub fn how_to_trust(&self) -> String {
        let path = self.certificate_path();
        let path = path.display();
        format!(
            "development CA: {path}\n\
             for one command:  curl --cacert '{path}' …\n\
             for this machine: cp '{path}' /usr/local/share/ca-certificates/bootstack-development.crt && update-ca-certificates\n\
             for a browser:    import that file as an authority for web sites (remove it when you are done)"
        )
    }
}

fn create(folder: &Path) -> Result<(String, Key), Error> {
    let key = Key::generate()?;
    let mut params = root_params(&key)?;
    params.not_before = OffsetDateTime::now_utc() - BACKDATE;
    params.not_after = params.not_before + Duration::days(ROOT_DAYS);
    let certificate = params.self_signed(&key).map_err(issue_error)?.pem();
    files::write(folder, &certificate, &key)?;
    Ok((certificate, key))
}

fn check_dates(folder: &Path, certificate_pem: &str) -> Result<(), Error> {
    let damaged = |reason: String| Error::Authority { folder: folder.to_owned(), reason };
    let roots = crate::identity::certificates(certificate_pem).map_err(|error| damaged(error.to_string()))?;
    let not_after = crate::identity::expiry(&roots[0]).map_err(|error| damaged(error.to_string()))?;
    if not_after < UnixTime::now() {
        Err(damaged("the development CA has expired".to_owned()))
    } else {
        Ok(())
    }
}

/// Everything but the dates follows from the key, so the issuer can be rebuilt without parsing its certificate.
/// The name carries the key's identifier: two CAs of one user are told apart in a browser's list.
fn root_params(key: &Key) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(&format!("bootstack development CA {}", key.short_id()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.id());
    params.serial_number = Some(serial()?);
    Ok(params)
}

fn leaf_params(
    names: &[&str],
    from: OffsetDateTime,
    days: u16,
    key: &Key,
) -> Result<CertificateParams, Error> {
    let first = names.first().ok_or_else(|| Error::Issue("no name was given".to_owned()))?;
    for name in names {
        rustls::pki_types::ServerName::try_from(*name)
            .map_err(|_| Error::BadName { name: (*name).to_owned() })?;
    }
    let sans: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(sans).map_err(issue_error)?;
    params.distinguished_name = name(first.get(..64).unwrap_or(first));
    params.not_before = from;
    params.not_after = from + Duration::days(i64::from(days));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.id());
    params.serial_number = Some(serial()?);
    Ok(params)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// 16 random bytes, positive: at least 64 random bits, as the CA/Browser Forum's baseline asks (7.1.2.7).
fn serial() -> Result<SerialNumber, Error> {
    let mut bytes = [0; 16];
    graviola::random::fill(&mut bytes).map_err(|error| Error::Issue(format!("{error:?}")))?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn issue_error(error: rcgen::Error) -> Error {
    Error::Issue(error.to_string())
}
