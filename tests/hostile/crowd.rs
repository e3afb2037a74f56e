//! Many clients: gone without a word, silent, or slow to read.

use std::time::Duration;

use anyhow::Result;
use smoltcp::iface::SocketHandle;
use tests::stand::Stand;
use tests::wire::HTTP;

use super::site::{PATIENCE, Site};

/// A window that nobody needs more of.
const SMALL_BYTES: usize = 2 << 10;
/// Connections that are begun at once.
const BATCH: usize = 64;

pub(super) fn vanished_clients_stop_nobody(stand: &mut Stand) -> Result<()> {
    vanish(stand, 512)
}

pub(super) fn long_vanished_clients_stop_nobody(stand: &mut Stand) -> Result<()> {
    vanish(stand, 10_000)
}

/// They send half a request's head, then nothing ever again, and do not answer either. The service has 256 places for
/// them, which are soon taken.
fn vanish(stand: &mut Stand, clients: usize) -> Result<()> {
    let mut site = Site::open(stand)?;
    for _ in 0..clients / BATCH {
        for handle in connected(&mut site, BATCH)? {
            site.peer.socket(handle).send_slice(b"GET / HTTP/1.1\r\nHost: www.foobar.com\r\n")?;
            site.peer.turn();
            site.peer.vanish(handle);
        }
        site.visit()?;
    }
    site.is_unharmed()
}

fn connected(site: &mut Site, count: usize) -> Result<Vec<SocketHandle>> {
    let handles: Vec<_> = (0..count).map(|_| site.peer.connect(HTTP, SMALL_BYTES)).collect::<Result<_>>()?;
    for handle in &handles {
        site.peer.established(*handle, PATIENCE)?;
    }
    Ok(handles)
}

/// A thousand, in a machine of 128 MiB.
pub(super) fn long_idle_connections_are_kept_and_still_answer(stand: &mut Stand) -> Result<()> {
    const CONNECTIONS: usize = 1000;
    let mut site = Site::open_wide(stand)?;
    let mut handles = Vec::new();
    while handles.len() < CONNECTIONS {
        for handle in connected(&mut site, BATCH.min(CONNECTIONS - handles.len()))? {
            site.peer.ask(handle, "keep-alive", PATIENCE)?;
            handles.push(handle);
        }
        site.visit()?;
    }
    for handle in handles {
        site.peer.ask(handle, "keep-alive", PATIENCE)?;
    }
    site.is_unharmed()
}

/// Its window is closed for a while; what it asked for waits, and nobody else does.
pub(super) fn long_a_reader_that_stops_gets_the_rest_later(stand: &mut Stand) -> Result<()> {
    const REQUESTS: usize = 40;
    const SILENCE: Duration = Duration::from_secs(8);
    let mut site = Site::open(stand)?;
    let reader = site.peer.connect(HTTP, SMALL_BYTES)?;
    site.peer.established(reader, PATIENCE)?;
    let request = b"GET / HTTP/1.1\r\nHost: www.foobar.com\r\n\r\n";
    site.peer.socket(reader).send_slice(&request.repeat(REQUESTS))?;
    let start = std::time::Instant::now();
    while start.elapsed() < SILENCE {
        site.visit()?;
    }
    let mut answers = Vec::new();
    site.peer.until(PATIENCE, "the rest of the answers", |peer| {
        tests::wire::take(peer.socket(reader), &mut answers)?;
        let count = answers.windows(12).filter(|window| window == b"HTTP/1.1 308").count();
        Ok((count == REQUESTS).then_some(()))
    })?;
    site.is_unharmed()
}
