//! Server and client configuration against each other, in memory.

use crate::memory::{Peer, certificate, connect};
use tls::rustls::version::TLS12;
use tls::rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, HandshakeKind, NamedGroup, ProtocolVersion,
};

const HOST: &str = "www.foobar.com";

#[test]
fn a_browser_gets_tls_1_3_with_post_quantum_key_exchange_and_http_2() {
    let peer = Peer::new(HOST);
    let (client, _) = connect(&peer.client(&tls::ALPN), &peer.server, HOST).unwrap();
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
    assert_eq!(client.alpn_protocol(), Some(&b"h2"[..]));
}

#[test]
fn a_client_of_tls_1_2_is_served() {
    let peer = Peer::new(HOST);
    let mut config = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(peer.roots())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let (client, _) = connect(&config.into(), &peer.server, HOST).unwrap();
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    assert_eq!(client.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[test]
fn a_classical_key_exchange_is_still_possible() {
    let peer = Peer::new(HOST);
    let mut provider = (*tls::provider()).clone();
    provider.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(peer.roots())
        .with_no_client_auth();
    let (client, _) = connect(&config.into(), &peer.server, HOST).unwrap();
    assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519);
}

#[test]
fn a_returning_visitor_resumes_the_session() {
    let peer = Peer::new(HOST);
    let client = peer.client(&tls::ALPN);
    let (first, _) = connect(&client, &peer.server, HOST).unwrap();
    let (second, _) = connect(&client, &peer.server, HOST).unwrap();
    assert_eq!(first.handshake_kind(), Some(HandshakeKind::Full));
    assert_eq!(second.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn the_client_refuses_a_wrong_host_name() {
    let peer = Peer::new(HOST);
    let error = connect(&peer.client(&tls::ALPN), &peer.server, "www.example.com").unwrap_err();
    let wrong_name =
        |error: &CertificateError| matches!(error, CertificateError::NotValidForNameContext { .. });
    assert!(matches!(&error, Error::InvalidCertificate(reason) if wrong_name(reason)), "{error}");
}

#[test]
fn the_client_refuses_a_root_that_it_was_not_given() {
    let peer = Peer::new(HOST);
    let stranger = Peer::new(HOST);
    let error = connect(&stranger.client(&tls::ALPN), &peer.server, HOST).unwrap_err();
    assert!(matches!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer)), "{error}");
}

#[test]
fn a_client_of_another_protocol_is_refused() {
    let peer = Peer::new(HOST);
    let error = connect(&peer.client(&[b"smtp"]), &peer.server, HOST).unwrap_err();
    assert_eq!(error, Error::AlertReceived(AlertDescription::NoApplicationProtocol));
}

#[test]
fn the_client_does_not_trust_garbage() {
    assert!(matches!(tls::client::config("no PEM", &[]), Err(tls::Error::NoCertificate)));
    let root = certificate("MAA=");
    assert!(tls::client::config(&root, &[]).is_err());
}
