//! Answers of each route: how many of each kind, and how long they took.
//!
//! A family finds a counter by labels that must be made for it; here it is found by the route's name and kept. Invariant: a
//! route is one that the program knows, so that nobody can make the tables grow.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds in seconds: from a static file to the limit of a request.
const BUCKETS_S: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 15.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
}

/// All routes that have answered.
#[derive(Debug)]
pub(super) struct Routes {
    requests: Family<Answer, Counter>,
    durations: Family<Route, Histogram>,
    known: Mutex<HashMap<Box<str>, Known>>,
}

/// What was counted for one route: its histogram, and a counter for each method and status.
#[derive(Debug)]
struct Known {
    durations: Histogram,
    answers: Vec<(&'static str, u16, Counter)>,
}

impl Default for Routes {
    fn default() -> Self {
        let histogram = (|| Histogram::new(BUCKETS_S)) as fn() -> Histogram;
        let durations = Family::new_with_constructor(histogram);
        Self { requests: Family::default(), durations, known: Mutex::default() }
    }
}

impl Routes {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Answered requests", self.requests.clone());
        let help = "From a request's head to the head of its answer";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, self.durations.clone());
    }

    /// Notes an answer.
    pub(super) fn note(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get_mut(route) {
            return known.note(&self.requests, method, route, status, took);
        }
        let labels = Route { route: route.to_owned() };
        let durations = self.durations.get_or_create(&labels).clone();
        let mut new = Known { durations, answers: Vec::new() };
        new.note(&self.requests, method, route, status, took);
        known.insert(route.into(), new);
    }
}

impl Known {
    fn note(
        &mut self,
        requests: &Family<Answer, Counter>,
        method: &'static str,
        route: &str,
        status: u16,
        took: Duration,
    ) {
        self.durations.observe(took.as_secs_f64());
        let same = |(of, with, _): &&(&str, u16, Counter)| *of == method && *with == status;
        if let Some((.., counter)) = self.answers.iter().find(same) {
            counter.inc();
            return;
        }
        let counter = requests.get_or_create(&Answer { method, route: route.to_owned(), status }).clone();
        counter.inc();
        self.answers.push((method, status, counter));
    }
}
