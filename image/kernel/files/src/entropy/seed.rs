//! Seeds from the processor: RDSEED where CPUID reports it, else RDRAND.
//!
//! CPUID is asked at run time. The compiler's own answer is useless here: target hermit claims both for every
//! processor.

use core::arch::x86_64::{_rdrand64_step, _rdseed64_step};
use core::hint::spin_loop;

use raw_cpuid::CpuId;

/// What a ChaCha20 generator is seeded with.
pub(crate) type Seed = [u8; 32];

/// How often an instruction is asked for one word. RDSEED may be drained for some microseconds by other processors;
/// RDRAND fails ten times in a row only if it is broken (Intel SDM, volume 1, 7.3.17).
const TRIES: u32 = 4096;

/// RDRAND hands out 512 outputs of its generator for each seed that the processor draws (Intel's implementation
/// guide, 4.2.5), so as many words are folded into each word of a seed.
const RDRAND_FOLD: u32 = 512;

/// A seed, or none where the processor has no source or it does not answer.
pub(super) fn take() -> Option<Seed> {
	let cpuid = CpuId::new();
	let rdseed = cpuid.get_extended_feature_info().is_some_and(|features| features.has_rdseed());
	let rdrand = cpuid.get_feature_info().is_some_and(|features| features.has_rdrand());
	let from_rdseed = if rdseed { fill(rdseed_word) } else { None };
	from_rdseed.or_else(|| if rdrand { fill(rdrand_word) } else { None })
}

fn fill(word: fn() -> Option<u64>) -> Option<Seed> {
	let mut seed = Seed::default();
	for chunk in seed.chunks_exact_mut(size_of::<u64>()) {
		chunk.copy_from_slice(&word()?.to_ne_bytes());
	}
	Some(seed)
}

fn rdseed_word() -> Option<u64> {
	// Safety: `take` has found RDSEED in CPUID.
	ask(|word| unsafe { _rdseed64_step(word) })
}

fn rdrand_word() -> Option<u64> {
	(0..RDRAND_FOLD).try_fold(0_u64, |folded, _| {
		// Safety: `take` has found RDRAND in CPUID.
		let word = ask(|word| unsafe { _rdrand64_step(word) })?;
		Some(folded.rotate_left(1) ^ word)
	})
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
