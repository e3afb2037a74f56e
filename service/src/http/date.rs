//! When an answer was made, as its `Date` says it (RFC 9110, 6.6.1).
//!
//! hyper would add it on HTTP/2 by making room in the headers, which copies them all: here it has its place from the start.
//! The calendar is asked once a second: most answers of a busy machine share one.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// The last second that the form can say: the end of 9999.
const LAST_S: u64 = 253_402_300_799;

thread_local! {
    /// A second since 1970, and its text.
    static KNOWN: RefCell<(u64, HeaderValue)> = const { RefCell::new((u64::MAX, HeaderValue::from_static(""))) };
}

/// The header's value. A clock before 1970 counts as 1970.
pub(super) fn date(now: SystemTime) -> HeaderValue {
    let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().min(LAST_S);
    KNOWN.with_borrow_mut(|(known, text)| {
        if *known != second {
            let written = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            // Invariant: it is ASCII.
            *text = HeaderValue::try_from(written).unwrap_or_else(|_| HeaderValue::from_static(""));
            *known = second;
        }
        text.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_the_second_in_which_it_was_asked_for() {
        let at = |millis| date(UNIX_EPOCH + Duration::from_millis(millis));
        for (millis, text) in [
            (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_778_000, "Sun, 06 Nov 1994 08:49:38 GMT"),
            (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"),
        ] {
            assert_eq!(at(millis), text, "{millis}");
        }
    }

    #[test]
    fn a_clock_outside_the_form_gives_a_date_all_the_same() {
        assert_eq!(date(UNIX_EPOCH - Duration::from_secs(1)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(UNIX_EPOCH + Duration::from_secs(LAST_S + 1)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
