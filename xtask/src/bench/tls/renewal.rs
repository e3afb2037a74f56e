//! Answers while the certificate is renewed beside answers in between: the server on a core, everything else on another.
//!
//! A real authority (Pebble) writes certificates of seconds, so the server renews all the time. When it does is what the
//! authority's log says, in whole seconds of this host's clock. Invariant: the load is the same in both, for it is one load.
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;

use ::image::machine::{Machine, free_port};
use ::image::{Layout, Stack, progress};
use anyhow::{Context, Result, ensure};
use time::PrimitiveDateTime;
use time::macros::format_description;

use crate::bench::h2load::{self, Answer, Load, Protocol, p99_ms};
use crate::bench::stage::subject::Place;
use crate::bench::stage::{self as bench, HOST};
use crate::build::Packages;
use crate::endpoint::Endpoint;
use crate::hosted::{self, Hosted, Profile};
use crate::mysql::Mysql;
use crate::pebble::{Looks, Names, Pebble};
use crate::site::{Places, Site, write_secret};
use crate::visit::Visitor;

/// The core of the service.
const CPU: &str = "0";
/// What is asked for: an answer from memory, which a renewal can delay by a large part of its time.
const PATH: &str = "/robots.txt";
/// Two thirds of it pass between renewals.
const LIFETIME_S: u32 = 15;
/// Several renewals.
const SECONDS: u32 = 45;
/// Fewer answers make no percentile.
const ANSWERS_MIN: usize = 1000;

/// What is measured, and what must live meanwhile.
pub(super) struct Stage {
    endpoint: Endpoint,
    pebble: Pebble,
    _names: Names,
    _server: Server,
}

/// What is asked, and what it needs.
#[expect(dead_code, reason = "they must live")]
enum Server {
    Host(Hosted, Mysql),
    Guest(Machine),
}

/// The slowest of a hundred answers, in milliseconds.
pub(super) struct Slowest {
    pub(super) renewing: f64,
    pub(super) quiet: f64,
}

impl Stage {
    /// The service as a process of this host.
    pub(super) fn on_host(layout: &Layout, stack: &Stack, packages: Packages) -> Result<Self> {
        ensure!(
            hosted::build(layout, Profile::Machine(stack.web.optimisation))?,
            "the service does not compile"
        );
        let site = Site::open(layout, stack)?;
        let folder = layout.run().join("bench-tls");
        // What an earlier run's authority and back-off have left is not this one's.
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let port = free_port()?;
        let mysql = Mysql::start(layout, packages.policy(), &site, &folder, port)?;
        let endpoint = Endpoint::on_loopback(&stack.host, free_port()?, free_port()?, &site.root_path());
        let https = endpoint.https_port()?;
        let (names, pebble) = authority(&folder, [Ipv4Addr::LOCALHOST; 2], https)?;
        let places = Places {
            http: &endpoint.http,
            https: &endpoint.https,
            public_port: https,
            database_host: "127.0.0.1",
            database_port: port,
        };
        let config = folder.join("config.toml");
        write_secret(&config, toml::to_string(&pebble.certifies(&site.config(&places)?)?)?.as_bytes())?;
        let log = File::create(folder.join("service.log"))?;
        let mut service =
            Hosted::start(layout, Profile::Machine(stack.web.optimisation), &config, Stdio::from(log))?;
        service.await_ready(&Visitor::new(&stack.host, https, &pebble.root()?)?)?;
        let [server, others] = [service.id(), mysql.id()];
        Self { endpoint, pebble, _names: names, _server: Server::Host(service, mysql) }.apart(server, others)
    }

    /// A web machine.
    pub(super) fn in_guest(stage: &bench::Stage<'_>) -> Result<Self> {
        let (names, pebble) = authority(stage.folder(), [HOST, Place::Web.address()], 443)?;
        let machine = stage.start_certified(&pebble)?;
        let root = stage.folder().join("root.pem");
        fs::write(&root, pebble.root()?)?;
        let endpoint = Endpoint::at(stage.host(), Place::Web.address().into(), &root);
        let server = machine.process_id();
        Self { endpoint, pebble, _names: names, _server: Server::Guest(machine) }
            .apart(server, stage.mysql_id())
    }

