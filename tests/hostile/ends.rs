//! Ends of streams that come too early, alone or twice: each stream ends once, after its last byte, on both sides.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::stand::Stand;
use tests::wire::craft::{Segment, Told, flags};

use super::by_hand::{ByHand, REQUEST, answer, answer_within};
use super::site::Site;

/// The length of the request, and so the number of its end.
const END: usize = REQUEST.len();
/// An end that was not acknowledged is repeated after a second or two.
const SILENCE: Duration = Duration::from_secs(4);

pub(super) fn an_end_that_comes_early_or_twice_ends_the_stream_once(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open(stand)?;
    let orders: [(u16, &[(usize, usize)]); 5] = [
        (2401, &[(0, 20), (40, END), (20, 40)]),
        (2402, &[(40, END), (0, 40)]),
        (2403, &[(END, END), (0, END - 1), (END - 1, END)]),
        (2404, &[(0, END), (0, END), (END, END)]),
        (2405, &[(END, END), (END, END), (0, END)]),
    ];
    for (port, pieces) in orders {
        let connection = ByHand::open(&mut site, port)?;
        for (from, to) in pieces {
            connection.send_piece(&mut site, REQUEST, *from, *to);
        }
        let text = listened_to_the_end(&connection, &mut site).with_context(|| format!("port {port}"))?;
        let answers = text.matches("HTTP/1.1 ").count();
        ensure!(text.starts_with("HTTP/1.1 308 ") && answers == 1, "port {port}: {text}");
        let more = answer_within(&mut site, port, SILENCE, |_| true)?;
        ensure!(more.is_none(), "port {port}: after both ends the machine says {more:?}");
    }
    site.is_unharmed()
}

/// What the machine says until it ends its side, and it has acknowledged our end, which is repeated until then, as honest
/// stacks do.
fn listened_to_the_end(connection: &ByHand, site: &mut Site) -> Result<String> {
    let (mut next, mut text, mut is_ended) = (connection.template.acknowledgement, Vec::new(), false);
    let end = connection.template.sequence + END as u32;
    loop {
        let Told { sequence, acknowledgement: acknowledged, flags, payload, .. } =
            answer(site, connection.template.source_port, |_| true)?;
        ensure!(flags & flags::RST == 0, "a reset after {:?}", String::from_utf8_lossy(&text));
        ensure!(acknowledged <= end + 1, "it acknowledges what was not sent");
        if sequence == next && !is_ended {
            next = next.wrapping_add(payload.len() as u32);
            is_ended = flags & flags::FIN != 0;
            next = next.wrapping_add(u32::from(is_ended));
            text.extend(&payload);
        }
        let is_heard = acknowledged == end + 1;
        let repeated = if is_heard { 0 } else { flags::FIN };
        let answer = Segment {
            sequence: end + u32::from(is_heard),
            acknowledgement: next,
            flags: flags::ACK | repeated,
            ..connection.template.clone()
        };
        // Also at the end: of a segment whose number is over, the acknowledgement does not count (RFC 9293, 3.10.7.4).
        site.peer.wire.send(&answer.frame());
        if is_heard && is_ended {
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
    }
}
