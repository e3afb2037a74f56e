//! Forms and queries: bytes to fields, or a refusal that says what is wrong with them.
//!
//! Invariant: a field's text is what was sent. Bytes that are no UTF-8, and escapes that are none, are refused instead
//! of replaced.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::error::Error;

const FORM: &str = "application/x-www-form-urlencoded";

/// The fields of a posted form.
#[derive(Debug)]
pub(super) struct Form<T>(pub(super) T);

/// The fields of an address's query.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if !is_of(request.headers(), FORM) {
            let reason = "The form was sent in a format that this site does not read.";
            return Err(Error::Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason.into()));
        }
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|refusal| unread(&refusal))?;
        fields(&bytes, "form", StatusCode::UNPROCESSABLE_ENTITY).map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let query = parts.uri.query().unwrap_or_default();
        fields(query.as_bytes(), "address", StatusCode::BAD_REQUEST).map(Self)
    }
}

/// A body that was not read to its end: beyond the limit, or broken off.
pub(super) fn unread(refusal: &BytesRejection) -> Error {
    match refusal.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::BodyTooLarge,
        _ => Error::bad("What was sent did not arrive whole."),
    }
}

/// Whether there is one media type, and this, whatever its parameters (RFC 9110, 8.3.1).
pub(super) fn is_of(headers: &HeaderMap, media_type: &str) -> bool {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let essence = line.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(media_type)
}

fn fields<T: DeserializeOwned>(bytes: &[u8], name: &str, unfit: StatusCode) -> Result<T, Error> {
    if !is_text(bytes) {
        let reason = format!("The {name} is not encoded as UTF-8 text.");
        return Err(Error::Refused(StatusCode::BAD_REQUEST, reason.into()));
    }
    serde_urlencoded::from_bytes(bytes)
        .map_err(|error| Error::Refused(unfit, format!("The {name} cannot be read: {error}.").into()))
}

/// Whether each escape is one and all bytes together are UTF-8.
fn is_text(mut bytes: &[u8]) -> bool {
    let mut text = Vec::with_capacity(bytes.len());
    while let Some((first, rest)) = bytes.split_first() {
        bytes = rest;
        if *first != b'%' {
            text.push(*first);
            continue;
        }
        let Some((digits, rest)) = bytes.split_at_checked(2) else { return false };
        let digit =
            |at: usize| char::from(digits[at]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (Some(high), Some(low)) = (digit(0), digit(1)) else { return false };
        text.push(high << 4 | low);
        bytes = rest;
    }
    std::str::from_utf8(&text).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct One {
        text: String,
    }

    fn status(form: &[u8]) -> u16 {
        match fields::<One>(form, "form", StatusCode::UNPROCESSABLE_ENTITY) {
            Ok(_) => 200,
            Err(Error::Refused(status, _)) => status.as_u16(),
            Err(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn each_fault_has_its_status() {
        for (form, expected) in [
            (&b"text=a+b%20%C3%BC"[..], 200),
            (b"", 422),
            (b"text=a&text=b", 422),
            (b"text=a&more=b", 422),
            (b"text=%", 400),
            (b"text=%2", 400),
            (b"text=%zz", 400),
            (b"text=%C3", 400),
            (b"text=\xff", 400),
            (b"te%ffxt=a", 400),
        ] {
            assert_eq!(status(form), expected, "{:?}", String::from_utf8_lossy(form));
        }
    }

    proptest! {
        #[test]
        fn any_text_arrives_as_it_was_sent(text in any::<String>()) {
            let sent = serde_urlencoded::to_string([("text", &text)]).unwrap();
            let One { text: arrived } = fields(sent.as_bytes(), "form", StatusCode::BAD_REQUEST).unwrap();
            prop_assert_eq!(arrived, text);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!([200, 400, 422].contains(&status(&bytes)));
        }
    }
}
