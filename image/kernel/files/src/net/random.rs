//! Numbers that nobody can guess: sequence numbers, ports, hash seeds.
//!
//! It does not gather entropy. Invariant: there is no fallback; without entropy the machine does not serve.

use crate::entropy;

/// 64 unpredictable bits.
pub(crate) fn bits() -> u64 {
    let mut bytes = [0; 8];
    let read = entropy::read(&mut bytes, entropy::Flags::empty());
    assert_eq!(read, bytes.len() as isize, "no entropy: the network cannot be used safely");
    u64::from_ne_bytes(bytes)
}

/// What the smoltcp port draws its sequence numbers, ports and identifiers from.
///
/// Safety: the name occurs once in the kernel, and only the smoltcp port declares it.
#[unsafe(no_mangle)]
fn bootstack_random() -> u32 {
    bits() as u32
}
