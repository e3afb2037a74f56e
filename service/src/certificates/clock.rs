//! The time by which certificates are judged: the database's, once it has answered.
//!
//! A machine's own clock is read from hardware once and may be wrong by years; all machines share the database. Before it
//! has answered there is nothing to judge but a brought certificate, for which the machine's own clock must do.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tls::rustls::pki_types::UnixTime;
use tls::rustls::time_provider::TimeProvider;

/// A difference that no certificate cares about and no log line is worth, in seconds.
const TOLERATED_S: i64 = 60;

/// The machine's clock, corrected. Clones share the correction.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    /// A clock that is wrong by this many seconds until the database corrects it: for tests.
    pub fn wrong_by(seconds: i64) -> Self {
        Self(Arc::new(AtomicI64::new(seconds)))
    }

    /// Seconds since 1970.
    pub fn now_s(&self) -> i64 {
        let machine = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
        machine.saturating_add(self.0.load(Ordering::Relaxed)).max(0)
    }

    /// The same, as certificates are judged by.
    pub fn now(&self) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(self.now_s().unsigned_abs()))
    }

    /// The same for a certificate that begins then: authorities may write one that begins now, and what is not worth a
    /// correction refuses none that begins in less.
    pub(super) fn now_for(&self, begins_s: i64) -> UnixTime {
        let now_s = self.now_s();
        let early_s = begins_s.saturating_sub(now_s);
        let judged_s = if (0..=TOLERATED_S).contains(&early_s) { begins_s } else { now_s };
        UnixTime::since_unix_epoch(Duration::from_secs(judged_s.unsigned_abs()))
    }

    /// Follows the database's clock. Returns the difference in seconds, if it was worth a correction.
    pub(super) fn follow(&self, database_s: i64) -> Option<i64> {
        let wrong_s = database_s.saturating_sub(self.now_s());
        (wrong_s.abs() > TOLERATED_S).then(|| {
            self.0.fetch_add(wrong_s, Ordering::Relaxed);
            wrong_s
        })
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_wrong_by_years_is_corrected_and_a_small_difference_is_left() {
        let right = Clock::default().now_s();
        let clock = Clock::wrong_by(-10 * 365 * 86_400);
        assert!(clock.follow(right).is_some());
        assert!((clock.now_s() - right).abs() <= 1);
        assert_eq!(clock.follow(right + 30), None);
    }

    #[test]
    fn a_certificate_that_begins_within_what_a_clock_may_be_wrong_by_has_begun() {
        let clock = Clock::default();
        let judged = |begins_s: i64| clock.now_for(begins_s).as_secs() as i64 - begins_s;
        let now_s = clock.now_s();
        assert_eq!(judged(now_s + TOLERATED_S / 2), 0);
        assert!(judged(now_s + 2 * TOLERATED_S) < 0);
        assert!(judged(now_s - 3600) >= 3600);
    }
}
