//! Certificates of a real authority, at booted machines.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use image::wait::{Status, wait_until};
use tests::stand::Stand;
use tests::{Client, Endpoint, Protocol, Request};

use super::bridge::WEB;
use super::door::Door;
use super::pebble::Pebble;
use super::site::{MINUTE, STORAGE_KEY, Site, all_show, who_says};
use super::visitor::{Load, Visitor};

/// The migrations come first: a minute under emulation on a busy host.
const ORDER_DEADLINE: Duration = Duration::from_secs(120);
/// The dead machine's lease lasts 30 s.
const INHERITED_DEADLINE: Duration = Duration::from_secs(120);
/// What the service logs.
const ORDERED: &str = "a certificate is ordered";
const CONTINUED: &str = "an order is continued";
/// Enough to be no chance, few enough for an emulated machine.
const VISITS: usize = 25;

/// The section `[tls]` of machines that have their certificate from this authority.
fn section(pebble: &Pebble) -> String {
    // By way of the only door that stories hold: tls-alpn-01.
    format!("storage_keys = ['{STORAGE_KEY}']\n[tls.acme]\nchallenges = ['tls-alpn-01']\n{}", pebble.tables())
}

/// In the middle of the first order.
fn nothing_but_health_and_challenges(stand: &Stand, machine: Ipv4Addr) -> Result<()> {
    let endpoint = Endpoint {
        https: format!("{machine}:443"),
        http: format!("{machine}:80"),
        host: stand.identity().host().to_owned(),
        ca: stand.identity().root(),
        read_only: true,
    };
    let client = Client::new(&endpoint)?;
    let plain = |path: &str| client.send(&Request::get(path).over(Protocol::Plain));
    plain("/healthz")?.expect(StatusCode::OK)?;
    plain("/")?.expect(StatusCode::SERVICE_UNAVAILABLE)?;
    plain("/.well-known/acme-challenge/unknown")?.expect(StatusCode::NOT_FOUND)?;
    ensure!(client.get("/healthz").is_err(), "{machine} presents something");
    Ok(())
}

pub(super) fn machines_that_start_together_order_once_and_one_that_dies_is_not_missed(
    stand: &mut Stand,
) -> Result<()> {
    let site = Site::open(stand)?;
    let (pebble, door) = (Pebble::start(stand.folder()?)?, Door::open()?);
    let mut machines = site.start_both(stand, &section(&pebble))?;
    door.wait_for_visitor(ORDER_DEADLINE)?;
    for machine in WEB {
        nothing_but_health_and_challenges(stand, machine)?;
    }
    // The one that did not order answers as well.
    door.lead_to(WEB[1 - who_says(&machines, ORDERED)?]);
    let visitor = Visitor::new(stand.identity().host(), &pebble.root()?);
    let first = all_show(&visitor, &WEB, &[])?;
    ensure!(pebble.orders()? == 1, "{} orders", pebble.orders()?);

    let renewed = renewed_unnoticed(&site, &visitor, &first)?;
    ensure!(pebble.orders()? == 2, "{} orders for one renewal", pebble.orders()? - 1);

    let mut session = visitor.settle(WEB[1])?;
    machines[0].machine.cut()?;
    for _ in 0..VISITS {
        ensure!(visitor.settle(WEB[1])?.shown()? == renewed, "another certificate");
    }
    session.ask().context("a connection from before the other's death")?;
    stand.hand_on(site.db);
    Ok(())
}

/// An operator wants another certificate; both machines have it within a minute, and no visitor notices.
fn renewed_unnoticed(site: &Site, visitor: &Visitor, before: &[u8]) -> Result<Vec<u8>> {
    let mut open = WEB.iter().map(|machine| visitor.settle(*machine)).collect::<Result<Vec<_>>>()?;
    let load = Load::start(visitor, &WEB);
    site.sql.ask("UPDATE site.renewals SET wish = 'renew', next_attempt = UTC_TIMESTAMP(6)")?;
    let renewed = all_show(visitor, &WEB, before);
    let answered = load.stop()?;
    eprintln!("{answered} visits were answered");
    ensure!(answered >= VISITS, "only {answered} visits");
    open.iter_mut().try_for_each(|session| session.ask()).context("a connection from before")?;
    renewed
}

/// Killed while the authority looks for the answer.
pub(super) fn an_order_whose_machine_is_killed_is_finished_by_the_other(stand: &mut Stand) -> Result<()> {
    let site = Site::open(stand)?;
    let (pebble, door) = (Pebble::start(stand.folder()?)?, Door::open()?);
    let section = section(&pebble);
    let mut machines = site.start_both(stand, &section)?;
    door.wait_for_visitor(ORDER_DEADLINE)?;
    let orderer = who_says(&machines, ORDERED)?;
    machines[orderer].machine.cut()?;
    let survivor = WEB[1 - orderer];
    door.lead_to(survivor);
    let visitor = Visitor::new(stand.identity().host(), &pebble.root()?);
    let shown = wait_until(INHERITED_DEADLINE, "the survivor's certificate", || {
        Ok(match visitor.shown(survivor) {
            Ok(shown) => Status::Reached(shown),
            Err(error) => Status::Pending(format!("{error:#}")),
        })
    })?;
    ensure!(pebble.orders()? == 1, "{} orders", pebble.orders()?);
    ensure!(who_says(&machines, CONTINUED)? != orderer, "the dead machine went on");
    let mut again = site.start(stand, WEB[orderer], &section)?;
    again.machine.wait_for(MINUTE, "the same certificate at the machine that was killed", |_| {
        Ok(match visitor.shown(WEB[orderer]) {
            Ok(leaf) if leaf == shown => Status::Reached(()),
            other => Status::Pending(format!("{:?}", other.map(|leaf| leaf.len()))),
        })
    })?;
    stand.hand_on(site.db);
    Ok(())
}
