//! A machine with little memory, and a crowd that wants all of it.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Result;
use smoltcp::socket::tcp::State;
use tests::stand::Stand;
use tests::wire::{HTTPS, take};
use tls::rustls::{ClientConfig, ClientConnection};

use super::secure;
use super::site::Site;

/// Little more than the least in which a crowd of 256 is served.
const LITTLE_MIB: u32 = 28;
/// As many as the service admits, and more: in the end somebody must go.
const CROWD: usize = 320;
/// Each asks for so much that no buffer holds it: the description of what the site offers to programs, many times.
const REQUEST: &str = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: www.foobar.com\r\n\r\n";
const REQUESTS: usize = 40;
/// A window that is soon full, and is never emptied.
const WINDOW_BYTES: usize = 2 << 10;
/// After this a reader is left to itself: its turn has not come, or it was sent away.
const EACH: Duration = Duration::from_secs(1);
/// How long they stay, while the visitor is answered.
const STAY: Duration = Duration::from_secs(20);

pub(super) fn a_crowd_of_slow_readers_ends_no_small_machine(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open_small(stand, LITTLE_MIB)?;
    let config = secure::trust(stand)?;
    for _ in 0..CROWD {
        read_slowly(&mut site, config.clone())?;
        site.visit_now_and_then()?;
    }
    let start = Instant::now();
    while start.elapsed() < STAY {
        site.visit()?;
    }
    site.is_unharmed()
}

/// A connection over TLS that asks and does not read the answer, as far as it comes within a moment. The machine may send
/// it away: that is one way to bear it.
fn read_slowly(site: &mut Site, config: std::sync::Arc<ClientConfig>) -> Result<()> {
    let mut tls = ClientConnection::new(config, secure::HOST.try_into()?)?;
    let handle = site.peer.connect(HTTPS, WINDOW_BYTES)?;
    let (mut unsent, mut received, mut asked) = (Vec::new(), Vec::new(), false);
    let start = Instant::now();
    site.peer.until(2 * EACH, "a reader", |peer| {
        let socket = peer.socket(handle);
        if tls.is_handshaking() {
            take(socket, &mut received)?;
        }
        let mut rest = &received[..];
        while !rest.is_empty() && tls.is_handshaking() {
            tls.read_tls(&mut rest)?;
            tls.process_new_packets()?;
        }
        received = rest.to_vec();
        if !tls.is_handshaking() && !asked {
            asked = true;
            tls.writer().write_all(REQUEST.repeat(REQUESTS).as_bytes())?;
        }
        while tls.wants_write() {
            tls.write_tls(&mut unsent)?;
        }
        if socket.can_send() {
            let sent = socket.send_slice(&unsent)?;
            unsent.drain(..sent);
        }
        let is_over = socket.state() == State::Closed || start.elapsed() > EACH;
        Ok((is_over || asked && unsent.is_empty()).then_some(()))
    })
}
