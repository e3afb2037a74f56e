//! Connections made by hand, segment by segment, as no honest stack makes them.
//!
//! Nothing is sent that a story did not ask for: no acknowledgement, no repetition. Invariant: the machine's own numbers are
//! taken from what it said.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tests::wire::craft::{self, Segment, Told, flags};

use super::site::Site;

/// What a segment carries.
pub(super) const SEGMENT_BYTES: usize = 1460;
/// How long the machine may take to answer a crafted segment.
const ANSWER: Duration = Duration::from_secs(5);

/// What is asked, so that the connection ends with the answer: a redirect.
pub(super) const REQUEST: &[u8] =
    b"GET /somewhere HTTP/1.1\r\nHost: www.foobar.com\r\nConnection: close\r\n\r\n";

/// A connection made by hand.
pub(super) struct ByHand {
    /// The last segment of the handshake; its sequence number is the first byte's.
    pub(super) template: Segment,
}

impl ByHand {
    /// A connection whose handshake is over.
    pub(super) fn open(site: &mut Site, source_port: u16) -> Result<Self> {
        let connection = Self::greet(site, source_port)?;
        site.peer.wire.send(&connection.template.frame());
        Ok(connection)
    }

    /// A connection that lacks but the handshake's last segment, which is the template as it is.
    pub(super) fn greet(site: &mut Site, source_port: u16) -> Result<Self> {
        // An address of our network that our own TCP does not have: it would reset what it does not know.
        let source = [10, 77, 0, 9];
        let syn = Segment {
            source,
            source_port,
            sequence: 1000,
            flags: flags::SYN,
            // 1460 bytes in a segment; windows in units of 128 bytes, as everybody offers (RFC 7323, 2.2).
            options: vec![2, 4, 5, 180, 1, 3, 3, 7],
            ..Segment::default()
        };
        site.peer.wire.send(&craft::arp(source, tests::wire::HOST_MAC, true));
        site.peer.wire.send(&syn.frame());
        let Told { sequence, acknowledgement, .. } =
            answer(site, source_port, |told| told.flags & flags::SYN != 0)?;
        ensure!(acknowledgement == 1001, "the SYN's answer acknowledges {acknowledgement}");
        let template = Segment {
            sequence: 1001,
            acknowledgement: sequence.wrapping_add(1),
            flags: flags::ACK,
            options: Vec::new(),
            ..syn
        };
        Ok(Self { template })
    }

    /// The segment of these bytes that begins at `at`, the last one with the end of the stream.
    pub(super) fn send_segment(&self, site: &mut Site, at: usize, bytes: &[u8]) {
        self.send_piece(site, bytes, at, bytes.len().min(at + SEGMENT_BYTES));
    }

    /// A piece of these bytes, the last one with the end of the stream.
    pub(super) fn send_piece(&self, site: &mut Site, bytes: &[u8], from: usize, to: usize) {
        let fin = if to == bytes.len() { flags::FIN } else { 0 };
        let segment = Segment {
            sequence: self.template.sequence + from as u32,
            flags: flags::ACK | fin,
            payload: bytes[from..to].to_vec(),
            ..self.template.clone()
        };
        site.peer.wire.send(&segment.frame());
    }

    /// Sends what was not acknowledged whenever the machine says a word, and returns the beginning of its answer.
    pub(super) fn repeat_until_answered(&self, site: &mut Site, bytes: &[u8]) -> Result<String> {
        let start = Instant::now();
        while start.elapsed() < ANSWER {
            let Told { acknowledgement: number, flags, payload, .. } =
                answer(site, self.template.source_port, |_| true)?;
            let acknowledged = number.wrapping_sub(self.template.sequence) as usize;
            if !payload.is_empty() || flags & (flags::FIN | flags::RST) != 0 {
                return Ok(String::from_utf8_lossy(&payload).into_owned());
            }
            if acknowledged < bytes.len() {
                self.send_segment(site, acknowledged, bytes);
            }
        }
        bail!("no answer to the whole within {} s", ANSWER.as_secs())
    }

    pub(super) fn send(&self, site: &mut Site, offset: usize, bytes: &[u8]) {
        let sequence = self.template.sequence + offset as u32;
        let segment = Segment { sequence, payload: bytes.to_vec(), ..self.template.clone() };
        site.peer.wire.send(&segment.frame());
    }
}

/// The machine's next segment to a port that is `wanted`.
pub(super) fn answer(site: &mut Site, port: u16, wanted: impl Fn(&Told) -> bool) -> Result<Told> {
    let found = answer_within(site, port, ANSWER, wanted)?;
    found.with_context(|| format!("the machine did not answer within {} s", ANSWER.as_secs()))
}

/// The same, if it comes within this time.
pub(super) fn answer_within(
    site: &mut Site,
    port: u16,
    limit: Duration,
    wanted: impl Fn(&Told) -> bool,
) -> Result<Option<Told>> {
    let start = Instant::now();
    while start.elapsed() < limit {
        site.peer.wire.wait(Duration::from_millis(20))?;
        while let Some(frame) = site.peer.wire.receive() {
            let told = craft::read(&frame).filter(|told| told.port == port && wanted(told));
            if told.is_some() {
                return Ok(told);
            }
        }
    }
    Ok(None)
}
