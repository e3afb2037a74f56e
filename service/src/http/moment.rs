//! Points in time, for people and for programs: "3 minutes ago", with the exact time in the tooltip.

use std::fmt;

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// A point in time as it shows on a page. `Display` writes a whole `<time>` element, all of whose text is ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    at: OffsetDateTime,
    now: OffsetDateTime,
}

impl Moment {
    /// As seen from now.
    pub(super) fn new(at: OffsetDateTime) -> Self {
        Self { at, now: OffsetDateTime::now_utc() }
    }

    /// As in `<time datetime>` and in feeds (RFC 3339).
    pub(super) fn machine(&self) -> String {
        // Fails for years beyond 9999 only, which MySQL's TIMESTAMP does not know.
        self.at.format(&Rfc3339).unwrap_or_default()
    }

    /// `22 November 2026, 23:12 UTC`.
    pub(super) fn exact(&self) -> String {
        let at = self.at;
        format!("{} {} {}, {:02}:{:02} UTC", at.day(), at.month(), at.year(), at.hour(), at.minute())
    }

    /// In the largest unit that fits; beyond a month, the date. `assets/site.js` says the same.
    fn ago(&self) -> String {
        let age = (self.now - self.at).max(Duration::ZERO);
        let (count, unit) = match age.whole_seconds() {
            0..60 => return "just now".to_owned(),
            60..3600 => (age.whole_minutes(), "minute"),
            3600..86_400 => (age.whole_hours(), "hour"),
            86_400..2_592_000 => (age.whole_days(), "day"),
            _ => return format!("{} {} {}", self.at.day(), self.at.month(), self.at.year()),
        };
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {unit}{plural} ago")
    }
}

/// A day to come: `22 November 2026`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day(pub(super) OffsetDateTime);

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at) = self;
        write!(formatter, "{} {} {}", at.day(), at.month(), at.year())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (machine, exact, ago) = (self.machine(), self.exact(), self.ago());
        write!(formatter, r#"<time datetime="{machine}" title="{exact}">{ago}</time>"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: i64) -> Moment {
        let at = OffsetDateTime::from_unix_timestamp(1_795_389_120).unwrap();
        Moment { at, now: at + Duration::seconds(seconds) }
    }

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        for (seconds, says) in [
            (-5, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (3599, "59 minutes ago"),
            (3600, "1 hour ago"),
            (86_399, "23 hours ago"),
            (86_400 * 2, "2 days ago"),
            (86_400 * 30, "22 November 2026"),
        ] {
            assert_eq!(after(seconds).ago(), says, "{seconds} s");
        }
    }

    #[test]
    fn the_exact_time_stands_beside_the_relative_one() {
        assert_eq!(
            after(180).to_string(),
            r#"<time datetime="2026-11-22T23:12:00Z" title="22 November 2026, 23:12 UTC">3 minutes ago</time>"#
        );
    }
}
