//! Byte ranges (RFC 9110, 14): what a client asks for, and the answers to it.
//!
//! Invariant: an answer is never larger than the file and a header for each of at most [`MOST`] parts, whatever is asked.

use std::fmt::Write as _;
use std::ops::Range;

use http::HeaderValue;

/// A reader of a document asks for a few parts; many small ones are an attack (RFC 9110, 17.15).
const MOST: usize = 8;

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: the header is no byte range, is malformed or asks for too much.
    Whole,
    /// One part.
    One(Range<usize>),
    /// Several parts, as they were asked for.
    Many(Vec<Range<usize>>),
    /// Parts that the file does not have.
    Nothing,
}

/// Reads a `Range` header for a representation of `length` bytes.
pub(super) fn parse(header: &str, length: usize) -> Wanted {
    let Some(ranges) = specified(header, length) else { return Wanted::Whole };
    let sum = ranges.iter().map(|range| range.len()).fold(0, usize::saturating_add);
    match ranges.len() {
        0 => Wanted::Nothing,
        1 => Wanted::One(ranges.into_iter().next().unwrap_or_default()),
        2..=MOST if sum <= length => Wanted::Many(ranges),
        _ => Wanted::Whole,
    }
}

/// The parts that exist, or none if the header is to be ignored.
fn specified(header: &str, length: usize) -> Option<Vec<Range<usize>>> {
    let (unit, set) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut ranges = Vec::new();
    for item in set.split(',').map(str::trim) {
        ranges.extend(one(item, length)?.filter(|range| !range.is_empty()));
    }
    Some(ranges)
}

/// `None`: malformed. `Some(None)`: beyond the end.
fn one(item: &str, length: usize) -> Option<Option<Range<usize>>> {
    let (first, last) = item.split_once('-')?;
    let range = match (first, last) {
        ("", suffix) => length.saturating_sub(number(suffix)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some((range.start < length).then_some(range))
}

/// A number too large for this machine is beyond every end.
fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

/// `Content-Range` of one part.
pub(super) fn place(range: &Range<usize>, length: usize) -> Option<HeaderValue> {
    HeaderValue::try_from(described(range, length)).ok()
}

fn described(range: &Range<usize>, length: usize) -> String {
    format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1))
}

/// The body of several parts (RFC 9110, 14.6). The boundary is part of the file's own sum, which it cannot contain.
pub(super) fn multipart(boundary: &str, media_type: &str, bytes: &[u8], ranges: &[Range<usize>]) -> Vec<u8> {
    let mut body = Vec::new();
    for range in ranges {
        let mut head = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            head,
            "\r\n--{boundary}\r\ncontent-type: {media_type}\r\ncontent-range: {}\r\n\r\n",
            described(range, bytes.len())
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&bytes[range.clone()]);
    }
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body
}

/// `Content-Range` where no part was found: the length that there is.
pub(super) fn unsatisfied(length: usize) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("bytes */{length}")).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_are_read_as_the_specification_says() {
        for (header, wanted) in [
            ("bytes=0-0", Wanted::One(0..1)),
            ("bytes=2-", Wanted::One(2..10)),
            ("Bytes=-3", Wanted::One(7..10)),
            ("bytes=-99", Wanted::One(0..10)),
            ("bytes=5-99", Wanted::One(5..10)),
            ("bytes=0-1, 8-", Wanted::Many(vec![0..2, 8..10])),
            ("bytes=0-1,99-", Wanted::One(0..2)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=99999999999999999999999-", Wanted::Nothing),
            ("bytes=0-99999999999999999999999", Wanted::One(0..10)),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("rows=0-1", Wanted::Whole),
            ("bytes=0-9,0-9", Wanted::Whole),
        ] {
            assert_eq!(parse(header, 10), wanted, "{header}");
        }
        let many = format!("bytes={}", ["0-0"; MOST + 1].join(","));
        assert_eq!(parse(&many, 1000), Wanted::Whole);
    }

    proptest! {
        #[test]
        fn no_header_asks_for_more_than_the_file(header in "bytes=[0-9,-]{0,30}", length in 0_usize..50) {
            let parts = match parse(&header, length) {
                Wanted::One(part) => vec![part],
                Wanted::Many(parts) => parts,
                _ => Vec::new(),
            };
            prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= length), "{parts:?}");
            prop_assert!(parts.iter().map(Range::len).sum::<usize>() <= length);
        }
    }
}
