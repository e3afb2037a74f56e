//! Connections over which nothing is said: the machine takes back what they held, and keeps what it promised.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use image::wait::{Status, wait_until};
use tests::stand::Stand;
use tests::wire::craft::{Segment, Told, flags};

use super::by_hand::{ByHand, SEGMENT_BYTES, answer, answer_within};
use super::crowd::connected;
use super::site::{PATIENCE, Site};

/// Longer than the machine keeps buffers for somebody who says nothing.
const SILENCE: Duration = Duration::from_secs(3);
/// More than a first request is waited for (`header_s` of the service's limits).
const FIRST_WORD: Duration = Duration::from_secs(20);
/// What every machine offers at first.
const PROMISED_BYTES: usize = 8 << 10;
/// The units in which it says so.
const WINDOW_SHIFT: u32 = 3;

/// As much may be sent at once as before.
pub(super) fn a_silent_connection_may_send_what_it_was_promised(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open(stand)?;
    let mut connection = ByHand::open(&mut site, 2701)?;
    let mut said = 0;
    for request in [request(100), request(PROMISED_BYTES)] {
        for (at, piece) in request.chunks(SEGMENT_BYTES).enumerate() {
            connection.send(&mut site, said + at * SEGMENT_BYTES, piece);
        }
        said += request.len();
        let told = answer(&mut site, 2701, |told| !told.payload.is_empty())
            .with_context(|| format!("{} bytes at once", request.len()))?;
        let text = String::from_utf8_lossy(&told.payload).into_owned();
        ensure!(text.starts_with("HTTP/1.1 308 "), "{} bytes were answered with {text}", request.len());
        connection.template.acknowledgement = told.sequence.wrapping_add(told.payload.len() as u32);
        let sequence = connection.template.sequence + said as u32;
        site.peer.wire.send(&Segment { sequence, ..connection.template.clone() }.frame());
        site.peer.listen(SILENCE)?;
    }
    site.is_unharmed()
}

/// The machine speaks first: it will not wait for a request for ever.
pub(super) fn a_window_is_not_closed_by_silence(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open(stand)?;
    let connection = ByHand::open(&mut site, 2801)?;
    let end = |told: &Told| told.flags & flags::FIN != 0;
    let told = answer_within(&mut site, connection.template.source_port, FIRST_WORD, end)?;
    let told = told.context("the machine waits for a request for ever")?;
    let window_bytes = usize::from(told.window) << WINDOW_SHIFT;
    ensure!(window_bytes == PROMISED_BYTES, "a window of {window_bytes} bytes is left");
    site.is_unharmed()
}

/// With so many bytes, to be answered with a redirect.
fn request(bytes: usize) -> Vec<u8> {
    let mut request = b"GET /somewhere HTTP/1.1\r\nHost: www.foobar.com\r\nX: ".to_vec();
    request.resize(bytes - 4, b'x');
    request.extend(b"\r\n\r\n");
    request
}

/// They have asked, and were answered, and keep the connection.
pub(super) fn silent_connections_take_little(stand: &mut Stand) -> Result<()> {
    const CONNECTIONS: usize = 256;
    const MOST_BYTES_EACH: i64 = 8 << 10;
    let mut site = Site::open_wide(stand)?;
    let before = site.memory_available(stand)?;
    for _ in 0..CONNECTIONS / 64 {
        for handle in connected(&mut site, 64)? {
            site.peer.ask(handle, "keep-alive", PATIENCE)?;
        }
    }
    let each = wait_until(PATIENCE, "memory for others", || {
        let each = (before - site.memory_available(stand)?) / CONNECTIONS as i64;
        Ok(if each < MOST_BYTES_EACH {
            Status::Reached(each)
        } else {
            Status::Pending(format!("{each} bytes each"))
        })
    })?;
    eprintln!("{each} bytes for each of {CONNECTIONS} connections");
    site.is_unharmed()
}
