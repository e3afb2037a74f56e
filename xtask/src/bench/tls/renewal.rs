//! Answers while the certificate is renewed beside answers in between: the service on a core, everything else on another.
//!
//! A real authority (Pebble) writes certificates of seconds, so the service renews all the time. When it does is what its
//! own log says. Invariant: the load is the same in both, for it is one load.
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use ::image::machine::free_port;
use ::image::{Layout, Stack, progress};
use anyhow::{Context, Result, ensure};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::bench::h2load::{self, Answer, Load, Protocol, p99_ms};
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
/// From the attempt's first request of the authority to the order, which the log tells; more than it takes.
const BEFORE_ORDER_US: f64 = 1e6;
/// Fewer answers make no percentile.
const ANSWERS_MIN: usize = 1000;

/// What is measured, and what must live meanwhile.
pub(super) struct Stage {
    endpoint: Endpoint,
    log: std::path::PathBuf,
    _service: Hosted,
    _pebble: Pebble,
    _names: Names,
    _mysql: Mysql,
}

/// The slowest of a hundred answers, in milliseconds.
pub(super) struct Slowest {
    pub(super) renewing: f64,
    pub(super) quiet: f64,
}

impl Stage {
    pub(super) fn new(layout: &Layout, stack: &Stack, packages: Packages) -> Result<Self> {
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
        fs::create_dir_all(folder.join("ca"))?;
        let port = free_port()?;
        let mysql = Mysql::start(layout, packages.policy(), &site, &folder, port)?;
        let endpoint = Endpoint::on_loopback(&stack.host, free_port()?, free_port()?, &site.root_path());
        let names = Names::start(&folder)?;
        let https = endpoint.https_port()?;
        let looks = Looks { name_server: &names.address, https, lifetime_s: Some(LIFETIME_S) };
        let pebble = Pebble::start(&folder.join("ca"), looks)?;
        let places = Places {
            http: &endpoint.http,
            https: &endpoint.https,
            public_port: https,
            database_host: "127.0.0.1",
            database_port: port,
        };
        let config = folder.join("config.toml");
        write_secret(&config, toml::to_string(&pebble.certifies(&site.config(&places)?)?)?.as_bytes())?;
        let log = folder.join("service.log");
        let mut service = Hosted::start(
            layout,
            Profile::Machine(stack.web.optimisation),
            &config,
            Stdio::from(File::create(&log)?),
        )?;
        service.await_ready(&Visitor::new(&stack.host, https, &pebble.root()?)?)?;
        h2load::pin(service.id(), CPU)?;
        h2load::pin(mysql.id(), h2load::CPU)?;
        // Else what they do for a renewal delays the load itself.
        for helper in [mysql.id(), pebble.id()] {
            h2load::stand_back(helper)?;
        }
        Ok(Self { endpoint, log, _service: service, _pebble: pebble, _names: names, _mysql: mysql })
    }

    /// One run at half of the peak rate.
    pub(super) fn measure(&self, round: u16) -> Result<Slowest> {
        let step = progress::start(format!("answers during renewals, round {round}"));
        let load = Load::new(&self.endpoint, &[PATH], SECONDS);
        let peak = Load::new(&self.endpoint, &[PATH], 2).run(Protocol::Http1)?.rate;
        let answers = load.at_rate(peak / 2.0).answers(Protocol::Http1)?;
        let (renewing, quiet): (Vec<Answer>, Vec<Answer>) = {
            let windows = windows(&self.log)?;
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

/// From before an order to the presentation of its certificate, in microseconds since 1970.
fn windows(log: &Path) -> Result<Vec<(f64, f64)>> {
    let (mut windows, mut ordered) = (Vec::new(), None);
    for line in BufReader::new(File::open(log)?).lines() {
        let line = line?;
        if line.contains("\"a certificate is ordered\"") {
            ordered = Some(logged_us(&line)? - BEFORE_ORDER_US);
        } else if line.contains("\"a certificate is presented\"") {
            let to = logged_us(&line)?;
            windows.extend(ordered.take().map(|from| (from, to)));
        }
    }
    Ok(windows)
}

/// When a line was logged.
fn logged_us(line: &str) -> Result<f64> {
    let line: serde_json::Value = serde_json::from_str(line)?;
    let at = line["timestamp"].as_str().context("a line without a time")?;
    let at = OffsetDateTime::parse(at, &Rfc3339)?;
    Ok(at.unix_timestamp_nanos() as f64 / 1000.0)
}
