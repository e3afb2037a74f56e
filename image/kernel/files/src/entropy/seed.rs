//! Seeds: RDSEED, RDRAND and virtio-rng, each judged, all mixed.
//!
//! CPUID is asked at run time. The compiler's own answer is useless here: target hermit claims both instructions for
//! every processor.
//!
//! Invariant: a seed is at least as unpredictable as the best source in it.

use core::arch::x86_64::{_rdrand64_step, _rdseed64_step};
use core::fmt;
use core::hint::spin_loop;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use raw_cpuid::CpuId;

use super::health::{Health, START_SAMPLES};
use crate::net::rng::Rng;

/// What a ChaCha20 generator is seeded with.
pub(crate) type Seed = [u8; 32];

/// How often an instruction is asked for one word. RDSEED may be drained for some microseconds by other processors;
/// RDRAND fails ten times in a row only if it is broken (Intel SDM, volume 1, 7.3.17).
const TRIES: u32 = 4096;

/// RDRAND hands out 512 outputs of its generator for each seed that the processor draws (Intel's implementation
/// guide, 4.2.5), so where it is alone as many words are folded into each word of a seed.
const RDRAND_FOLD: u32 = 512;

type Word = fn() -> Option<u64>;

/// An instruction that gives random words.
struct Instruction {
    name: &'static str,
    word: Word,
    health: Health,
}

/// Every source that the machine has.
pub(super) struct Sources {
    rdseed: Option<Instruction>,
    rdrand: Option<Instruction>,
    device: Option<(Rng, Health)>,
}

impl Sources {
    /// Finds the sources and judges each. One that is broken stops the machine.
    pub(super) fn open() -> Self {
        let cpuid = CpuId::new();
        let has_rdseed = cpuid.get_extended_feature_info().is_some_and(|features| features.has_rdseed());
        let has_rdrand = cpuid.get_feature_info().is_some_and(|features| features.has_rdrand());
        let rdseed = has_rdseed.then(|| Instruction::judged("RDSEED", rdseed_word)).flatten();
        let rdrand = has_rdrand.then(|| Instruction::judged("RDRAND", rdrand_word)).flatten();
        Self { rdseed, rdrand, device: judged_device() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rdseed.is_none() && self.rdrand.is_none() && self.device.is_none()
    }

    /// What the device has ready may be known to the machine's twin.
    pub(super) fn forget(&mut self) {
        if let Some((rng, _)) = &mut self.device {
            rng.discard();
        }
    }

    /// A seed of all sources that answer. The device is waited for only where it is alone.
    pub(super) fn take(&mut self) -> Option<Seed> {
        let fold = if self.rdseed.is_some() { 1 } else { RDRAND_FOLD };
        let rdseed = self.rdseed.as_mut().and_then(|source| source.seed(1));
        let rdrand = self.rdrand.as_mut().and_then(|source| source.seed(fold));
        let is_alone = rdseed.is_none() && rdrand.is_none();
        let device = self.device.as_mut().and_then(|(rng, health)| {
            let mut seed = Seed::default();
            rng.read(&mut seed, is_alone).then_some(())?;
            require(health.judge(&seed), "virtio-rng");
            Some(seed)
        });
        [rdseed, rdrand, device].into_iter().flatten().reduce(mixed)
    }
}

impl fmt::Display for Sources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for source in [&self.rdseed, &self.rdrand].into_iter().flatten() {
            write!(formatter, "{} ", source.name)?;
        }
        formatter.write_str(if self.device.is_some() { "virtio-rng" } else { "" })
    }
}

/// Neither hides the other, also where both are the same: the first is spread over the key before the second is added.
fn mixed(first: Seed, second: Seed) -> Seed {
    let mut key = Seed::default();
    ChaCha20Rng::from_seed(first).fill_bytes(&mut key);
    key.iter_mut().zip(second).for_each(|(byte, second)| *byte ^= second);
    key
}

/// The end of a machine with a broken source: what else it says is worth no more.
fn require(is_healthy: bool, name: &str) {
    if !is_healthy {
        panic_println!("bootstack: refused: {name} repeats itself (health test of SP 800-90B): it is broken");
        crate::scheduler::shutdown(1);
    }
}

fn judged_device() -> Option<(Rng, Health)> {
    let mut rng = Rng::find()?;
    let (mut samples, mut health) = ([0; START_SAMPLES], Health::default());
    if !rng.read(&mut samples, true) {
        warn!("virtio-rng does not answer");
        return None;
    }
    require(health.judge(&samples), "virtio-rng");
    Some((rng, health))
}

impl Instruction {
    fn judged(name: &'static str, word: Word) -> Option<Self> {
        let mut source = Self { name, word, health: Health::default() };
        for _ in 0..START_SAMPLES / size_of::<u64>() {
            source.judged_word()?;
        }
        Some(source)
    }

    fn judged_word(&mut self) -> Option<u64> {
        let word = (self.word)()?;
        require(self.health.judge(&word.to_ne_bytes()), self.name);
        Some(word)
    }

    fn seed(&mut self, fold: u32) -> Option<Seed> {
        let mut seed = Seed::default();
        for chunk in seed.chunks_exact_mut(size_of::<u64>()) {
            let word = (0..fold).try_fold(0_u64, |folded, _| Some(folded.rotate_left(1) ^ self.judged_word()?));
            chunk.copy_from_slice(&word?.to_ne_bytes());
        }
        Some(seed)
    }
}

fn rdseed_word() -> Option<u64> {
    // Safety: `open` has found RDSEED in CPUID.
    ask(|word| unsafe { _rdseed64_step(word) })
}

fn rdrand_word() -> Option<u64> {
    // Safety: `open` has found RDRAND in CPUID.
    ask(|word| unsafe { _rdrand64_step(word) })
}

/// Some processors answered "success" with a constant after sleep; the two constants seen count as failures.
fn ask(step: impl Fn(&mut u64) -> i32) -> Option<u64> {
    for _ in 0..TRIES {
        let mut word = 0;
        if step(&mut word) == 1 && word != 0 && word != u64::MAX {
            return Some(word);
        }
        spin_loop();
    }
    None
}
