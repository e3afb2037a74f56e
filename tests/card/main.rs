//! Network cards as clouds offer them: checksums and segmentation left to the device or not, small and large frames,
//! messages or an interrupt line, a pulled cable.
//!
//! `cargo test -p tests --test card [-- NAME]`. QEMU's own network offers none of this, so the machine is connected to a
//! tap interface in a network namespace of our own, made without privileges, and the visitor is the host's own TCP.
//!
//! Invariant: the host's own network is never touched.

mod network;
mod stories;

use std::process::ExitCode;

use anyhow::Result;
use tests::namespace::{self, Place};

fn enter() -> Result<Place> {
    let place = namespace::enter()?;
    if matches!(place, Place::Inside) {
        network::prepare()?;
    }
    Ok(place)
}

fn main() -> ExitCode {
    match enter() {
        Ok(Place::Outside(code)) => code,
        Ok(Place::Inside) => tests::stories::tell(
            "card",
            tests::stories![stories::{
                whatever_the_card_offers_pages_arrive_whole,
                small_and_large_frames_carry_pages,
                a_card_without_messages_or_with_its_past_carries_pages,
                a_cable_that_was_pulled_carries_pages_again,
            }],
        ),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
