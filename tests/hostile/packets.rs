//! Frames that no honest stack sends.

use anyhow::Result;
use tests::stand::Stand;
use tests::wire::craft::{self, Segment, flags};

use super::site::Site;

/// Enough to meet every field; some seconds under emulation.
const GARBAGE_FRAMES: usize = 4_000;
/// Enough to meet every field with many values.
const LONG_GARBAGE_FRAMES: usize = 100_000;
/// More than the machine keeps of half-open connections (one for each 32 KiB of its memory), and many times that.
const FLOOD_FRAMES: u32 = 5_000;
const LONG_FLOOD_FRAMES: u32 = 40_000;

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

fn flood(stand: &mut Stand, frames: u32) -> Result<()> {
    let mut site = Site::open(stand)?;
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
    }
    site.is_unharmed()
}
