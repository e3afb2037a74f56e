//! The guest's clock, judged on the host: the guest compiles the same files.
//!
//! Invariant: the clock never goes back, and nobody who has not seen the question can set it.

#[allow(dead_code)]
#[path = "../kernel/files/src/clock/discipline.rs"]
mod discipline;
#[allow(dead_code)]
#[path = "../kernel/files/src/clock/rate.rs"]
mod rate;
#[allow(dead_code)]
#[path = "../kernel/files/src/clock/sntp.rs"]
mod sntp;

use discipline::Wall;
use rate::{Rate, Reading, best};
use sntp::{Answer, agreed, answer, offset, question};

const SECOND: u64 = 1_000_000;
/// 2026-11-23 in microseconds since 1970.
const NOW: u64 = 1_795_392_000 * SECOND;

/// Every 10 ms of `seconds`, the clock shows no less than before. Returns what it shows at the end.
fn runs_forward(wall: &Wall, from: u64, seconds: u64) -> u64 {
    let times = (0..=seconds * 100).map(|step| wall.at(from + step * 10_000));
    times
        .reduce(|before, now| {
            assert!(now >= before, "{before} is followed by {now}");
            now
        })
        .expect("at least one step")
}

#[test]
fn a_clock_without_corrections_shows_ticks() {
    assert_eq!(Wall::starting(5, NOW).at(5 + 90 * SECOND), NOW + 90 * SECOND);
}

#[test]
fn a_clock_that_is_ahead_is_slowed_until_it_is_right() {
    for ahead_us in [100_000, 1_000_000, 3_600_000_000_i64] {
        let mut wall = Wall::starting(0, NOW);
        let before = wall.at(SECOND);
        wall.correct(SECOND, -ahead_us);
        assert_eq!(wall.at(SECOND), before, "it jumps");
        runs_forward(&wall, SECOND, 600);
        let day = 86_400 * SECOND;
        assert_eq!(
            wall.at(SECOND + day),
            before + day - ahead_us as u64,
            "{ahead_us} are not made good in a day"
        );
    }
}

#[test]
fn a_clock_that_is_far_behind_is_set_and_one_that_is_a_little_behind_is_hurried() {
    let mut wall = Wall::starting(0, NOW);
    wall.correct(SECOND, 60_000_000);
    assert_eq!(wall.at(SECOND), NOW + 61 * SECOND);
    let mut wall = Wall::starting(0, NOW);
    wall.correct(SECOND, 100_000);
    assert_eq!(wall.at(SECOND), NOW + SECOND);
    assert_eq!(wall.at(1001 * SECOND), NOW + 1001 * SECOND + 100_000);
}

/// 400 parts in a million too slow: 35 s a day, as measured with a frequency in whole MHz.
#[test]
fn the_rate_is_learnt() {
    let mut wall = Wall::starting(0, NOW);
    let truth = |ticks: u64| NOW + ticks + ticks * 400 / 1_000_000;
    let mut ticks = 0;
    for _ in 0..12 {
        ticks += 256 * SECOND;
        let error = truth(ticks) as i64 - wall.at(ticks) as i64;
        wall.correct(ticks, error);
        runs_forward(&wall, ticks, 256);
    }
    ticks += 256 * SECOND;
    let error = truth(ticks) as i64 - wall.at(ticks) as i64;
    assert!(error.abs() < 2_000, "after an hour it is still wrong by {error} µs in four minutes");
}

/// A server's packet: the question's number as origin, heard and sent at these NTP times.
fn packet(number: u64, heard: u64, sent: u64) -> Vec<u8> {
    let mut packet = vec![4 << 3 | 4, 2];
    packet.resize(24, 0);
    packet.extend([number, heard, sent].map(u64::to_be_bytes).concat());
    packet
}

/// Microseconds since 1970 as NTP has them.
fn ntp(micros: u64) -> u64 {
    ((micros / SECOND + 2_208_988_800) << 32) | (((micros % SECOND) << 32) / SECOND)
}

