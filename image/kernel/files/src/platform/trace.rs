//! Who called whom, read off a stack without frame pointers: every word that lies behind a call instruction.
//!
//! Frame pointers would make it exact and every function slower. A word may be left over from an earlier call; the host
//! sorts out what cannot be (`image/src/symbols.rs`).
//!
//! Invariant: only mapped memory is read.

use crate::env;
use crate::mm::{VirtAddr, virtual_to_physical};

/// Words of the stack that are looked at: a mebibyte, more than any thread's.
const WORDS: u64 = 128 << 10;
/// Places that are printed: those nearest to the crash, and those nearest to the thread's beginning. In a service's event
/// loop hundreds lie between, most of them left over from earlier calls.
const INNERMOST: usize = 48;
const OUTERMOST: usize = 32;
const PAGE_BYTES: u64 = 4096;

/// The code that a machine runs: application and kernel, from its first byte.
#[derive(Clone, Copy)]
struct Code {
    start: u64,
    bytes: u64,
}

/// Prints the place of `instruction` and of every call that `stack` remembers, as distances from the code's start.
pub(super) fn print(instruction: Option<u64>, stack: u64) {
    let code = Code { start: env::get_base_address().as_u64(), bytes: env::get_image_size() as u64 };
    let calls = words(stack).filter(|word| code.follows_call(*word));
    let mut outermost = Outermost { places: [0; OUTERMOST], count: 0 };
    for (index, place) in instruction.into_iter().chain(calls).enumerate() {
        if index < INNERMOST { code.tell(place) } else { outermost.push(place) }
    }
    if outermost.passed_over() > 0 {
        panic_println!("bootstack:   and {} more, then", outermost.passed_over());
    }
    outermost.places().for_each(|place| code.tell(place));
}

/// The last of many places.
struct Outermost {
    places: [u64; OUTERMOST],
    count: usize,
}

impl Outermost {
    fn push(&mut self, place: u64) {
        self.places[self.count % OUTERMOST] = place;
        self.count += 1;
    }

    fn passed_over(&self) -> usize {
        self.count.saturating_sub(OUTERMOST)
    }

    fn places(&self) -> impl Iterator<Item = u64> + '_ {
        (self.passed_over()..self.count).map(|index| self.places[index % OUTERMOST])
    }
}

fn words(stack: u64) -> impl Iterator<Item = u64> {
    let first = stack.next_multiple_of(8);
    let addresses = (0..WORDS).map(move |index| first + 8 * index);
    let mut page = None;
    let mapped = addresses.take_while(move |address| {
        page == Some(address / PAGE_BYTES) || {
            page = Some(address / PAGE_BYTES);
            virtual_to_physical(VirtAddr::new(*address)).is_some()
        }
    });
    // Safety: the page is mapped, and the address is aligned.
    mapped.map(|address| unsafe { (address as *const u64).read_volatile() })
}

impl Code {
    fn tell(self, place: u64) {
        panic_println!("bootstack:   {:#010x}", place.wrapping_sub(self.start));
    }

    fn has(self, address: u64) -> bool {
        address.wrapping_sub(self.start) < self.bytes
    }

    fn byte(self, address: u64) -> u8 {
        // Safety: the caller has asked `has`, and all code is mapped.
        unsafe { (address as *const u8).read_volatile() }
    }

    /// Whether the instruction before this address is a call: direct (E8) into the code, or indirect (FF /2) in one of
    /// its lengths (Intel SDM, volume 2, CALL).
    fn follows_call(self, address: u64) -> bool {
        if !self.has(address) || !self.has(address - 7) {
            return false;
        }
        let direct = self.byte(address - 5) == 0xe8 && self.has(self.target(address));
        let indirect = |length: u64| {
            self.byte(address - length) == 0xff && self.byte(address - length + 1) >> 3 & 7 == 2
        };
        direct || [2, 3, 4, 6, 7].into_iter().any(indirect)
    }

    fn target(self, address: u64) -> u64 {
        let distance = (1..=4).rev().fold(0_u32, |word, back| word << 8 | u32::from(self.byte(address - 5 + back)));
        address.wrapping_add_signed(i64::from(distance.cast_signed()))
    }
}
