//! Frames that no honest stack sends.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::stand::Stand;
use tests::wire::craft::{self, Segment, flags};

use super::by_hand::{ByHand, REQUEST, SEGMENT_BYTES, answer};
use super::site::{NO_ROUTER, PATIENCE, Site};

/// Enough to meet every field; some seconds under emulation.
const GARBAGE_FRAMES: usize = 4_000;
/// Enough to meet every field with many values.
const LONG_GARBAGE_FRAMES: usize = 100_000;
/// More than the machine keeps of half-open connections (one for each 32 KiB of its memory), and many times that.
const FLOOD_FRAMES: u32 = 5_000;
const LONG_FLOOD_FRAMES: u32 = 40_000;
/// How often memory is asked for during a flood.
const MEASURES: u32 = 5;
/// After this a half-open connection is forgotten: ten seconds, and a little.
const HANDSHAKE: Duration = Duration::from_secs(12);
/// 128 MiB allow 4,096 half-open connections, each a record of less than 2 KiB and its place in tables.
const MOST_TAKEN_BYTES: i64 = 8 << 20;
/// What tables have grown by stays with them.
const MOST_KEPT_BYTES: i64 = 2 << 20;
/// In which a visitor is answered who waits for nothing; a second is the least that a lost segment costs.
const PROMPT: Duration = Duration::from_millis(900);

pub(super) fn garbage_is_answered_by_nobody_and_stops_nobody(stand: &mut Stand) -> Result<()> {
    garbage(stand, GARBAGE_FRAMES)
}

pub(super) fn long_garbage_is_answered_by_nobody_and_stops_nobody(stand: &mut Stand) -> Result<()> {
    garbage(stand, LONG_GARBAGE_FRAMES)
}

fn garbage(stand: &mut Stand, frames: usize) -> Result<()> {
    let mut site = Site::open(stand)?;
    for _ in 0..frames {
        let frame = craft::garbage(stand.dice());
        site.peer.wire.send(&frame);
        site.visit_now_and_then()?;
    }
    site.is_unharmed()
}

pub(super) fn a_half_open_flood_stops_nobody(stand: &mut Stand) -> Result<()> {
    flood(stand, FLOOD_FRAMES)
}

pub(super) fn long_a_half_open_flood_stops_nobody(stand: &mut Stand) -> Result<()> {
    flood(stand, LONG_FLOOD_FRAMES)
}

/// While it goes on and after it, memory tells that a stranger gets little, and only for a while.
fn flood(stand: &mut Stand, frames: u32) -> Result<()> {
    let mut site = Site::open_wide(stand)?;
    let before = site.memory_available(stand)?;
    let mut least = before;
    for number in 0..frames {
        let [_, b, c, d] = stand.dice().below(1 << 24).to_be_bytes()[4..].try_into()?;
        let syn = Segment {
            // Strangers behind the gateway, which is us: nobody answers for them.
            source: [11, b, c, d],
            source_port: 1024 + (number % 60_000) as u16,
            sequence: number.wrapping_mul(0x9e37_79b9),
            flags: flags::SYN,
            options: vec![2, 4, 5, 180],
            ..Segment::default()
        };
        site.peer.wire.send(&syn.frame());
        site.visit_now_and_then()?;
        if number % (frames / MEASURES) == frames / MEASURES - 1 {
            least = least.min(site.memory_available(stand)?);
        }
    }
    site.peer.listen(HANDSHAKE)?;
    let after = site.memory_available(stand)?;
    eprintln!("{before} bytes of memory were available, {least} during the flood, {after} after it");
    ensure!(
        before - least < MOST_TAKEN_BYTES,
        "of {before} bytes of memory {least} were left during the flood"
    );
    ensure!(before - after < MOST_KEPT_BYTES, "of {before} bytes of memory {after} are left after the flood");
    site.is_unharmed()
}

/// Backwards, overlapping, twice, and with an end before the beginning.
pub(super) fn segments_in_any_order_make_one_request(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open(stand)?;
    for (port, pieces) in [
        (2001, vec![(40, REQUEST.len()), (20, 40), (0, 20)]),
        (2002, vec![(10, 50), (0, 30), (5, REQUEST.len())]),
        (2003, vec![(0, 10), (0, 10), (30, REQUEST.len()), (0, 31)]),
        (2004, REQUEST.iter().enumerate().map(|(at, _)| (at, at + 1)).collect()),
    ] {
        let connection = ByHand::open(&mut site, port)?;
        for (from, to) in pieces {
            connection.send(&mut site, from, &REQUEST[from..to]);
        }
        let told = answer(&mut site, port, |told| !told.payload.is_empty())
            .with_context(|| format!("port {port}"))?;
        let text = String::from_utf8_lossy(&told.payload).into_owned();
        ensure!(text.starts_with("HTTP/1.1 308 ") && text.contains("/somewhere"), "port {port}: {text}");
    }
    site.is_unharmed()
}

