//! The clock that KVM shares with a guest: a page says what the timestamp counter's value means in nanoseconds (Linux,
//! Documentation/virt/kvm/x86/msr.rst and cpuid.rst).
//!
//! It asks no processor and hands no page over: `kvm` does. Pure: the host's tests compile this same file.
//!
//! Invariant: what is read of a page is of one version of it, and a time is never less than one that was told before.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Where hypervisors name themselves: one that plays several begins anew every 0x100 (Linux, arch/x86/include/asm/cpuid).
const FIRST_LEAF: u32 = 0x4000_0000;
const LAST_LEAF: u32 = 0x4001_0000;
const LEAVES_EACH: usize = 0x100;
/// As KVM names itself.
const SIGNATURE: &[u8; 12] = b"KVMKVMKVM\0\0\0";
/// In `eax` of the leaf after the name: the clock by the registers of 2010 (KVM_FEATURE_CLOCKSOURCE2).
const CLOCK: u32 = 1 << 3;
/// More tries than a host can spoil: it writes while the processor does not run, or once on each.
const TRIES: u32 = 1_000;

/// Whether KVM is there and shares its clock. `cpuid` gives a leaf's `eax`, `ebx`, `ecx` and `edx`.
pub(crate) fn is_offered(cpuid: impl Fn(u32) -> [u32; 4]) -> bool {
    let is_kvm = |leaf: &u32| {
        let [_, name @ ..] = cpuid(*leaf);
        name.map(u32::to_le_bytes).as_flattened() == SIGNATURE
    };
    let found = (FIRST_LEAF..LAST_LEAF).step_by(LEAVES_EACH).find(is_kvm);
    found.is_some_and(|leaf| cpuid(leaf + 1)[0] & CLOCK != 0)
}

/// What the host writes, in words (`struct pvclock_vcpu_time_info`): version, nothing, the counter's value (2) at which so
/// many nanoseconds (2) had passed, the multiplier, and in one word the shift and flags. Aligned so that it lies in one page.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Page(pub(crate) [AtomicU32; 8]);

impl Page {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU32::new(0) }; 8])
    }

    /// What the page says, and the counter's value meanwhile. `None` while nobody has written, or if nobody can have
    /// meant it.
    pub(crate) fn read(&self, counter: impl Fn() -> u64) -> Option<(Scale, u64)> {
        for _ in 0..TRIES {
            let version = self.0[0].load(Ordering::Acquire);
            let scale = Scale::of([2, 3, 4, 5, 6, 7].map(|at| self.0[at].load(Ordering::Relaxed)));
            let count = counter();
            fence(Ordering::Acquire);
            // Odd while the host writes.
            if version & 1 == 0 && self.0[0].load(Ordering::Relaxed) == version {
                return scale.map(|scale| (scale, count));
            }
            core::hint::spin_loop();
        }
        None
    }
}

/// What the counter means, until the host says otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Scale {
    /// At this value of the counter
    count: u64,
    /// so many nanoseconds had passed.
    nanos: u64,
    /// A count, shifted to the left by `shift`, is so many nanoseconds in units of 2^-32.
    multiplier: u32,
    shift: i8,
}

impl Scale {
    /// `None` of one in which no time passes, or whose shift leaves nothing.
    fn of(words: [u32; 6]) -> Option<Self> {
        let [count_low, count_high, nanos_low, nanos_high, multiplier, rest] = words;
        let wide = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        let shift = rest as i8;
        (multiplier != 0 && shift.unsigned_abs() < 32).then(|| Self {
            count: wide(count_low, count_high),
            nanos: wide(nanos_low, nanos_high),
            multiplier,
            shift,
        })
    }

    /// Microseconds at this value of the counter. One from before the page was written counts as of then.
    pub(crate) fn micros(&self, count: u64) -> u64 {
        let counted = u128::from(count.saturating_sub(self.count));
        let shifted = if self.shift < 0 { counted >> -self.shift } else { counted << self.shift };
        // 64 bits, 31 and 32 fit.
        let passed = (shifted * u128::from(self.multiplier)) >> 32;
        self.nanos.saturating_add(narrow(passed)) / 1_000
    }

    /// The first value of the counter at which so many microseconds are over.
    pub(crate) fn count(&self, micros: u64) -> u64 {
        let missing = (u128::from(micros) * 1_000).saturating_sub(self.nanos.into());
        let shifted = (missing << 32).div_ceil(self.multiplier.into());
        let counted = if self.shift < 0 {
            shifted.saturating_mul(1 << -self.shift)
        } else {
            shifted.div_ceil(1 << self.shift)
        };
        narrow(counted.saturating_add(self.count.into()))
    }

    /// How fast the counter runs.
    pub(crate) fn khz(&self) -> u64 {
        let per_milli = (1_000_000_u128 << 32) / u128::from(self.multiplier);
        let khz = if self.shift < 0 { per_milli << -self.shift } else { per_milli >> self.shift };
        narrow(khz)
    }
}

/// What does not fit is centuries away.
fn narrow(wide: u128) -> u64 {
    u64::try_from(wide).unwrap_or(u64::MAX)
}

/// The time, unless a later one was told: a host that moved, and another processor's page, may be behind by a little.
pub(crate) fn steady(last: &AtomicU64, micros: u64) -> u64 {
    last.fetch_max(micros, Ordering::Relaxed).max(micros)
}
