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
#[path = "../kernel/files/src/clock/shared.rs"]
mod shared;
#[allow(dead_code)]
#[path = "../kernel/files/src/clock/sntp.rs"]
mod sntp;

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use discipline::Wall;
use rate::{Rate, Reading, best};
use shared::{Page, Scale, is_offered, steady};
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
fn a_timer_that_began_again_is_read_by_what_was_expected() {
    const PERIOD: u64 = 1 << 16;
    for counted in [0, 1, 5_000, 65_535, 65_536, 65_540, 200_000, 1_193_182] {
        for off in [-100, 0, 100_i64] {
            let first = 65_530;
            let last = (first + 100 * PERIOD - counted) % PERIOD;
            let expected = counted.saturating_add_signed(off);
            assert_eq!(rate::counted(first, last, PERIOD, expected), counted, "{counted} of {expected}");
        }
    }
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

/// As a machine with these leaves answers; other leaves are empty.
fn hypervisor(leaves: &[(u32, [u32; 4])]) -> impl Fn(u32) -> [u32; 4] {
    move |wanted| leaves.iter().find(|(leaf, _)| *leaf == wanted).map_or([0; 4], |(_, words)| *words)
}

fn name(name: &[u8; 12]) -> [u32; 4] {
    let word = |at: usize| u32::from_le_bytes([name[at], name[at + 1], name[at + 2], name[at + 3]]);
    [0, word(0), word(4), word(8)]
}

#[test]
fn kvms_clock_is_used_where_kvm_offers_it_and_nowhere_else() {
    const KVM: &[u8; 12] = b"KVMKVMKVM\0\0\0";
    let offers = |clock| [clock, 0, 0, 0];
    assert!(is_offered(hypervisor(&[(0x4000_0000, name(KVM)), (0x4000_0001, offers(0x0100_0008))])));
    // One that plays Hyper-V first is KVM a little further on.
    let [hyper_v, kvm] = [name(b"Microsoft Hv"), name(KVM)];
    let both =
        [(0x4000_0000, hyper_v), (0x4000_0001, offers(8)), (0x4000_0100, kvm), (0x4000_0101, offers(8))];
    assert!(is_offered(hypervisor(&both)));
    assert!(!is_offered(hypervisor(&both[..2])), "another's features are not KVM's");
    assert!(
        !is_offered(hypervisor(&[both[0], both[1], both[2], (0x4000_0101, offers(1))])),
        "only the old clock"
    );
    assert!(!is_offered(hypervisor(&[(0x4000_0000, name(b"TCGTCGTCGTCG")), (0x4000_0001, offers(8))])));
    assert!(!is_offered(|_| [u32::MAX; 4]));
}

/// A page as a host writes it, version first.
fn page(version: u32, count: u64, nanos: u64, multiplier: u32, shift: i8) -> Page {
    let page = Page::new();
    write(&page, version, [count, nanos], multiplier, shift);
    page
}

fn write(page: &Page, version: u32, [count, nanos]: [u64; 2], multiplier: u32, shift: i8) {
    let halves = |wide: u64| [wide as u32, (wide >> 32) as u32];
    let [[a, b], [c, d]] = [halves(count), halves(nanos)];
    // Above the shift lie flags: the counter is the same on every processor.
    let words = [version, 0xdead_beef, a, b, c, d, multiplier, 1 << 8 | u32::from(shift as u8)];
    words.into_iter().enumerate().for_each(|(at, word)| page.0[at].store(word, Ordering::Release));
}

fn scale(count: u64, nanos: u64, multiplier: u32, shift: i8) -> Scale {
    page(2, count, nanos, multiplier, shift).read(|| 0).expect("a page").0
}

#[test]
fn a_shared_page_says_what_the_counter_means() {
    // 2 GHz: half a nanosecond each. 4 GHz: shifted right by one first. 0.5 GHz: to the left by two.
    for (multiplier, shift, khz) in [
        (1 << 31, 0, 2_000_000),
        (1 << 31, -1, 4_000_000),
        (1 << 31, 2, 500_000),
        (3_753_131_520, -1, 2_288_736),
    ] {
        let (count, nanos) = (1 << 40, 7_000_000_999);
        let scale = scale(count, nanos, multiplier, shift);
        assert!(scale.khz().abs_diff(khz) <= 1, "{} for {khz} kHz", scale.khz());
        assert_eq!(scale.micros(count), 7_000_000);
        assert_eq!(scale.micros(count - 1_000_000), 7_000_000, "before the page was written");
        let year_s = 365 * 86_400;
        let later = scale.micros(count + year_s * khz * 1_000);
        assert!(later.abs_diff(7_000_000 + year_s * SECOND) <= year_s, "{khz} kHz: {later} after a year");
        for micros in [7_000_001, 7_000_002, 8_123_457, year_s * SECOND] {
            let at = scale.count(micros);
            assert!(scale.micros(at) >= micros, "{khz} kHz: a timer for {micros} fires early");
            assert!(scale.micros(at - 1 - (1 << 2)) < micros, "{khz} kHz: a timer for {micros} fires late");
        }
        assert_eq!(scale.count(0), count, "a time that is over");
        assert_eq!(scale.count(u64::MAX), u64::MAX, "never");
    }
}

#[test]
fn a_page_that_says_nothing_is_not_believed() {
    assert!(Page::new().read(|| 5).is_none(), "nobody has written");
    assert!(page(1, 5, 5, 1 << 31, 0).read(|| 5).is_none(), "somebody is writing, for ever");
    assert!(page(2, 5, 5, 0, 0).read(|| 5).is_none(), "no time passes");
    for shift in [-128, -32, 32, 127] {
        assert!(page(2, 5, 5, 1 << 31, shift).read(|| 5).is_none(), "shifted by {shift}");
    }
    for (multiplier, shift) in [(1, -31), (1, 31), (u32::MAX, 31), (u32::MAX, -31)] {
        let extreme = scale(u64::MAX, u64::MAX, multiplier, shift);
        let _ = (extreme.micros(u64::MAX), extreme.count(u64::MAX), extreme.count(0), extreme.khz());
        let _ = scale(0, 0, multiplier, shift).micros(u64::MAX);
    }
}

/// The host writes while the counter is read: what was read before belongs to another version.
#[test]
fn a_page_that_changes_meanwhile_is_read_again() {
    let page = page(2, 1_000, 0, 1 << 31, 0);
    let looks = Cell::new(0);
    let (scale, count) = page
        .read(|| {
            looks.set(looks.get() + 1);
            if looks.get() == 1 {
                write(&page, 4, [2_000, 9_000_000], 1 << 30, 0);
            }
            5_000 + looks.get()
        })
        .expect("a page");
    assert_eq!((looks.get(), count), (2, 5_002));
    assert_eq!(scale.micros(2_000), 9_000, "of the version before");
}

/// A machine that is moved: the new host's counter runs at another rate, and its first page is a little behind.
#[test]
fn a_time_that_was_told_is_never_followed_by_an_earlier_one() {
    let last = AtomicU64::new(0);
    let (before, after) = (scale(0, 0, 1 << 31, 0), scale(2_000_000, 900_000, 1 << 30, 0));
    let told =
        [before.micros(2_000_000), after.micros(2_000_000), after.micros(2_400_000), after.micros(2_800_000)]
            .map(|micros| steady(&last, micros));
    assert_eq!(told, [1_000, 1_000, 1_000, 1_100]);
}
