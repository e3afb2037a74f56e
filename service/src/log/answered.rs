//! The one line that every answer has.
//!
//! It goes past `tracing`: what collects an event's fields, a span's and the time for it took more than the answer to a small
//! request. Invariant: it looks as if `line.rs` had written it within the request's span.

use std::time::SystemTime;

use super::line::escaped;
use super::{lines, stamp};

/// Most lines are shorter.
const USUAL_BYTES: usize = 320;

/// What is said of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// The request's name.
    pub request_id: &'a str,
    /// How it asked.
    pub method: &'a str,
    /// The route that answered; empty where none did.
    pub route: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// From the request's head to the answer's, in microseconds.
    pub duration_us: u64,
    /// Of the answer's body, as far as it is known.
    pub bytes: u64,
}

/// Says it, once the log is begun.
pub fn answered(answer: &Answered<'_>) {
    if lines::are_wanted() {
        lines::with(|out| answer.write(SystemTime::now(), out));
    }
}

impl Answered<'_> {
    fn write(&self, now: SystemTime, out: &mut Vec<u8>) {
        out.reserve(USUAL_BYTES);
        out.extend_from_slice(b"{\"timestamp\":\"");
        out.extend_from_slice(&stamp::stamp(now));
        out.extend_from_slice(b"\",\"level\":\"INFO\",\"message\":\"answered\",\"method\":\"");
        escaped(self.method, out);
        out.extend_from_slice(b"\",\"route\":\"");
        escaped(self.route, out);
        out.extend_from_slice(b"\",\"status\":");
        number(self.status.into(), out);
        out.extend_from_slice(b",\"duration_us\":");
        number(self.duration_us, out);
        out.extend_from_slice(b",\"bytes\":");
        number(self.bytes, out);
        out.extend_from_slice(
            b",\"target\":\"service::http\",\"span\":{\"name\":\"request\",\"request_id\":\"",
        );
        escaped(self.request_id, out);
        out.extend_from_slice(b"\"}}\n");
    }
}

/// Decimal.
fn number(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let (mut first, mut rest) = (digits.len(), value);
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    proptest! {
        #[test]
        fn a_line_is_json_and_says_what_it_was_told(
            method in "\\PC*", route in "\\PC*", status: u16, duration_us: u64, bytes: u64,
        ) {
            let (method, route) = (method.as_str(), route.as_str());
            let mut line = Vec::new();
            let answer = Answered { request_id: "ab12", method, route, status, duration_us, bytes };
            answer.write(SystemTime::UNIX_EPOCH, &mut line);
            prop_assert_eq!(line.pop(), Some(b'\n'));
            let read: Value = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(read, json!({
                "timestamp": "1970-01-01T00:00:00.000000Z", "level": "INFO", "message": "answered",
                "method": method, "route": route, "status": status, "duration_us": duration_us, "bytes": bytes,
                "target": "service::http", "span": { "name": "request", "request_id": "ab12" },
            }));
        }
    }
}
