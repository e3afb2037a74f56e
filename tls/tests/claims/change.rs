//! What is presented, and by which keys sessions resume, changes while a server serves.

use std::sync::Arc;

use crate::memory::{Peer, authority, connect};
use tls::rustls::pki_types::UnixTime;
use tls::rustls::{HandshakeKind, ServerConfig};
use tls::{Identity, Presented, TicketKey, Tickets};

const HOST: &str = "www.foobar.com";

fn identity(authority: &tls::authority::Authority, host: &str) -> Identity {
    let issued = authority.issue(&[host], 90).unwrap();
    Identity::from_pem(&issued.certificate_chain, &issued.private_key, &[host], UnixTime::now()).unwrap()
}

fn presented(peer: &Peer, host: &str) -> Option<Vec<u8>> {
    let (client, _) = connect(&peer.client(&tls::ALPN), &peer.server, host).ok()?;
    Some(client.peer_certificates()?[0].to_vec())
}

#[test]
fn a_new_certificate_is_presented_from_the_next_handshake_on() {
    let peer = Peer::new(HOST);
    let old = presented(&peer, HOST).unwrap();
    peer.presented.set(&[identity(&peer.authority, HOST)]);
    assert_ne!(presented(&peer, HOST).unwrap(), old);
}

#[test]
fn without_a_certificate_no_handshake_succeeds() {
    let peer = Peer::new(HOST);
    peer.presented.set(&[]);
    assert!(presented(&peer, HOST).is_none());
    assert!(peer.presented.is_empty());
}

#[test]
fn each_name_gets_the_certificate_that_is_for_it() {
    let peer = Peer::new(HOST);
    let both = [identity(&peer.authority, HOST), identity(&peer.authority, "www.example.com")];
    peer.presented.set(&both);
    let (one, other) = (presented(&peer, HOST).unwrap(), presented(&peer, "www.example.com").unwrap());
    assert_ne!(one, other);
    assert!(presented(&peer, "stranger.example.com").is_none(), "a visitor was satisfied by another's name");
}

/// Another machine of the same site: the same certificate or not, sessions are what matters.
fn machine(authority: &tls::authority::Authority, tickets: &Tickets) -> Arc<ServerConfig> {
    let presented = Presented::default();
    presented.set(&[identity(authority, HOST)]);
    tls::server::config(&presented, tickets).unwrap()
}

#[test]
fn a_session_resumes_at_a_machine_that_has_the_key_and_at_no_other() {
    let peer = Peer::new(HOST);
    let client = peer.client(&tls::ALPN);
    let (sharing, strange) = (Tickets::new().unwrap(), Tickets::new().unwrap());
    let keys = [TicketKey::generate().unwrap(), peer.tickets.keys()[0].clone()];
    sharing.set(&keys);
    let kind = |server: &Arc<ServerConfig>| connect(&client, server, HOST).unwrap().0.handshake_kind();
    assert_eq!(kind(&peer.server), Some(HandshakeKind::Full));
    assert_eq!(kind(&machine(&peer.authority, &sharing)), Some(HandshakeKind::Resumed));
    // What it has now was sealed by the other machine's first key, which nobody else knows.
    assert_eq!(kind(&machine(&peer.authority, &strange)), Some(HandshakeKind::Full));
}

#[test]
fn tickets_cannot_be_changed_cut_or_made_up() {
    use tls::rustls::server::ProducesTickets as _;
    let tickets = Tickets::new().unwrap();
    let ticket = tickets.encrypt(b"session").unwrap();
    assert_eq!(tickets.decrypt(&ticket).unwrap(), b"session");
    for at in 0..ticket.len() {
        let mut changed = ticket.clone();
        changed[at] ^= 1;
        assert!(tickets.decrypt(&changed).is_none(), "byte {at}");
        assert!(tickets.decrypt(&ticket[..at]).is_none(), "cut at {at}");
    }
    assert!(tickets.decrypt(&vec![0; 100_000]).is_none());
    tickets.set(&[]);
    assert!(tickets.encrypt(b"session").is_none() && tickets.decrypt(&ticket).is_none());
}

#[test]
fn a_self_signed_certificate_is_for_the_names_and_trusted_by_nobody() {
    let (chain, key) = tls::self_signed(&[HOST.to_owned()]).unwrap();
    let identity = Identity::from_pem(&chain, &key, &[HOST], UnixTime::now()).unwrap();
    let presented = Presented::default();
    presented.set(&[identity]);
    let server = tls::server::config(&presented, &Tickets::new().unwrap()).unwrap();
    let client = tls::client::config(authority().certificate_pem(), &tls::ALPN).unwrap();
    assert!(connect(&client, &server, HOST).is_err());
}
