//! The certificate proves the host name to whoever trusts the root, and to nobody else.

use anyhow::{Context, Result, bail, ensure};
use http::StatusCode;
use tls::authority::Authority;
use tls::rustls::{CertificateError, Error};

use crate::client::tls_fault;
use crate::{Client, Protocol, Request};

/// Reserved for examples (RFC 6761, 6.5): no endpoint is called so.
pub(super) const ANOTHER_HOST: &str = "www.bootstack.example";

pub(super) fn the_certificate_is_verified_for_the_host_name(client: &Client) -> Result<()> {
    client.get("/healthz")?.expect(StatusCode::OK).map(drop)
}

pub(super) fn another_root_is_refused(client: &Client) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let stranger = Authority::open(folder.path())?;
    let client = Client::trusting(client.endpoint(), stranger.certificate_pem())?;
    match certificate_fault(client.send(&Request::get("/healthz")))? {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Ok(()),
        other => bail!("refused for another reason than its issuer: {other:?}"),
    }
}

pub(super) fn another_host_name_is_refused(client: &Client) -> Result<()> {
    let fault = certificate_fault(client.send(&Request::get("/healthz").server_name(ANOTHER_HOST)))?;
    let named =
        matches!(fault, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. });
    ensure!(named, "refused for another reason than its name: {fault:?}");
    Ok(())
}

/// Inside a connection for the right name, a request for another one is not this site's: 421 (RFC 9110, 15.5.20).
pub(super) fn a_request_for_another_host_is_misdirected(client: &Client) -> Result<()> {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let request = Request::get("/").over(protocol).authority(ANOTHER_HOST);
        client.send(&request)?.expect(StatusCode::MISDIRECTED_REQUEST)?;
    }
    Ok(())
}

fn certificate_fault(result: Result<crate::Answer>) -> Result<CertificateError> {
    let error = match result {
        Ok(answer) => bail!("the connection was trusted: {answer}"),
        Err(error) => error,
    };
    match tls_fault(&error) {
        Some(Error::InvalidCertificate(fault)) => Ok(fault.clone()),
        _ => Err(error).context("refused, but not for its certificate"),
    }
}
