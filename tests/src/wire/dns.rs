//! Name servers for one machine (RFC 1035): each says what the story wants, to whatever is asked.
//!
//! Invariant: what answers repeats the question's number and the question, unless it is to be garbage.

use super::{HOST_MAC, craft};
use crate::Dice;

const PORT: [u8; 2] = [0, 53];
/// The question's name, from where it lies in every message.
const THE_NAME: [u8; 2] = [0xc0, 12];
const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const TIME_TO_LIVE_S: u32 = 60;

/// What a server says.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    /// No word.
    Nothing,
    /// That it did not work, by this code (4.1.1): 2 is its own failure, 5 a refusal.
    Failure(u8),
    /// That the name has this address.
    Address([u8; 4]),
    /// That the name is another one's, which has this address.
    Alias([u8; 4]),
    /// That the name has the IPv6 address of nobody, `::`, and none of IPv4.
    Nobody,
    /// Anything.
    Garbage,
}

/// The servers, by their addresses.
#[derive(Clone, Debug)]
pub struct Dns {
    /// Who says what.
    pub servers: Vec<([u8; 4], Says)>,
    /// What garbage is made of.
    pub dice: Dice,
    /// What was asked: from which port, and the question's number.
    pub asked: Vec<(u16, u16)>,
}

impl Dns {
    /// Servers that nobody has asked yet.
    #[must_use]
    pub fn new(servers: Vec<([u8; 4], Says)>, dice: Dice) -> Self {
        Self { servers, dice, asked: Vec::new() }
    }

    /// The answer to a frame that the machine sent, if it is a question to one of the servers.
    #[must_use]
    pub fn answer(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let packet =
            frame.get(14..).filter(|packet| frame[12..14] == [8, 0] && packet.get(9) == Some(&17))?;
        let datagram = packet.get(20..).filter(|datagram| datagram.get(2..4) == Some(&PORT))?;
        let (question, asker) = (datagram.get(8..)?, [datagram[0], datagram[1]]);
        let says = self.servers.iter().find(|(server, _)| packet[16..20] == *server)?.1;
        self.asked
            .push((u16::from_be_bytes(asker), u16::from_be_bytes([*question.first()?, *question.get(1)?])));
        let message = message(question, says, &mut self.dice)?;
        let (from, to) = (packet[16..20].try_into().ok()?, packet[12..16].try_into().ok()?);
        let mut answer = craft::datagram_to(to, from, 53, u16::from_be_bytes(asker), &message);
        answer[6..12].copy_from_slice(&HOST_MAC);
        Some(answer)
    }
}

fn message(question: &[u8], says: Says, dice: &mut Dice) -> Option<Vec<u8>> {
    let kind =
        question.len().checked_sub(4).map(|at| u16::from_be_bytes([question[at], question[at + 1]]))?;
    let (code, records) = match says {
        Says::Nothing => return None,
        Says::Failure(code) => (code, Vec::new()),
        Says::Address(address) if kind == A => (0, vec![record(&THE_NAME, A, &address)]),
        Says::Alias(address) if kind == A => {
            // A label, and then what follows the question's first.
            let other = [&[5][..], b"other", &[0xc0, 12 + 1 + question[12]]].concat();
            (0, vec![record(&THE_NAME, CNAME, &other), record(&other, A, &address)])
        }
        Says::Nobody if kind == AAAA => (0, vec![record(&THE_NAME, AAAA, &[0; 16])]),
        Says::Address(_) | Says::Alias(_) | Says::Nobody => (0, Vec::new()),
        Says::Garbage => return Some(garbage(question, dice)),
    };
    let head = [&question[..2], &[0x81, 0x80 | code], &[0, 1, 0, records.len() as u8, 0, 0, 0, 0]].concat();
    Some([head, question[12..].to_vec(), records.concat()].concat())
}

fn record(name: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16).to_be_bytes();
    [name, &kind.to_be_bytes(), &[0, 1], &TIME_TO_LIVE_S.to_be_bytes(), &length, data].concat()
}

/// The question's number and name, or nobody would read on, and as many answers as it likes to claim: names that lead round
/// in circles, lengths that lead outside.
fn garbage(question: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut message = [&question[..2], &[0x81, 0x80, 0, 1, 0, dice.below(256) as u8, 0, 0, 0, 0]].concat();
    message.extend(&question[12..]);
    for _ in 0..dice.below(8) {
        let at = message.len() as u8;
        let name =
            [THE_NAME.to_vec(), vec![0xc0, at], vec![0xff; 3], vec![63, 1]][dice.below(4) as usize].clone();
        let kind = [A, CNAME, AAAA, 41][dice.below(4) as usize];
        let data: Vec<u8> = (0..dice.below(40)).map(|_| dice.below(256) as u8).collect();
        message.extend(record(&name, kind, &data));
    }
    message.truncate(message.len() - dice.below(8).min(message.len() as u64 - 12) as usize);
    message
}
