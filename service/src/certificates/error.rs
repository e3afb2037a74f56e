//! Why there is no newer certificate.

/// A failure on the way to a certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate, a key or a configuration of TLS is refused.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The database, which all machines share certificates by.
    #[error("certificates in the database")]
    Database(#[from] db::Error),
    /// The authority.
    #[error("certificate authority {0}")]
    Authority(#[from] tls::acme::Error),
    /// A name that the authority could not verify.
    #[error("{name}: not proven by {way}: {reason}")]
    Unproven {
        /// The name.
        name: String,
        /// How it was to be proven.
        way: &'static str,
        /// The authority's reason.
        reason: String,
    },
    /// An order that came to nothing.
    #[error("the order failed: {0}")]
    Order(String),
    /// Another machine has taken over.
    #[error("the lease was lost to another machine")]
    LeaseLost,
    /// The authority did not come to an end.
    #[error("the authority did not finish within {0} s")]
    Slow(u64),
}
