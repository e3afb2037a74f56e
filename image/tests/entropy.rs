//! How the kernel judges its sources of entropy, on the host: the guest compiles the same file.
//!
//! Invariant: a good source passes a million samples, and each kind of broken one is found.

#[allow(dead_code)]
#[path = "../kernel/files/src/entropy/health.rs"]
mod health;

use health::Health;

/// A generator good enough to look random (xorshift64).
fn samples(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn a_million_good_samples_pass() {
    assert!(Health::default().judge(&samples(1_000_000)));
}

#[test]
fn a_stuck_source_is_found_within_eight_samples() {
    assert!(Health::default().judge(&[7; 7]));
    assert!(!Health::default().judge(&[7; 8]));
}

#[test]
fn a_source_that_gets_stuck_later_is_found() {
    let mut health = Health::default();
    assert!(health.judge(&samples(10_000)));
    assert!(!health.judge(&[7; 16]));
}

#[test]
fn a_source_that_favours_one_byte_is_found() {
    let biased =
        samples(4096).into_iter().enumerate().map(|(at, byte)| if at % 8 == 0 { 0x55 } else { byte });
    assert!(!Health::default().judge(&biased.collect::<Vec<_>>()));
}

#[test]
fn a_short_cycle_is_found() {
    let cycle: Vec<u8> = samples(8).into_iter().cycle().take(1024).collect();
    assert!(!Health::default().judge(&cycle));
}
