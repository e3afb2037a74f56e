//! One event as a JSON object: time, level, the event's fields, where it happened, and the request that it belongs to.
//!
//! Of our own, because tracing-subscriber's reads a span's fields back from JSON for every event in it, which took a tenth of
//! a small answer's time. Invariant: a line is one JSON object (RFC 8259), whatever its fields hold.

use std::error::Error;
use std::fmt::{self, Debug, Write};
use std::str;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::stamp::stamp;

/// Fields as members of an object, each after a comma.
pub(super) struct Fields;

/// The line of an event.
pub(super) struct Line;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut members = Members { writer, outcome: Ok(()) };
        fields.record(&mut members);
        members.outcome
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str("{\"timestamp\":\"")?;
        writer.write_str(str::from_utf8(&stamp(SystemTime::now())).unwrap_or_default())?;
        write!(writer, "\",\"level\":\"{}\"", event.metadata().level())?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        write!(writer, ",\"target\":\"{}\"", event.metadata().target())?;
        if let Some(span) = context.lookup_current() {
            write!(writer, ",\"span\":{{\"name\":\"{}\"", span.name())?;
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                writer.write_str(fields)?;
            }
            writer.write_char('}')?;
        }
        writer.write_str("}\n")
    }
}

struct Members<'writer> {
    writer: Writer<'writer>,
    outcome: fmt::Result,
}

impl Members<'_> {
    fn member(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.outcome.is_ok() {
            self.outcome = write!(self.writer, ",\"{}\":{value}", field.name());
        }
    }

    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.member(field, format_args!("\""));
        if self.outcome.is_ok() {
            self.outcome =
                Escaped(&mut self.writer).write_fmt(value).and_then(|()| self.writer.write_char('"'));
        }
    }
}

impl Visit for Members<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    /// With all its causes.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.text(field, format_args!("{}", super::chain(value)));
    }

    /// Everything else is text: what is shown with `%`, numbers that JSON does not know.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}

/// Whether a byte of text may stand in a JSON string as it is (RFC 8259, 7).
fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

/// Text within a JSON string, as bytes.
pub(super) fn escaped(text: &str, out: &mut Vec<u8>) {
    if text.bytes().all(is_plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        let mut written = String::new();
        // Writing to a string cannot fail.
        let _ = Escaped(&mut written).write_str(text);
        out.extend_from_slice(written.as_bytes());
    }
}

/// Text within a JSON string (RFC 8259, 7).
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| !is_plain(byte)) {
            self.0.write_str(&rest[..at])?;
            write!(self.0, "\\u{:04x}", rest.as_bytes()[at])?;
            rest = &rest[at + 1..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Console(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Console {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is on the console after this.
    fn lines(act: impl FnOnce()) -> Vec<Value> {
        let console = Console::default();
        let writer = console.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(Fields)
            .event_format(Line)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, act);
        let bytes = console.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_the_events_fields_and_the_requests_id() {
        let said = lines(|| {
            let _inside = tracing::info_span!("request", request_id = "ab12").entered();
            tracing::warn!(status = 200_u16, cached = true, error = %"away", "answered");
        });
        let [line] = &said[..] else { panic!("{said:?}") };
        assert_eq!(
            (&line["level"], &line["message"], &line["status"], &line["cached"], &line["error"]),
            (&json!("WARN"), &json!("answered"), &json!(200), &json!(true), &json!("away"))
        );
        assert_eq!(line["span"], json!({ "name": "request", "request_id": "ab12" }));
        assert_eq!(line["target"], module_path!());
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let cause = "x".parse::<u8>().unwrap_err();
        let error = io::Error::other(cause.clone());
        let said = lines(|| tracing::warn!(error = &error as &dyn Error, "not read"));
        assert_eq!(said[0]["error"], json!(cause.to_string()));
        let away = db::Error::Away(Some(error.into()));
        let said = lines(|| tracing::warn!(error = &away as &dyn Error, "not ready"));
        let text = said[0]["error"].as_str().unwrap();
        assert!(text.starts_with("the database is away: ") && text.ends_with(&cause.to_string()), "{text}");
    }

    #[test]
    fn no_text_ends_its_string_or_its_line() {
        let wild = "\"}\n{\"level\":\"ERROR\\\"\t\u{0}é🦀";
        let said = lines(|| tracing::info!(wild, debug = ?wild, share = f64::NAN, "{wild}"));
        let [line] = &said[..] else { panic!("{said:?}") };
        assert_eq!((&line["wild"], &line["message"]), (&json!(wild), &json!(wild)));
        assert_eq!((&line["debug"], &line["share"]), (&json!(format!("{wild:?}")), &json!("NaN")));
    }
}
