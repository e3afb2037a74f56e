//! A DHCP server for one machine (RFC 2131): gives the address that the story wants, and can change its mind.
//!
//! Invariant: it answers only what a client may ask, so that a client that asks otherwise gets nothing. Who has a lease asks
//! the server that gave it, not everybody.

use super::{HOST, HOST_MAC, craft};

/// Message types (RFC 2132, 9.6).
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;

/// Where the options begin, behind the magic number (RFC 2131, 2).
const OPTIONS_AT: usize = 240;
const MAGIC: [u8; 4] = [99, 130, 83, 99];

/// The server.
#[derive(Clone, Debug)]
pub struct Dhcp {
    /// The only address that it gives.
    pub address: [u8; 4],
    /// How much of it names the network.
    pub mask: [u8; 4],
    /// By whom other networks are reached.
    pub router: [u8; 4],
    /// What it calls itself: where a lease is renewed.
    pub server: [u8; 4],
    /// Where its messages claim to come from: itself, or a relay on the wire.
    pub source: [u8; 4],
    /// For how long, in seconds. A client asks again after half of it.
    pub lease_s: u32,
}

impl Dhcp {
    /// A server at our own address that gives this one of our network.
    #[must_use]
    pub const fn giving(address: [u8; 4], lease_s: u32) -> Self {
        Self { address, mask: [255, 255, 255, 0], router: HOST, server: HOST, source: HOST, lease_s }
    }

    /// The answer to a frame that the machine sent, if it is a question to a DHCP server.
    #[must_use]
    pub fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let packet =
            frame.get(14..).filter(|packet| frame[12..14] == [8, 0] && packet.get(9) == Some(&17))?;
        let datagram = packet.get(usize::from(packet[0] & 15) * 4..)?;
        let question = datagram.get(8..).filter(|_| datagram[2..4] == [0, 67])?;
        let kind = *option(question, 53)?.first()?;
        let renews = question.get(12..16)? != [0; 4];
        if renews && packet[16..20] != self.server {
            return None;
        }
        // The address that it had lies in the message when it renews, in an option when it starts.
        let wanted = option(question, 50).unwrap_or(&question[12..16]);
        let kind = match kind {
            DISCOVER => OFFER,
            REQUEST if wanted == self.address => ACK,
            REQUEST => NAK,
            _ => return None,
        };
        Some(self.broadcast(&self.message(question, kind)))
    }

    fn message(&self, question: &[u8], kind: u8) -> Vec<u8> {
        let mut message = vec![0; OPTIONS_AT];
        message[..4].copy_from_slice(&[2, 1, 6, 0]);
        message[4..8].copy_from_slice(&question[4..8]);
        message[28..44].copy_from_slice(&question[28..44]);
        if kind != NAK {
            message[16..20].copy_from_slice(&self.address);
        }
        message[236..240].copy_from_slice(&MAGIC);
        message.extend([53, 1, kind]);
        message.extend([&[54, 4][..], &self.server].concat());
        if kind != NAK {
            message.extend([&[51, 4][..], &self.lease_s.to_be_bytes()].concat());
            message.extend([&[1, 4][..], &self.mask].concat());
            message.extend([&[3, 4][..], &self.router].concat());
        }
        message.push(255);
        message
    }

    /// The client has no address yet, so everybody is addressed.
    fn broadcast(&self, message: &[u8]) -> Vec<u8> {
        let mut frame = craft::datagram_to([255; 4], self.source, 67, 68, message);
        frame[..6].fill(255);
        frame[6..12].copy_from_slice(&HOST_MAC);
        frame
    }
}

/// An option's bytes.
fn option(message: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = message.get(OPTIONS_AT..)?;
    while let [kind, length, tail @ ..] = rest {
        let value = tail.get(..usize::from(*length))?;
        if *kind == wanted {
            return Some(value);
        }
        rest = &tail[value.len()..];
    }
    None
}
