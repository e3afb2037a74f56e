//! Pages over TLS at our end of the wire. TLS finds every byte that is not what was sent.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::stand::Stand;
use tests::wire::{HTTPS, take};
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
    let mut tls = ClientConnection::new(trust(stand)?, ServerName::try_from(HOST)?)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{header}Connection: close\r\n\r\n");
    tls.writer().write_all(request.as_bytes())?;
    let answer = String::from_utf8_lossy(&download(site, tls, deadline)?).into_owned();
    ensure!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
    Ok(answer)
}

/// What a client of the stand's site trusts.
pub(super) fn trust(stand: &Stand) -> Result<Arc<ClientConfig>> {
    let roots = std::fs::read_to_string(stand.identity().root())?;
    Ok(tls::client::config(&roots, &[b"http/1.1"])?)
}

fn download(site: &mut Site, mut tls: ClientConnection, deadline: Duration) -> Result<Vec<u8>> {
    let handle = site.peer.connect(HTTPS, WINDOW_BYTES)?;
    let (mut unsent, mut received, mut page) = (Vec::new(), Vec::new(), Vec::new());
    site.peer.until(deadline, "a page", |peer| {
        let socket = peer.socket(handle);
        take(socket, &mut received)?;
        let mut rest = &received[..];
        while !rest.is_empty() && tls.wants_read() {
            tls.read_tls(&mut rest)?;
            let state = tls.process_new_packets().context("the stream was damaged")?;
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            tls.reader().read_exact(&mut plain)?;
            page.extend(plain);
            if state.peer_has_closed() {
                return Ok(Some(()));
            }
        }
        received = rest.to_vec();
        while tls.wants_write() {
            tls.write_tls(&mut unsent)?;
        }
        if socket.can_send() {
            let sent = socket.send_slice(&unsent)?;
            unsent.drain(..sent);
        }
        Ok(None)
    })?;
    site.peer.vanish(handle);
    Ok(page)
}
