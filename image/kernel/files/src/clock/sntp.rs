//! SNTP (RFC 5905, 14): one question, one answer, and what several answers agree on.
//!
//! It sends nothing. Pure: the host's tests compile this same file.
//!
//! Invariant: an answer counts only if it repeats the question's number, which nobody else could know.

/// An NTP packet without extensions.
pub(crate) const PACKET_BYTES: usize = 48;
/// Seconds from 1900, NTP's beginning, to 1970.
const EPOCH_S: u64 = 2_208_988_800;
/// Answers further apart than this do not agree.
const AGREEMENT_US: i64 = 500_000;
/// An answer that took longer tells too little.
const LONGEST_TRIP_US: i64 = 2_000_000;

/// The question with this number.
pub(crate) fn question(number: u64) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    // No warning, version 4, mode 3: client (7.3).
    packet[0] = 4 << 3 | 3;
    packet[40..].copy_from_slice(&number.to_be_bytes());
    packet
}

/// What a server said: when it heard us and when it answered, in microseconds since 1970.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) heard_us: u64,
    pub(crate) sent_us: u64,
}

/// Reads an answer to the question of this number. `None` if it is none, or the server does not know the time itself.
pub(crate) fn answer(packet: &[u8], number: u64) -> Option<Answer> {
    let packet = packet.first_chunk::<PACKET_BYTES>()?;
    let (warning, version, mode) = (packet[0] >> 6, packet[0] >> 3 & 7, packet[0] & 7);
    let stratum = packet[1];
    let is_fit = warning != 3 && matches!(version, 3 | 4) && mode == 4 && (1..16).contains(&stratum);
    if !is_fit || word(packet, 24) != number || word(packet, 40) == 0 {
        return None;
    }
    Some(Answer { heard_us: micros(word(packet, 32))?, sent_us: micros(word(packet, 40))? })
}

fn word(packet: &[u8; PACKET_BYTES], at: usize) -> u64 {
    packet[at..at + 8].iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Seconds in the upper half, their fraction in the lower. The seconds overflow in 2036: a small number is later, not 1900.
fn micros(time: u64) -> Option<u64> {
    let (seconds, fraction) = (time >> 32, time & 0xffff_ffff);
    let seconds = if seconds < 1 << 31 { seconds + (1 << 32) } else { seconds };
    let micros = (fraction * 1_000_000) >> 32;
    Some(seconds.checked_sub(EPOCH_S)? * 1_000_000 + micros)
}

/// By how much our clock is behind, if it showed `asked_us` at the question and `got_us` at the answer (RFC 5905, 8).
pub(crate) fn offset(answer: Answer, asked_us: u64, got_us: u64) -> Option<i64> {
    let [asked, got, heard, sent] =
        [asked_us, got_us, answer.heard_us, answer.sent_us].map(|time| time as i64);
    let trip = (got - asked).checked_sub(sent.checked_sub(heard)?)?;
    (0..=LONGEST_TRIP_US).contains(&trip).then(|| ((heard - asked) + (sent - got)) / 2)
}

/// What more than half of the `asked` servers agree on: the median of those that do.
pub(crate) fn agreed(offsets: &mut [i64], asked: usize) -> Option<i64> {
    offsets.sort_unstable();
    let median = *offsets.get(offsets.len() / 2)?;
    let agreeing = offsets.iter().filter(|offset| offset.abs_diff(median) <= AGREEMENT_US as u64).count();
    // A single answer of two servers is believed: one of them is away.
    let needed = if offsets.len() == 1 && asked <= 2 { 1 } else { asked / 2 + 1 };
    (agreeing >= needed).then_some(median)
}