/// Only a reset with exactly the next number counts (RFC 5961, 3).
pub(super) fn a_forged_reset_ends_no_connection(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open(stand)?;
    let connection = ByHand::open(&mut site, 2101)?;
    connection.send(&mut site, 0, &REQUEST[..20]);
    for distance in [1, 100, 30_000, 0x7fff_ffff, u32::MAX] {
        let forged = Segment {
            sequence: connection.template.sequence.wrapping_add(20).wrapping_add(distance),
            flags: flags::RST,
            ..connection.template.clone()
        };
        site.peer.wire.send(&forged.frame());
    }
    connection.send(&mut site, 20, &REQUEST[20..]);
    let payload = answer(&mut site, 2101, |told| !told.payload.is_empty())?.payload;
    ensure!(payload.starts_with(b"HTTP/1.1 308 "), "{}", String::from_utf8_lossy(&payload));
    site.is_unharmed()
}

/// A peer that ignores the window, all at once before anybody reads: what is beyond it counts for nothing until it comes
/// again, neither its bytes nor the end that it claims.
pub(super) fn more_than_the_window_is_neither_kept_nor_taken_for_the_end(stand: &mut Stand) -> Result<()> {
    /// The last segment reaches over the end of the first window, 8 KiB; and far beyond it.
    const LENGTHS: [(u16, usize); 2] = [(2301, 6 * SEGMENT_BYTES), (2302, 12 << 10)];
    let mut site = Site::open(stand)?;
    for (port, length) in LENGTHS {
        let request = padded_request(length);
        let connection = ByHand::greet(&mut site, port)?;
        // A machine that stands still takes nothing until everything is there.
        site.web.machine.control("stop")?;
        site.peer.wire.send(&connection.template.frame());
        (0..length).step_by(SEGMENT_BYTES).for_each(|at| connection.send_segment(&mut site, at, &request));
        site.web.machine.control("cont")?;
        let text = connection.repeat_until_answered(&mut site, &request)?;
        ensure!(text.starts_with("HTTP/1.1 308 "), "port {port}: {text:?}");
    }
    site.is_unharmed()
}

/// A request of this length.
fn padded_request(length: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(REQUEST);
    let (head, end) = text.split_at(text.len() - 2);
    let padding = "a".repeat(length - text.len() - "X-Padding: \r\n".len());
    format!("{head}X-Padding: {padding}\r\n{end}").into_bytes()
}

/// Hosts of our network that announce themselves until nobody remembers another, and some that begin connections and never
/// say where they are: visitors from elsewhere are answered by the gateway all the while.
pub(super) fn a_crowd_of_neighbours_does_not_hide_the_gateway(stand: &mut Stand) -> Result<()> {
    const ROUNDS: usize = 20;
    /// Who announces, and who is silent, by the last byte of their addresses.
    const ANNOUNCE: std::ops::Range<u8> = 10..210;
    const SILENT: std::ops::Range<u8> = 210..250;
    let mut site = Site::open(stand)?;
    site.peer.move_far();
    for round in 0..ROUNDS {
        for host in ANNOUNCE {
            site.peer.wire.send(&craft::arp([10, 77, 0, host], [2, 0, 0, 0, 1, host], true));
        }
        for host in SILENT {
            let source_port = 3000 + round as u16;
            let template = Segment { source: [10, 77, 0, host], source_port, ..Segment::default() };
            let syn = Segment { flags: flags::SYN, options: vec![2, 4, 5, 180], ..template };
            site.peer.wire.send(&syn.frame());
        }
        let took = site.peer.visit(PATIENCE)?;
        ensure!(took < PROMPT, "a visitor from elsewhere waited {} ms", took.as_millis());
    }
    site.is_unharmed()
}

/// The host takes the card away and gives it back, again and again: each time the machine starts it anew and goes on.
pub(super) fn a_card_that_asks_for_a_reset_comes_back(stand: &mut Stand) -> Result<()> {
    const TIMES: usize = 3;
    let mut site = Site::open(stand)?;
    for _ in 0..TIMES {
        site.web.machine.break_card()?;
        // The next frame finds the card broken; those after it find it started again.
        site.moves_to(tests::wire::GUEST)?;
    }
    let resets = site.web.console()?.matches("asks for a reset").count();
    ensure!(resets == TIMES, "{resets} resets instead of {TIMES}");
    site.is_unharmed()
}

/// What was promised for later comes though nobody says a word: the acknowledgement of half a request, and the answer
/// again when it is not acknowledged. The machine has given up on routers by then.
pub(super) fn what_is_due_comes_in_silence(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open(stand)?;
    site.peer.listen(NO_ROUTER)?;
    let connection = ByHand::open(&mut site, 2201)?;
    let (first, rest) = REQUEST.split_at(20);
    connection.send(&mut site, 0, first);
    let expected = connection.template.sequence + first.len() as u32;
    answer(&mut site, 2201, |told| told.acknowledgement == expected).context("half a request")?;
    connection.send(&mut site, first.len(), rest);
    for time in ["the answer", "the answer again"] {
        answer(&mut site, 2201, |told| told.payload.starts_with(b"HTTP/1.1 308 ")).context(time)?;
    }
    site.is_unharmed()
}
