//! smoltcp's random numbers, from the kernel's own generator.
//!
//! The crate's generator gives its state away in a few outputs, and outputs are sequence numbers that every client
//! sees. Invariant: nothing here is remembered or derived from a seed.
#![allow(unsafe_code)]
#![allow(unused)]

#[cfg(not(fuzzing))]
unsafe extern "Rust" {
    // Safety: defined once, in the kernel's `net::random`, with this signature.
    safe fn bootstack_random() -> u32;
}

/// Under a fuzzer an input must do the same each time.
#[cfg(fuzzing)]
fn bootstack_random() -> u32 {
    0x1234_5678
}

#[derive(Debug)]
pub(crate) struct Rand;

impl Rand {
    /// The seed is not used.
    pub(crate) const fn new(_seed: u64) -> Self {
        Self
    }

    pub(crate) fn rand_u32(&mut self) -> u32 {
        bootstack_random()
    }

    pub(crate) fn rand_u16(&mut self) -> u16 {
        (self.rand_u32() >> 16) as u16
    }

    /// A port of the dynamic range (RFC 6335, 6).
    pub(crate) fn rand_source_port(&mut self) -> u16 {
        0xc000 | self.rand_u16()
    }
}
