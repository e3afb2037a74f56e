//! Handshakes with an endpoint, one for each thing to find out.
//!
//! The chain is verified as a browser would, but the handshake goes on whatever the verdict: this is the one place where
//! that is wanted. Invariant: nothing but a request for nothing is ever sent over such a connection.
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow};
use tls::Facts;
use tls::rustls::client::WebPkiServerVerifier;
use tls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tls::rustls::crypto::CryptoProvider;
use tls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tls::rustls::version::{TLS12, TLS13};
use tls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind, RootCertStore,
    SignatureScheme, SupportedProtocolVersion,
};

use super::Target;

/// What was found.
pub(super) struct Look {
    /// Leaf first.
    pub(super) chain: Vec<Facts>,
    /// Why nobody should trust it; `None` if everybody may.
    pub(super) refused: Option<String>,
    /// By which protocols it speaks.
    pub(super) versions: Vec<&'static str>,
    /// What was agreed on by default: suite and key exchange.
    pub(super) agreed: String,
    /// Every key exchange of ours that it accepts alone.
    pub(super) groups: Vec<String>,
    /// What it speaks over TLS.
    pub(super) protocol: String,
    /// Whether a second visit resumed the first one's session.
    pub(super) resumes: bool,
}

pub(super) fn look(target: &Target) -> Result<Look> {
    let verdict = Arc::new(Verdict::new(target.ca.as_deref())?);
    let provider = tls::provider();
    let config = verdict.config(&provider, &[&TLS13, &TLS12])?;
    let first = visit(target, &config)?;
    let refused = verdict.refused();
    let second = visit(target, &config)?;
    let speaks = |version: &'static SupportedProtocolVersion| -> bool {
        verdict.config(&provider, &[version]).and_then(|config| visit(target, &config)).is_ok()
    };
    let versions =
        [("TLS 1.3", &TLS13), ("TLS 1.2", &TLS12)].into_iter().filter(|(_, version)| speaks(version));
    let chain = first.peer_certificates().unwrap_or_default();
    let facts = chain.iter().map(|der| Facts::of(der).context("a certificate cannot be read"));
    Ok(Look {
        chain: facts.collect::<Result<_>>()?,
        refused,
        versions: versions.map(|(name, _)| name).collect(),
        agreed: agreed(&first),
        groups: groups(target, &verdict, &provider),
        protocol: first
            .alpn_protocol()
            .map_or("none".to_owned(), |name| String::from_utf8_lossy(name).into()),
        resumes: second.handshake_kind() == Some(HandshakeKind::Resumed),
    })
}

fn agreed(connection: &ClientConnection) -> String {
    let suite = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
    let group = connection.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()));
    format!("{}, {}", group.unwrap_or_default(), suite.unwrap_or_default())
}

fn groups(target: &Target, verdict: &Arc<Verdict>, provider: &Arc<CryptoProvider>) -> Vec<String> {
    let accepted = provider.kx_groups.iter().filter(|group| {
        let mut alone = (**provider).clone();
        alone.kx_groups = vec![**group];
        // The hybrid exists in TLS 1.3 only.
        verdict.config(&Arc::new(alone), &[&TLS13, &TLS12]).and_then(|config| visit(target, &config)).is_ok()
    });
    accepted.map(|group| format!("{:?}", group.name())).collect()
}

/// One connection: handshake, the smallest request there is, and what comes back, so that tickets come too.
fn visit(target: &Target, config: &Arc<ClientConfig>) -> Result<ClientConnection> {
    let name =
        ServerName::try_from(target.host.clone()).with_context(|| format!("{}: no name", target.host))?;
    let mut connection = ClientConnection::new(Arc::clone(config), name)?;
    let mut stream = target.connect()?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).context("the handshake failed")?;
    }
    let mut tls = tls::rustls::Stream::new(&mut connection, &mut stream);
    let request = format!("HEAD / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", target.host);
    // What HTTP answers is not judged here.
    let _ = tls.write_all(request.as_bytes()).and_then(|()| tls.read(&mut [0; 1024]));
    Ok(connection)
}

/// Verifies as ever, and notes the outcome instead of stopping.
#[derive(Debug)]
struct Verdict {
    judge: Arc<WebPkiServerVerifier>,
    reason: Mutex<Option<String>>,
}

impl Verdict {
    fn new(ca: Option<&Path>) -> Result<Self> {
        let roots = roots(ca)?;
        let judge = WebPkiServerVerifier::builder_with_provider(roots.into(), tls::provider()).build()?;
        Ok(Self { judge, reason: Mutex::default() })
    }

    fn config(
        self: &Arc<Self>,
        provider: &Arc<CryptoProvider>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Arc<ClientConfig>> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Self>::clone(self))
            .with_no_client_auth();
        config.alpn_protocols = tls::ALPN.map(<[u8]>::to_vec).to_vec();
        // A HEAD request is written in HTTP/1.1; what is preferred is asked for first all the same.
        config.require_ems = true;
        Ok(Arc::new(config))
    }

    fn refused(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore> {
    let Some(path) = ca else { return Ok(tls::client::public_roots()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    tls::client::root_store(&text).map_err(|error| anyhow!("{}: {error}", path.display()))
}

impl ServerCertVerifier for Verdict {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        status: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.judge.verify_server_cert(leaf, chain, name, status, now);
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) =
            judged.err().map(|error| error.to_string());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}
