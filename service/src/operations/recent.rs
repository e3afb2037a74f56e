//! The last hour, minute by minute: requests, faults, latencies, and what pool and memory looked like.
//!
//! Invariant: its size is fixed; a minute that is over is overwritten an hour later.

use std::time::Duration;

use db::Pool;
use http::StatusCode;

use super::Machine;

/// Minutes that are kept.
const KEPT: usize = 60;
/// Half octaves of microseconds: 2^24 µs are more than the longest request takes.
const STEPS: usize = 48;

/// One minute.
#[derive(Clone, Debug)]
pub struct Minute {
    /// Counted from the service's start.
    pub number: u64,
    /// Answers.
    pub requests: u32,
    /// Of these, with a status of 500 or more.
    pub faults: u32,
    /// Connections to MySQL in use at the last look, if there was one.
    pub pool_used: Option<u32>,
    /// The machine's memory in use at the last look, in bytes, if the system tells.
    pub memory_used: Option<u64>,
    steps: [u32; STEPS],
}

impl Minute {
    fn new(number: u64) -> Self {
        Self { number, requests: 0, faults: 0, pool_used: None, memory_used: None, steps: [0; STEPS] }
    }

    /// The time within which this share of the answers came, a step of a half octave too long at most.
    pub fn latency(&self, share: f64) -> Option<Duration> {
        percentile([self], share)
    }
}

/// The same over several minutes; `None` without requests.
pub fn percentile<'a>(minutes: impl IntoIterator<Item = &'a Minute>, share: f64) -> Option<Duration> {
    let mut sums = [0_u64; STEPS];
    for minute in minutes {
        sums.iter_mut().zip(minute.steps).for_each(|(sum, step)| *sum += u64::from(step));
    }
    let all: u64 = sums.iter().sum();
    // Rounded up, so that the last of few answers is not left out.
    let wanted = (all as f64 * share).ceil() as u64;
    let mut seen = 0;
    let step = sums.iter().position(|sum| {
        seen += sum;
        seen >= wanted && seen > 0
    })?;
    Some(upper(step))
}

/// The place of a latency: twice the binary logarithm of its microseconds, which is that of their square, rounded up.
fn step(took: Duration) -> usize {
    // Invariant: 2^24 squared is less than 2^64.
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).clamp(1, 1 << 24);
    let rounded_up = (micros * micros - 1).checked_ilog2().map_or(0, |floor| floor as usize + 1);
    rounded_up.min(STEPS - 1)
}

/// The longest latency of a place. A root is an instruction; `exp2` would load the host's libm, 0.3 MiB, for nothing else.
fn upper(step: usize) -> Duration {
    Duration::from_secs_f64(((1_u64 << step) as f64).sqrt() / 1e6)
}

/// The ring.
#[derive(Debug, Default)]
pub struct Recent(Vec<Minute>);

impl Recent {
    pub(super) fn note(&mut self, now: Duration, status: StatusCode, took: Duration) {
        let minute = self.minute(now);
        minute.requests = minute.requests.saturating_add(1);
        minute.faults = minute.faults.saturating_add(status.is_server_error().into());
        minute.steps[step(took)] += 1;
    }

    pub(super) fn sample(&mut self, now: Duration, pool: Pool, machine: &Machine) {
        let minute = self.minute(now);
        minute.pool_used = Some(pool.open.saturating_sub(pool.idle));
        minute.memory_used = machine
            .memory_total
            .zip(machine.memory_available)
            .map(|(total, left)| total.saturating_sub(left));
    }

    /// The hour until now, oldest first; minutes in which nothing happened are there too.
    pub(super) fn minutes(&self, now: Duration) -> Vec<Minute> {
        let last = now.as_secs() / 60;
        let first = last.saturating_sub(KEPT as u64 - 1);
        let kept = |number| self.0.iter().find(|minute| minute.number == number).cloned();
        (first..=last).map(|number| kept(number).unwrap_or_else(|| Minute::new(number))).collect()
    }

    fn minute(&mut self, now: Duration) -> &mut Minute {
        let number = now.as_secs() / 60;
        let place = (number % KEPT as u64) as usize;
        if self.0.is_empty() {
            self.0 = vec![Minute::new(u64::MAX); KEPT];
        }
        if self.0[place].number != number {
            self.0[place] = Minute::new(number);
        }
        &mut self.0[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u64) -> Duration {
        Duration::from_secs(minute * 60 + 30)
    }

    #[test]
    fn a_minute_is_forgotten_after_an_hour() {
        let mut recent = Recent::default();
        for minute in [0, 1, 60, 61] {
            recent.note(at(minute), StatusCode::OK, Duration::from_millis(1));
        }
        let minutes = recent.minutes(at(61));
        assert_eq!((minutes.len(), minutes[0].number, minutes[59].number), (60, 2, 61));
        let busy: Vec<u64> =
            minutes.iter().filter(|minute| minute.requests > 0).map(|minute| minute.number).collect();
        assert_eq!(busy, [60, 61]);
    }

    #[test]
    fn faults_are_those_of_the_server() {
        let mut recent = Recent::default();
        for status in [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::SERVICE_UNAVAILABLE] {
            recent.note(at(0), status, Duration::ZERO);
        }
        let minute = &recent.minutes(at(0))[0];
        assert_eq!((minute.requests, minute.faults), (3, 1));
    }

    #[test]
    fn a_percentile_is_never_too_short_and_half_an_octave_too_long_at_most() {
        let mut recent = Recent::default();
        for millis in 1..=100 {
            recent.note(at(0), StatusCode::OK, Duration::from_millis(millis));
        }
        let minute = &recent.minutes(at(0))[0];
        for (share, exact) in [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)] {
            let (told, exact) = (minute.latency(share).unwrap(), Duration::from_millis(exact));
            assert!(told >= exact && told <= exact.mul_f64(1.42), "{share}: {told:?}");
        }
        assert_eq!(Minute::new(0).latency(0.5), None);
        recent.note(at(1), StatusCode::OK, Duration::from_secs(3600));
        assert!(recent.minutes(at(1))[1].latency(0.5).is_some());
    }
}
