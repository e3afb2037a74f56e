//! A development CA in a temporary folder, and handshakes between two state machines without a socket.

use std::io::{Read, Write};
use std::sync::Arc;

use tls::authority::{Authority, Issued};
use tls::rustls::pki_types::pem::PemObject;
use tls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tls::rustls::{ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig, ServerConnection};

/// A server with a certificate, and the CA behind it.
pub(crate) struct Peer {
    pub(crate) authority: Authority,
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) presented: tls::Presented,
    pub(crate) tickets: tls::Tickets,
}

impl Peer {
    pub(crate) fn new(host: &str) -> Self {
        let authority = authority();
        let Issued { certificate_chain, private_key } = authority.issue(&[host], 90).unwrap();
        let now = UnixTime::now();
        let identity = tls::Identity::from_pem(&certificate_chain, &private_key, &[host], now).unwrap();
        let presented = tls::Presented::default();
        presented.set(&[identity]);
        let tickets = tls::Tickets::new().unwrap();
        let server = tls::server::config(&presented, &tickets).unwrap();
        Self { authority, server, presented, tickets }
    }

    pub(crate) fn client(&self, alpn: &[&[u8]]) -> Arc<ClientConfig> {
        tls::client::config(self.authority.certificate_pem(), alpn).unwrap()
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.authority.certificate_pem().as_bytes()).unwrap();
        roots.add(root).unwrap();
        roots
    }
}

/// A new development CA. Its folder is gone again; it works from memory.
pub(crate) fn authority() -> Authority {
    Authority::open(tempfile::tempdir().unwrap().path()).unwrap()
}

/// The PEM form of a base64 text.
pub(crate) fn certificate(base64: &str) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
}

/// Runs a handshake to its end, tickets included. The error is the client's.
pub(crate) fn connect(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    host: &str,
) -> Result<(ClientConnection, ServerConnection), Error> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name)?;
    let mut server = ServerConnection::new(Arc::clone(server))?;
    while client.wants_write() || server.wants_write() {
        carry(|wire| client.write_tls(wire), |wire| server.read_tls(wire));
        // The server's refusal reaches the client as an alert, which is what a visitor sees.
        let _ = server.process_new_packets();
        carry(|wire| server.write_tls(wire), |wire| client.read_tls(wire));
        client.process_new_packets()?;
    }
    Ok((client, server))
}

/// Takes everything that one side has to say to the other.
fn carry(
    mut write: impl FnMut(&mut dyn Write) -> std::io::Result<usize>,
    mut read: impl FnMut(&mut dyn Read) -> std::io::Result<usize>,
) {
    let mut wire = Vec::new();
    while write(&mut wire).unwrap() > 0 {}
    let mut unread = wire.as_slice();
    while !unread.is_empty() {
        read(&mut unread).unwrap();
    }
}
