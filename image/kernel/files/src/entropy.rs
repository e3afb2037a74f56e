//! Random numbers for keys: ChaCha20, seeded anew each second from the processor's generator.
//!
//! Invariant: there is no other source. A machine whose processor offers none stops at boot with a line on its
//! console, because predictable numbers would make every key that it negotiates worthless.

use hermit_sync::InterruptTicketMutex;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::arch::kernel::processor::get_timer_ticks;
use crate::errno::EIO;

mod seed;

pub(crate) use seed::Seed;

/// Ticks, of a microsecond each, after which a pool takes a new seed.
const RESEED_INTERVAL_TICKS: u64 = 1_000_000;

bitflags! {
	/// None is defined.
	pub struct Flags: u32 {}
}

struct Pool {
	generator: ChaCha20Rng,
	seeded_ticks: u64,
}

static POOL: InterruptTicketMutex<Option<Pool>> = InterruptTicketMutex::new(None);

/// Takes the first seed. Without one the machine stops.
pub(crate) fn init() {
	let mut first = [0; 32];
	if read(&mut first, Flags::empty()) < 0 {
		panic_println!(
			"bootstack: refused: the processor has neither RDSEED nor RDRAND, so every key would be predictable; \
			 choose a machine type that has one (QEMU: -cpu max)"
		);
		crate::scheduler::shutdown(1);
	}
}

/// Fills `buffer` with random bytes and returns their number, or a negated error when there is no seed.
pub fn read(buffer: &mut [u8], _flags: Flags) -> isize {
	let pool = &mut *POOL.lock();
	let now = get_timer_ticks();
	let stale = pool.as_ref().is_none_or(|pool| now.saturating_sub(pool.seeded_ticks) > RESEED_INTERVAL_TICKS);
	if stale && let Some(seed) = seed::take() {
		*pool = Some(Pool { generator: reseeded(pool.take(), seed), seeded_ticks: now });
	}
	// A pool that was seeded once stays unpredictable even if the processor is short of seeds for a while.
	let Some(pool) = pool else { return -EIO as isize };
	pool.generator.fill_bytes(buffer);
	// A slice is never longer than isize::MAX.
	buffer.len() as isize
}

/// The old state takes part in the new one, so that a weak seed cannot make it weaker.
fn reseeded(old: Option<Pool>, mut seed: Seed) -> ChaCha20Rng {
	if let Some(mut old) = old {
		let mut carried = Seed::default();
		old.generator.fill_bytes(&mut carried);
		seed.iter_mut().zip(carried).for_each(|(byte, old)| *byte ^= old);
	}
	ChaCha20Rng::from_seed(seed)
}
