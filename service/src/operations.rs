//! What operators read of a running service: counters since its start, and the last hour minute by minute.
//!
//! Names follow Prometheus' conventions (base units, `_total`). Invariant: no label is a client's own word: methods and
//! routes are those that the program knows, so that nobody can make the tables grow.

mod certificate;
mod machine;
mod recent;
mod routes;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::{Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::certificates::Status;
use db::Pool;
use edge::Load;
pub use machine::Machine;
pub use recent::{Minute, Recent, percentile};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// All figures of one service.
#[derive(Debug)]
pub struct Operations {
    begun: Instant,
    /// The same by the machine's clock, in seconds since 1970: what it said then, so that a restart is what changes it.
    begun_s: u64,
    registry: Registry,
    routes: routes::Routes,
    sent: Counter,
    gauges: Gauges,
    recent: Mutex<Recent>,
    /// The last minute of which a sample was taken, counted from 1.
    sampled: AtomicU64,
}

/// What is read at the moment it is asked for.
#[derive(Debug, Default)]
struct Gauges {
    in_flight: Gauge,
    connections: Gauge,
    begun: Gauge,
    pool: Family<State, Gauge>,
    pool_most: Gauge,
    memory: Family<State, Gauge>,
    files: Family<State, Gauge>,
    machine_uptime: Gauge,
    certificate: certificate::Gauges,
}

impl Default for Operations {
    fn default() -> Self {
        let mut registry = Registry::default();
        let routes = routes::Routes::default();
        routes.register(&mut registry);
        let sent = Counter::default();
        registry.register_with_unit("http_response_body", "Bytes of bodies", Unit::Bytes, sent.clone());
        let gauges = Gauges::default();
        gauges.register(&mut registry);
        Self {
            begun: Instant::now(),
            begun_s: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            registry,
            routes,
            sent,
            gauges,
            recent: Mutex::default(),
            sampled: AtomicU64::new(0),
        }
    }
}

impl Operations {
    /// Notes an answer. `bytes` is the size of its body where it is known.
    pub fn answered(&self, method: &Method, route: &str, status: StatusCode, took: Duration, bytes: u64) {
        let route = if route.is_empty() { "unknown" } else { route };
        self.routes.note(known(method), route, status.as_u16(), took);
        self.sent.inc_by(bytes);
    }

    /// Notes an answer to a visitor for the last hour's minutes: a probe's "not yet" is nobody's error.
    pub fn visited(&self, now: Instant, status: StatusCode, took: Duration) {
        self.recent().note(now.saturating_duration_since(self.begun), status, took);
    }

    /// Whether the current minute has not been sampled yet; says so once a minute.
    pub fn minute_is_new(&self, now: Instant) -> bool {
        let minute = now.saturating_duration_since(self.begun).as_secs() / 60 + 1;
        self.sampled.swap(minute, Ordering::Relaxed) != minute
    }

    /// Notes what the pool and the machine have to do now, for the current minute.
    pub fn sample(&self, pool: Pool) {
        let machine = Machine::read();
        self.recent().sample(self.begun.elapsed(), pool, &machine);
    }

    /// The last hour until now.
    pub fn minutes(&self) -> Vec<Minute> {
        self.recent().minutes(self.begun.elapsed())
    }