#[test]
fn an_answer_gives_the_offset() {
    let found = answer(&packet(7, ntp(NOW + 10 * SECOND), ntp(NOW + 10 * SECOND)), 7).expect("an answer");
    assert_eq!(offset(found, NOW, NOW + 20_000), Some(10 * 1_000_000 - 10_000));
}

#[test]
fn a_time_after_2036_is_not_1900() {
    let later = 2_100_000_000 * SECOND;
    assert_eq!(
        answer(&packet(7, ntp(later), ntp(later)), 7),
        Some(Answer { heard_us: later, sent_us: later })
    );
}

#[test]
fn what_is_no_answer_is_refused() {
    let good = packet(7, ntp(NOW), ntp(NOW));
    assert!(answer(&good, 7).is_some());
    assert!(answer(&good, 8).is_none(), "another question's answer");
    assert!(answer(&good[..47], 7).is_none(), "cut short");
    for (at, byte, what) in [
        (0, 4 << 3 | 3, "a question"),
        (0, 3 << 6 | 4 << 3 | 4, "not synchronised"),
        (1, 0, "kiss of death"),
        (1, 16, "no stratum"),
    ] {
        let mut bad = good.clone();
        bad[at] = byte;
        assert!(answer(&bad, 7).is_none(), "{what}");
    }
    for length in 0..64 {
        let _ = answer(&vec![0xff; length], u64::MAX);
    }
    assert_eq!(question(0x0102_0304_0506_0708)[40..], [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn an_answer_that_took_too_long_tells_nothing() {
    let found = Answer { heard_us: NOW, sent_us: NOW };
    assert!(offset(found, NOW, NOW + 3 * SECOND).is_none());
    assert!(
        offset(Answer { heard_us: NOW, sent_us: NOW + SECOND }, NOW, NOW + 1000).is_none(),
        "before it was asked"
    );
}

#[test]
fn a_liar_is_outvoted() {
    assert_eq!(agreed(&mut [100, 3_600_000_000, -200], 3), Some(100));
    assert_eq!(agreed(&mut [100, 3_600_000_000], 2), None, "two that differ");
    assert_eq!(agreed(&mut [100], 4), None, "one of four");
    assert_eq!(agreed(&mut [100], 1), Some(100));
    assert_eq!(agreed(&mut [], 1), None);
}

#[test]
fn a_counter_that_is_no_whole_number_of_megahertz_loses_no_time() {
    for khz in [1_000, 1_193_182, 1_999_999, 2_299_998, 2_445_405, 5_700_123] {
        let each = Rate::of_khz(khz).expect("a rate").micros_each();
        let (year_us, ticks) = (365 * 86_400 * SECOND, 365 * 86_400 * khz * 1_000);
        assert!(rate::micros(ticks, each).abs_diff(year_us) <= year_us / 1_000_000, "{khz}");
        for micros in [0, 1, 999_999, 1_000_000, year_us] {
            let at = rate::ticks(micros, each);
            assert!(rate::micros(at, each) >= micros, "{khz}: a timer for {micros} fires early");
            assert!(at == 0 || rate::micros(at - 1, each) < micros, "{khz}: a timer for {micros} fires late");
        }
    }
}

#[test]
fn a_rate_is_measured_beside_another_counter() {
    let rate = Rate::measured(2_445_405 * 40, 1_193_182 / 25, 1_193_182).expect("a rate");
    assert!(rate.khz().abs_diff(2_445_405) < 50, "{rate:?}");
    assert_eq!(Rate::measured(1_000_000, 0, 1_193_182), None);
    assert_eq!(Rate::measured(0, 1_000, 1_193_182), None);
    assert_eq!(Rate::of_khz(u64::MAX), None);
}

#[test]
fn a_reading_that_was_interrupted_is_left_out() {
    let readings = [(0, 9, 5_000_000), (6_000_000, 8, 6_000_400), (6_100_000, 7, 9_000_000)];
    let readings = readings.map(|(before, count, after)| Reading { before, count, after });
    assert_eq!(best(readings.into_iter()).map(|best| (best.count, best.middle())), Some((8, 6_000_200)));
}
