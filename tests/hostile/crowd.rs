//! Clients that are slow to read.

use std::time::Duration;

use anyhow::Result;
use tests::stand::Stand;
use tests::wire::HTTP;

use super::site::{PATIENCE, Site};

/// A window that nobody needs more of.
const SMALL_BYTES: usize = 2 << 10;

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
