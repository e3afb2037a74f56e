//! A time server's answer: the guest compiles the same file. The first eight bytes are the question's number.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../../image/kernel/files/src/clock/sntp.rs"]
mod sntp;

/// 2026-11-23 in microseconds since 1970.
const ASKED_US: u64 = 1_795_392_000_000_000;
const GOT_US: u64 = ASKED_US + 40_000;

fuzz_target!(|bytes: &[u8]| {
    let Some((number, packet)) = bytes.split_first_chunk::<8>() else { return };
    let Some(answer) = sntp::answer(packet, u64::from_be_bytes(*number)) else { return };
    let offset = sntp::offset(answer, ASKED_US, GOT_US);
    let mut offsets: Vec<i64> = offset.into_iter().chain([0, 20_000]).collect();
    let agreed = sntp::agreed(&mut offsets, 3).unwrap_or_default();
    assert!((0..=20_000).contains(&agreed), "one of three servers set the clock by {agreed} us");
});
