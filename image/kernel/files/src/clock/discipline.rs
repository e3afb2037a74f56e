//! From ticks to the time of day, and how a wrong clock is made right without anybody noticing.
//!
//! It measures nothing. Pure: the host's tests compile this same file.
//!
//! Invariant: a later tick gives no earlier time, whatever corrections came between.

/// Small errors are spread at 500 parts in a million, as NTP's clocks do (RFC 5905, 11.3).
const GENTLE_PPM: i64 = 500;
/// A clock that is ahead by more than this is slowed by a tenth until it is right: it cannot be set back.
const LARGE_US: i64 = 1_000_000;
const BRISK_PPM: i64 = 100_000;
/// A clock that is behind by more than this is set forward: nobody minds a moment that never was.
const STEP_US: i64 = 500_000;
/// The tick's own error, in parts in a billion: the frequency is known in whole MHz, and measured under emulation.
const MOST_RATE_PPB: i64 = 10_000_000;
/// Corrections closer together than this say nothing about the rate.
const RATE_AFTER_US: u64 = 30_000_000;

/// The wall clock as a function of ticks, a microsecond each.
#[derive(Clone, Debug)]
pub(crate) struct Wall {
    /// Where the function begins.
    ticks: u64,
    micros: u64,
    /// By how much a tick is longer than it claims, in parts in a billion.
    rate_ppb: i64,
    /// What is still to be spread.
    error_us: i64,
    /// When the last correction came.
    corrected: Option<u64>,
}

impl Wall {
    /// A clock that shows `micros` at `ticks`.
    pub(crate) const fn starting(ticks: u64, micros: u64) -> Self {
        Self { ticks, micros, rate_ppb: 0, error_us: 0, corrected: None }
    }

    /// The time at `ticks`, which is not before the last correction.
    pub(crate) fn at(&self, ticks: u64) -> u64 {
        let elapsed = ticks.saturating_sub(self.ticks);
        let paced = i128::from(elapsed) * i128::from(1_000_000_000 + self.rate_ppb) / 1_000_000_000;
        self.micros.saturating_add_signed(paced as i64 + self.spread(elapsed))
    }

    /// What of the error was made good after `elapsed` ticks.
    fn spread(&self, elapsed: u64) -> i64 {
        let ppm = if self.error_us < -LARGE_US { BRISK_PPM } else { GENTLE_PPM };
        let most = (i128::from(elapsed) * i128::from(ppm) / 1_000_000) as i64;
        self.error_us.clamp(-most, most)
    }

    fn rebase(&mut self, ticks: u64) {
        let elapsed = ticks.saturating_sub(self.ticks);
        let (now, spread) = (self.at(ticks), self.spread(elapsed));
        (self.ticks, self.micros, self.error_us) = (ticks, now, self.error_us - spread);
    }

    /// The clock is wrong by `offset_us`: positive if it is behind.
    pub(crate) fn correct(&mut self, ticks: u64, offset_us: i64) {
        self.rebase(ticks);
        self.learn_rate(ticks, offset_us);
        self.error_us = offset_us;
        if offset_us > STEP_US {
            self.micros = self.micros.saturating_add_signed(offset_us);
            self.error_us = 0;
        }
    }

    /// What was still to be spread is no error of the rate; half of the rest is believed.
    fn learn_rate(&mut self, ticks: u64, offset_us: i64) {
        if let Some(before) = self.corrected.replace(ticks)
            && ticks - before >= RATE_AFTER_US
            && offset_us.abs() < LARGE_US
        {
            let drift = i128::from(offset_us - self.error_us) * 1_000_000_000 / i128::from(ticks - before);
            self.rate_ppb = (self.rate_ppb + drift as i64 / 2).clamp(-MOST_RATE_PPB, MOST_RATE_PPB);
        }
    }

    /// Sets a clock that nobody has looked at yet, also back.
    pub(crate) fn set(&mut self, ticks: u64, offset_us: i64) {
        self.rebase(ticks);
        self.micros = self.micros.saturating_add_signed(offset_us);
        self.error_us = 0;
        self.corrected = Some(ticks);
    }
}
