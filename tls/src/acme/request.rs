//! The certificate request that ends an order.

use rcgen::{CertificateParams, DistinguishedName};

use crate::{Error, Key};

/// A request (PKCS#10, DER) for these DNS names and this key. It says nothing else: the CA decides about the rest.
///
/// # Errors
/// When a name is no DNS name.
pub fn request(names: &[String], key: &Key) -> Result<Vec<u8>, Error> {
    let refused = |error: rcgen::Error| Error::Issue(error.to_string());
    let mut params = CertificateParams::new(names.to_vec()).map_err(refused)?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key).map_err(refused)?.der().to_vec())
}
