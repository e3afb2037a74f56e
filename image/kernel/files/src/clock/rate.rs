//! How fast the timestamp counter runs, and what its value means in microseconds.
//!
//! It reads no counter. Pure: the host's tests compile this same file.
//!
//! Invariant: a greater count gives no smaller time.

/// Microseconds in a tick are kept in units of 2^-44: a rounding error of 2^-15 in a million at 2 GHz.
const FRACTION_BITS: u32 = 44;

/// A rate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Rate {
    khz: u64,
    micros_each: u64,
}

impl Rate {
    /// A counter of so many kilohertz. `None` of one that no processor has: below a megahertz, or above a terahertz.
    pub(crate) const fn of_khz(khz: u64) -> Option<Self> {
        if khz < 1_000 || khz > 1_000_000_000 {
            return None;
        }
        Some(Self { khz, micros_each: ((1_000 << FRACTION_BITS) + khz / 2) / khz })
    }

    /// What was counted while another counter of `hz` counted so many. `None` if that says nothing.
    pub(crate) const fn measured(ticks: u64, counts: u64, hz: u64) -> Option<Self> {
        if counts == 0 {
            return None;
        }
        Self::of_khz((ticks as u128 * hz as u128 / (counts as u128 * 1_000)) as u64)
    }

    pub(crate) const fn khz(self) -> u64 {
        self.khz
    }

    pub(crate) const fn micros_each(self) -> u64 {
        self.micros_each
    }
}

/// Microseconds of so many ticks.
pub(crate) const fn micros(ticks: u64, micros_each: u64) -> u64 {
    ((ticks as u128 * micros_each as u128) >> FRACTION_BITS) as u64
}

/// The first tick at which so many microseconds are over.
pub(crate) const fn ticks(micros: u64, micros_each: u64) -> u64 {
    (((micros as u128) << FRACTION_BITS).div_ceil(micros_each as u128)) as u64
}

/// What a counter has counted that counts down and after zero begins again, `period` in all, of which it was expected to have
/// counted about so many: the nearest that fits both readings.
pub(crate) const fn counted(first: u64, last: u64, period: u64, expected: u64) -> u64 {
    let least = (first + period - last) % period;
    least + (expected.saturating_sub(least) + period / 2) / period * period
}

/// Two counters read at once, as well as that can be done: the one between two readings of the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) before: u64,
    pub(crate) count: u64,
    pub(crate) after: u64,
}

impl Reading {
    /// For how long the other could have been read.
    pub(crate) const fn doubt(&self) -> u64 {
        self.after.saturating_sub(self.before)
    }

    pub(crate) const fn middle(&self) -> u64 {
        self.before + self.doubt() / 2
    }
}

/// The reading with the least doubt: one that was interrupted says little.
pub(crate) fn best(readings: impl Iterator<Item = Reading>) -> Option<Reading> {
    readings.min_by_key(Reading::doubt)
}
