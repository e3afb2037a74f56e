//! One request, spelled out: nothing is added that the test did not write, but what HTTP itself demands.
//!
//! It is data only and sends nothing.

use std::time::Duration;

use http::{HeaderName, Method};
use hyper::body::Bytes;

/// How long one exchange may take where the test says nothing: a page with a query on a loaded, emulated machine
/// answers within a second.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// What the two ends speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 without TLS, on the plain port.
    Plain,
    /// HTTP/1.1 over TLS; ALPN offers nothing else.
    Http1,
    /// HTTP/2 over TLS; ALPN offers nothing else.
    Http2,
    /// TLS with the ALPN offer of a browser (`h2`, `http/1.1`): the server chooses.
    Browser,
}

/// A request for one path.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) protocol: Protocol,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Bytes,
    pub(crate) server_name: Option<String>,
    pub(crate) authority: Option<String>,
    pub(crate) deadline: Duration,
}

impl Request {
    /// `method` on `path` (with its query), as a browser would ask: over TLS, protocol by negotiation.
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            protocol: Protocol::Browser,
            headers: Vec::new(),
            body: Bytes::new(),
            server_name: None,
            authority: None,
            deadline: DEADLINE,
        }
    }

    /// GET.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// HEAD.
    #[must_use]
    pub fn head(path: impl Into<String>) -> Self {
        Self::new(Method::HEAD, path)
    }

    /// POST of a form with these fields, percent-encoded.
    #[must_use]
    pub fn form(path: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        let encoded: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        Self::new(Method::POST, path)
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(encoded.join("&"))
    }

    /// Speaks `protocol`.
    #[must_use]
    pub fn over(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends these bytes.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Asks TLS for another host's certificate than the endpoint's.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Names another host in HTTP (`Host`, `:authority`) than the endpoint's.
    #[must_use]
    pub fn authority(mut self, name: impl Into<String>) -> Self {
        self.authority = Some(name.into());
        self
    }

    /// Gives up after `deadline`, counted from the connection's start.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

/// Percent-encoding that leaves only RFC 3986's unreserved characters.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_survives_separators_and_other_scripts() {
        let request = Request::form("/", &[("a&b", "1=2 +"), ("c", "ü")]);
        assert_eq!(request.body, "a%26b=1%3D2%20%2B&c=%C3%BC");
    }
}
