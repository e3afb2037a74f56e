//! The time of a line, as RFC 3339 writes it in UTC, to the microsecond.
//!
//! The calendar is asked once a second: most lines of a busy machine share one.

use std::cell::Cell;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// `2026-11-24T15:55:18.123456Z`.
const BYTES: usize = 27;
/// Where the fraction begins.
const FRACTION: usize = 20;

thread_local! {
    /// A second since 1970, and its text.
    static LAST: Cell<(u64, [u8; BYTES])> = const { Cell::new((u64::MAX, [b'0'; BYTES])) };
}

/// The time as text. A clock before 1970 counts as 1970.
pub(super) fn stamp(now: SystemTime) -> [u8; BYTES] {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (mut second, mut text) = LAST.get();
    if second != since.as_secs() {
        second = since.as_secs();
        text = calendar(second);
        LAST.set((second, text));
    }
    let mut rest = since.subsec_micros();
    for digit in text[FRACTION..BYTES - 1].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    text
}

/// The time with no microsecond yet. A year of five digits is none that this program lives to see: it is cut.
fn calendar(second: u64) -> [u8; BYTES] {
    let seconds = i64::try_from(second).unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let mut text = [b'0'; BYTES];
    let month = u8::from(month);
    // What does not fit is not written.
    let _ = write!(&mut text[..], "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000000Z");
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use time::format_description::well_known::Rfc3339;

    use super::*;

    fn text(since: Duration) -> String {
        String::from_utf8(stamp(UNIX_EPOCH + since).to_vec()).unwrap()
    }

    proptest! {
        /// Until the year 9999.
        #[test]
        fn a_stamp_is_the_time_that_it_was_made_of(micros in 0_u64..253_402_300_799_000_000) {
            let since = Duration::from_micros(micros);
            // Twice: the second one takes the calendar's part from the first.
            for text in [text(since), text(since)] {
                let read = OffsetDateTime::parse(&text, &Rfc3339).unwrap();
                prop_assert_eq!(read.unix_timestamp_nanos(), i128::from(micros) * 1000, "{}", text);
            }
        }
    }

    #[test]
    fn a_clock_before_1970_gives_a_line_all_the_same() {
        assert_eq!(stamp(UNIX_EPOCH - Duration::from_secs(1)), *b"1970-01-01T00:00:00.000000Z");
    }
}