    /// Since when this program serves.
    pub fn uptime(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Everything in Prometheus' text format (OpenMetrics 1.0).
    pub fn text(&self, load: &Load, pool: Pool, certificate: Option<&Status>) -> String {
        self.gauges.certificate.set(certificate);
        self.gauges.set(self.begun_s, load, pool, &Machine::read());
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gauges {
    fn register(&self, registry: &mut Registry) {
        let bytes = || Unit::Bytes;
        registry.register("http_requests_in_flight", "Requests in hand", self.in_flight.clone());
        registry.register("http_connections", "Open connections of visitors", self.connections.clone());
        registry.register("database_connections", "Connections to MySQL", self.pool.clone());
        registry.register("database_connections_max", "The most that may be open", self.pool_most.clone());
        registry.register_with_unit(
            "process_start_time",
            "When the program was started, since 1970",
            Unit::Seconds,
            self.begun.clone(),
        );
        registry.register_with_unit("machine_memory", "The machine's memory", bytes(), self.memory.clone());
        registry.register("machine_files", "The machine's files and sockets", self.files.clone());
        let help = "Since the machine's start";
        registry.register_with_unit("machine_uptime", help, Unit::Seconds, self.machine_uptime.clone());
        self.certificate.register(registry);
    }

    fn set(&self, begun_s: u64, load: &Load, pool: Pool, machine: &Machine) {
        self.in_flight.set(load.requests().into());
        self.connections.set(load.connections().into());
        self.begun.set(whole(begun_s));
        self.pool_most.set(pool.most.into());
        for (state, value) in [("idle", pool.idle), ("used", pool.open.saturating_sub(pool.idle))] {
            self.pool.get_or_create(&State { state }).set(value.into());
        }
        for (state, value) in [("total", machine.memory_total), ("available", machine.memory_available)] {
            if let Some(bytes) = value {
                self.memory.get_or_create(&State { state }).set(whole(bytes));
            }
        }
        for (state, value) in [("open", machine.files_open), ("max", machine.files_most)] {
            if let Some(count) = value {
                self.files.get_or_create(&State { state }).set(whole(count));
            }
        }
        if let Some(uptime) = machine.uptime {
            self.machine_uptime.set(whole(uptime.as_secs()));
        }
    }
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The methods that HTTP defines; any other word is one label.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_follows_the_conventions() {
        let operations = Operations::default();
        operations.answered(&Method::GET, "/", StatusCode::OK, Duration::from_millis(3), 700);
        let strange = Method::from_bytes(b"BREW").unwrap();
        operations.answered(&strange, "", StatusCode::NOT_FOUND, Duration::from_secs(99), 0);
        let text = operations.text(&Load::default(), Pool { open: 3, idle: 2, most: 8 }, None);
        for line in [
            r#"http_requests_total{method="GET",route="/",status="200"} 1"#,
            r#"http_requests_total{method="other",route="unknown",status="404"} 1"#,
            r#"http_request_duration_seconds_bucket{le="0.005",route="/"} 1"#,
            r#"http_request_duration_seconds_count{route="/"} 1"#,
            "http_response_body_bytes_total 700",
            r#"database_connections{state="used"} 1"#,
            "database_connections_max 8",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    /// Prometheus: "Metric and label naming". A program's start is a moment, as client libraries tell it.
    #[test]
    fn units_are_base_units_and_counters_are_totals() {
        let operations = Operations::default();
        operations.answered(&Method::GET, "/", StatusCode::OK, Duration::from_millis(3), 700);
        let mut status = certificate::tests::failing();
        (status.last_renewal_s, status.next_attempt_s) = (Some(1), Some(2));
        let text = operations.text(&Load::default(), Pool::default(), Some(&status));
        let of = |keyword: &str| -> Vec<(&str, &str)> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(keyword)?.split_once(' '));
            lines.collect()
        };
        let (types, units) = (of("# TYPE "), of("# UNIT "));
        let samples: Vec<&str> = text.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
        assert!(types.len() >= 15 && units.len() >= 8, "{text}");
        for (name, unit) in units {
            assert!(["seconds", "bytes"].contains(&unit) && name.ends_with(unit), "{name} {unit}");
        }
        for (name, kind) in types {
            let total = format!("{name}_total");
            assert_eq!(samples.contains(&total.as_str()), kind == "counter", "{name} {kind}");
            let other = ["days", "minutes", "milliseconds", "kib", "mib", "uptime_s", "percent"];
            assert!(!other.iter().any(|unit| name.ends_with(unit)), "{name}");
        }
        let start = text.lines().find_map(|line| line.strip_prefix("process_start_time_seconds "));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let start: u64 = start.expect("when it was started").parse().unwrap();
        assert!((now - 60..=now).contains(&start), "{start}");
    }
}
