//! `/status`: the last hour of this machine in small charts, for the accounts that `[operations]` names.
//!
//! It shows one machine, the one that answers, and the certificate, which all share. Invariant: for everybody else the
//! address does not exist. (Their names cannot be registered: `accounts/entrance.rs`.)

mod certificate;

use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::request::Parts;

use super::Site;
use super::error::Error;
use super::fields::Query;
use super::page::secret;
use super::session::SignedIn;
use crate::operations::{Machine, Minute, percentile};
use db::sessions::Viewer;

/// A bar's place in the drawing, in its own units; CSS says how large a unit is.
const BAR_WIDTH: usize = 5;
const HEIGHT: f64 = 60.0;
/// As many as there are minutes in the drawing; a young service has fewer, which stand at its right end.
const BARS: usize = 60;

pub(super) fn routes() -> Router<Site> {
    Router::new().route("/status", get(status)).route("/status/certificate", post(certificate::wish))
}

/// The operator who asks; it stands before a handler's form, so that nobody else hears that a form is wrong.
struct Operator(Viewer);

impl FromRequestParts<Site> for Operator {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Error> {
        let SignedIn(viewer) = SignedIn::from_request_parts(parts, site).await?;
        if site.shared.operators.contains(&viewer.name) { Ok(Self(viewer)) } else { Err(Error::NotFound) }
    }
}

type Fact = (&'static str, String);

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage {
    viewer: Option<Viewer>,
    facts: Vec<Fact>,
    certificate: Option<certificate::Shown>,
    charts: Vec<Chart>,
}

/// One figure over the last hour.
struct Chart {
    name: &'static str,
    /// The largest value, in words.
    most: String,
    bars: Vec<Bar>,
}

struct Bar {
    x: usize,
    y: f64,
    height: f64,
}

async fn status(
    State(site): State<Site>,
    Operator(viewer): Operator,
    Query(said): Query<certificate::Said>,
) -> Result<Response, Error> {
    let (operations, pool) = (&site.shared.operations, site.database.busy());
    operations.sample(pool);
    let minutes = operations.minutes();
    let facts = facts(&site, &minutes);
    let certificate = certificate::shown(&site, said);
    secret(
        http::StatusCode::OK,
        &StatusPage { viewer: Some(viewer), facts, certificate, charts: charts(&minutes) },
    )
}

fn facts(site: &Site, minutes: &[Minute]) -> Vec<Fact> {
    let (machine, pool, load) = (Machine::read(), site.database.busy(), &site.shared.load);
    let used = machine.memory_total.zip(machine.memory_available);
    let sum = |of: fn(&Minute) -> u32| minutes.iter().map(of).map(u64::from).sum::<u64>();
    let latency = |share| percentile(minutes, share).map(|took| milliseconds(took.as_secs_f64()));
    let facts = [
        ("Requests in the last hour", Some(sum(|minute| minute.requests).to_string())),
        ("Of these, failed here", Some(sum(|minute| minute.faults).to_string())),
        ("Half were answered within", latency(0.5)),
        ("99 of 100 were answered within", latency(0.99)),
        ("Requests in hand", Some(load.requests().to_string())),
        ("Open connections", Some(load.connections().to_string())),
        (
            "Connections to MySQL",
            Some(format!(
                "{} in use, {} open, {} at most",
                pool.open - pool.idle.min(pool.open),
                pool.open,
                pool.most
            )),
        ),
        (
            "Memory",
            used.map(|(total, left)| {
                format!("{} of {}", mib(total.saturating_sub(left) as f64), mib(total as f64))
            }),
        ),
        (
            "Open files and sockets",
            machine.files_open.zip(machine.files_most).map(|(open, most)| format!("{open} of {most}")),
        ),
        ("The machine runs since", machine.uptime.map(|uptime| minutes_of(uptime.as_secs()))),
        ("The service runs since", Some(minutes_of(site.shared.operations.uptime().as_secs()))),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn charts(minutes: &[Minute]) -> Vec<Chart> {
    let latency = |share| move |minute: &Minute| minute.latency(share).map(|took| took.as_secs_f64());
    vec![
        chart(
            "Requests a minute",
            minutes,
            |minute| Some(minute.requests.into()),
            |most| format!("{most:.0}"),
        ),
        chart("Faults a minute", minutes, |minute| Some(minute.faults.into()), |most| format!("{most:.0}")),
        chart("Median latency", minutes, latency(0.5), milliseconds),
        chart("99th percentile of latency", minutes, latency(0.99), milliseconds),
        chart(
            "MySQL connections in use",
            minutes,
            |minute| minute.pool_used.map(f64::from),
            |most| format!("{most:.0}"),
        ),
        chart("Memory in use", minutes, |minute| minute.memory_used.map(|bytes| bytes as f64), mib),
    ]
}

fn chart(
    name: &'static str,
    minutes: &[Minute],
    value: impl Fn(&Minute) -> Option<f64>,
    words: fn(f64) -> String,
) -> Chart {
    let values: Vec<f64> = minutes.iter().map(|minute| value(minute).unwrap_or_default()).collect();
    let most = values.iter().copied().fold(0.0, f64::max);
    let scale = if most > 0.0 { HEIGHT / most } else { 0.0 };
    let begin = BARS.saturating_sub(values.len());
    let bar = |(place, value): (usize, &f64)| {
        let height = (value * scale * 10.0).round() / 10.0;
        Bar { x: (begin + place) * BAR_WIDTH, y: HEIGHT - height, height }
    };
    Chart { name, most: words(most), bars: values.iter().enumerate().map(bar).collect() }
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1000.0)
}

fn mib(bytes: f64) -> String {
    format!("{:.0} MiB", bytes / 1_048_576.0)
}

/// `2 d 3 h 4 min`.
fn minutes_of(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("{days} d {hours} h {minutes} min")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_fills_the_chart_and_an_empty_hour_draws_nothing() {
        let operations = crate::operations::Operations::default();
        let empty = charts(&operations.minutes());
        assert!(empty.iter().all(|chart| chart.bars.iter().all(|bar| bar.height == 0.0)));
        let took = std::time::Duration::from_millis(7);
        operations.visited(std::time::Instant::now(), http::StatusCode::OK, took);
        let busy = charts(&operations.minutes());
        let last = busy[0].bars.last().map(|bar| (bar.x + BAR_WIDTH, bar.y, bar.height));
        assert_eq!((busy[0].most.as_str(), last), ("1", Some((BARS * BAR_WIDTH, 0.0, HEIGHT))));
        assert_eq!(minutes_of(2 * 86_400 + 3 * 3600 + 4 * 60 + 5), "2 d 3 h 4 min");
    }
}
