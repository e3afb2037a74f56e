//! Whether a source of entropy is broken: the two tests that run on every sample (NIST SP 800-90B, 4.4).
//!
//! They find a source that is stuck or strongly biased, not one that is weak on purpose. Pure: the host's tests compile
//! this same file.
//!
//! Invariant: a source with at least [`ENTROPY_BITS`] bits in each byte fails once in 2⁴⁰ samples.

/// What each byte of our sources is credited with. They claim eight.
#[allow(dead_code)]
const ENTROPY_BITS: u32 = 6;
/// 1 + ⌈40 / 6⌉ equal samples in a row (4.4.1).
const MOST_REPETITIONS: u32 = 8;
/// The adaptive proportion test's window for samples that are not bits (4.4.2).
const WINDOW: u32 = 512;
/// As many samples like the window's first: the binomial distribution's critical value for 2⁻⁴⁰ (4.4.2).
const MOST_ALIKE: u32 = 36;

/// Samples that are judged before a source is trusted (4.3, requirement 4).
pub(crate) const START_SAMPLES: usize = 1024;

/// What one source's samples have shown so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    last: Option<u8>,
    repetitions: u32,
    first: u8,
    alike: u32,
    seen: u32,
}

impl Health {
    /// Judges the next samples. False if the source is broken.
    #[must_use]
    pub(crate) fn judge(&mut self, samples: &[u8]) -> bool {
        samples.iter().all(|sample| self.repeats(*sample) && self.stays_in_proportion(*sample))
    }

    fn repeats(&mut self, sample: u8) -> bool {
        self.repetitions = if self.last == Some(sample) { self.repetitions + 1 } else { 1 };
        self.last = Some(sample);
        self.repetitions < MOST_REPETITIONS
    }

    fn stays_in_proportion(&mut self, sample: u8) -> bool {
        if self.seen == 0 {
            (self.first, self.alike) = (sample, 0);
        }
        self.alike += u32::from(sample == self.first);
        self.seen = (self.seen + 1) % WINDOW;
        self.alike < MOST_ALIKE
    }
}
