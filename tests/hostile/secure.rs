//! Pages over TLS at our end of the wire. TLS finds every byte that is not what was sent.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;
use tests::stand::Stand;
use tests::wire::{HTTPS, Peer, is_whole, take};
use tls::rustls::pki_types::ServerName;
use tls::rustls::{ClientConfig, ClientConnection};

use super::site::Site;

pub(super) const HOST: &str = "www.foobar.com";
const WINDOW_BYTES: usize = 64 << 10;

/// The whole answer to a request for `path` on a connection of its own; `header` is a line of its head.
pub(super) fn get(
    stand: &Stand,
    site: &mut Site,
    path: &str,
    header: &str,
    deadline: Duration,
) -> Result<String> {
    let mut talk = Talk::begin(site, trust(stand)?, WINDOW_BYTES)?;
    talk.ask(path, &format!("{header}Connection: close\r\n"))?;
    site.peer.until(deadline, "a page", |peer| {
        talk.turn(peer)?;
        Ok(talk.has_ended.then_some(()))
    })?;
    site.peer.vanish(talk.handle);
    let answer = String::from_utf8_lossy(&talk.heard).into_owned();
    ensure!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
    Ok(answer)
}

/// What a client of the stand's site trusts.
pub(super) fn trust(stand: &Stand) -> Result<Arc<ClientConfig>> {
    let roots = std::fs::read_to_string(stand.identity().root())?;
    Ok(tls::client::config(&roots, &[b"http/1.1"])?)
}

/// A conversation over TLS on a connection of its own.
pub(super) struct Talk {
    /// The connection.
    pub(super) handle: SocketHandle,
    tls: ClientConnection,
    unsent: Vec<u8>,
    received: Vec<u8>,
    /// What the machine said and nobody has taken.
    pub(super) heard: Vec<u8>,
    /// Whether the machine said that this is all.
    pub(super) has_ended: bool,
}

impl Talk {
    /// Begins one, with room for `window_bytes` that were not read.
    pub(super) fn begin(site: &mut Site, trust: Arc<ClientConfig>, window_bytes: usize) -> Result<Self> {
        let tls = ClientConnection::new(trust, ServerName::try_from(HOST)?)?;
        let handle = site.peer.connect(HTTPS, window_bytes)?;
        let (unsent, received, heard) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { handle, tls, unsent, received, heard, has_ended: false })
    }

    /// Asks for `path`; `header` is a line of the head.
    pub(super) fn ask(&mut self, path: &str, header: &str) -> Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{header}\r\n");
        Ok(self.tls.writer().write_all(request.as_bytes())?)
    }

    /// Sends what is to be said, and reads what has come.
    pub(super) fn turn(&mut self, peer: &mut Peer) -> Result<()> {
        let socket = peer.socket(self.handle);
        take(socket, &mut self.received)?;
        ensure!(socket.state() != State::Closed || self.has_ended, "the connection broke");
        let mut rest = &self.received[..];
        while !rest.is_empty() && self.tls.wants_read() && !self.has_ended {
            self.tls.read_tls(&mut rest)?;
            let state = self.tls.process_new_packets().context("the stream was damaged")?;
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            self.tls.reader().read_exact(&mut plain)?;
            self.heard.extend(plain);
            self.has_ended = state.peer_has_closed();
        }
        self.received = rest.to_vec();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.unsent)?;
        }
        if socket.can_send() {
            let sent = socket.send_slice(&self.unsent)?;
            self.unsent.drain(..sent);
        }
        Ok(())
    }

    /// Goes on until all is sent that was to be said, and reads no further.
    pub(super) fn be_heard(&mut self, site: &mut Site, deadline: Duration) -> Result<()> {
        site.peer.until(deadline, "an end of speech", |peer| {
            self.turn(peer)?;
            Ok((!self.tls.is_handshaking() && self.unsent.is_empty()).then_some(()))
        })
    }

    /// Goes on until one answer is there, and takes it.
    pub(super) fn hear(&mut self, site: &mut Site, deadline: Duration) -> Result<String> {
        site.peer.until(deadline, "an answer over TLS", |peer| {
            self.turn(peer)?;
            Ok(is_whole(&self.heard).then_some(()))
        })?;
        Ok(String::from_utf8_lossy(&std::mem::take(&mut self.heard)).into_owned())
    }
}
