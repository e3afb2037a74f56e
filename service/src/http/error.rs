//! The one HTTP error, and the page that every refusal becomes.
//!
//! Invariant: causes go to the log, never to the client; a refusal without a body of its own gets a page that says
//! what happened and carries the request id.

use std::any::Any;
use std::borrow::Cow;

use askama::Template;
use axum::body::Body;
use axum::response::{Html, IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::observe::RequestId;
use super::page::encoded;
use super::problem::Problem;
use crate::passwords;

/// When a visitor may try again while the database is away. (It is tried twice a second in the background.)
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");

const SIGNED_OUT: &str =
    "You are not signed in, or not any more. Nothing was written: sign in, go back, and send it again.";
const NO_TOKEN: &str =
    "This takes a token: make one on the page of your account, and send it as a bearer token.";
const BAD_TOKEN: &str = "The token is damaged, unknown, expired or revoked.";
const FAULTY: &str = "Nothing was written: see the errors.";
const BUSY: &str = "Too many people are signing in at this moment: please try again in a few seconds.";
const SEARCHES: &str = "Too many people are searching at this moment: please try again in a few seconds.";
/// What a visitor reads when the machine has its hands full.
const CROWDED: &str = "Too many visitors at once. Please try again in a few seconds.";

/// What a handler may answer instead of a page.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing lives at this path.
    #[error("not found")]
    NotFound,
    /// The request is for a host that is not this site.
    #[error("misdirected request")]
    Misdirected,
    /// The path and query are longer than the limit.
    #[error("URI too long")]
    UriTooLong,
    /// What was sent cannot be accepted, and why, in a sentence for the visitor.
    #[error("refused")]
    Refused(StatusCode, Cow<'static, str>),
    /// The page is for people who are signed in: they are asked to, and come back to `next`.
    #[error("not signed in")]
    SignIn {
        /// Path and query of the page.
        next: String,
    },
    /// The form is for people who are signed in.
    #[error("signed out")]
    SignedOut {
        /// Path of the page that has the form.
        form: String,
    },
    /// A program may do this with a token only.
    #[error("no token that holds")]
    NoToken {
        /// Whether it sent something that was to be one.
        sent: bool,
    },
    /// Fields of a program's request that cannot be accepted.
    #[error("faulty fields")]
    Faulty(Vec<Fault>),
    /// Too often.
    #[error("too many requests")]
    TooMany {
        /// When the next try may succeed, in seconds.
        retry_after_s: u32,
    },
    /// Too many passwords wait to be hashed, or there is no entropy.
    #[error("no password hashed")]
    Password(#[from] passwords::Error),
    /// The machine gives no random numbers.
    #[error("no entropy")]
    Entropy(#[from] getrandom::Error),
    /// The body is larger than the limit.
    #[error("body too large")]
    BodyTooLarge,
    /// The head is larger than the limit.
    #[error("head too large")]
    HeadTooLarge,
    /// More requests are being worked on than the limit.
    #[error("too many requests at once")]
    Busy,
    /// More searches are waiting than may.
    #[error("too many searches at once")]
    Searches,
    /// MySQL.
    #[error("no answer from the database")]
    Database(#[from] db::Error),
    /// A template failed: a mistake of ours.
    #[error("page cannot be written")]
    Template(#[from] askama::Error),
}

/// For the page of a refusal: why, in a sentence for the visitor. Travels in the response's extensions.
#[derive(Clone, Debug)]
pub struct Reason(pub Cow<'static, str>);

/// For the page of a refusal: where to sign in. Travels in the response's extensions.
#[derive(Clone, Debug)]
struct SignIn(String);

/// A field that cannot be accepted, for a program. Travels in the response's extensions.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Fault {
    /// Which: a JSON pointer (RFC 6901) into the request's body.
    pub pointer: &'static str,
    /// Why.
    pub detail: String,
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::Refused(status, _) => *status,
            Self::SignIn { .. } => StatusCode::SEE_OTHER,
            Self::SignedOut { .. } | Self::NoToken { .. } => StatusCode::UNAUTHORIZED,
            Self::Faulty(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Password(passwords::Error::Busy) | Self::Database(db::Error::Away(_) | db::Error::Slow) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Database(db::Error::Statement(_))
            | Self::Template(_)
            | Self::Entropy(_)
            | Self::Password(passwords::Error::Entropy(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Busy | Self::Searches => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused(_, reason) => Some(Reason(reason.clone())),
            Self::SignedOut { .. } => Some(Reason(SIGNED_OUT.into())),
            Self::NoToken { sent } => Some(Reason(if *sent { BAD_TOKEN } else { NO_TOKEN }.into())),
            Self::Faulty(_) => Some(Reason(FAULTY.into())),
            Self::Password(passwords::Error::Busy) => Some(Reason(BUSY.into())),
            Self::Busy => Some(Reason(CROWDED.into())),
            Self::Searches => Some(Reason(SEARCHES.into())),
            _ => None,
        }
    }

    /// A request that makes no sense.
    pub(super) fn bad(reason: &'static str) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, reason.into())
    }

    /// Headers that belong to this answer.
    fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        match self {
            Self::SignIn { next } => {
                let location = HeaderValue::try_from(sign_in(next));
                location.into_iter().map(|location| (LOCATION, location)).collect()
            }
            // A 401 names a way to sign in (RFC 9110, 15.5.2); there is no registered name for a form.
            Self::SignedOut { .. } => {
                vec![(WWW_AUTHENTICATE, HeaderValue::from_static("Form realm=\"/login\""))]
            }
            // RFC 6750, 3: no error for a request that does not try.
            Self::NoToken { sent: false } => vec![(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))],
            Self::NoToken { sent: true } => {
                vec![(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))]
            }
            Self::TooMany { retry_after_s } => vec![(RETRY_AFTER, HeaderValue::from(*retry_after_s))],
            _ => Vec::new(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() && !matches!(self, Self::Busy | Self::Searches) {
            tracing::error!(error = &self as &dyn std::error::Error, status = status.as_u16());
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        if let Some(reason) = self.reason() {
            response.extensions_mut().insert(reason);
        }
        response.headers_mut().extend(self.headers());
        match self {
            Self::Faulty(faults) => {
                response.extensions_mut().insert(faults);
            }
            Self::SignedOut { form } => {
                response.extensions_mut().insert(SignIn(sign_in(&form)));
            }
            _ => {}
        }
        response
    }
}

/// The address of the form that leads on to `next`.
fn sign_in(next: &str) -> String {
    format!("/login?next={}", encoded(next))
}

/// What a panic in a handler becomes, where panics unwind. (A machine's program aborts instead, and is restarted.)
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// Where programs are answered, with problems instead of pages.
const PROGRAMS: &str = "/api/";

/// Whether a program asks.
pub(super) fn is_program<B>(request: &Request<B>) -> bool {
    request.uri().path().starts_with(PROGRAMS)
}

/// Whether an answer refuses.
pub(super) fn is_refusal<B>(response: &http::Response<B>) -> bool {
    response.status().is_client_error() || response.status().is_server_error()
}

/// Gives every refusal that has no body of its own a page, or a program a problem.
pub(super) fn explained(response: Response, id: &RequestId, program: bool) -> Response {
    if is_refusal(&response) && !response.headers().contains_key(CONTENT_TYPE) {
        page(response, id, program)
    } else {
        response
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct Page<'a> {
    status: u16,
    title: &'static str,
    reason: &'a str,
    request_id: &'a str,
    sign_in: Option<String>,
}

fn page(response: Response, id: &RequestId, program: bool) -> Response {
    let (mut parts, _) = response.into_parts();
    let (title, default) = words(parts.status);
    let reason = parts.extensions.remove::<Reason>().map_or(default.into(), |reason| reason.0);
    let (status, request_id) = (parts.status.as_u16(), id.as_str());
    parts.headers.remove(http::header::CONTENT_LENGTH);
    parts.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if parts.status == StatusCode::SERVICE_UNAVAILABLE {
        parts.headers.entry(RETRY_AFTER).or_insert(RETRY_AFTER_S);
    }
    if program {
        let errors = parts.extensions.remove().unwrap_or_default();
        let r#type = Problem::BLANK;
        return Problem { r#type, title, status, detail: &reason, request_id, errors }.answer(parts);
    }
    let sign_in = parts.extensions.remove().map(|SignIn(address)| address);
    let page = Page { status, title, reason: &reason, request_id, sign_in };
    let body = page.render().unwrap_or_else(|_| title.to_owned());
    let (html, body) = Html(body).into_response().into_parts();
    parts.headers.extend(html.headers);
    Response::from_parts(parts, body)
}

/// A title and a sentence for each refusal that this site gives.
fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        400 => ("Bad request", "The request could not be understood."),
        401 => ("Please sign in", SIGNED_OUT),
        403 => ("Refused", "This request is not allowed."),
        404 => ("Not found", "There is no page at this address."),
        405 => ("Method not allowed", "This address does not accept that kind of request."),
        409 => ("Changed meanwhile", "Somebody has changed this since you saw it."),
        408 => ("Too slow", "The request took too long to arrive."),
        413 => ("Too large", "The request is larger than this site accepts."),
        414 => ("Address too long", "The address is longer than this site accepts."),
        412 => ("Changed meanwhile", "What the request is about is not what it was."),
        415 => ("Unsupported format", "The form was sent in a format that this site does not read."),
        416 => ("No such part", "The file does not have the part that was asked for."),
        421 => ("Wrong host", "This server does not serve that host name."),
        422 => ("Not accepted", "Something in the form cannot be accepted."),
        429 => ("Too many requests", "Please wait a moment and try again."),
        431 => ("Headers too large", "The request's headers are larger than this site accepts."),
        503 => {
            ("Back in a moment", "The database is away. Nothing was lost: please try again in a few seconds.")
        }
        status if status >= 500 => ("Something broke", "The fault is ours, and it has been logged."),
        _ => ("Refused", "The request was refused."),
    }
}
