//! Random numbers for keys: ChaCha20, seeded anew each second from every source that the machine has.
//!
//! Invariant: there is no other source. A machine that has none, or whose source fails its health test, stops with a
//! line on its console, because predictable numbers would make every key that it negotiates worthless.

use hermit_sync::InterruptTicketMutex;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::arch::kernel::processor::get_timer_ticks;
use crate::errno::EIO;

pub(crate) mod generation;
mod health;
mod seed;

pub(crate) use seed::Seed;
use seed::Sources;

/// Ticks, of a microsecond each, after which a pool takes a new seed.
const RESEED_INTERVAL_TICKS: u64 = 1_000_000;

/// The first block of ChaCha20 with a key and nonce of zeros (RFC 8439, A.1, test vector 1).
const KNOWN_ANSWER: [u8; 16] =
    [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28];

bitflags! {
    /// None is defined.
    pub struct Flags: u32 {}
}

struct Pool {
    generator: Option<ChaCha20Rng>,
    sources: Sources,
    seeded_ticks: u64,
    generation: generation::Id,
}

static POOL: InterruptTicketMutex<Option<Pool>> = InterruptTicketMutex::new(None);

/// Judges the generator and the sources, and takes the first seed. Where that fails, the machine stops.
pub(crate) fn init() {
    let mut answer = [0; 16];
    ChaCha20Rng::from_seed(Seed::default()).fill_bytes(&mut answer);
    if answer != KNOWN_ANSWER {
        refuse("the generator does not give its known answer: this image or this processor is damaged");
    }
    let sources = Sources::open();
    if sources.is_empty() {
        refuse(
            "the machine has neither RDSEED nor RDRAND nor virtio-rng, so every key would be predictable; choose a \
             machine type that has one (QEMU: -cpu max, or -device virtio-rng-pci)",
        );
    }
    info!("random numbers from {sources}");
    let generation = generation::read();
    *POOL.lock() = Some(Pool { generator: None, sources, seeded_ticks: 0, generation });
    let mut first = [0; 32];
    if read(&mut first, Flags::empty()) < 0 {
        refuse("no source of random numbers answers");
    }
}

/// The end of a machine whose keys could be guessed.
fn refuse(why: &str) -> ! {
    panic_println!("bootstack: refused: {why}");
    crate::scheduler::shutdown(1);
}

/// Fills `buffer` with random bytes and returns their number, or a negated error when there is no seed.
pub fn read(buffer: &mut [u8], _flags: Flags) -> isize {
    let mut pool = POOL.lock();
    let Some(generator) = pool.as_mut().and_then(Pool::fresh) else { return -EIO as isize };
    generator.fill_bytes(buffer);
    // A slice is never longer than isize::MAX.
    buffer.len() as isize
}

impl Pool {
    /// The generator, seeded lately. A pool that was seeded once stays unpredictable even if the sources are short of
    /// seeds for a while; a copy of a machine does not, for its twin has the same pool.
    fn fresh(&mut self) -> Option<&mut ChaCha20Rng> {
        let generation = generation::read();
        let is_copy = generation != self.generation;
        if is_copy {
            panic_println!("bootstack: this machine was restored from a snapshot: taking new random numbers");
            self.sources.forget();
        }
        let now = get_timer_ticks();
        let is_stale = now.saturating_sub(self.seeded_ticks) > RESEED_INTERVAL_TICKS;
        if self.generator.is_none() || is_stale || is_copy {
            match self.sources.take() {
                Some(seed) => {
                    self.generator = Some(reseeded(self.generator.take(), seed));
                    self.seeded_ticks = now;
                    self.generation = generation;
                }
                None if is_copy => return None,
                None => {}
            }
        }
        self.generator.as_mut()
    }
}

/// The old state takes part in the new one, so that a weak seed cannot make it weaker.
fn reseeded(old: Option<ChaCha20Rng>, mut seed: Seed) -> ChaCha20Rng {
    if let Some(mut old) = old {
        let mut carried = Seed::default();
        old.fill_bytes(&mut carried);
        seed.iter_mut().zip(carried).for_each(|(byte, old)| *byte ^= old);
    }
    ChaCha20Rng::from_seed(seed)
}
