//! Numbers that a stranger must not be able to guess: where sequence numbers begin, ports of our own, questions to name servers.
//!
//! What is judged is what stands on the wire. It cannot show that they are unpredictable, only that they are none of what
//! predictable numbers have been: alike, evenly spaced, or close together.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::stand::Stand;
use tests::wire::craft::{Segment, flags};
use tests::wire::{Dns, Refusing, Says};

use super::by_hand::ByHand;
use super::site::Site;

/// In another network (RFC 5737's range).
const SERVER: [u8; 4] = [198, 51, 100, 53];
const PLACE: [u8; 4] = [203, 0, 113, 1];
/// Of so many random numbers of 16 bits two may be alike, but hardly four: 32 choose 2, divided by 65,536, is one in 132.
const COUNT: usize = 32;
const MOST_ALIKE: usize = 3;
/// The service looks for its database once a second or two.
const LONG_ENOUGH: Duration = Duration::from_secs(120);
/// Ports of our own begin here (RFC 6335, 6).
const FIRST_OWN_PORT: u32 = 49_152;

pub(super) fn sequence_numbers_begin_anywhere(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open(stand)?;
    let mut begins = Vec::new();
    for number in 0..COUNT {
        // Every other one is the same connection again.
        let port = if number % 2 == 0 { 2701 } else { 2702 + number as u16 };
        let connection = ByHand::greet(&mut site, port)?;
        begins.push(connection.template.acknowledgement);
        let reset = Segment { flags: flags::RST, ..connection.template };
        site.peer.wire.send(&reset.frame());
    }
    are_anywhere("where the machine's answers begin", &begins, u32::MAX)?;
    site.is_unharmed()
}

/// A database that refuses every connection, and whose name is asked for each time.
pub(super) fn what_the_machine_begins_and_asks_has_numbers_of_no_order(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open_asking_names(stand, [SERVER; 2])?;
    site.peer.wire.dns = Some(Dns::new(vec![(SERVER, Says::Address(PLACE))], stand.dice().clone()));
    site.peer.wire.refusing = Some(Refusing::at(PLACE));
    let (begun, asked) = site.peer.until(LONG_ENOUGH, "enough connections and questions", |peer| {
        let begun = peer.wire.refusing.as_ref().map(|refusing| refusing.begun.clone());
        let asked = peer.wire.dns.as_ref().map(|dns| dns.asked.clone());
        let both = begun.zip(asked);
        Ok(both.filter(|(begun, asked)| begun.len() >= COUNT && asked.len() >= COUNT))
    })?;
    let (ports, begins): (Vec<_>, Vec<_>) =
        begun.into_iter().map(|(port, begin)| (u32::from(port), begin)).unzip();
    let (askers, questions): (Vec<_>, Vec<_>) =
        asked.into_iter().map(|(port, question)| (u32::from(port), u32::from(question))).unzip();
    are_anywhere("where the machine's connections begin", &begins, u32::MAX)?;
    are_anywhere("questions to name servers", &questions, u16::MAX.into())?;
    for (what, ports) in [("ports of connections", &ports), ("ports of questions", &askers)] {
        let lowest = ports.iter().min().context("none")?;
        ensure!(*lowest >= FIRST_OWN_PORT, "{what}: {lowest}");
        are_anywhere(what, ports, u32::from(u16::MAX) - FIRST_OWN_PORT)?;
    }
    site.is_unharmed()
}

/// Neither the numbers nor their distances repeat, and they reach over half of where they could be.
fn are_anywhere(what: &str, numbers: &[u32], range: u32) -> Result<()> {
    let alike = |numbers: &[u32]| numbers.len() - numbers.iter().collect::<HashSet<_>>().len();
    let distances: Vec<_> = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    let (least, most) = (numbers.iter().min().context("none")?, numbers.iter().max().context("none")?);
    eprintln!(
        "{what}: {} of {} alike, {} distances, over {}",
        alike(numbers),
        numbers.len(),
        alike(&distances),
        most - least
    );
    ensure!(alike(numbers) <= MOST_ALIKE, "{what}: {numbers:?}");
    ensure!(alike(&distances) <= MOST_ALIKE, "{what}, evenly spaced: {numbers:?}");
    ensure!(most - least > range / 2, "{what}, close together: {numbers:?}");
    Ok(())
}
