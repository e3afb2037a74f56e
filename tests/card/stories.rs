//! The same visits over every kind of card.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::{HeaderName, StatusCode};
use image::machine::{Network, Variation};
use tests::claims;
use tests::stand::{Stand, Way, Web};
use tests::wire::KERNEL_ARGUMENTS;
use tests::{Client, Endpoint, Request};

use super::network::{self, TAP};

/// The card's address, locally administered.
const MAC: &str = "52:54:00:77:00:02";
/// Long enough for several segments to the machine, short enough for the service's limit on heads.
const LONG_HEADER_BYTES: usize = 12 << 10;
/// A visit over a cable that was just plugged in again: the neighbour's address is asked for anew.
const PATIENCE: Duration = Duration::from_secs(30);

/// A machine whose card has these properties, and whoever visits it from the host's side of the cable.
struct Site {
    web: Web,
    client: Client,
}

impl Site {
    fn open(stand: &mut Stand, card: &[&str]) -> Result<Self> {
        let card = card.iter().map(|property| (*property).to_owned()).collect();
        let variation = Variation { card, ..Variation::default() };
        let network = Network::Tap { interface: TAP.to_owned(), mac: MAC.to_owned(), hold_us: 0 };
        let web = stand
            .web(Way::Direct, 1, "nobody-asks-for-it")
            .varied(variation)
            .connected_to(network)
            .kernel_arguments(KERNEL_ARGUMENTS)
            .serve()?;
        network::forget_neighbors()?;
        let endpoint = Endpoint {
            https: "10.77.0.2:443".to_owned(),
            http: "10.77.0.2:80".to_owned(),
            host: stand.identity().host().to_owned(),
            ca: stand.identity().root(),
            read_only: false,
        };
        Ok(Self { web, client: Client::new(&endpoint)? })
    }

    /// TLS finds every byte that was damaged on the way; many segments each way.
    fn carries_pages(&self) -> Result<()> {
        let long = "x".repeat(LONG_HEADER_BYTES);
        let path = claims::static_path(&self.client)?;
        for _ in 0..3 {
            let request =
                Request::get(&path).header(HeaderName::from_static("x-long"), &long).within(PATIENCE);
            self.client.send(&request)?.expect(StatusCode::OK)?;
            self.client.get("/healthz")?.expect(StatusCode::OK)?;
        }
        Ok(())
    }
}

fn all_carry_pages(stand: &mut Stand, cards: &[&[&str]]) -> Result<()> {
    for card in cards {
        let site = Site::open(stand, card).with_context(|| card.join(","))?;
        site.carries_pages().with_context(|| card.join(","))?;
    }
    Ok(())
}

pub(super) fn whatever_the_card_offers_pages_arrive_whole(stand: &mut Stand) -> Result<()> {
    all_carry_pages(
        stand,
        &[
            &[],
            &["csum=off", "guest_csum=off"],
            &["guest_csum=off"],
            &["host_tso4=off", "host_tso6=off"],
            &["mrg_rxbuf=off"],
            &["event_idx=off", "indirect_desc=off"],
        ],
    )
}

pub(super) fn small_and_large_frames_carry_pages(stand: &mut Stand) -> Result<()> {
    for (bytes, property) in [(1280, "host_mtu=1280"), (9000, "host_mtu=9000")] {
        network::set_mtu(bytes)?;
        all_carry_pages(stand, &[&[property]])?;
    }
    network::set_mtu(1500)
}

pub(super) fn a_card_without_messages_or_with_its_past_carries_pages(stand: &mut Stand) -> Result<()> {
    all_carry_pages(stand, &[&["vectors=0"], &["disable-legacy=off"]])
}

pub(super) fn a_cable_that_was_pulled_carries_pages_again(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open(stand, &[])?;
    for _ in 0..3 {
        site.carries_pages()?;
        site.web.machine.set_link(false)?;
        let unheard = site.client.send(&Request::get("/healthz").within(Duration::from_secs(1)));
        ensure!(unheard.is_err(), "a page came through a pulled cable");
        site.web.machine.set_link(true)?;
    }
    site.carries_pages()
}