    /// The server on its core, the others on another and behind the load: else what they do for a renewal delays that.
    fn apart(self, server: u32, mysql: u32) -> Result<Self> {
        h2load::pin(server, CPU)?;
        for helper in [mysql, self.pebble.id()] {
            h2load::pin(helper, h2load::CPU)?;
            h2load::stand_back(helper)?;
        }
        Ok(self)
    }

    /// One run at half of the peak rate.
    pub(super) fn measure(&self, round: u16) -> Result<Slowest> {
        let step = progress::start(format!("answers during renewals, round {round}"));
        let load = Load::new(&self.endpoint, &[PATH], SECONDS);
        let peak = Load::new(&self.endpoint, &[PATH], 2).run(Protocol::Http1)?.rate;
        let answers = load.at_rate(peak / 2.0).answers(Protocol::Http1)?;
        let (renewing, quiet): (Vec<Answer>, Vec<Answer>) = {
            let windows = windows(&fs::read_to_string(&self.pebble.log)?)?;
            let is_in = |answer: &Answer| {
                let end = answer.asked_us + answer.took_us;
                windows.iter().any(|(from, to)| answer.asked_us < *to && end > *from)
            };
            answers.into_iter().partition(is_in)
        };
        let slowest = |answers: &[Answer]| {
            ensure!(answers.len() >= ANSWERS_MIN, "only {} answers: no percentile", answers.len());
            p99_ms(answers.iter().map(|answer| answer.took_us).collect()).context("no answers")
        };
        let seen = Slowest { renewing: slowest(&renewing)?, quiet: slowest(&quiet)? };
        step.done(format!("{} of {} answers", renewing.len(), renewing.len() + quiet.len()));
        Ok(seen)
    }
}

/// A name server that leads to the site, and an authority that asks it: this host and the site as they see each other.
fn authority(folder: &Path, [at, site]: [Ipv4Addr; 2], https: u16) -> Result<(Names, Pebble)> {
    let folder = folder.join("ca");
    fs::create_dir_all(folder.join("ca"))?;
    let names = Names::start(&folder, site)?;
    let looks = Looks { at, name_server: &names.address, https, lifetime_s: Some(LIFETIME_S) };
    let pebble = Pebble::start(&folder, looks)?;
    Ok((names, pebble))
}

/// From the first second of an attempt that leads to an order, to the last one of the fetching of its certificate, in
/// microseconds since 1970.
fn windows(log: &str) -> Result<Vec<(f64, f64)>> {
    const SECOND_US: f64 = 1e6;
    let (mut windows, mut begun, mut is_ordered) = (Vec::new(), None, false);
    for line in log.lines() {
        if line.contains(" GET /dir ") {
            (begun, is_ordered) = (Some(logged_us(line)?), false);
        } else if line.contains(" POST /order-plz ") {
            is_ordered = true;
        } else if line.contains(" POST /certZ/ ") && is_ordered {
            let to = logged_us(line)? + SECOND_US;
            windows.extend(begun.take().map(|from| (from, to)));
        }
    }
    Ok(windows)
}

/// When a line was logged: `Pebble 2026/11/28 18:24:43 GET /dir`.
fn logged_us(line: &str) -> Result<f64> {
    let form = format_description!("[year]/[month]/[day] [hour]:[minute]:[second]");
    let at =
        line.split_once(' ').and_then(|(_, rest)| rest.get(..TIME_CHARS)).context("a line without a time")?;
    let at = PrimitiveDateTime::parse(at, form)?.assume_utc();
    Ok(at.unix_timestamp() as f64 * 1e6)
}

/// `2026/11/28 18:24:43`.
const TIME_CHARS: usize = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_lasts_from_its_first_second_to_its_last() {
        let log = "Running in strict mode\n\
                   Pebble 1970/01/01 00:00:03 GET /dir -> calling handler()\n\
                   Pebble 1970/01/01 00:00:07 GET /dir -> calling handler()\n\
                   Pebble 1970/01/01 00:00:08 POST /order-plz -> calling handler()\n\
                   Pebble 1970/01/01 00:00:09 POST /certZ/ -> calling handler()\n";
        assert_eq!(windows(log).unwrap(), [(7e6, 10e6)]);
        assert!(windows("Pebble tomorrow GET /dir -> calling handler()").is_err());
    }
}
