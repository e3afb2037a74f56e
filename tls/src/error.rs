//! What can be wrong with a certificate, a key or a configuration, said so that the person at fault can repair it.

use std::path::PathBuf;

/// A refusal by this crate. The text says what is wrong and what to do; the caller adds where the text came from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No `BEGIN CERTIFICATE` block in the text.
    #[error("no certificate found: expected PEM that begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// The certificate text is not PEM.
    #[error("certificate {position} is not valid PEM")]
    CertificatePem {
        /// Counted from 1, the leaf.
        position: usize,
        /// What the PEM reader found.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The PEM block does not hold a certificate that can be used.
    #[error("certificate {position} of the chain cannot be used")]
    Certificate {
        /// Counted from 1, the leaf.
        position: usize,
        /// What the certificate reader found.
        #[source]
        source: webpki::Error,
    },
    /// A certificate whose statements cannot be read.
    #[error("certificate {position} cannot be read")]
    CertificateUnreadable {
        /// Counted from 1, the leaf.
        position: usize,
    },
    /// The first certificate is a CA's.
    #[error("the first certificate is a CA's: put the server's own certificate first")]
    CaAsLeaf,
    /// Certificates that do not follow from each other.
    #[error(
        "certificate {position} did not sign the one before it: order the chain leaf first, then its issuer"
    )]
    ChainOrder {
        /// Counted from 1, the leaf.
        position: usize,
    },
    /// The leaf of a public CA without the certificate between it and the root.
    #[error("the certificate of its issuer, {issuer}, is missing: append it (the CA's \"full chain\")")]
    MissingIntermediate {
        /// The issuer's distinguished name.
        issuer: String,
    },
    /// A certificate's time is over.
    #[error("the certificate expired {ago_hours} hours ago: renew it, or set the clock")]
    Expired {
        /// Whole hours since.
        ago_hours: u64,
    },
    /// A certificate's time has not come.
    #[error("the certificate is valid only in {in_hours} hours: set the clock, or wait")]
    NotYetValid {
        /// Whole hours until then.
        in_hours: u64,
    },
    /// The certificate is for other names.
    #[error("the certificate is not valid for {name}: it names {presented}")]
    Name {
        /// The name that was asked for.
        name: String,
        /// The names in the certificate.
        presented: String,
    },
    /// Text that is neither a DNS name nor an IP address.
    #[error("{name:?} is neither a DNS name nor an IP address")]
    BadName {
        /// The text.
        name: String,
    },
    /// No key in the text.
    #[error("no private key found: expected PEM that begins with -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// The key needs a pass phrase that nobody could type into a machine.
    #[error("the private key is encrypted: decrypt it first, `openssl pkey -in KEY -out PLAIN`")]
    EncryptedKey,
    /// The key text is not PEM.
    #[error("the private key is not valid PEM")]
    KeyPem(#[source] rustls::pki_types::pem::Error),
    /// A kind of key that the provider does not have.
    #[error("the private key is of no supported kind (ECDSA P-256 or P-384, Ed25519, RSA 2048 to 8192 bits)")]
    KeyKind(#[source] rustls::Error),
    /// Certificate and key are of different pairs.
    #[error("the private key does not belong to the first certificate")]
    KeyMismatch,
    /// Text that is no storage key.
    #[error("a storage key is 32 bytes in base64: `openssl rand -base64 32` makes one")]
    StorageKey,
    /// A secret that does not open.
    #[error("{purpose}: was sealed with another storage key, or was changed")]
    Sealed {
        /// What it was sealed for.
        purpose: String,
    },
    /// The kernel or the processor gave no randomness.
    #[error("no randomness can be had")]
    Random,
    /// rustls refused the configuration.
    #[error("tls configuration refused")]
    Configuration(#[from] rustls::Error),
    /// A file of the development CA.
    #[error("{}: cannot {action}", path.display())]
    File {
        /// What was tried: a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A damaged or expired development CA.
    #[error("{}: {reason}: delete the folder and a new development CA is made (trust it again)", folder.display())]
    Authority {
        /// The CA's folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate writer refused.
    #[error("cannot make a certificate: {0}")]
    Issue(String),
}
