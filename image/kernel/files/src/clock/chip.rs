//! The clock chip of every PC (Motorola MC146818): a date and a time, to the second.
//!
//! It is only read. Invariant: a chip that gives no date is reported, not believed.

use x86_64::instructions::port::Port;

const ADDRESS: u16 = 0x70;
const DATA: u16 = 0x71;
/// The address port's bit that keeps NMIs out during the access.
const NO_NMI: u8 = 0x80;

const SECOND: u8 = 0;
const MINUTE: u8 = 2;
const HOUR: u8 = 4;
const DAY: u8 = 7;
const MONTH: u8 = 8;
const YEAR: u8 = 9;
const STATUS_A: u8 = 10;
const STATUS_B: u8 = 11;

/// In status A: the registers are about to change.
const CHANGING: u8 = 1 << 7;
/// In status B: hours from 0 to 23, and binary numbers.
const DAY_OF_24: u8 = 1 << 1;
const BINARY: u8 = 1 << 2;
/// In the hour: afternoon.
const AFTERNOON: u8 = 1 << 7;

/// The registers change for at most 2 ms each second; a chip that never rests is none.
const TRIES: u32 = 100_000;

/// Seconds since 1970.
pub(super) fn seconds() -> Option<u64> {
    for _ in 0..TRIES {
        let first = registers();
        if read(STATUS_A) & CHANGING == 0 && first == registers() {
            return date(first);
        }
    }
    None
}

fn registers() -> [u8; 6] {
    [YEAR, MONTH, DAY, HOUR, MINUTE, SECOND].map(read)
}

fn read(register: u8) -> u8 {
    // Safety: the chip's two ports; reading these registers has no effect.
    unsafe {
        Port::<u8>::new(ADDRESS).write(NO_NMI | register);
        Port::<u8>::new(DATA).read()
    }
}

fn date([year, month, day, hour, minute, second]: [u8; 6]) -> Option<u64> {
    let mode = read(STATUS_B);
    let number = |raw: u8| if mode & BINARY != 0 { raw } else { (raw >> 4) * 10 + (raw & 15) };
    let is_afternoon = mode & DAY_OF_24 == 0 && hour & AFTERNOON != 0;
    let hour = number(if mode & DAY_OF_24 == 0 { hour & !AFTERNOON } else { hour });
    let hour = if mode & DAY_OF_24 == 0 { hour % 12 + if is_afternoon { 12 } else { 0 } } else { hour };
    let (month, day) = (number(month), number(day));
    let (minute, second) = (number(minute), number(second));
    let is_valid = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    let days = days_since_1970(2000 + u64::from(number(year)), month.into(), day.into());
    let seconds = days * 86_400 + u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second);
    is_valid.then_some(seconds)
}

/// Years begin in March here, so that the leap day is the last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = if month > 2 { year } else { year - 1 };
    let months = (month + 9) % 12;
    let day_of_year = (153 * months + 2) / 5 + day - 1;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}
